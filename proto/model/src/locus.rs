//! Where a fault is.

use std::fmt;

use crate::{AgentName, Provider, Region, TargetName};

/// Where a fault is: what moves with the observer is near the observer, what does not is far away.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Locus {
    /// The service itself, everywhere: a global outage.
    Service {
        /// The service.
        target: TargetName,
    },
    /// The service as one region sees it.
    ServiceRegion {
        /// The service.
        target: TargetName,
        /// The region that cannot use it.
        region: Region,
    },
    /// The service as one provider's machines see it; often a refusal of their addresses.
    ServiceProvider {
        /// The service.
        target: TargetName,
        /// The provider whose machines cannot use it.
        provider: Provider,
    },
    /// The service, because another one that it needs is at fault.
    Dependency {
        /// The service that suffers.
        target: TargetName,
        /// The service at fault.
        dependency: TargetName,
    },
    /// The network of one region.
    Region {
        /// The region.
        region: Region,
    },
    /// The network of one provider.
    Provider {
        /// The provider.
        provider: Provider,
    },
    /// Only the agent that looked.
    Agent {
        /// The agent.
        agent: AgentName,
    },
    /// One agent's way to one target.
    Path {
        /// The agent.
        agent: AgentName,
        /// The target.
        target: TargetName,
    },
    /// The collector is cut off; nothing can be said of anything else.
    Collector,
}

impl Locus {
    /// The word used in JSON, metrics and traces.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Service { .. } => "service",
            Self::ServiceRegion { .. } => "service_region",
            Self::ServiceProvider { .. } => "service_provider",
            Self::Dependency { .. } => "dependency",
            Self::Region { .. } => "region",
            Self::Provider { .. } => "provider",
            Self::Agent { .. } => "agent",
            Self::Path { .. } => "path",
            Self::Collector => "collector",
        }
    }

    /// The service that this fault is about, where it is about one.
    pub const fn target(&self) -> Option<&TargetName> {
        match self {
            Self::Service { target }
            | Self::ServiceRegion { target, .. }
            | Self::ServiceProvider { target, .. }
            | Self::Dependency { target, .. }
            | Self::Path { target, .. } => Some(target),
            Self::Region { .. } | Self::Provider { .. } | Self::Agent { .. } | Self::Collector => {
                None
            }
        }
    }

    /// The keys that name the place, with their words, in a fixed order.
    pub fn keys(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Service { target } => vec![("target", target.as_str())],
            Self::ServiceRegion { target, region } => {
                vec![("target", target.as_str()), ("region", region.as_str())]
            }
            Self::ServiceProvider { target, provider } => {
                vec![("target", target.as_str()), ("provider", provider.as_str())]
            }
            Self::Dependency { target, dependency } => {
                vec![("target", target.as_str()), ("dependency", dependency.as_str())]
            }
            Self::Region { region } => vec![("region", region.as_str())],
            Self::Provider { provider } => vec![("provider", provider.as_str())],
            Self::Agent { agent } => vec![("agent", agent.as_str())],
            Self::Path { agent, target } => {
                vec![("target", target.as_str()), ("agent", agent.as_str())]
            }
            Self::Collector => vec![],
        }
    }
}

impl fmt::Display for Locus {
    /// `service_region{target=shop, region=eu-west}`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        for (at, (key, value)) in self.keys().into_iter().enumerate() {
            write!(f, "{}{key}={value}", if at == 0 { "{" } else { ", " })?;
        }
        if matches!(self, Self::Collector) { Ok(()) } else { f.write_str("}") }
    }
}
