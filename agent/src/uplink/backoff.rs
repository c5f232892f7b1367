//! How long to stay away after a connection ended.

use std::time::Duration;

/// The first pause is at most this long: a collector that restarts is back in a moment.
const FIRST: Duration = Duration::from_millis(200);

/// No pause is longer.
const LONGEST: Duration = Duration::from_secs(30);

/// A refusal is repeated at most this often: somebody has to change a configuration first.
const REFUSED: std::ops::Range<f64> = 3.0..10.0;

/// Full jitter: any time between nothing and a bound that doubles, so that a fleet whose collector
/// comes back does not come all at once.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The pause after a cut.
    pub(super) fn after_cut(&mut self) -> Duration {
        let bound = FIRST.saturating_mul(1_u32 << self.tries.min(16)).min(LONGEST);
        self.tries = self.tries.saturating_add(1);
        bound.mul_f64(fastrand::f64())
    }

    /// The pause after a refusal.
    pub(super) fn after_refusal() -> Duration {
        let width = REFUSED.end - REFUSED.start;
        Duration::from_secs_f64(REFUSED.start + width * fastrand::f64())
    }

    /// The connection was good.
    pub(super) fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_bound_and_begin_anew() {
        let mut backoff = Backoff::default();
        for tries in 0..40 {
            let bound = FIRST.saturating_mul(1 << tries.min(16)).min(LONGEST);
            assert!(backoff.after_cut() <= bound);
        }
        backoff.reset();
        assert!(backoff.after_cut() <= FIRST);
        assert!((3.0..10.0).contains(&Backoff::after_refusal().as_secs_f64()));
    }
}
