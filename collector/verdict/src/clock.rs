//! How far an agent's clock is off, learned from the results themselves.
//!
//! `received − started − latency` is the clock's offset plus the time the result was on its way.
//! The smallest one of late is the offset (plus the shortest way, which does not matter). A result
//! far above it was delayed; a clock that was set shows as a *constant* distance, which a backlog
//! that drains never has.

/// A window's smallest distance counts for one to two windows.
const WINDOW_MS: i64 = 300_000;
/// Distances this close are the same clock: jitter of the way.
const JITTER_MS: i64 = 3_000;
/// The first result of an agent tells its clock if it is at most this far back. One from further back
/// may head a backlog, whose past would pass for now: such a clock is believed once it proves constant.
const FIRST_MS: i64 = 120_000;
/// A clock set back is believed after this long at a constant distance …
const SETTLE_MS: i64 = 30_000;
/// … and one set forward (or one odd result) after this many results that agree.
const AGREE: u8 = 3;
/// Set forward by more than this, remembered looks are forgotten: they are too old to say anything, and what is kept
/// of their times repeats every 497 days, so that some would seem to come.
const FORGET_MS: i64 = 86_400_000;

/// What became of an instant of the agent's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Corrected {
    /// When the look began, on the agent's clock, with impossible futures taken out.
    pub(crate) started_ms: i64,
    /// How long the result was on its way beyond the usual.
    pub(crate) late_ms: i64,
    /// True if the clock was found set back, or far forward: earlier instants have lost their meaning.
    pub(crate) reset: bool,
}

/// One agent's clock.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clock {
    known: bool,
    offset_ms: i64,
    /// Smallest distance of the running window and its begin.
    window_min: i64,
    window_from: i64,
    /// A distance that does not fit: since when, how far, how often.
    odd_from: i64,
    odd_ms: i64,
    odd_count: u8,
}

impl Clock {
    /// Add it to an instant of the agent's clock to have the collector's.
    pub(crate) fn offset_ms(&self) -> i64 {
        self.offset_ms
    }

    pub(crate) fn hear(&mut self, received_ms: i64, started_ms: i64, took_ms: i64) -> Corrected {
        let distance = received_ms.saturating_sub(started_ms).saturating_sub(took_ms);
        if !self.known {
            self.adopt(received_ms, if distance > FIRST_MS { 0 } else { distance });
        }
        let off = distance.saturating_sub(self.offset_ms);
        let mut reset = false;
        if off.unsigned_abs() > JITTER_MS.unsigned_abs() {
            reset = self.odd(received_ms, distance, off);
        } else {
            self.fits(received_ms, distance, off);
        }
        let late_ms = distance.saturating_sub(self.offset_ms).max(0);
        // what seems to begin after it was received began when it was received
        let latest = received_ms.saturating_sub(took_ms).saturating_sub(self.offset_ms);
        Corrected { started_ms: started_ms.min(latest), late_ms, reset }
    }

    fn adopt(&mut self, received_ms: i64, distance: i64) {
        self.known = true;
        self.offset_ms = distance;
        (self.window_min, self.window_from) = (distance, received_ms);
        self.odd_count = 0;
    }

    fn fits(&mut self, received_ms: i64, distance: i64, off: i64) {
        self.window_min = self.window_min.min(distance);
        if off < 0 {
            self.offset_ms = distance;
        }
        if received_ms - self.window_from > WINDOW_MS {
            // a clock that drifts back is followed a window late
            self.offset_ms = self.window_min;
            (self.window_min, self.window_from) = (distance, received_ms);
        }
        // live results prove the clock that we know
        self.odd_count = 0;
    }

