//! What one agent recently saw of one target, and how that path usually behaves.
//!
//! A path keeps its last [`LOOKS`] looks in the order they were begun. What leaves that window
//! without a fault to explain it is how the path usually is: only then the baseline learns it.
//! So an outage has a window's time to be recognised before it becomes normal: one that fails one look in ten, seen by three
//! agents, may not be in time.

use parallax_model::ErrorKind;

use crate::latency::Latency;
use crate::noise::Noise;

/// Looks remembered of each path: 8 minutes at the usual interval, in 80 bytes.
pub(crate) const LOOKS: usize = 16;

/// Looks a path must have behind it before a fault of that path alone is told.
pub(crate) const PROBATION_LOOKS: u16 = 30;

/// Usual share of failing looks from which a path says nothing of a fault.
const USELESS_RATE: f64 = 0.5;

/// How one look ended, in a byte: 0 fine, 1.. the error kind, and two flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Mark(u8);

const KIND: u8 = 0x1f;
const SLOW: u8 = 0x20;
const EXPLAINED: u8 = 0x40;
const SETTLED: u8 = 0x80;

impl Mark {
    pub(crate) const OK: Self = Self(0);
    pub(crate) const SLOW: Self = Self(SLOW);

    pub(crate) fn failed(kind: ErrorKind) -> Self {
        // the kinds are fewer than 31, in the order of `ErrorKind::ALL`
        Self((kind as u8 + 1) & KIND)
    }

    pub(crate) fn kind(self) -> Option<ErrorKind> {
        ErrorKind::ALL.get(usize::from((self.0 & KIND).checked_sub(1)?)).copied()
    }

    pub(crate) const fn is_fail(self) -> bool {
        self.0 & KIND != 0
    }

    pub(crate) const fn is_slow(self) -> bool {
        self.0 & SLOW != 0
    }

    pub(crate) const fn is_bad(self) -> bool {
        self.0 & (KIND | SLOW) != 0
    }

    /// True if both failed, or both were slow.
    pub(crate) const fn is_bad_like(self, other: Self) -> bool {
        self.is_fail() && other.is_fail() || self.is_slow() && other.is_slow()
    }

    /// True if a fault (or an agent's hiccup) accounts for it: no sample of the usual.
    pub(crate) const fn is_explained(self) -> bool {
        self.0 & EXPLAINED != 0
    }

    /// True if it belongs to a fault that is over: no evidence any more.
    pub(crate) const fn is_settled(self) -> bool {
        self.0 & SETTLED != 0
    }
}

/// One remembered look: hundredths of a second on the agent's clock, wrapping, and its mark.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    pub(crate) at: u32,
    pub(crate) mark: Mark,
}

/// One agent's way to one target.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    pub(crate) agent: u32,
    pub(crate) target: u32,
    at: [u32; LOOKS],
    marks: [Mark; LOOKS],
    len: u8,
    /// When its first live look was heard, until one is fine: it was looked at in vain since then.
    pub(crate) vain_since: Option<i64>,
    ever_ok: bool,
    /// True while an open fault covers it: its failures are no news.
    pub(crate) covered: bool,
    /// Looks so far, saturating.
    pub(crate) looks: u16,
    /// When its latest live look was heard, in ms of the engine's clock.
    pub(crate) heard: i64,
    pub(crate) noise: Noise,
    pub(crate) latency: Latency,
}

impl Path {
    pub(crate) fn new(agent: u32, target: u32) -> Self {
        Self {
            agent,
            target,
            at: [0; LOOKS],
            marks: [Mark::OK; LOOKS],
            len: 0,
            vain_since: None,
            ever_ok: false,
            covered: false,
            looks: 0,
            heard: i64::MIN,
            noise: Noise::default(),
            latency: Latency::default(),
        }
    }

    /// The remembered looks, oldest first.
    pub(crate) fn seen(&self) -> impl DoubleEndedIterator<Item = Seen> {
        let len = usize::from(self.len);
        self.at[..len].iter().zip(&self.marks[..len]).map(|(&at, &mark)| Seen { at, mark })
    }

