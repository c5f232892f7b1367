//! The collector's clock: the wall's, but it never goes back.
//!
//! Contract: [`now`] is the wall clock while that goes forward, also after a sleep of the machine. When
//! it is set back, time goes on from where it was, at its own pace: verdicts wait for intervals to pass,
//! and a clock that stood still for hours would keep them waiting.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use parallax_model::Timestamp;

/// A wall clock that is this far behind was set back; less is a leap second or a slew.
const SET_BACK: Duration = Duration::from_secs(5);

static STEADY: Mutex<Option<Steady>> = Mutex::new(None);

/// Reads the clock: the only place in the collector that does.
pub fn now() -> Timestamp {
    let (wall, here) = (wall(), Instant::now());
    let mut steady = STEADY.lock().unwrap_or_else(PoisonError::into_inner);
    steady.get_or_insert(Steady { at: wall, here, behind: false }).read(wall, here)
}

fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// The latest instant at which the wall clock was believed.
struct Steady {
    at: Timestamp,
    here: Instant,
    /// That the wall clock is behind was told.
    behind: bool,
}

impl Steady {
    /// What the time is when the wall clock says `wall`, `here` on the clock that only goes forward.
    fn read(&mut self, wall: Timestamp, here: Instant) -> Timestamp {
        let steady = self.at + here.saturating_duration_since(self.here);
        if wall >= steady {
            *self = Self { at: wall, here, behind: false };
            return wall;
        }
        let by = steady.since(wall);
        if by > SET_BACK && !self.behind {
            self.behind = true;
            let by = humantime::format_duration(Duration::from_secs(by.as_secs())).to_string();
            tracing::warn!(by, "the wall clock was set back; times told are ahead until a restart");
        }
        steady
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_the_wall_forward_and_goes_on_when_that_is_set_back() {
        let (begin, second) = (Instant::now(), Duration::from_secs(1));
        let at = |s: i64| Timestamp::from_millis(s * 1000);
        let mut clock = Steady { at: at(10_000), here: begin, behind: false };
        assert_eq!(clock.read(at(10_001), begin + second), at(10_001));
        // the machine slept for an hour
        assert_eq!(clock.read(at(13_602), begin + second * 2), at(13_602));
        // the wall clock is set back by two hours: time goes on
        assert_eq!(clock.read(at(6_403), begin + second * 3), at(13_603));
        assert!(clock.behind);
        assert_eq!(clock.read(at(6_503), begin + second * 103), at(13_703));
        // and forward again
        assert_eq!(clock.read(at(13_705), begin + second * 104), at(13_705));
        assert!(!clock.behind);
        assert_eq!(clock.read(at(13_704), begin + second * 104), at(13_705));
    }
}
