//! Which world to make.

/// Begin of every made-up world, ms since 1970.
pub const START_MS: i64 = 1_800_000_000_000;

/// All that a world follows from.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What is random in it.
    pub seed: u64,
    /// One of [`crate::stage::FAMILIES`].
    pub family: String,
    /// How many look.
    pub agents: usize,
    /// Services they look at; every agent looks at all of them, and at three references.
    pub services: usize,
    /// How long it lasts, h.
    pub hours: f64,
    /// How much goes wrong for no reason: 1 is normal.
    pub noise: f64,
}

/// References in every world.
pub const REFERENCES: usize = 3;
/// Time from one look to the next of most targets, ms.
pub const INTERVAL_MS: i64 = 30_000;

impl Plan {
    /// A world of an hour and a half with as many services as such a fleet would watch.
    pub fn new(family: &str, agents: usize, seed: u64) -> Self {
        let services = if agents <= 5 { 4 } else { 12 };
        let hours = if agents >= 500 { 0.9 } else { 1.5 };
        Self { seed, family: family.to_owned(), agents, services, hours, noise: 1.0 }
    }

    /// Its end, ms since 1970.
    pub fn end_ms(&self) -> i64 {
        START_MS + (self.hours * 3.6e6) as i64
    }
}
