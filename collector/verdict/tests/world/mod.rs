//! A made-up world: fleets, noise and faults from a seed, and a judge of verdicts.
//!
//! The noise is rougher than a Poisson: heavy-tailed loss, bursts on single paths, hiccups of
//! agents and of whole data centres, lognormal latency with spikes and drift.

pub mod faults;
pub mod rng;
pub mod run;
pub mod score;

use std::time::Duration;

use parallax_model::{
    AgentName, AgentSpec, ErrorKind, Outcome, Provider, Region, Role, Site, TargetName, Timestamp,
};
use parallax_verdict::{Fleet, Observation, TargetSpec};

use faults::Fault;
use rng::Rng;

/// Begin of every made-up world, ms.
pub const START_MS: i64 = 1_800_000_000_000;

/// What world to make.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    pub agents: usize,
    pub services: usize,
    pub references: usize,
    pub interval_ms: i64,
    pub hours: f64,
    pub noise: f64,
    pub family: String,
}

pub struct AgentTraits {
    pub region: usize,
    pub provider: usize,
    skew_ms: i64,
    hiccups: Vec<(i64, i64)>,
    way_ms: f64,
}

struct PathTraits {
    loss: f64,
    bursts: Vec<(i64, i64)>,
    latency_ln: f64,
    sigma: f64,
    spike: f64,
    phase_ms: i64,
}

/// A world and what is wrong with it.
pub struct World {
    pub plan: Plan,
    pub fleet: Fleet,
    pub agents: Vec<AgentTraits>,
    pub faults: Vec<Fault>,
    /// Agents that say nothing from/until, ms.
    pub silences: Vec<(usize, i64, i64)>,
    paths: Vec<PathTraits>,
    pub end_ms: i64,
}

const REGIONS: [&str; 12] =
    ["na-e", "na-w", "eu-n", "eu-s", "sa", "af", "in", "jp", "sg", "au", "me", "ca"];
const PROVIDERS: [&str; 9] = ["p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8"];

impl World {
    pub fn new(plan: &Plan) -> Self {
        let mut rng = Rng::new(plan.seed);
        let end_ms = START_MS + (plan.hours * 3.6e6) as i64;
        let (regions, providers) = layout(plan.agents);
        let mut fleet = Fleet::default();
        let mut agents = Vec::new();
        for a in 0..plan.agents {
            let region = a % regions;
            let provider = match plan.agents {
                0..=12 => a % providers,
                // several agents share a data centre in big fleets
                _ => (a / regions + region * 3) % providers,
            };
            let mut spec = AgentSpec::unlabelled(
                AgentName::new(&format!("a{a}-{}", REGIONS[region])).unwrap(),
            );
            spec.region = Some(Region::new(REGIONS[region]).unwrap());
            spec.provider = Some(Provider::new(PROVIDERS[provider]).unwrap());
            if plan.agents > 100 && a % 3 == 0 {
                spec.site = Some(
                    Site::new(&format!("{}-{}", REGIONS[region], PROVIDERS[provider])).unwrap(),
                );
            }
            fleet.agents.push(spec);
            let mut hiccups = Vec::new();
            spells(&mut rng, end_ms, 5_400_000.0 / plan.noise, 2_000.0, 8_000.0, &mut hiccups);
            let skew = if rng.chance(0.2) {
                rng.range(-120_000.0, 120_000.0)
            } else {
                rng.range(-400.0, 400.0)
            };
            agents.push(AgentTraits {
                region,
                provider,
                skew_ms: skew as i64,
                hiccups,
                way_ms: rng.range(30.0, 220.0),
            });
        }
        let name = |t: usize| {
            if t < plan.services { format!("s{t}") } else { format!("r{}", t - plan.services) }
        };
        for t in 0..plan.services + plan.references {
            fleet.targets.push(TargetSpec {
                name: TargetName::new(&name(t)).unwrap(),
                role: if t < plan.services { Role::Service } else { Role::Reference },
                interval: Duration::from_millis(plan.interval_ms as u64),
                timeout: Duration::from_millis((plan.interval_ms as u64 / 6).clamp(1_000, 5_000)),
                depends_on: Vec::new(),
            });
        }
        let mut paths = Vec::new();
        for _ in 0..plan.agents * (plan.services + plan.references) {
            let ln = -8.3 + 1.0 * rng.normal();
            let mut loss = if rng.chance(0.12) { rng.range(0.004, 0.025) } else { f64::exp(ln) };
            loss = (loss * plan.noise).min(0.3);
            let mut bursts = Vec::new();
            if rng.chance(0.05) {
                spells(&mut rng, end_ms, 3.6e6 / plan.noise, 3_000.0, 25_000.0, &mut bursts);
            }
            paths.push(PathTraits {
                loss,
                bursts,
                latency_ln: f64::ln(rng.range(8.0, 260.0)),
                sigma: rng.range(0.12, 0.5),
                spike: rng.range(0.001, 0.012) * plan.noise,
                phase_ms: rng.range(0.0, plan.interval_ms as f64) as i64,
            });
        }
        let mut world = Self {
            plan: plan.clone(),
            fleet,
            agents,
            faults: Vec::new(),
            silences: Vec::new(),
            paths,
            end_ms,
        };
        faults::stage(&mut world, &mut rng);
        world
    }

