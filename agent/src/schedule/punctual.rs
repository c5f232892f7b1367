//! How punctual the schedule is: what it counts of itself.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Parts of the minute that is remembered; the oldest goes when a new one begins.
const PARTS: usize = 12;

/// Delays are counted by powers of two of a microsecond, four steps each: within 19 %.
const STEPS: usize = 4;
const BUCKETS: usize = 26 * STEPS;

/// What a schedule counts of itself. Shared by its loop, its looks and whoever asks.
#[derive(Debug, Default)]
pub struct Punctual(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    missed: u64,
    parts: [Part; PARTS],
    at: usize,
}

#[derive(Debug, Clone, Copy)]
struct Part {
    due: u32,
    late: u32,
    delays: [u32; BUCKETS],
}

impl Default for Part {
    fn default() -> Self {
        Self { due: 0, late: 0, delays: [0; BUCKETS] }
    }
}

/// The last minute, or what there was of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Minute {
    /// Slots that came.
    pub due: u32,
    /// Those that passed because the schedule was late: busy, held up, or at its limit.
    pub late: u32,
    /// How long looks that were due waited to be begun: the median …
    pub delay_median: Duration,
    /// … and the 99th percentile. Both within a fifth.
    pub delay_p99: Duration,
}

impl Punctual {
    /// Slots that passed without a look since the start, for whatever reason.
    pub fn missed(&self) -> u64 {
        self.counts().missed
    }

    /// A look began, so long after it was due.
    pub fn began(&self, delay: Duration) {
        let mut counts = self.counts();
        let part = counts.part_now();
        part.due += 1;
        if let Some(count) = part.delays.get_mut(bucket(delay)) {
            *count += 1;
        }
    }

    /// Slots passed because the schedule was late.
    pub(super) fn passed(&self, slots: u64) {
        let mut counts = self.counts();
        counts.missed += slots;
        let few = u32::try_from(slots).unwrap_or(u32::MAX);
        let part = counts.part_now();
        part.late = part.late.saturating_add(few);
        part.due = part.due.saturating_add(few);
    }

    /// A slot passed because the look before it was not over: the target is slow, not we.
    pub(super) fn overtaken(&self) {
        self.counts().missed += 1;
    }

    /// The last minute. To be called every twelfth of it: a new part begins.
    pub fn turn(&self) -> Minute {
        let mut counts = self.counts();
        let minute = counts.minute();
        counts.at = (counts.at + 1) % PARTS;
        *counts.part_now() = Part::default();
        minute
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    #[expect(clippy::indexing_slicing, reason = "`at` is below PARTS wherever it is set")]
    fn part_now(&mut self) -> &mut Part {
        &mut self.parts[self.at]
    }

    fn minute(&self) -> Minute {
        let mut all = Part::default();
        for part in &self.parts {
            all.due = all.due.saturating_add(part.due);
            all.late = all.late.saturating_add(part.late);
            for (sum, count) in all.delays.iter_mut().zip(part.delays) {
                *sum += count;
            }
        }
        Minute {
            due: all.due,
            late: all.late,
            delay_median: quantile(&all.delays, 0.5),
            delay_p99: quantile(&all.delays, 0.99),
        }
    }
}

fn bucket(delay: Duration) -> usize {
    let us = delay.as_micros().clamp(1, u128::from(u32::MAX)) as f64;
    ((us.log2() * STEPS as f64) as usize).min(BUCKETS - 1)
}

/// The upper end of the bucket that holds the quantile; zero if nothing was counted.
fn quantile(delays: &[u32; BUCKETS], q: f64) -> Duration {
    let all: u32 = delays.iter().sum();
    let rank = (f64::from(all) * q).ceil() as u32;
    let mut seen = 0;
    let at = delays.iter().position(|count| {
        seen += count;
        all > 0 && seen >= rank
    });
    let us = |at: usize| 2_f64.powf((at + 1) as f64 / STEPS as f64);
    at.map_or(Duration::ZERO, |at| Duration::from_secs_f64(us(at) / 1e6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_tells_slots_and_delays_and_is_forgotten_after_it() {
        let punctual = Punctual::default();
        for n in 1..=100 {
            punctual.began(Duration::from_millis(n));
        }
        punctual.passed(3);
        punctual.overtaken();
        let minute = punctual.turn();
        assert_eq!((minute.due, minute.late, punctual.missed()), (103, 3, 4));
        let (median, p99) = (minute.delay_median.as_millis(), minute.delay_p99.as_millis());
        assert!((50..=60).contains(&median), "{median}");
        assert!((99..=120).contains(&p99), "{p99}");
        for _ in 0..PARTS - 1 {
            assert_eq!(punctual.turn().due, 103);
        }
        assert_eq!(punctual.turn(), Minute::default());
        assert_eq!(punctual.missed(), 4);
    }

    #[test]
    fn the_longest_delay_has_a_bucket() {
        for delay in [Duration::ZERO, Duration::from_secs(10), Duration::MAX] {
            assert!(bucket(delay) < BUCKETS);
        }
    }
}
