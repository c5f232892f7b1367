//! What is counted of each path, for ever: so that a rate over it never sees a restart.

use std::collections::BTreeMap;
use std::time::Duration;

use parallax_model::{AgentName, ErrorKind, ProbeResult, TargetName};

use super::Arrival;

/// Upper bounds of the counts in [`Tally::within`]: the default buckets of Prometheus' own client
/// libraries, which blackbox dashboards expect.
pub const BOUNDS: [Duration; 11] = {
    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }
    [
        ms(5),
        ms(10),
        ms(25),
        ms(50),
        ms(100),
        ms(250),
        ms(500),
        ms(1000),
        ms(2500),
        ms(5000),
        ms(10_000),
    ]
};

/// Targets tallied of one agent. More only come from an agent that makes names up.
pub const TALLIED_TARGETS_MAX: u32 = 10_000;

/// What was counted of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathTally {
    /// Who looked.
    pub agent: AgentName,
    /// At what.
    pub target: TargetName,
    /// The counts.
    pub tally: Tally,
}

/// Counts of the scheduled looks of one path that say something of the target. Those that were asked
/// for are left out: they come when something is wrong, and would weigh trouble twice. So are those
/// in which the measuring side failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Looks.
    pub looks: u64,
    /// Looks that were as they should be.
    pub ok: u64,
    /// The time they all took, in µs.
    pub took_us: u64,
    /// Looks that took no longer than the bound in [`BOUNDS`], and longer than the one before.
    pub within: [u64; BOUNDS.len()],
}

impl Tally {
    /// Counts a look, if it counts.
    pub fn count(&mut self, result: &ProbeResult) {
        if result.asked || result.outcome.error().is_some_and(ErrorKind::is_ours) {
            return;
        }
        self.looks += 1;
        self.ok += u64::from(result.outcome.is_ok());
        self.took_us += result.latency.as_micros() as u64;
        let bucket = BOUNDS.partition_point(|bound| *bound < result.latency);
        if let Some(count) = self.within.get_mut(bucket) {
            *count += 1;
        }
    }

    /// Adds what was counted elsewhere.
    #[cfg(test)]
    pub(super) fn add(&mut self, other: &Self) {
        self.looks += other.looks;
        self.ok += other.ok;
        self.took_us += other.took_us;
        for (count, more) in self.within.iter_mut().zip(other.within) {
            *count += more;
        }
    }
}

/// What several arrivals add, by path.
#[derive(Debug, Default)]
pub(super) struct Tallies(BTreeMap<(AgentName, TargetName), Tally>);

impl Tallies {
    /// Counts results that are stored now and were not before.
    pub(super) fn count(&mut self, arrival: &Arrival, fresh: &[ProbeResult]) {
        for result in fresh {
            let path = (arrival.agent.clone(), result.target.clone());
            self.0.entry(path).or_default().count(result);
        }
    }

    /// By path, without those of which nothing counts.
    pub(super) fn into_iter(self) -> impl Iterator<Item = ((AgentName, TargetName), Tally)> {
        self.0.into_iter().filter(|(_, tally)| tally.looks > 0)
    }
}