    /// One look: what it sees, and how long it takes (µs).
    pub fn look(&self, agent: usize, target: usize, at: i64, rng: &mut Rng) -> (Outcome, u64) {
        let path = &self.paths[agent * self.fleet.targets.len() + target];
        let timeout_us = self.fleet.targets[target].timeout.as_micros() as f64;
        let drift = 0.15 * f64::sin(at as f64 / 2.6e7);
        let mut us = f64::exp(path.latency_ln + path.sigma * rng.normal() + drift) * 1000.0;
        if rng.chance(path.spike) {
            us *= rng.range(2.0, 9.0);
        }
        let within = |spells: &[(i64, i64)]| spells.iter().any(|&(from, to)| from <= at && at < to);
        let mut kind = None;
        if within(&self.agents[agent].hiccups) {
            kind = Some(*rng.pick(&[
                ErrorKind::Timeout,
                ErrorKind::ConnectTimeout,
                ErrorKind::DnsTimeout,
                ErrorKind::Unreachable,
            ]));
        } else if rng.chance(path.loss) || (within(&path.bursts) && rng.chance(0.5)) {
            kind = Some(*rng.pick(&[
                ErrorKind::Timeout,
                ErrorKind::Timeout,
                ErrorKind::ConnectTimeout,
                ErrorKind::Reset,
                ErrorKind::Status5xx,
                ErrorKind::TlsHandshake,
                ErrorKind::DnsServfail,
            ]));
        }
        for fault in &self.faults {
            if fault.covers(self, agent, target) {
                let (k, factor) = fault.effect(at, rng);
                us *= factor;
                kind = k.or(kind);
            }
        }
        if us > timeout_us {
            (us, kind) = (timeout_us, kind.or(Some(ErrorKind::Timeout)));
        }
        match kind {
            None => (Outcome::Ok, us as u64),
            Some(k)
                if matches!(
                    k,
                    ErrorKind::Timeout | ErrorKind::ConnectTimeout | ErrorKind::DnsTimeout
                ) =>
            {
                (Outcome::Fail(k), timeout_us as u64)
            }
            Some(k) => (Outcome::Fail(k), (us as u64).min(timeout_us as u64)),
        }
    }

    /// A look as the collector hears of it.
    pub fn observe(&self, agent: usize, target: usize, at: i64, rng: &mut Rng) -> Observation {
        let (outcome, us) = self.look(agent, target, at, rng);
        let traits = &self.agents[agent];
        let way = traits.way_ms * (1.0 + 0.3 * rng.normal().abs())
            + if rng.chance(0.002) { rng.range(0.0, 9_000.0) } else { 0.0 };
        Observation {
            received: Timestamp::from_millis(at + (us / 1000) as i64 + way as i64),
            started: Timestamp::from_millis(at + traits.skew_ms),
            agent: self.fleet.agents[agent].name.clone(),
            target: self.fleet.targets[target].name.clone(),
            outcome,
            latency: Duration::from_micros(us),
        }
    }

    /// All scheduled looks, in the order they are heard.
    pub fn results(&self) -> Vec<Observation> {
        let mut rng = Rng::new(self.plan.seed ^ 0xabcd);
        let mut all = Vec::new();
        for agent in 0..self.agents.len() {
            for target in 0..self.fleet.targets.len() {
                let mut at =
                    START_MS + self.paths[agent * self.fleet.targets.len() + target].phase_ms;
                while at < self.end_ms {
                    let silent =
                        self.silences.iter().find(|s| s.0 == agent && s.1 <= at && at < s.2);
                    let mut o =
                        self.observe(agent, target, at + rng.range(0.0, 300.0) as i64, &mut rng);
                    if let Some(s) = silent {
                        // spooled: comes when the way is free again
                        o.received = Timestamp::from_millis(s.2 + 500 + (at - s.1) / 50);
                        if s.2 < self.end_ms {
                            all.push(o);
                        }
                    } else {
                        if rng.chance(0.001) {
                            all.push(o.clone());
                        }
                        all.push(o);
                    }
                    at += self.plan.interval_ms;
                }
            }
        }
        all.sort_by_key(|o| o.received);
        all
    }
}

fn layout(agents: usize) -> (usize, usize) {
    match agents {
        0..=5 => (agents.max(1), agents.max(1)),
        6..=12 => (4, 5),
        13..=30 => (6, 8),
        31..=100 => (8, 6),
        _ => (12, 9),
    }
}

/// Spells of trouble: exponentially apart, of uniform length.
fn spells(rng: &mut Rng, end: i64, mean_ms: f64, least: f64, most: f64, out: &mut Vec<(i64, i64)>) {
    let mut at = START_MS as f64 + rng.exponential(mean_ms);
    while at < end as f64 {
        let until = at + rng.range(least, most);
        out.push((at as i64, until as i64));
        at = until + rng.exponential(mean_ms);
    }
}
