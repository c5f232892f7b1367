//! The smallest set of faults that explains the bad looks: greedy MAP, each look counted once,
//! and for each fault of it by how much the world is worse explained without it.

use crate::case::Case;
use crate::gain::{NET_MIN, Sheet, Stretch};
use crate::ledger::Ledger;
use crate::suspect::What;

/// Most faults in one explanation. Thirty things at once are one that we have no word for.
const PICKS_MAX: usize = 32;
/// Most faults whose rivals are weighed at one sitting; the strongest come first.
const RIVALS_MAX: usize = 12;
/// Most stretches of one set: it comes and goes.
const OWN_MAX: usize = 4;
/// Most parts of a rival explanation.
const RIVAL_PARTS_MAX: usize = 24;
/// The chance that one fault begins in the same interval as another, of the 16 looked at: `ln 16`.
const COINCIDENCE_NATS: f64 = 2.77;
/// What it costs that a fault of a service in one region is in another region, too: one fault, not two.
const NEXT_REGION_COST: f64 = 5.0;
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
    let ledger = Ledger::new(case);
    let mut blank = Sheet::new(case, &ledger);
    let all: Vec<u32> = (0..case.suspects.len() as u32).collect();
    // every stretch is found once here; the copies made from now on know it
    for &set in &all {
        blank.stretch(set as usize);
    }
    let mut picks = greedy(case, blank.clone(), all, PICKS_MAX);
    for _ in 0..SWAPS_MAX {
        let (findings, swap) = weigh(case, &ledger, &blank, &picks);
        match swap {
            Some(instead) => picks = instead,
            None => return findings,
        }
    }
    weigh(case, &ledger, &blank, &picks).0
}

/// Weighs every picked set against its rivals; if one loses, the picks that should stand instead.
fn weigh(
    case: &Case,
    ledger: &Ledger,
    blank: &Sheet<'_>,
    picks: &[Pick],
) -> (Vec<Finding>, Option<Vec<Pick>>) {
    let mut findings = Vec::new();
    for (at, pick) in picks.iter().enumerate().take(RIVALS_MAX) {
        let mut known = blank.clone();
        if picks[..at].iter().any(|p| p.set == pick.set) {
            continue;
        }
        for other in picks.iter().filter(|p| p.set != pick.set) {
            known.apply(other.set as usize, &other.stretch);
        }
        let own = greedy(case, known.clone(), vec![pick.set], OWN_MAX);
        let net: f64 = own.iter().map(|p| p.net).sum();
        let rivals = greedy(case, known, touching(case, ledger, pick.set), RIVAL_PARTS_MAX);
        let against = against(case, pick, &rivals);
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

/// By how many nats the best explanation with a set in it would beat the best one without it, if one
/// agent had not looked at all; below zero if the other one were better.
pub(crate) fn margin_without(case: &Case, agent: u32, set: u32) -> f64 {
    let case = case.without(agent);
    let ledger = Ledger::new(&case);
    let mut known = Sheet::new(&case, &ledger);
    let all = (0..case.suspects.len() as u32).collect();
    let picks = greedy(&case, known.clone(), all, PICKS_MAX);
    let touching = touching(&case, &ledger, set);
    let is_picked = picks.iter().any(|p| p.set == set);
    // what stands beside it; where it is not part of the best explanation, what takes its place does not
    for other in picks.iter().filter(|p| p.set != set && (is_picked || !touching.contains(&p.set)))
    {
        known.apply(other.set as usize, &other.stretch);
    }
    let alone = known.stretch(set as usize);
    let own = greedy(&case, known.clone(), vec![set], OWN_MAX);
    let rivals = greedy(&case, known, touching, RIVAL_PARTS_MAX);
    let net = |p: &[Pick]| p.iter().map(|p| p.net).sum::<f64>();
    match (own.first(), alone) {
        (Some(first), _) => net(&own) - against(&case, first, &rivals),
        (None, Some(s)) => s.gain - price(&case, set as usize, &s) - net(&rivals),
        (None, None) => -case.suspects[set as usize].cost - net(&rivals),
    }
}

/// What a rival explanation gains, beyond the strokes of luck it needs.
fn against(case: &Case, pick: &Pick, rivals: &[Pick]) -> f64 {
    let sum: f64 = rivals.iter().map(|p| p.net).sum();
    let (next, others) = coincidences(case, pick, rivals);
    sum + next - COINCIDENCE_NATS * others
}

/// What it costs less that the regions of a rival explanation fail as one, and how many faults beyond
/// the first it has begin together with the accused: each of them has to explain why it began just then.
fn coincidences(case: &Case, pick: &Pick, rivals: &[Pick]) -> (f64, f64) {
    let onset = |p: &Pick| case.looks[p.stretch.first as usize].at;
    let together: Vec<&Pick> =
        rivals.iter().filter(|p| (onset(p) - onset(pick)).abs() <= case.pace_ms).collect();
    let suspect = |p: &Pick| &case.suspects[p.set as usize];
    let is_region = |p: &&&Pick| matches!(suspect(p).what, What::ServiceRegion(..));
    let regions: Vec<&Pick> = together.iter().filter(is_region).copied().collect();
    if regions.len() < 2 || is_everywhere(case, &regions) {
        return (0.0, together.len().saturating_sub(1) as f64);
    }
    let spared = |p: &&Pick| (suspect(p).cost - NEXT_REGION_COST).max(0.0);
    let next = regions.iter().skip(1).map(spared).sum();
    (next, (together.len() - regions.len()) as f64)
}

/// True if nobody looks at the target of these regions from anywhere else: all of them are the service.
fn is_everywhere(case: &Case, regions: &[&Pick]) -> bool {
    let what = regions.first().map(|p| case.suspects[p.set as usize].what);
    let target = what.and_then(What::target);
    let within = |sets: &[u32]| regions.iter().any(|p| sets.contains(&p.set));
    case.paths.iter().filter(|p| Some(p.target) == target).all(|p| within(p.sets()))
}

/// The suspects that share a bad look with `set`, but itself, ascending.
fn touching(case: &Case, ledger: &Ledger, set: u32) -> Vec<u32> {
    let mut touching = vec![false; case.suspects.len()];
    let bad = ledger.fails(set as usize).iter().chain(ledger.slows(set as usize));
    for entry in bad {
        let path = case.looks[ledger.looks[entry.bad as usize] as usize].path;
        for &touched in case.paths[path as usize].sets() {
            touching[touched as usize] = true;
        }
    }
    touching[set as usize] = false;
    (0..).zip(touching).filter(|(_, is)| *is).map(|(set, _)| set).collect()
}

/// Takes the suspect of `wanted` that gains most, counts its looks as explained, and so on.
fn greedy(case: &Case, mut sheet: Sheet<'_>, mut wanted: Vec<u32>, most: usize) -> Vec<Pick> {
    let mut picks = Vec::new();
    while picks.len() < most {
        let mut best: Option<Pick> = None;
        wanted.retain(|&set| {
            let Some(stretch) = sheet.stretch(set as usize) else { return false };
            let net = stretch.gain - price(case, set as usize, &stretch);
            if net > best.map_or(NET_MIN, |b| b.net) {
                best = Some(Pick { set, stretch, net });
            }
            net > NET_MIN
        });
        let Some(pick) = best else { break };
        sheet.apply(pick.set as usize, &pick.stretch);
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
