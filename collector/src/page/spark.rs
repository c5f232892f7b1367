//! The last looks as a row of bars: height is latency, a full dark bar is a failure.

use std::time::Duration;

use crate::view::Look;

/// The drawing's size; each look takes [`STEP`] of its width.
pub(super) const WIDTH: usize = 60;
pub(super) const HEIGHT: f64 = 16.0;
const STEP: usize = 2;
const BAR: f64 = 1.4;

/// Shortest bar: a fast look is still seen.
const LEAST: f64 = 2.0;

/// Highest bar of a look that was fine, so that it cannot be taken for a failure.
const MOST: f64 = 12.0;

/// Two SVG paths: looks that were fine, looks that failed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Spark {
    pub(super) fine: String,
    pub(super) failed: String,
}

/// Draws `looks`, the newest at the right edge. Bars are in proportion to the slowest one.
pub(super) fn spark(looks: &[Look]) -> Spark {
    let slowest = looks.iter().filter_map(latency).max().unwrap_or_default().as_secs_f64();
    let mut out = Spark::default();
    for (n, look) in looks.iter().rev().take(WIDTH / STEP).enumerate() {
        let x = WIDTH - (n + 1) * STEP;
        match latency(look) {
            Some(took) => {
                let share = if slowest > 0.0 { took.as_secs_f64() / slowest } else { 0.0 };
                out.fine.push_str(&bar(x, (share * MOST).max(LEAST)));
            }
            None => out.failed.push_str(&bar(x, HEIGHT)),
        }
    }
    out
}

const fn latency(look: &Look) -> Option<Duration> {
    match look {
        Look::Ok(latency) => Some(*latency),
        Look::Fail => None,
    }
}

/// A bar standing on the ground line.
fn bar(x: usize, height: f64) -> String {
    format!("M{x} {HEIGHT}v-{height:.1}h{BAR}v{height:.1}z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_look_stands_at_the_right_and_failures_are_full() {
        let ms = |n| Look::Ok(Duration::from_millis(n));
        let drawn = spark(&[ms(10), ms(20), Look::Fail]);
        assert_eq!(drawn.failed, "M58 16v-16.0h1.4v16.0z");
        assert_eq!(drawn.fine, "M56 16v-12.0h1.4v12.0zM54 16v-6.0h1.4v6.0z");
        assert_eq!(spark(&[]), Spark::default());
        let many = spark(&[Look::Fail; 100]);
        assert_eq!(many.failed.matches('M').count(), 30);
    }
}
