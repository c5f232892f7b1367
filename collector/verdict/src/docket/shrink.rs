//! A fault of a service that is over in some regions and goes on in others shrinks to those.
//!
//! A region is well when its looks are good, for as long as the end of a fault has to last, and when a
//! fault of the rate that the other regions have meanwhile would not leave it alone for so long. A
//! service that fails in part fails everywhere now and then: there the rate is low and no run is long.

use std::collections::{BTreeMap, BTreeSet};

use super::Docket;
use crate::case::Case;
use crate::open::Open;
use crate::recover::{OVER_NATS, hold_after_ms, ok_nats};
use crate::suspect::What;
use crate::world::{NONE, World};

/// Bad looks that a region must have had while the others were well.
pub(crate) const STILL_BAD_MIN: u32 = 3;

/// Fewest good looks in a row of a region that may be well.
const WELL_MIN: u32 = 4;

/// What the looks from one region say, newest first.
#[derive(Debug, Clone, Default)]
struct Course {
    /// Begin of every look, ms, and whether it was bad.
    looks: Vec<(i64, bool)>,
    /// Good looks since the newest bad one, and the begin of the oldest of them, ms.
    good: u32,
    good_from: i64,
}

impl Course {
    fn hear(&mut self, at: i64, bad: bool) {
        if self.good as usize == self.looks.len() && !bad {
            self.good += 1;
            self.good_from = at;
        }
        self.looks.push((at, bad));
    }

    /// Bad looks since then, and all.
    fn since(&self, since: i64) -> (u32, u32) {
        let fresh = self.looks.iter().take_while(|(at, _)| *at >= since);
        fresh.fold((0, 0), |(bad, all), (_, is_bad)| (bad + u32::from(*is_bad), all + 1))
    }
}

impl Docket {
    /// Lets faults of services go on in fewer regions than before.
    pub(super) fn shrink(&mut self, world: &mut World, case: &Case) {
        for open in &mut self.opens {
            if let Some(left) = regions_left(world, case, open) {
                settle_others(world, case, open, &left.parts);
                open.parts = left.parts;
                open.shrunk = Some(left.since);
                // what paused before were the regions where it is over now
                (open.pause, open.pauses, open.easing) = (left.pause, 0, None);
                self.widened = true;
            }
        }
    }
}

/// Where a fault goes on.
struct Left {
    parts: BTreeSet<What>,
    /// Since when it is over in all other regions, ms.
    since: i64,
    /// The longest time without a bad look since, ms.
    pause: i64,
}

/// The parts in which a fault goes on; none if it goes on everywhere, or is about to end.
fn regions_left(world: &World, case: &Case, open: &Open) -> Option<Left> {
    let What::Service(target) = open.what else { return None };
    let mut regions: BTreeMap<u32, Course> = BTreeMap::new();
    for look in open.looks(world, case).take_while(|l| l.at >= open.onset_ms()) {
        let region = world.agents[case.paths[look.path as usize].agent as usize].region;
        regions.entry(region).or_default().hear(look.at, open.is_bad(look));
    }
    if open.slow || regions.len() < 2 || regions.contains_key(&NONE) {
        return None;
    }
    // that most looks are good while few regions fail is no pause of the fault: it pauses when those do
    let hold = |pause| hold_after_ms(open, open.interval_ms(world), open.last_bad, pause);
    let lasts = |course: &Course, hold| case.now - course.good_from >= hold;
    let well = |course: &Course| course.good >= WELL_MIN && lasts(course, hold(0));
    let (over, left): (Vec<_>, Vec<_>) = regions.into_iter().partition(|(_, c)| well(c));
    let since = over.iter().map(|(_, course)| course.good_from).max()?;
    let (mut bad, mut all) = (0, 0);
    for (_, course) in &left {
        let (its_bad, its_all) = course.since(since);
        if its_bad < STILL_BAD_MIN {
            return None;
        }
        (bad, all) = (bad + its_bad, all + its_all);
    }
    let pause = longest_pause(left.iter().map(|(_, course)| course), since, case.now);
    let nats = ok_nats(f64::from(bad) / f64::from(all.max(1)));
    let spared = |c: &Course| f64::from(c.good) * nats >= OVER_NATS && lasts(c, hold(pause));
    let parts = left.iter().map(|&(r, _)| What::ServiceRegion(target, r)).collect();
    (!left.is_empty() && over.iter().all(|(_, c)| spared(c))).then_some(Left {
        parts,
        since,
        pause,
    })
}

/// The longest time since then in which no look from these regions was bad.
fn longest_pause<'a>(of: impl Iterator<Item = &'a Course>, since: i64, now: i64) -> i64 {
    let fresh = |course: &'a Course| course.looks.iter().take_while(move |(at, _)| *at >= since);
    let mut bad: Vec<i64> = of.flat_map(fresh).filter(|(_, bad)| *bad).map(|(at, _)| *at).collect();
    bad.extend([since, now]);
    bad.sort_unstable();
    bad.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
}

/// What failed where it is over now is evidence of nothing any more.
fn settle_others(world: &mut World, case: &Case, open: &Open, left: &BTreeSet<What>) {
    let gone = |agent: u32, target: u32| {
        open.covers(world, agent, target) && !left.iter().any(|p| p.covers(world, agent, target))
    };
    let gone: Vec<bool> = case.paths.iter().map(|p| gone(p.agent, p.target)).collect();
    for look in case.looks.iter().filter(|l| l.mark.is_bad() && gone[l.path as usize]) {
        world.paths[case.paths[look.path as usize].id as usize].explain(look.raw, true);
    }
}
