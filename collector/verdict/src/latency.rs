//! How long a path's looks usually take, and which ones are far off.
//!
//! The logarithm of the latency is tracked by its mean and mean absolute deviation. Steps are
//! clipped, so that a spike does not move the baseline and a lasting change of route does, within
//! about an hour of looks.

/// Looks before anything is called slow.
const WARM_UP: u16 = 8;
/// How fast the baseline follows, per look.
const FOLLOW: f32 = 0.03;
/// Slow is this many deviations above the mean (a mean absolute deviation is 0.8 sigma) …
const DEVIATIONS: f32 = 3.2;
/// … and at least this much: ln 1.8.
const STEP_MIN: f32 = 0.588;
/// … and by so much: nobody waits for milliseconds, and a machine that is busy for one adds a few.
const STEP_MIN_US: f32 = 20_000.0;
/// Deviation before any is known, and its floor: hosts answer within some 10 % at best.
const DEVIATION_START: f32 = 0.35;
const DEVIATION_FLOOR: f32 = 0.1;

/// Mean and deviation of ln(latency).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Latency {
    mean: f32,
    deviation: f32,
    looks: u16,
}

impl Latency {
    /// True if `latency_us` is far above the usual.
    pub(crate) fn is_slow(&self, latency_us: u64) -> bool {
        self.looks >= WARM_UP
            && ln_us(latency_us) - self.mean > (self.deviation * DEVIATIONS).max(STEP_MIN)
            && latency_us as f32 - self.mean.exp() >= STEP_MIN_US
    }

    /// Learns one look that was fine.
    pub(crate) fn learn(&mut self, latency_us: u64) {
        let x = ln_us(latency_us);
        if self.looks == 0 {
            (self.mean, self.deviation) = (x, DEVIATION_START);
        }
        self.looks = self.looks.saturating_add(1);
        let follow = (1.0 / f32::from(self.looks)).max(FOLLOW);
        let off = x - self.mean;
        let clip = 3.0 * self.deviation;
        self.mean += follow * off.clamp(-clip, clip);
        let spread = off.abs().min(clip) - self.deviation;
        self.deviation = (self.deviation + follow.min(0.1) * spread).max(DEVIATION_FLOOR);
    }
}

fn ln_us(us: u64) -> f32 {
    (us.max(1) as f32).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_times_the_usual_is_slow_and_a_jitter_is_not() {
        let mut latency = Latency::default();
        for look in 0..100_u64 {
            latency.learn(40_000 + (look * 7919 % 17) * 2_000);
        }
        assert!(latency.is_slow(5 * 56_000));
        assert!(!latency.is_slow(90_000));
    }

    #[test]
    fn milliseconds_are_not_slow_however_many_times_the_usual() {
        let mut near = Latency::default();
        (0..100).for_each(|_| near.learn(400));
        assert!(!near.is_slow(15_000));
        assert!(near.is_slow(25_000));
    }

    #[test]
    fn a_lasting_change_is_learned_within_an_hour_of_looks() {
        let mut latency = Latency::default();
        (0..100).for_each(|_| latency.learn(20_000));
        assert!(latency.is_slow(60_000));
        (0..120).for_each(|_| latency.learn(60_000));
        assert!(!latency.is_slow(60_000));
    }
}
