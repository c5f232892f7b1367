//! What can be at fault: sets of paths that would fail together, and what each costs to assume.
//!
//! A cost is `−ln` of the chance that such a fault begins just within the window we look at; it is
//! what evidence has to pay before the fault is believed. The order of the variants is the order of
//! words: of sets that cover the same paths in a fleet only the first is kept.

use parallax_model::{ErrorKind, Locus, Role, Sensitivity};

use crate::world::World;

/// A set of paths that share a fate. Numbers are the world's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// Every look at a target.
    Service(u32),
    /// A target as seen from one region: (target, region).
    ServiceRegion(u32, u32),
    /// A target as seen from one provider: (target, provider).
    ServiceProvider(u32, u32),
    /// One agent's look at a target: (target, agent).
    Path(u32, u32),
    /// Every look from a region.
    Region(u32),
    /// Every look from a provider.
    Provider(u32),
    /// Every look of an agent.
    Agent(u32),
    /// A target as seen from one failure domain, where that is no region and no provider.
    ServiceDomain(u32, u32),
    /// Every look from such a domain.
    Domain(u32),
}

/// An agent fails everything for some seconds for no reason worth telling: that costs no more up to
/// the first, and all of what trouble costs from the second on.
const HICCUP_MS: [i64; 2] = [2_000, 10_000];
const LASTING_COST: f64 = 3.5;

/// −ln of the chance of each kind of fault per target or place and window. A service fails once in
/// some hundred hours (e^-10 per half a minute), a path or an agent has a bad moment far more often.
impl What {
    pub(crate) fn cost(self) -> f64 {
        match self {
            Self::Service(_) | Self::ServiceDomain(..) | Self::Region(_) | Self::Domain(_) => 10.0,
            Self::ServiceRegion(..) => 9.0,
            Self::ServiceProvider(..) => 9.5,
            Self::Provider(_) => 10.5,
            Self::Path(..) => 8.5,
            Self::Agent(_) => 6.5,
        }
    }

    /// What it costs more if it lasted: a hiccup is common, and the rarer the longer; an agent in
    /// lasting trouble is not.
    pub(crate) fn lasting_cost(self, lasted_ms: i64) -> f64 {
        if !matches!(self, Self::Agent(_)) {
            return 0.0;
        }
        let [from, to] = HICCUP_MS;
        LASTING_COST * ((lasted_ms - from) as f64 / (to - from) as f64).clamp(0.0, 1.0)
    }

    /// By how many nats the explanation must beat the best other one before it is told: a page at
    /// night has to be right; an agent has its hiccups. Its owner may ask for more or less of a target.
    pub(crate) fn margin(self, world: &World) -> f64 {
        let sensitivity = self.target().map(|t| world.targets[t as usize].sensitivity);
        match (self, sensitivity) {
            (Self::Agent(_), _) => 9.0,
            (_, Some(Sensitivity::Low)) => 12.0,
            (_, Some(Sensitivity::Normal) | None) => 6.0,
            (_, Some(Sensitivity::High)) => 3.0,
        }
    }

    /// As one number, another for each: a target's, agent's or place's number stays far below 2^28.
    pub(crate) const fn packed(self) -> u64 {
        let (tag, a, b) = match self {
            Self::Service(t) => (0, t, 0),
            Self::ServiceRegion(t, r) => (1, t, r),
            Self::ServiceProvider(t, p) => (2, t, p),
            Self::Path(t, a) => (3, t, a),
            Self::Region(r) => (4, r, 0),
            Self::Provider(p) => (5, p, 0),
            Self::Agent(a) => (6, a, 0),
            Self::ServiceDomain(t, d) => (7, t, d),
            Self::Domain(d) => (8, d, 0),
        };
        (tag << 60) | ((a as u64) << 32) | b as u64
    }

    /// The target, for sets that are about one.
    pub(crate) const fn target(self) -> Option<u32> {
        match self {
            Self::Service(t)
            | Self::ServiceRegion(t, _)
            | Self::ServiceProvider(t, _)
            | Self::Path(t, _)
            | Self::ServiceDomain(t, _) => Some(t),
            Self::Region(_) | Self::Provider(_) | Self::Agent(_) | Self::Domain(_) => None,
        }
    }

    /// True if the path of `agent` to `target` belongs to it.
    pub(crate) fn covers(self, world: &World, agent: u32, target: u32) -> bool {
        let a = &world.agents[agent as usize];
        match self {
            Self::Service(t) => t == target,
            Self::ServiceRegion(t, r) => t == target && a.region == r,
            Self::ServiceProvider(t, p) => t == target && a.provider == p,
            Self::ServiceDomain(t, d) => t == target && a.domain == d,
            Self::Path(t, who) => t == target && who == agent,
            Self::Region(r) => a.region == r,
            Self::Provider(p) => a.provider == p,
            Self::Domain(d) => a.domain == d,
            Self::Agent(who) => who == agent,
        }
    }

