//! Targets and how to look at them. One file a kind of probe.

mod assertion;
mod dns;
mod grpc;
mod http;
mod icmp;
mod llm;
mod tcp;
mod tls;

use std::time::Duration;

use parallax_model::{Check, Role, Selector, Sensitivity, Target};

use super::{InvalidMessage, named};
use crate::pb;

impl From<&Target> for pb::Target {
    fn from(target: &Target) -> Self {
        Self {
            name: target.name.as_str().to_owned(),
            reference: match target.role {
                Role::Service => false,
                Role::Reference => true,
            },
            interval_us: micros(target.interval),
            timeout_us: micros(target.timeout),
            depends_on: target.depends_on.iter().map(|t| t.as_str().to_owned()).collect(),
            check: Some(match &target.check {
                Check::Http(check) => pb::target::Check::Http(http::to_wire(check)),
                Check::Tcp(check) => pb::target::Check::Tcp(tcp::to_wire(check)),
                Check::Dns(check) => pb::target::Check::Dns(dns::to_wire(check)),
                Check::Icmp(check) => pb::target::Check::Icmp(icmp::to_wire(check)),
                Check::Grpc(check) => pb::target::Check::Grpc(grpc::to_wire(check)),
                Check::Llm(check) => pb::target::Check::Llm(llm::to_wire(check)),
                Check::Tls(check) => pb::target::Check::Tls(tls::to_wire(check)),
            }),
        }
    }
}

fn micros(d: Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}

impl TryFrom<pb::Target> for Target {
    type Error = InvalidMessage;

    fn try_from(wire: pb::Target) -> Result<Self, InvalidMessage> {
        let name = named(|| "target.name".into(), &wire.name)?;
        if wire.interval_us == 0 {
            return Err(InvalidMessage::new("target.interval_us", "must be more than 0"));
        }
        if wire.timeout_us == 0 {
            return Err(InvalidMessage::new("target.timeout_us", "must be more than 0"));
        }
        let depends_on = wire
            .depends_on
            .iter()
            .enumerate()
            .map(|(at, name)| named(|| format!("target.depends_on[{at}]"), name))
            .collect::<Result<_, _>>()?;
        let why = "unknown kind of probe: this agent is older than its collector, update it";
        let check = wire.check.ok_or_else(|| InvalidMessage::new("target.check", why))?;
        Ok(Self {
            name,
            role: if wire.reference { Role::Reference } else { Role::Service },
            interval: Duration::from_micros(wire.interval_us),
            timeout: Duration::from_micros(wire.timeout_us),
            depends_on,
            agents: Selector::default(),
            sensitivity: Sensitivity::default(),
            policy: None,
            check: check_from_wire(check)?,
        })
    }
}

fn check_from_wire(check: pb::target::Check) -> Result<Check, InvalidMessage> {
    Ok(match check {
        pb::target::Check::Http(check) => Check::Http(http::from_wire(check)?),
        pb::target::Check::Tcp(check) => Check::Tcp(tcp::from_wire(check)?),
        pb::target::Check::Dns(check) => Check::Dns(dns::from_wire(check)?),
        pb::target::Check::Icmp(check) => Check::Icmp(icmp::from_wire(check)?),
        pb::target::Check::Grpc(check) => Check::Grpc(grpc::from_wire(check)?),
        pb::target::Check::Llm(check) => Check::Llm(llm::from_wire(check)?),
        pb::target::Check::Tls(check) => Check::Tls(tls::from_wire(check)?),
    })
}
