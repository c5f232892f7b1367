//! A fault as staged: where, how it fails over time, and what should be said of it.

use parallax_model::ErrorKind as Kind;

use crate::fleet::Place;
use crate::rng::Rng;

/// Where. Numbers are those of the world's agents, targets, regions and providers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// A service, for everybody.
    Service(usize),
    /// A service in one region.
    ServiceRegion(usize, usize),
    /// A service in three regions or more, but not in all: one fault of the service.
    ServiceRegions(usize, Vec<usize>),
    /// A service for the agents of one provider.
    ServiceProvider(usize, usize),
    /// A service (first) that fails because of what it needs (second).
    Dependant(usize, usize),
    /// Everything from a region.
    Region(usize),
    /// Everything from a provider.
    Provider(usize),
    /// Everything from an agent.
    Agent(usize),
    /// One agent's way to one target.
    Path(usize, usize),
    /// The collector hears nobody.
    Collector,
}

impl Scope {
    /// True if an agent that stands there has the trouble at that target.
    pub fn covers(&self, agent: usize, place: Place, target: usize) -> bool {
        match self {
            Self::Service(t) | Self::Dependant(t, _) => *t == target,
            Self::ServiceRegion(t, r) => *t == target && place.region == *r,
            Self::ServiceRegions(t, rs) => *t == target && rs.contains(&place.region),
            Self::ServiceProvider(t, p) => *t == target && place.provider == *p,
            Self::Region(r) => place.region == *r,
            Self::Provider(p) => place.provider == *p,
            Self::Agent(a) => *a == agent,
            Self::Path(a, t) => *a == agent && *t == target,
            Self::Collector => false,
        }
    }
}

/// How it fails over time.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// This share of looks.
    Rate(f64),
    /// This share of agents, nearly always; the others hardly ever.
    Sticky(f64),
    /// From nothing to full within ms.
    Ramp(i64),
    /// Fails for the second number of ms of each first number of ms.
    Oscillate(i64, i64),
    /// Takes so many times as long.
    Slow(f64),
    /// … and fails, this share of looks.
    Brownout(f64, f64),
    /// A third of the time each: some, most, some again.
    Staged(f64, f64),
}

/// One fault.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Where.
    pub scope: Scope,
    /// How.
    pub shape: Shape,
    /// Error kinds of failing looks.
    pub kinds: Vec<Kind>,
    /// Begin, ms.
    pub onset: i64,
    /// End, ms.
    pub end: i64,
    /// True if `down` is the word for it, else `degraded`.
    pub down: bool,
}

impl Fault {
    /// When there is something to see, ms.
    pub fn visible(&self) -> i64 {
        match self.shape {
            Shape::Ramp(ms) => self.onset + ms / 20,
            Shape::Rate(_)
            | Shape::Sticky(_)
            | Shape::Oscillate(..)
            | Shape::Slow(_)
            | Shape::Brownout(..)
            | Shape::Staged(..) => self.onset,
        }
    }

    /// What it does to a look of `agent`: an error, and how many times as long it takes.
    pub fn effect(&self, agent: usize, at: i64, rng: &mut Rng) -> (Option<Kind>, f64) {
        if at < self.onset || at >= self.end {
            return (None, 1.0);
        }
        let part = (at - self.onset) as f64 / (self.end - self.onset) as f64;
        let rate = match self.shape {
            Shape::Rate(q) | Shape::Brownout(_, q) => q,
            Shape::Sticky(share) => {
                let mut own = Rng::new(agent as u64 ^ self.onset as u64);
                if own.unit() < share { 0.95 } else { 0.02 }
            }
            Shape::Ramp(ms) => ((at - self.onset) as f64 / ms as f64).min(1.0),
            Shape::Oscillate(period, bad) => f64::from(u8::from((at - self.onset) % period < bad)),
            Shape::Slow(_) => 0.0,
            Shape::Staged(some, most) => {
                if (0.33..0.67).contains(&part) {
                    most
                } else {
                    some
                }
            }
        };
        let times = match self.shape {
            Shape::Slow(times) | Shape::Brownout(times, _) => times * f64::exp(0.2 * rng.normal()),
            Shape::Rate(_)
            | Shape::Sticky(_)
            | Shape::Ramp(_)
            | Shape::Oscillate(..)
            | Shape::Staged(..) => 1.0,
        };
        (rng.chance(rate).then(|| *rng.pick(&self.kinds)), times)
    }
}