    /// True if every path of it belongs to `other` too.
    pub(crate) fn is_within(self, world: &World, other: Self) -> bool {
        let agent = |a: &u32| &world.agents[*a as usize];
        let in_place = |a: &u32| match other {
            Self::Region(r) | Self::ServiceRegion(_, r) => agent(a).region == r,
            Self::Provider(p) | Self::ServiceProvider(_, p) => agent(a).provider == p,
            Self::Domain(d) | Self::ServiceDomain(_, d) => agent(a).domain == d,
            Self::Agent(b) | Self::Path(_, b) => *a == b,
            Self::Service(_) => true,
        };
        let groups = &world.groups;
        let all = |agents: Option<&Vec<u32>>| agents.is_some_and(|all| all.iter().all(in_place));
        let of_target = other.target().is_none() || other.target() == self.target();
        self == other
            || of_target
                && match self {
                    Self::Path(_, a) | Self::Agent(a) => in_place(&a),
                    Self::Region(r) | Self::ServiceRegion(_, r) => all(groups.regions.get(&r)),
                    Self::Provider(p) | Self::ServiceProvider(_, p) => {
                        all(groups.providers.get(&p))
                    }
                    Self::Domain(d) | Self::ServiceDomain(_, d) => all(groups.domains.get(&d)),
                    Self::Service(_) => false,
                }
    }

    /// Nats that an error kind adds to this kind of fault over an ordinary failure.
    pub(crate) fn kind_nats(self, kind: ErrorKind) -> f64 {
        let [service, part, near, path] = kind_weights(kind);
        match self {
            Self::Service(_) => service,
            Self::ServiceRegion(..) | Self::ServiceDomain(..) => part,
            Self::ServiceProvider(..) => {
                if matches!(kind, ErrorKind::Blocked) {
                    2.0
                } else {
                    part
                }
            }
            Self::Region(_) | Self::Provider(_) | Self::Agent(_) | Self::Domain(_) => near,
            Self::Path(..) => path,
        }
    }

    /// In the words of the model.
    pub(crate) fn locus(self, world: &World) -> Option<Locus> {
        let target = |t| world.target_names.name(t).clone();
        Some(match self {
            Self::Service(t) => Locus::Service { target: target(t) },
            Self::ServiceRegion(t, r) => {
                Locus::ServiceRegion { target: target(t), region: world.region_name(r)?.clone() }
            }
            Self::ServiceProvider(t, p) => Locus::ServiceProvider {
                target: target(t),
                provider: world.provider_name(p)?.clone(),
            },
            Self::Path(t, a) => {
                Locus::Path { agent: world.agent_names.name(a).clone(), target: target(t) }
            }
            Self::Region(r) => Locus::Region { region: world.region_name(r)?.clone() },
            Self::Provider(p) => Locus::Provider { provider: world.provider_name(p)?.clone() },
            Self::Agent(a) => Locus::Agent { agent: world.agent_names.name(a).clone() },
            Self::ServiceDomain(t, d) => Self::nearest(world, d, Some(t))?.locus(world)?,
            Self::Domain(d) => Self::nearest(world, d, None)?.locus(world)?,
        })
    }

    /// The word for a domain that is neither a region nor a provider: whichever it is most of.
    fn nearest(world: &World, domain: u32, target: Option<u32>) -> Option<Self> {
        let agents = world.groups.domains.get(&domain)?;
        let first = &world.agents[*agents.first()? as usize];
        let size = |group: Option<&Vec<u32>>| group.map_or(usize::MAX, Vec::len);
        let in_region = size(world.groups.regions.get(&first.region));
        let in_provider = size(world.groups.providers.get(&first.provider));
        let region = world.region_name(first.region).is_some();
        let provider = world.provider_name(first.provider).is_some();
        Some(match (region && (in_region <= in_provider || !provider), provider, target) {
            (true, _, None) => Self::Region(first.region),
            (true, _, Some(t)) => Self::ServiceRegion(t, first.region),
            (false, true, None) => Self::Provider(first.provider),
            (false, true, Some(t)) => Self::ServiceProvider(t, first.provider),
            (false, false, None) => Self::Agent(*agents.first()?),
            (false, false, Some(t)) => Self::Path(t, *agents.first()?),
        })
    }

    /// True for what may be told of: services and places, not references.
    pub(crate) fn is_told(self, world: &World) -> bool {
        self.target().is_none_or(|t| {
            let target = &world.targets[t as usize];
            target.role == Role::Service && target.present
        })
    }
}

/// What a kind says for a fault of the service, a part of it, the near side, or one path.
/// An answer that came from the service speaks for the service; no route speaks for the vantage;
/// a timeout says nothing. Kept mild: a proxy or captive portal near the agent answers as well.
const fn kind_weights(kind: ErrorKind) -> [f64; 4] {
    match kind {
        ErrorKind::Status5xx
        | ErrorKind::Status4xx
        | ErrorKind::Assertion
        | ErrorKind::CutStream
        | ErrorKind::Protocol
        | ErrorKind::CertExpired
        | ErrorKind::CertName => [0.5, 0.3, -2.0, -0.5],
        ErrorKind::ConnectRefused => [0.3, 0.2, -1.0, 0.0],
        ErrorKind::Unreachable | ErrorKind::DnsTimeout | ErrorKind::DnsRefused => {
            [-0.5, -0.2, 0.7, 0.2]
        }
        ErrorKind::Blocked => [0.0, 0.0, -2.0, 0.0],
        ErrorKind::DnsNxdomain
        | ErrorKind::DnsServfail
        | ErrorKind::ConnectTimeout
        | ErrorKind::Reset
        | ErrorKind::TlsHandshake
        | ErrorKind::CertUntrusted
        | ErrorKind::Timeout
        | ErrorKind::Closed
        | ErrorKind::PolicyDenied
        | ErrorKind::Unspecified
        | ErrorKind::Internal => [0.0; 4],
    }
}

/// True for the kinds that only the service itself (or what stands before it) can have said.
pub(crate) const fn is_answer(kind: ErrorKind) -> bool {
    kind_weights(kind)[0] >= 0.5
}
