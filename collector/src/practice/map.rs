//! The practice world on paper: who stands where, what is looked at, and the collector's
//! configuration that says so.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use parallax_model::{
    AgentName, AgentSpec, Check, HttpCheck, InvalidName, LlmApi, LlmCheck, Provider, Region, Role,
    Selector, Sensitivity, Target, TargetName,
};

use super::service::Kind;
use crate::config::{CollectorConfig, Config};

/// Time from one look to the next: short, since the visitor waits.
const INTERVAL: Duration = Duration::from_secs(1);

/// Longest time of one look. Below the interval, and far above what a healthy look takes on a busy
/// machine.
const TIMEOUT: Duration = Duration::from_millis(800);

/// Where an agent stands.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The agent's name.
    pub agent: &'static str,
    /// Its region.
    pub region: &'static str,
    /// Its provider: every agent has its own, so that five agents are five witnesses.
    pub provider: &'static str,
    /// How far everything is from there, one way, so that the latencies look like a world.
    pub delay: Duration,
}

/// The five places.
pub const PLACES: &[Place] = &[
    place("dublin", "eu-west", "nimbus", 6),
    place("virginia", "us-east", "stratus", 14),
    place("oregon", "us-west", "cirrus", 26),
    place("mumbai", "ap-south", "altus", 38),
    place("sao-paulo", "sa-east", "cumulus", 45),
];

const fn place(
    agent: &'static str,
    region: &'static str,
    provider: &'static str,
    delay_ms: u64,
) -> Place {
    Place { agent, region, provider, delay: Duration::from_millis(delay_ms) }
}

/// What is looked at.
pub const TARGETS: &[(&str, Role, Kind)] = &[
    ("shop", Role::Service, Kind::Page),
    ("search", Role::Service, Kind::Page),
    ("assistant", Role::Service, Kind::Llm),
    ("ref-a", Role::Reference, Kind::Page),
    ("ref-b", Role::Reference, Kind::Page),
];

/// The services: what is judged.
pub fn services() -> impl Iterator<Item = &'static str> {
    TARGETS.iter().filter(|(_, role, _)| *role == Role::Service).map(|&(name, ..)| name)
}

/// The host name by which agents know a target; it exists nowhere but in their `connect_to`.
pub fn host(target: &str) -> String {
    format!("{target}.practice.test")
}

/// The collector's configuration of this world.
pub fn config(
    http: SocketAddr,
    listen: SocketAddr,
    data_dir: PathBuf,
) -> Result<Config, InvalidName> {
    Ok(Config {
        collector: CollectorConfig {
            data_dir: Some(data_dir),
            http,
            listen,
            ..CollectorConfig::default()
        },
        agents: PLACES.iter().map(agent).collect::<Result<_, _>>()?,
        targets: TARGETS
            .iter()
            .map(|&(name, role, kind)| target(name, role, kind))
            .collect::<Result<_, _>>()?,
        webhooks: Vec::new(),
        doubts: Vec::new(),
    })
}

fn agent(place: &Place) -> Result<AgentSpec, InvalidName> {
    Ok(AgentSpec {
        name: AgentName::new(place.agent)?,
        region: Some(Region::new(place.region)?),
        provider: Some(Provider::new(place.provider)?),
        site: None,
        asn: None,
        labels: BTreeMap::new(),
    })
}

fn target(name: &str, role: Role, kind: Kind) -> Result<Target, InvalidName> {
    Ok(Target {
        name: TargetName::new(name)?,
        role,
        interval: INTERVAL,
        timeout: TIMEOUT,
        depends_on: Vec::new(),
        agents: Selector::default(),
        sensitivity: Sensitivity::default(),
        policy: None,
        check: match kind {
            Kind::Page => page(name),
            Kind::Llm => Check::Llm(LlmCheck::new(
                LlmApi::OpenAi,
                format!("http://{}/v1/chat/completions", host(name)),
                "practice-1",
            )),
        },
    })
}

fn page(name: &str) -> Check {
    Check::Http(HttpCheck::get(format!("http://{}/", host(name))))
}
