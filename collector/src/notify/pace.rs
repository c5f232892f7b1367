//! When a letter is due: pauses after failures, and between the updates of one fault.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use parallax_model::FaultId;
use tokio::time::Instant;

use crate::store::letter::{Event, Waiting};

/// The pause after the first failure; each further one doubles it up to the webhook's own bound.
const RETRY_MIN: Duration = Duration::from_secs(1);

/// The pause after a fault's first update; each further one doubles it …
const UPDATE_MIN: Duration = Duration::from_mins(1);

/// … up to this: a service that flaps for a day is a few dozen messages, each with the latest state.
const UPDATE_MAX: Duration = Duration::from_hours(1);

/// A fault's past is forgotten so long after its last message. Longer than its longest pause.
const LANE_KEPT: Duration = Duration::from_hours(2);

/// What may be sent when, to one receiver.
#[derive(Debug)]
pub(super) struct Pace {
    retry_max: Duration,
    /// Failures in a row that are the receiver's, and when to try again.
    failures: u32,
    open_at: Option<Instant>,
    lanes: HashMap<FaultId, Lane>,
}

/// What of one fault was sent.
#[derive(Debug)]
struct Lane {
    refusals: u32,
    updates: u32,
    /// Nothing before.
    not_before: Instant,
    /// No update before.
    no_update_before: Instant,
    last: Instant,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Send this.
    Send(Waiting),
    /// Look again then.
    At(Instant),
    /// Nothing waits.
    Idle,
}

impl Pace {
    pub(super) fn new(retry_max: Duration) -> Self {
        Self { retry_max, failures: 0, open_at: None, lanes: HashMap::new() }
    }

    /// The first letter that is due. Of one fault only the oldest may go.
    pub(super) fn next(&mut self, waiting: &[Waiting], now: Instant) -> Next {
        if waiting.is_empty() {
            return Next::Idle;
        }
        if let Some(at) = self.open_at.filter(|at| *at > now) {
            return Next::At(at);
        }
        let mut seen = HashSet::new();
        let mut soonest: Option<Instant> = None;
        for letter in waiting {
            if !seen.insert(letter.fault) {
                continue;
            }
            match self.due(letter).filter(|at| *at > now) {
                None => return Next::Send(*letter),
                Some(at) => soonest = Some(soonest.map_or(at, |s| s.min(at))),
            }
        }
        soonest.map_or(Next::Idle, Next::At)
    }

    fn due(&self, letter: &Waiting) -> Option<Instant> {
        let lane = self.lanes.get(&letter.fault)?;
        Some(match letter.event {
            Event::Updated => lane.not_before.max(lane.no_update_before),
            Event::Opened | Event::Closed => lane.not_before,
        })
    }

    /// The receiver has it.
    pub(super) fn taken(&mut self, letter: &Waiting, now: Instant) {
        (self.failures, self.open_at) = (0, None);
        let lane = self.lane(letter.fault, now);
        lane.refusals = 0;
        match letter.event {
            Event::Closed => drop(self.lanes.remove(&letter.fault)),
            Event::Opened => {}
            Event::Updated => {
                let pause = doubled(UPDATE_MIN, lane.updates, UPDATE_MAX);
                lane.updates += 1;
                lane.no_update_before = now + pause;
            }
        }
        self.lanes.retain(|_, lane| now - lane.last < LANE_KEPT);
    }

    /// The receiver takes nothing; it may have asked for a pause.
    pub(super) fn away(&mut self, asked: Option<Duration>, now: Instant) {
        let pause = jittered(doubled(RETRY_MIN, self.failures, self.retry_max));
        self.failures = self.failures.saturating_add(1);
        self.open_at = Some(now + pause.max(asked.unwrap_or_default()));
    }

    /// The receiver does not take this one; others may go on.
    pub(super) fn refused(&mut self, letter: &Waiting, now: Instant) {
        let retry_max = self.retry_max;
        let lane = self.lane(letter.fault, now);
        lane.not_before = now + jittered(doubled(RETRY_MIN, lane.refusals, retry_max));
        lane.refusals = lane.refusals.saturating_add(1);
    }

    fn lane(&mut self, fault: FaultId, now: Instant) -> &mut Lane {
        let lane = self.lanes.entry(fault).or_insert(Lane {
            refusals: 0,
            updates: 0,
            not_before: now,
            no_update_before: now,
            last: now,
        });
        lane.last = now;
        lane
    }
}

fn doubled(first: Duration, times: u32, max: Duration) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(times)).min(max)
}

/// Three quarters to five quarters of it, so that many senders do not come back at once.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.75 + fastrand::f64() / 2.0)
}
