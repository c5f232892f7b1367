//! How often a path fails, or is slow, when nothing is wrong.
//!
//! Beta-binomial with a weak prior: most paths lose a few looks in ten thousand, some one in fifty,
//! a few on the real Internet one in three. [`PRIOR_LOOKS`] pseudo-looks at the usual rate mean that
//! sixty looks suffice to tell these apart, and that one stray failure does not make a path noisy.

/// Weight of the prior, in looks.
const PRIOR_LOOKS: f32 = 20.0;
/// Usual share of failing looks (the mean over a fleet with some lossy paths).
const FAIL_USUAL: f32 = 0.003;
/// Usual share of slow looks.
const SLOW_USUAL: f32 = 0.012;
/// Never trust a path more than this: one look in a thousand fails for no reason worth telling.
const FAIL_FLOOR: f32 = 0.001;
const SLOW_FLOOR: f32 = 0.006;
/// A path that always fails still has a chance to work.
const CEILING: f32 = 0.97;
/// Looks after which the past counts half: about 4 hours at the usual interval.
const HORIZON_LOOKS: f32 = 500.0;

/// Counts of looks that left the window with nothing to explain them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Noise {
    looks: f32,
    fails: f32,
    slows: f32,
}

impl Noise {
    pub(crate) fn learn(&mut self, fail: bool, slow: bool) {
        if self.looks >= HORIZON_LOOKS {
            self.looks *= 0.5;
            self.fails *= 0.5;
            self.slows *= 0.5;
        }
        self.looks += 1.0;
        self.fails += f32::from(u8::from(fail));
        self.slows += f32::from(u8::from(slow));
    }

    /// Share of looks that fail when nothing is wrong.
    pub(crate) fn fail_rate(&self) -> f64 {
        rate(self.fails, self.looks, FAIL_USUAL).clamp(FAIL_FLOOR, CEILING).into()
    }

    /// Share of looks that are slow when nothing is wrong.
    pub(crate) fn slow_rate(&self) -> f64 {
        rate(self.slows, self.looks, SLOW_USUAL).clamp(SLOW_FLOOR, CEILING).into()
    }
}

fn rate(bad: f32, looks: f32, usual: f32) -> f32 {
    (bad + usual * PRIOR_LOOKS) / (looks + PRIOR_LOOKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lossy_path_is_known_after_an_hour_and_a_dead_one_sooner() {
        let (mut lossy, mut dead, mut clean) =
            (Noise::default(), Noise::default(), Noise::default());
        for look in 0..120 {
            lossy.learn(look % 5 == 0, false);
            dead.learn(look < 60, false);
            clean.learn(false, false);
        }
        assert!((0.15..0.2).contains(&lossy.fail_rate()), "{}", lossy.fail_rate());
        assert!(dead.fail_rate() > 0.4);
        assert!(clean.fail_rate() <= 0.0011);
    }
}
