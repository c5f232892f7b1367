//! How long looks take that are slower than usual, and how long they took before.

use std::time::Duration;

use parallax_model::{Fault, Reason};

use super::live::Live;
use super::{Look, Path};

/// Looks of a path from before a fault that are enough to say what was usual.
const USUAL_LOOKS_MIN: usize = 3;

/// What looks along the slow paths take: medians over the paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// Since the fault began.
    pub(super) now: Duration,
    /// Before, while that is remembered: a path keeps thirty looks.
    pub(super) usual: Option<Duration>,
}

impl Live {
    /// Of an open fault that is slowness of one target.
    pub(super) fn pace(&self, fault: &Fault) -> Option<Pace> {
        let open = fault.ended.is_none() && fault.reason == Some(Reason::Slow);
        let target = self.fleet.targets.get(fault.locus.target().filter(|_| open)?)?;
        let paths = self.paths.get(&target.name)?;
        let (mut now, mut usual) = (Vec::new(), Vec::new());
        let slow = fault.evidence.witnesses_for.iter().filter(|w| w.target == target.name);
        for path in slow.filter_map(|w| paths.get(&w.agent)) {
            let looks = path.looks();
            let (before, since) = looks.split_at(before(path, fault, target.interval, looks.len()));
            now.extend(median(since, 1));
            usual.extend(median(before, USUAL_LOOKS_MIN));
        }
        Some(Pace { now: middle(now)?, usual: middle(usual) })
    }
}

/// How many of the remembered looks were made before the fault began. They bear no times: one an interval is
/// what is counted on, and one more is left to the fault.
fn before(path: &Path, fault: &Fault, interval: Duration, looks: usize) -> usize {
    let lasted = path.received().since(fault.onset);
    let since = lasted.as_millis() / interval.as_millis().max(1) + 2;
    looks.saturating_sub(usize::try_from(since).unwrap_or(usize::MAX))
}

fn median(looks: &[Look], least: usize) -> Option<Duration> {
    let took = looks.iter().filter_map(|look| match look {
        Look::Ok(took) => Some(*took),
        Look::Fail => None,
    });
    let took: Vec<Duration> = took.collect();
    if took.len() < least { None } else { middle(took) }
}

fn middle(mut all: Vec<Duration>) -> Option<Duration> {
    all.sort_unstable();
    all.get(all.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use parallax_model::{Outcome, Timestamp};

    use super::super::made_up::{self, NOW, outage};
    use super::*;

    #[test]
    fn what_was_usual_is_told_while_it_is_remembered() {
        let mut live = Live::default();
        live.take(made_up::config());
        let onset = NOW - Duration::from_secs(42);
        let slow = Fault { reason: Some(Reason::Slow), ..outage(2) };
        let mut look = |at: Timestamp, ms| {
            let look = made_up::look("shop", at, ms, Outcome::Ok);
            live.take(made_up::results("eu-west", at, vec![look]));
            live.pace(&slow).map(|pace| {
                [Some(pace.now), pace.usual].map(|t| t.map(|t| (t.as_secs_f64() * 1e3).round()))
            })
        };
        for ago in (1..20).rev() {
            look(onset - Duration::from_secs(ago), 95);
        }
        let told: Vec<_> =
            (0..40).map(|after| look(onset + Duration::from_secs(after), 1_240)).collect();
        assert_eq!(told[4], Some([Some(1_240.0), Some(95.0)]));
        assert_eq!(told[39], Some([Some(1_240.0), None]), "thirty looks later");
        assert_eq!(live.pace(&outage(2)), None, "it is not slow");
        assert_eq!(live.pace(&Fault { ended: Some(NOW), ..slow }), None);
    }
}
