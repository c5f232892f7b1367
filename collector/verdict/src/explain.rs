//! The smallest set of faults that explains the bad looks: greedy MAP, each look counted once,
//! and for each fault of it by how much the world is worse explained without it.

use crate::case::Case;
use crate::gain::{Stretch, stretches};
use crate::suspect::What;

/// Most faults in one explanation. Thirty things at once are one that we have no word for.
const PICKS_MAX: usize = 32;
/// Most faults whose rivals are weighed at one sitting; the strongest come first.
const RIVALS_MAX: usize = 12;
/// What a fault must gain beyond its cost to be part of an explanation.
const NET_MIN: f64 = 0.5;
/// Most stretches of one set: it comes and goes.
const OWN_MAX: usize = 4;
/// Most parts of a rival explanation.
const RIVAL_PARTS_MAX: usize = 24;
/// The chance that one fault begins in the same interval as another, of the 16 looked at: `ln 16`.
const COINCIDENCE_NATS: f64 = 2.77;
/// Times a pick may be replaced by a better rival.
const SWAPS_MAX: usize = 4;

/// A fault of the best explanation.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) what: What,
    pub(crate) set: u32,
    pub(crate) stretch: Stretch,
    /// Nats by which the best explanation without it is worse.
    pub(crate) margin: f64,
    /// The strongest part of that other explanation.
    pub(crate) rival: Option<What>,
}

#[derive(Debug, Clone, Copy)]
struct Pick {
    set: u32,
    stretch: Stretch,
    net: f64,
}

/// The faults that best explain the case, strongest first.
pub(crate) fn explain(case: &Case) -> Vec<Finding> {
    let all = vec![true; case.suspects.len()];
    let mut picks = greedy(case, &usual(case), all, PICKS_MAX);
    for _ in 0..SWAPS_MAX {
        let (findings, swap) = weigh(case, &picks);
        match swap {
            Some(instead) => picks = instead,
            None => return findings,
        }
    }
    weigh(case, &picks).0
}

/// Weighs every picked set against its rivals; if one loses, the picks that should stand instead.
fn weigh(case: &Case, picks: &[Pick]) -> (Vec<Finding>, Option<Vec<Pick>>) {
    let mut findings = Vec::new();
    for (at, pick) in picks.iter().enumerate().take(RIVALS_MAX) {
        let mut known = usual(case);
        if picks[..at].iter().any(|p| p.set == pick.set) {
            continue;
        }
        for other in picks.iter().filter(|p| p.set != pick.set) {
            apply(case, other, &mut known);
        }
        let only: Vec<bool> = (0..case.suspects.len()).map(|s| s == pick.set as usize).collect();
        let own = greedy(case, &known, only, OWN_MAX);
        let net: f64 = own.iter().map(|p| p.net).sum();
        let rivals = greedy(case, &known, touching(case, pick.set), RIVAL_PARTS_MAX);
        let sum: f64 = rivals.iter().map(|p| p.net).sum();
        let against = sum - COINCIDENCE_NATS * coincidences(case, pick, &rivals);
        if net < against || net < 0.0 {
            let kept = picks.iter().filter(|p| p.set != pick.set).copied();
            return (findings, Some(kept.chain(rivals).collect()));
        }
        findings.push(Finding {
            what: case.suspects[pick.set as usize].what,
            set: pick.set,
            // the one that is going on, if there is one
            stretch: own.iter().min_by_key(|p| p.stretch.last).unwrap_or(pick).stretch,
            margin: net - against,
            rival: rivals.first().map(|p| case.suspects[p.set as usize].what),
        });
    }
    (findings, None)
}

/// How many faults beyond the first a rival explanation has begin together with the accused: each of
/// them has to explain why it began just then.
fn coincidences(case: &Case, pick: &Pick, rivals: &[Pick]) -> f64 {
    let onset = |p: &Pick| case.looks[p.stretch.first as usize].at;
    let together = |p: &&Pick| (onset(p) - onset(pick)).abs() <= case.pace_ms;
    rivals.iter().filter(together).count().saturating_sub(1) as f64
}

/// The suspects that share a bad look with `set`, but itself.
fn touching(case: &Case, set: u32) -> Vec<bool> {
    let mut touching = vec![false; case.suspects.len()];
    for look in case.looks.iter().filter(|l| l.mark.is_bad()) {
        let sets = case.paths[look.path as usize].sets();
        if sets.contains(&set) {
            for &touched in sets {
                touching[touched as usize] = true;
            }
        }
    }
    touching[set as usize] = false;
    touching
}

fn usual(case: &Case) -> Vec<f32> {
    case.looks.iter().map(|l| l.usual).collect()
}

fn greedy(case: &Case, usual: &[f32], mut wanted: Vec<bool>, most: usize) -> Vec<Pick> {
    let mut usual = usual.to_vec();
    let mut picks = Vec::new();
    while picks.len() < most {
        let found = stretches(case, &usual, &wanted);
        let mut best: Option<Pick> = None;
        for (set, stretch) in found.into_iter().enumerate() {
            let net = stretch.map_or(0.0, |s| s.gain - price(case, set, &s));
            match stretch {
                Some(stretch) if net > best.map_or(NET_MIN, |b| b.net) => {
                    best = Some(Pick { set: set as u32, stretch, net });
                }
                _ if net <= NET_MIN => wanted[set] = false,
                _ => {}
            }
        }
        let Some(pick) = best else { break };
        apply(case, &pick, &mut usual);
        picks.push(pick);
    }
    picks
}

/// What it costs to believe that a set was at fault for that stretch.
fn price(case: &Case, set: usize, stretch: &Stretch) -> f64 {
    let suspect = &case.suspects[set];
    let at = |look: u32| case.looks[look as usize].at;
    let lasted_ms = at(stretch.last) - at(stretch.first);
    suspect.cost + if suspect.open { 0.0 } else { suspect.what.lasting_cost(lasted_ms) }
}

/// Counts the looks of a picked stretch as explained by it.
fn apply(case: &Case, pick: &Pick, usual: &mut [f32]) {
    let q = pick.stretch.rate as f32;
    let span = pick.stretch.last as usize..=pick.stretch.first as usize;
    for (look, usual) in case.looks[span.clone()].iter().zip(&mut usual[span]) {
        let fits = if pick.stretch.slow { !look.mark.is_fail() } else { look.mark.is_fail() };
        if look.mark.is_bad() && fits && case.paths[look.path as usize].sets().contains(&pick.set) {
            *usual += (1.0 - *usual) * q;
        }
    }
}
