//! Random worlds: who looks from where, what fails for whom, and how a look comes out whoever else looks.

use parallax_model::{Change, ErrorKind, Timestamp};
use parallax_verdict::{Fleet, Observation};
use proptest::prelude::*;
use proptest::sample::select;

use crate::small::{self, START_MS, fleet, play};

pub const TARGETS: usize = 3;
const AGENTS_MAX: usize = 16;
/// All targets, seconds.
pub const INTERVAL: i64 = 5;
/// Until then only noise fails, and after that nothing else again.
const ONSET: i64 = 200;
const END: i64 = 300;
pub const SECONDS: i64 = 340;
/// Shares of looks that fail, percent.
const RATES: [u64; 6] = [0, 0, 0, 30, 60, 97];
pub const KINDS: [ErrorKind; 5] = [
    ErrorKind::Status5xx,
    ErrorKind::Timeout,
    ErrorKind::Unreachable,
    ErrorKind::Blocked,
    ErrorKind::Reset,
];

/// Who looks from where, and what fails.
#[derive(Debug, Clone)]
pub struct World {
    /// Region and provider of each agent.
    pub places: Vec<(usize, usize)>,
    /// Share of failing looks by agent and target, percent.
    pub rates: Vec<Vec<u64>>,
    /// Looks that fail for no reason, of a thousand.
    pub noise: u64,
    pub seed: u64,
}

impl World {
    /// A look as it must come out, whoever else looks: percent of its dice, and its kind.
    pub fn dice(&self, second: i64, agent: usize, target: usize) -> u64 {
        let mut z = self.seed ^ (second as u64) << 20 ^ (agent as u64) << 8 ^ target as u64;
        for _ in 0..2 {
            z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^= z >> 31;
        }
        z
    }

    fn ends(&self, second: i64, agent: usize, target: usize) -> Option<ErrorKind> {
        let dice = self.dice(second, agent, target);
        let staged = (ONSET..END).contains(&second) && dice % 100 < self.rates[agent][target];
        let failed = staged || dice / 100 % 1000 < self.noise;
        failed.then(|| KINDS[(dice >> 40) as usize % KINDS.len()])
    }

    pub fn fleet(&self) -> Fleet {
        fleet(&self.places, &[INTERVAL; TARGETS])
    }

    /// All looks: no two are begun at one time, as order within a hundredth of a second is nobody's to know; those at
    /// the first target are heard one by one, all others of a second together.
    pub fn looks(&self) -> Vec<Observation> {
        let mut all = Vec::new();
        for second in 0..SECONDS {
            for agent in 0..self.places.len() {
                for target in 0..TARGETS {
                    if (second + agent as i64 * 2 + target as i64) % INTERVAL == 0 {
                        let begun_ms = second * 1000 + (agent * TARGETS + target) as i64 * 15;
                        let failed = self.ends(second, agent, target);
                        let mut look = small::look(begun_ms, agent, target, failed);
                        if target > 0 {
                            look.received = Timestamp::from_millis(START_MS + second * 1000 + 900);
                        }
                        all.push(look);
                    }
                }
            }
        }
        all.sort_by_key(|o| o.received);
        all
    }

    pub fn changes(&self) -> Vec<Change> {
        play(&self.fleet(), &self.looks())
    }

    /// With one agent more, from a place where nobody else is, that sees everything well.
    pub fn and_a_healthy_one(&self) -> Self {
        let mut more = self.clone();
        more.places.push((90, 90));
        more.rates.push(vec![0; TARGETS]);
        more
    }
}

/// A world of agents in some of so many regions, by so many providers: what fails, fails for a service, for an agent, or for
/// each on its own.
pub fn world_of(
    agents: std::ops::RangeInclusive<usize>,
    regions: usize,
    providers: usize,
) -> impl Strategy<Value = World> {
    let places = prop::collection::vec((0..regions, 0..providers), agents);
    let each = || select(&RATES[..]);
    let rates = (
        0..3_u8,
        prop::collection::vec(prop::collection::vec(each(), TARGETS), AGENTS_MAX),
        prop::collection::vec(each(), TARGETS),
        prop::collection::vec(each(), AGENTS_MAX),
    );
    (places, rates, 0..=10_u64, any::<u64>()).prop_map(
        |(places, (shape, each, of_targets, of_agents), noise, seed)| {
            let rate = |agent: usize, target: usize| match shape {
                0 => each[agent][target],
                1 => of_targets[target],
                _ => of_targets[target].max(of_agents[agent]),
            };
            let rates = (0..places.len()).map(|a| (0..TARGETS).map(|t| rate(a, t)).collect());
            World { rates: rates.collect(), places, noise, seed }
        },
    )
}

pub fn world() -> impl Strategy<Value = World> {
    world_of(3..=10, 4, 3)
}
