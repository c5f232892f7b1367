//! What is looked at, by whom: targets and agents as their owner declared them. One file a kind of probe.

mod assertion;
pub mod dns;
pub mod grpc;
mod http;
pub mod icmp;
pub mod llm;
pub mod tcp;
mod tls;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{AgentName, Provider, Region, Rule, Selector, Site, TargetName};

pub use assertion::{ASSERTIONS_MAX, Assertion, Must};
pub use dns::{DnsCheck, DnsTransport, Rcode, RecordType};
pub use grpc::GrpcCheck;
pub use http::{Auth, BODY_BYTES_USUAL, HttpCheck, StatusSet};
pub use icmp::{Family, IcmpCheck};
pub use llm::{LlmApi, LlmCheck};
pub use tcp::{TcpCheck, TcpStep};
pub use tls::{TlsCheck, TlsOptions};

/// What a target is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Role {
    /// Something we depend on, and judge.
    #[default]
    Service,
    /// A well-known independent endpoint by which an agent judges its own sight.
    Reference,
}

impl Role {
    /// The word used in config, JSON and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Reference => "reference",
        }
    }
}

/// How sure a fault of a target has to be before it is told. Known to the collector alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Sensitivity {
    /// Tell less, later, and surer: for what nobody gets up for at night.
    Low,
    /// As for every target.
    #[default]
    Normal,
    /// Tell sooner, and be wrong more often.
    High,
}

impl Sensitivity {
    /// All, from the least sensitive.
    pub const ALL: [Self; 3] = [Self::Low, Self::Normal, Self::High];

    /// The word used in config.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

/// Something probed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name, unique in a fleet.
    pub name: TargetName,
    /// Service or reference.
    pub role: Role,
    /// Time from one slot to the next.
    pub interval: Duration,
    /// Longest time one look may take, redirects included.
    pub timeout: Duration,
    /// Targets without which this one cannot work.
    pub depends_on: Vec<TargetName>,
    /// Who looks. Known to the collector; an agent is only told what it is to look at.
    pub agents: Selector,
    /// How sure a fault of it has to be. Known to the collector, too.
    pub sensitivity: Sensitivity,
    /// A rule that counts votes on it beside the engine. Known to the collector, too.
    pub policy: Option<Rule>,
    /// How to look.
    pub check: Check,
}

/// Longest that a second look waits …
const SECOND_LOOK: Duration = Duration::from_secs(3);
/// … at what usually takes so many times less.
const SECOND_LOOK_USUALS: u32 = 4;

/// How long a look may take that is made out of turn because another one failed: whether a service is down is to be known
/// soon, but what usually takes its time, or was never seen to work, is given all of it.
pub fn second_look_timeout(timeout: Duration, usual: Option<Duration>) -> Duration {
    match usual {
        Some(usual) if usual.saturating_mul(SECOND_LOOK_USUALS) <= SECOND_LOOK => {
            timeout.min(SECOND_LOOK)
        }
        Some(_) | None => timeout,
    }
}

/// How to look at a target: one variant a probe kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// An HTTP(S) request.
    Http(HttpCheck),
    /// A TCP connection.
    Tcp(TcpCheck),
    /// A DNS query.
    Dns(DnsCheck),
    /// A TLS handshake.
    Tls(TlsCheck),
    /// ICMP echoes.
    Icmp(IcmpCheck),
    /// A gRPC health call.
    Grpc(GrpcCheck),
    /// A streamed inference.
    Llm(LlmCheck),
}

impl Check {
    /// The kind's word, as in configuration: `http`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Tcp(_) => "tcp",
            Self::Dns(_) => "dns",
            Self::Tls(_) => "tls",
            Self::Icmp(_) => "icmp",
            Self::Grpc(_) => "grpc",
            Self::Llm(_) => "llm",
        }
    }

    /// What is looked at, as a person would write it.
    pub fn address(&self) -> String {
        match self {
            Self::Http(c) => c.url.clone(),
            Self::Tcp(c) => c.address.clone(),
            Self::Tls(c) => c.address.clone(),
            Self::Dns(c) => match &c.server {
                Some(server) => format!("{} {} @{server}", c.record, c.name),
                None => format!("{} {}", c.record, c.name),
            },
            Self::Icmp(c) => c.host.clone(),
            Self::Grpc(c) if c.service.is_empty() => c.address.clone(),
            Self::Grpc(c) => format!("{}/{}", c.address, c.service),
            Self::Llm(c) => format!("{} {}", c.url, c.model),
        }
    }
}

/// An agent as its owner declared it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSpec {
    /// Its name, unique in a fleet.
    pub name: AgentName,
    /// Where it stands; agents without a region share one unnamed region.
    pub region: Option<Region>,
    /// On whose machines; agents without a provider share one unnamed provider.
    pub provider: Option<Provider>,
    /// In which building, where known.
    pub site: Option<Site>,
    /// Autonomous system of its network, where known.
    pub asn: Option<u32>,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
}

impl AgentSpec {
    /// An agent of which nothing but the name is known. All such agents share one failure domain.
    pub fn unlabelled(name: AgentName) -> Self {
        Self { name, region: None, provider: None, site: None, asn: None, labels: BTreeMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_look_is_short_where_looks_are() {
        let (s, ms) = (Duration::from_secs, Duration::from_millis);
        assert_eq!(second_look_timeout(s(5), Some(ms(120))), s(3));
        assert_eq!(second_look_timeout(s(2), Some(ms(120))), s(2));
        assert_eq!(second_look_timeout(s(5), Some(ms(900))), s(5));
        assert_eq!(second_look_timeout(s(5), None), s(5));
    }
}
