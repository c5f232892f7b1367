//! What is looked at, by whom: targets and agents as their owner declared them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::{AgentName, Provider, Region, Site, TargetName};

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
    /// How to look.
    pub check: Check,
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
}

impl Check {
    /// The kind's word: `http`, `tcp`, `dns`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Tcp(_) => "tcp",
            Self::Dns(_) => "dns",
        }
    }

    /// What is looked at, as a person would write it.
    pub fn address(&self) -> String {
        match self {
            Self::Http(c) => c.url.clone(),
            Self::Tcp(c) => c.address.clone(),
            Self::Dns(c) => match c.server {
                Some(server) => format!("{} {} @{server}", c.record.as_str(), c.name),
                None => format!("{} {}", c.record.as_str(), c.name),
            },
        }
    }
}

/// An HTTP(S) request and what its answer must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCheck {
    /// Absolute `http://` or `https://` address; validated where it was configured.
    pub url: String,
    /// Request method, upper case.
    pub method: String,
    /// Statuses that are fine.
    pub status: StatusSet,
    /// Text that the body must contain.
    pub body_contains: Option<String>,
    /// How many redirects are followed; the last answer is judged. 0: the first answer is judged.
    pub redirects_max: u8,
}

/// Statuses that are fine, as inclusive ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusSet(Vec<(u16, u16)>);

impl StatusSet {
    /// From inclusive ranges within 100–599.
    pub fn new(ranges: Vec<(u16, u16)>) -> Option<Self> {
        let valid = !ranges.is_empty()
            && ranges.iter().all(|&(low, high)| 100 <= low && low <= high && high <= 599);
        valid.then_some(Self(ranges))
    }

    /// True if `status` is fine.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|&(low, high)| low <= status && status <= high)
    }

    /// The inclusive ranges.
    pub fn ranges(&self) -> &[(u16, u16)] {
        &self.0
    }
}

impl Default for StatusSet {
    /// 200–299.
    fn default() -> Self {
        Self(vec![(200, 299)])
    }
}

/// A TCP connection that must be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpCheck {
    /// `host:port`, an IPv6 host in brackets.
    pub address: String,
}

/// A DNS query that must be answered with at least one record of the type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsCheck {
    /// The name asked for.
    pub name: String,
    /// The record type asked for.
    pub record: RecordType,
    /// The server to ask; none: the agent's own resolver.
    pub server: Option<SocketAddr>,
    /// Text that one of the answers must contain.
    pub answer_contains: Option<String>,
}

macro_rules! record_types {
    ($($name:ident $word:literal;)*) => {
        /// DNS record types a probe can ask for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the names are DNS's own")]
        pub enum RecordType { $($name,)* }

        impl RecordType {
            /// Every type.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            /// The type's word: `AAAA`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
            /// The type a word stands for, in either case.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|t| t.as_str().eq_ignore_ascii_case(word))
            }
        }
    };
}

record_types! {
    A "A";
    Aaaa "AAAA";
    Cname "CNAME";
    Mx "MX";
    Ns "NS";
    Txt "TXT";
    Soa "SOA";
    Srv "SRV";
    Caa "CAA";
    Ptr "PTR";
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
    fn a_status_set_holds_its_ranges_and_nothing_else() {
        let set = StatusSet::new(vec![(200, 204), (301, 301)]).unwrap();
        assert!(set.contains(200) && set.contains(204) && set.contains(301));
        assert!(!set.contains(205) && !set.contains(500));
        assert_eq!(StatusSet::new(vec![]), None);
        assert_eq!(StatusSet::new(vec![(300, 200)]), None);
        assert_eq!(StatusSet::new(vec![(99, 200)]), None);
    }
}
