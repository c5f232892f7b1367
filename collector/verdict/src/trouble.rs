//! What each place lost of late, in short: enough to know that a whole agent, or all agents of a region, cannot be
//! at fault, without laying out their looks.
//!
//! A fault of a place is a stretch of time in which its looks fail. What the best one that ends with the
//! latest bad look could gain follows from what the best one before it could, less what the good looks
//! between the two take away, plus what the new one adds ([`crate::gain`], one look at a time). It is a bound:
//! only good looks that were begun between the two for certain are counted, and each bad one is taken for news.

use crate::gain::{FAIL_RATES, NET_MIN, RATES, SLOW_RATES, worth};
use crate::path::Mark;
use crate::suspect::What;
use crate::world::NONE;

/// Moments in which an agent's good looks are counted, at least and at most: as many as it has paths, for two bytes
/// each.
const MOMENTS: [usize; 2] = [64, 1024];
/// … over this time at least: a look that timed out is heard of late.
const SPAN_MS: i64 = 60_000;
/// With so many good looks in between nothing is left of what was.
const ENOUGH: u32 = 1_000;

/// What the best stretch up to the latest bad look of a place could gain, at each rate of failing and of slowness.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trouble {
    /// When that look was begun, on the engine's clock, ms.
    pub(crate) latest: i64,
    nats: [f64; RATES],
}

impl Trouble {
    /// Before the first bad look.
    pub(crate) const fn none() -> Self {
        Self { latest: i64::MIN, nats: [f64::NEG_INFINITY; RATES] }
    }

    /// As weighed: what was settled since, or is no longer remembered, counts no more.
    pub(crate) const fn weighed(latest: i64, nats: [f64; RATES]) -> Self {
        Self { latest, nats }
    }

    /// Takes one more bad look, `goods` good ones after the latest; true if a fault of the place, all of whose
    /// agents are `alone` one, could gain what it costs. One look is never a fault of many paths.
    pub(crate) fn add(&mut self, at: i64, goods: u32, mark: Mark, usual: f32, alone: bool) -> bool {
        // places with the same agents are one, so all of them need the cost of the least
        let what = if alone { What::Agent(NONE) } else { What::Region(NONE) };
        let needed = what.cost() + NET_MIN;
        let kind = mark.kind().map_or(0.0, |kind| what.kind_nats(kind)).max(0.0);
        // what comes late adds to what it came too late for
        let goods = if at < self.latest { 0 } else { goods };
        self.latest = self.latest.max(at);
        let rates =
            FAIL_RATES.iter().map(|q| (q, false)).chain(SLOW_RATES.iter().map(|q| (q, true)));
        let mut pays = false;
        for (nats, (&rate, slow)) in self.nats.iter_mut().zip(rates) {
            let before = f64::from(goods).mul_add((1.0 - rate).ln(), *nats);
            if mark.is_slow() == slow {
                let own = worth(usual, rate) + kind;
                pays |= before + own > needed;
                *nats = before.max(0.0) + own;
            } else {
                *nats = before.max(0.0);
            }
        }
        pays
    }
}

/// Good looks of an agent by when they were begun, on its own clock.
#[derive(Debug, Clone, Default)]
pub(crate) struct Goods {
    /// A ring; empty before the first.
    counts: Vec<u16>,
    /// A moment is 2 to the power of this in ms: a shift tells it, for every look.
    width: u32,
    /// How many paths that was chosen for.
    paths: usize,
    /// The newest moment counted.
    head: i64,
}

impl Goods {
    /// Counts one look of an agent with so many paths.
    pub(crate) fn count(&mut self, started_ms: i64, paths: usize, interval_ms: i64) {
        if self.paths != paths {
            self.fit(started_ms, paths, interval_ms);
        }
        let moments = self.counts.len();
        let moment = started_ms >> self.width;
        if moment > self.head {
            let gone = moment.saturating_sub(self.head).min(moments as i64);
            for back in 0..gone {
                let place = self.place(moment - back);
                self.counts[place] = 0;
            }
            self.head = moment;
        }
        if moment > self.head - moments as i64 {
            let place = self.place(moment);
            self.counts[place] = self.counts[place].saturating_add(1);
        }
    }

    /// Has moments of a length that suits an agent with so many paths, and nothing counted.
    fn fit(&mut self, started_ms: i64, paths: usize, interval_ms: i64) {
        let moments = paths.next_power_of_two().clamp(MOMENTS[0], MOMENTS[1]);
        let pace_ms = interval_ms / paths.max(1) as i64;
        let span = SPAN_MS.max(pace_ms.saturating_mul(moments as i64));
        self.width = (span / moments as i64).max(1).ilog2();
        self.counts = vec![0; moments];
        self.head = started_ms >> self.width;
        self.paths = paths;
    }

    /// Those in moments that lie wholly between, and are still known; no more than enough.
    pub(crate) fn between(&self, older_ms: i64, newer_ms: i64) -> u32 {
        if self.counts.is_empty() {
            return 0;
        }
        let oldest = self.head - self.counts.len() as i64 + 1;
        let from = (older_ms >> self.width).saturating_add(1).max(oldest);
        let to = (newer_ms >> self.width).min(self.head + 1);
        let mut sum = 0;
        for moment in (from..to).rev() {
            sum += u32::from(self.counts[self.place(moment)]);
            if sum >= ENOUGH {
                break;
            }
        }
        sum
    }

    const fn place(&self, moment: i64) -> usize {
        // a power of two
        (moment & (self.counts.len() as i64 - 1)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parallax_model::ErrorKind;

    fn add(trouble: &mut Trouble, at: i64, goods: u32) -> bool {
        trouble.add(at, goods, Mark::failed(ErrorKind::Timeout), 0.001, false)
    }

    #[test]
    fn looks_that_fail_together_could_pay_and_those_far_apart_could_not() {
        let mut trouble = Trouble::none();
        assert!(!add(&mut trouble, 1_000, 5), "one look is no fault of many paths");
        assert!(add(&mut trouble, 2_000, 0));
        assert!(!add(&mut trouble, 3_000, 300), "nothing is left of the two");
        assert!(!add(&mut trouble, 4_000, 300));
        assert!(
            add(&mut trouble, 3_900, 300),
            "begun before the latest: nothing was good in between"
        );
    }

    #[test]
    fn good_looks_are_counted_between_and_forgotten_after_their_time() {
        let mut goods = Goods::default();
        for at in [1_000, 1_500, 5_100, 5_200, 9_999] {
            goods.count(at, 1, 1_000);
        }
        assert_eq!(goods.width, 9, "512 ms");
        assert_eq!(goods.between(0, 10_500), 5);
        assert_eq!(goods.between(1_400, 9_000), 2, "a moment that is cut is not counted");
        assert_eq!(goods.between(5_150, 5_160), 0);
        goods.count(9_000 + MOMENTS[0] as i64 * 1_000, 1, 1_000);
        assert_eq!(goods.between(i64::MIN, 6_000_000), 1, "the others are too long ago");
        goods.count(500, 1, 1_000);
        assert_eq!(goods.between(0, 1_020), 0, "what comes too late is not counted");
    }
}
