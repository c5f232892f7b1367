//! When a fault is over: its looks are good again, surely enough and for long enough.

use std::collections::{BTreeMap, BTreeSet};

use crate::case::Case;
use crate::open::{AGAIN_MIN, Open};
use crate::path::LOOKS;
use crate::suspect::What;
use crate::world::{NONE, World};

/// Nats by which "over" must beat "goes on".
pub(crate) const OVER_NATS: f64 = 8.0;
/// Nats from which a run of good looks counts as a pause, should it fail again.
const PAUSE_NATS: f64 = 7.0;
/// Most nats one good look is worth: even a dead service answers now and then.
const OK_NATS_MAX: f64 = 2.5;
/// A rate is estimated from its worst stretch: believe this share of it.
const RATE_SHARE: f64 = 0.9;
/// Intervals of good looks that a settled fault needs …
const HOLD_INTERVALS: f64 = 1.4;
/// … one that failed in part: such runs come by chance …
const HOLD_PARTIAL_INTERVALS: f64 = 2.0;
/// (fewer looks than this share were bad)
const PARTIAL_SHARE: f64 = 0.9;
/// … and a young one: what began minutes ago often comes again.
const HOLD_YOUNG_INTERVALS: f64 = 5.0;
/// Young is younger than this many intervals.
const YOUNG_INTERVALS: i64 = 10;
/// A fault that paused before must stay away longer than it did.
const PAUSE_FACTOR: f64 = 2.2;
/// But no longer than this many intervals.
const HOLD_INTERVALS_MAX: f64 = 24.0;

/// Follows the end of a fault; the instant it ended, once that is certain.
pub(crate) fn ended(world: &World, case: &Case, open: &mut Open) -> Option<i64> {
    let interval = open.interval_ms(world);
    let Some((nats, mut from, domains)) = good_run(world, case, open) else {
        note_pause(world, case, open, interval);
        return None;
    };
    if nats < PAUSE_NATS {
        note_pause(world, case, open, interval);
    } else {
        // a run may be longer than what is remembered of it
        from = open.easing.map_or(from, |e| e.min(from));
        open.easing = Some(from);
    }
    let hold = hold_ms(open, interval, from);
    let witnesses = failing_domains(world, open).min(2);
    let over = nats >= OVER_NATS && domains >= witnesses && case.now - from >= hold;
    (over && !is_left_somewhere(world, case, open, from)).then_some(from)
}

/// True if from some region no look of a service was good since then, and some were bad: it is not over there, and will
/// shrink to that. What is slow, or is seen from who knows where, does not shrink.
fn is_left_somewhere(world: &World, case: &Case, open: &Open, since: i64) -> bool {
    if !matches!(open.what, What::Service(_)) || open.slow {
        return false;
    }
    let mut regions: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
    for look in open.looks(world, case).take_while(|l| l.at >= since) {
        let path = &case.paths[look.path as usize];
        let (bad, good) = regions.entry(world.agents[path.agent as usize].region).or_default();
        *(if open.is_bad(look) { bad } else { good }) += u32::from(!path.useless);
    }
    let is_bad = |&(bad, good): &(u32, u32)| bad > 0 && good == 0;
    !regions.contains_key(&NONE) && regions.values().any(is_bad)
}

/// The best run of good looks up to now: its nats, begin, and domains.
fn good_run(world: &World, case: &Case, open: &Open) -> Option<(f64, i64, usize)> {
    let rate = open.rate.min(open.share);
    let mut mine = vec![false; case.paths.len()];
    open.looks(world, case).for_each(|look| mine[look.path as usize] = true);
    let paths = mine.into_iter().filter(|&is| is).count();
    // however rare its failures, it is over when all that is remembered is good
    let enough = OVER_NATS / (paths.max(1) * LOOKS) as f64;
    let (ok, rate) = (ok_nats(rate).max(enough), believed(rate));
    let (mut sum, mut best) = (0.0_f64, None::<(f64, i64, usize)>);
    let mut domains = BTreeSet::new();
    for look in open.looks(world, case) {
        if look.at < open.onset_ms() {
            break;
        }
        if open.is_bad(look) {
            let x = f64::from(look.usual);
            sum -= ((x + (1.0 - x) * rate) / x).ln();
        } else {
            sum += ok;
            domains.insert(case.paths[look.path as usize].domain);
            if best.is_none_or(|(b, ..)| sum > b) {
                best = Some((sum, look.at, domains.len()));
            }
        }
    }
    best.filter(|(nats, ..)| *nats > 0.0)
}

/// What seemed to be its end was none if it fails again, more than a stray does.
fn note_pause(world: &World, case: &Case, open: &mut Open, interval: i64) {
    let Some(from) = open.easing else { return };
    let since = open.looks(world, case).take_while(|l| l.at > from).filter(|l| open.is_bad(l));
    let bad: Vec<i64> = since.map(|look| look.at).collect();
    if bad.len() < AGAIN_MIN as usize {
        return;
    }
    open.easing = None;
    // strays may stand in the pause
    let gaps = bad.iter().zip(bad.iter().skip(1).chain([&from]));
    let longest = gaps.map(|(newer, older)| (newer - older, *newer)).max();
    let Some((pause, resumed)) = longest.filter(|(pause, _)| *pause >= interval / 2) else {
        return;
    };
    // the same run, resumed after a look or two, is no other pause
    open.pauses += u32::from(from > open.paused_at);
    open.pause = open.pause.max(pause);
    open.paused_at = resumed;
}

fn believed(rate: f64) -> f64 {
    (rate * RATE_SHARE).clamp(0.05, 0.97)
}

/// Nats by which one good look speaks for the end of a fault of that rate.
pub(crate) fn ok_nats(rate: f64) -> f64 {
    (-(1.0 - believed(rate)).ln()).min(OK_NATS_MAX)
}

/// How long good looks must last that began at `from`, ms. Its age is what it was then: when it fails again it
/// is older, and no surer of its end.
fn hold_ms(open: &Open, interval: i64, from: i64) -> i64 {
    hold_after_ms(open, interval, from, open.pause)
}

/// … if it paused for so long at most.
pub(crate) fn hold_after_ms(open: &Open, interval: i64, from: i64, pause: i64) -> i64 {
    let young = from - open.onset_ms() < YOUNG_INTERVALS * interval;
    let intervals = match (young, open.share < PARTIAL_SHARE) {
        (true, _) => HOLD_YOUNG_INTERVALS,
        (false, true) => HOLD_PARTIAL_INTERVALS,
        (false, false) => HOLD_INTERVALS,
    };
    let hold = intervals * interval as f64;
    let hold = hold.max(pause as f64 * PAUSE_FACTOR);
    hold.min(HOLD_INTERVALS_MAX * interval as f64) as i64
}

fn failing_domains(world: &World, open: &Open) -> usize {
    let mut domains = BTreeSet::new();
    for witness in &open.fault.evidence.witnesses_for {
        if let Some(a) = world.agent_names.find(&witness.agent) {
            domains.insert(world.agents[a as usize].domain);
        }
    }
    domains.len().max(1)
}