    /// True if a look begun at that very instant is remembered.
    pub(crate) fn has(&self, at: u32) -> bool {
        let len = usize::from(self.len);
        // nearly always newer than all: one comparison
        match self.at[..len].last() {
            Some(&last) if (at.wrapping_sub(last) as i32) <= 0 => self.at[..len].contains(&at),
            _ => false,
        }
    }

    /// True if a bad look of it is evidence.
    pub(crate) fn has_evidence(&self) -> bool {
        self.seen().any(|s| s.mark.is_bad() && !s.mark.is_settled())
    }

    /// Remembers a look; returns the one that had to leave.
    pub(crate) fn push(&mut self, at: u32, mark: Mark) -> Option<Mark> {
        let gone = if usize::from(self.len) == LOOKS {
            let gone = self.marks[0];
            self.at.copy_within(1.., 0);
            self.marks.copy_within(1.., 0);
            self.len -= 1;
            Some(gone)
        } else {
            None
        };
        let mut place = usize::from(self.len);
        while place > 0 && (at.wrapping_sub(self.at[place - 1]) as i32) < 0 {
            self.at[place] = self.at[place - 1];
            self.marks[place] = self.marks[place - 1];
            place -= 1;
        }
        self.at[place] = at;
        self.marks[place] = mark;
        self.len += 1;
        self.looks = self.looks.saturating_add(1);
        gone
    }

    /// Notes whether it works, as far as a live look shows.
    pub(crate) fn note_use(&mut self, now: i64, ok: bool) {
        self.ever_ok |= ok;
        self.vain_since = if self.ever_ok { None } else { self.vain_since.or(Some(now)) };
    }

    /// True if it fails more often than not, whatever happens: its looks say next to nothing.
    pub(crate) fn is_useless(&self) -> bool {
        self.noise.fail_rate() > USELESS_RATE
    }

    /// Forgets the looks (not the baseline), for when their times have lost their meaning.
    pub(crate) fn forget_looks(&mut self) {
        self.len = 0;
    }

    /// Marks the bad look begun at `at` as accounted for, for good if `settled`.
    pub(crate) fn explain(&mut self, at: u32, settled: bool) {
        let len = usize::from(self.len);
        for (seen, mark) in self.at[..len].iter().zip(&mut self.marks[..len]) {
            if *seen == at && mark.is_bad() {
                mark.0 |= if settled { EXPLAINED | SETTLED } else { EXPLAINED };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_holds_every_kind() {
        for &kind in ErrorKind::ALL {
            let mark = Mark::failed(kind);
            assert_eq!(mark.kind(), Some(kind));
            assert!(mark.is_fail() && mark.is_bad() && !mark.is_slow());
        }
        assert_eq!(Mark::OK.kind(), None);
        assert!(Mark::SLOW.is_bad() && !Mark::SLOW.is_fail());
    }

    #[test]
    fn looks_are_kept_in_the_order_they_were_begun_also_over_the_wrap() {
        let mut path = Path::new(0, 0);
        for at in [u32::MAX - 5, 3, u32::MAX - 1, 9] {
            path.push(at, Mark::OK);
        }
        let order: Vec<u32> = path.seen().map(|s| s.at).collect();
        assert_eq!(order, [u32::MAX - 5, u32::MAX - 1, 3, 9]);
        assert!(path.has(3) && !path.has(4));
    }

    #[test]
    fn the_window_is_bounded_and_says_what_leaves() {
        let mut path = Path::new(0, 0);
        assert_eq!(path.push(0, Mark::SLOW), None);
        for at in 1..LOOKS as u32 {
            assert_eq!(path.push(at, Mark::OK), None);
        }
        assert_eq!(path.push(99, Mark::OK), Some(Mark::SLOW));
        assert_eq!(path.seen().count(), LOOKS);
    }

    #[test]
    fn a_path_is_small() {
        assert!(size_of::<Path>() <= 152, "{}", size_of::<Path>());
    }
}