    /// Notes a distance that does not fit; true if the clock turned out to be set back, or far forward.
    fn odd(&mut self, received_ms: i64, distance: i64, off: i64) -> bool {
        if self.odd_count == 0 || distance.abs_diff(self.odd_ms) > JITTER_MS.unsigned_abs() {
            (self.odd_from, self.odd_ms, self.odd_count) = (received_ms, distance, 0);
        }
        self.odd_count = self.odd_count.saturating_add(1);
        let believed = if off < 0 {
            self.odd_count >= AGREE
        } else {
            self.odd_count >= AGREE && received_ms - self.odd_from >= SETTLE_MS
        };
        if believed {
            self.adopt(received_ms, self.odd_ms);
        }
        // a little forward, the remembered looks just turn older, as those of a backlog should
        believed && !(-FORGET_MS..=0).contains(&off)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skewed_clock_is_learned_and_a_late_result_shows() {
        let mut clock = Clock::default();
        for second in 0..60 {
            let c = clock.hear(second * 1000 + 80 + second % 7, second * 1000 - 90_000, 50);
            assert_eq!((c.late_ms < 50, c.reset), (true, false));
        }
        assert_eq!(clock.offset_ms(), 90_030);
        let late = clock.hear(61_080, -90_000 - 3_600_000, 50);
        assert_eq!(late.late_ms, 3_661_000);
    }

    #[test]
    fn a_backlog_that_drains_moves_no_clock() {
        let mut clock = Clock::default();
        clock.hear(1_000, 900, 50);
        for spooled in 0..200 {
            let c = clock.hear(700_000 + spooled * 200, 1_000 + spooled * 3_000, 50);
            assert!(!c.reset, "{spooled}");
        }
        assert_eq!(clock.offset_ms(), 50);
    }

    #[test]
    fn an_agent_that_begins_with_a_backlog_tells_of_the_past() {
        let mut clock = Clock::default();
        for spooled in 0..119 {
            let c = clock.hear(3_600_000 + spooled, spooled * 30_000, 50);
            assert!(c.late_ms > 0 && !c.reset, "{spooled}: {c:?}");
        }
        assert!(clock.hear(3_600_200, 3_600_100, 50).late_ms <= 100);
        // a clock that is an hour behind is believed when that does not change
        let mut behind = Clock::default();
        let resets: Vec<i64> =
            (0..60).filter(|s| behind.hear(4_000_000 + s * 1000, s * 1000, 50).reset).collect();
        assert_eq!((resets, behind.offset_ms()), (vec![30], 3_999_950));
    }

    #[test]
    fn a_clock_that_was_set_is_followed() {
        let mut clock = Clock::default();
        (0..30).for_each(|s| {
            clock.hear(s * 1000, s * 1000 - 60, 50);
        });
        let resets: Vec<i64> = (30..100)
            .filter(|s| clock.hear(s * 1000, s * 1000 - 60 - 3_600_000, 50).reset)
            .collect();
        assert_eq!(resets, [60]);
        (100..103).for_each(|s| {
            clock.hear(s * 1000, s * 1000 - 60, 50);
        });
        assert_eq!(clock.offset_ms(), 10);
    }

    #[test]
    fn a_clock_set_far_forward_makes_what_was_seen_before_meaningless() {
        for (days, reset) in [(0, false), (1, false), (2, true), (300, true), (18_000, true)] {
            let mut clock = Clock::default();
            (0..30).for_each(|s| {
                clock.hear(s * 1000, s * 1000 - 60, 50);
            });
            let ahead = days * 86_400_000;
            let resets = (30..40).filter(|s| clock.hear(s * 1000, s * 1000 - 60 + ahead, 50).reset);
            assert_eq!(resets.count() > 0, reset, "{days} days");
            assert_eq!(clock.offset_ms(), 10 - ahead);
        }
    }

    #[test]
    fn one_result_from_the_future_is_taken_as_of_now() {
        let mut clock = Clock::default();
        (0..30).for_each(|s| {
            clock.hear(s * 1000, s * 1000 - 60, 50);
        });
        let c = clock.hear(30_000, 9_000_000, 50);
        assert_eq!(c.started_ms + clock.offset_ms(), 29_950);
        assert_eq!(clock.hear(31_000, 30_940, 50).late_ms, 0);
        let garbage = clock.hear(32_000, i64::MIN, 50);
        assert!(garbage.late_ms > 1_000_000_000 && !garbage.reset);
    }
}
