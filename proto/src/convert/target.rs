//! Targets and how to look at them.

use std::time::Duration;

use parallax_model::{Check, DnsCheck, HttpCheck, RecordType, Role, StatusSet, Target, TcpCheck};

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
                Check::Http(check) => pb::target::Check::Http(http_to_wire(check)),
                Check::Tcp(check) => {
                    pb::target::Check::Tcp(pb::TcpCheck { address: check.address.clone() })
                }
                Check::Dns(check) => pb::target::Check::Dns(pb::DnsCheck {
                    name: check.name.clone(),
                    record: check.record.as_str().to_owned(),
                    server: check.server.map(|s| s.to_string()),
                    answer_contains: check.answer_contains.clone(),
                }),
            }),
        }
    }
}

fn micros(d: Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}

fn http_to_wire(check: &HttpCheck) -> pb::HttpCheck {
    let range = |&(low, high): &(u16, u16)| pb::StatusRange { low: low.into(), high: high.into() };
    pb::HttpCheck {
        url: check.url.clone(),
        method: check.method.clone(),
        status: check.status.ranges().iter().map(range).collect(),
        body_contains: check.body_contains.clone(),
        redirects_max: check.redirects_max.into(),
    }
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
            check: check_from_wire(check)?,
        })
    }
}

fn check_from_wire(check: pb::target::Check) -> Result<Check, InvalidMessage> {
    Ok(match check {
        pb::target::Check::Http(check) => Check::Http(http_from_wire(check)?),
        pb::target::Check::Tcp(check) => Check::Tcp(TcpCheck { address: check.address }),
        pb::target::Check::Dns(check) => Check::Dns(dns_from_wire(check)?),
    })
}

fn http_from_wire(check: pb::HttpCheck) -> Result<HttpCheck, InvalidMessage> {
    let number = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
    let ranges = check.status.iter().map(|r| (number(r.low), number(r.high))).collect();
    let status = StatusSet::new(ranges).ok_or_else(|| {
        InvalidMessage::new("target.http.status", "must be ranges within 100-599")
    })?;
    let redirects_max = u8::try_from(check.redirects_max)
        .map_err(|_| InvalidMessage::new("target.http.redirects_max", "over 255"))?;
    Ok(HttpCheck {
        url: check.url,
        method: check.method,
        status,
        body_contains: check.body_contains,
        redirects_max,
    })
}

fn dns_from_wire(check: pb::DnsCheck) -> Result<DnsCheck, InvalidMessage> {
    let record = RecordType::from_word(&check.record)
        .ok_or_else(|| InvalidMessage::new("target.dns.record", "unknown record type"))?;
    let server = check
        .server
        .map(|server| server.parse())
        .transpose()
        .map_err(|_| InvalidMessage::new("target.dns.server", "must be ip:port"))?;
    Ok(DnsCheck { name: check.name, record, server, answer_contains: check.answer_contains })
}
