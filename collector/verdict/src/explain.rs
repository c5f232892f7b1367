//! The smallest set of faults that explains the bad looks: greedy MAP, each look counted once,
//! and for each fault of it by how much the world is worse explained without it.

use std::collections::BTreeMap;

use crate::case::Case;
use crate::gain::{NET_MIN, Sheet, Stretch};
use crate::ledger::Ledger;
use crate::ready::FULL_RATE;
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
/// Nats, and one more for each target, by which the targets of a place have to differ in how often they fail
/// for its trouble to be theirs …
const MIXED_NATS: f64 = 8.0;
/// … and times that such places are struck off.
const MIXED_MAX: usize = 3;
/// New places in trouble from which on it is asked whether it is none of them.
const PLACES_MIN: usize = 2;
/// Nats by which two explanations that differ no more are equal: the order of a sum must not decide.
const EQUAL_NATS: f64 = 1e-6;
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
    /// That other explanation; none where chance is all of it, beside the other findings.
    pub(crate) rival: Option<Rival>,
}

/// Another explanation, by its strongest part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rival {
    pub(crate) what: What,
    /// How many faults it takes.
    pub(crate) parts: u32,
}

#[derive(Debug, Clone, Copy)]
struct Pick {
    set: u32,
    stretch: Stretch,
    net: f64,
}

/// The faults that best explain the case, strongest first.
pub(crate) fn explain(case: &Case, ledger: &Ledger, blank: &mut Sheet<'_>) -> Vec<Finding> {
    let mut wanted: Vec<u32> = (0..case.suspects.len() as u32).collect();
    // every stretch is found once here; the copies made from now on know it
    for &set in &wanted {
        blank.stretch(set as usize);
    }
    let mut picks = greedy(case, blank.clone(), wanted.clone(), PICKS_MAX, &[]);
    for _ in 0..MIXED_MAX {
        let mixed = mixed(case, &picks);
        if mixed.is_empty() {
            break;
        }
        wanted.retain(|set| !mixed.contains(set));
        picks = greedy(case, blank.clone(), wanted.clone(), PICKS_MAX, &[]);
    }
    if let Some(instead) = without_places(case, blank, &wanted, &picks) {
        picks = instead;
    }
    for _ in 0..SWAPS_MAX {
        let (findings, swap) = weigh(case, ledger, blank, &wanted, &picks);
        match swap {
            Some(instead) => picks = instead,
            None => return findings,
        }
    }
    weigh(case, ledger, blank, &wanted, &picks).0
}

/// What explains more than new places in trouble do, several of them, without any. Each gains most for itself where those who
/// looked first at services that are down stand there, and takes from the services what would show that it is them.
fn without_places(
    case: &Case,
    blank: &Sheet<'_>,
    wanted: &[u32],
    picks: &[Pick],
) -> Option<Vec<Pick>> {
    let is_new_place = |set: u32| {
        let suspect = &case.suspects[set as usize];
        suspect.what.target().is_none() && !suspect.open
    };
    if picks.iter().filter(|p| is_new_place(p.set)).count() < PLACES_MIN {
        return None;
    }
    let others = wanted.iter().copied().filter(|&set| !is_new_place(set)).collect();
    let instead = greedy(case, blank.clone(), others, PICKS_MAX, &[]);
    let net = |picks: &[Pick]| picks.iter().map(|p| p.net).sum::<f64>();
    (net(&instead) > net(picks) + EQUAL_NATS).then_some(instead)
}

/// Looks at each target, bad and all.
type Tally = BTreeMap<u32, (f64, f64)>;

/// The places in trouble where some targets fail always and others never, each by itself or all together: that is
/// those targets' own, as a place that loses a part of the looks loses them whatever they are of.
fn mixed(case: &Case, picks: &[Pick]) -> Vec<u32> {
    let is_partial_place = |p: &&Pick| {
        let suspect = &case.suspects[p.set as usize];
        let place = suspect.what.target().is_none() && !suspect.open;
        place && !p.stretch.slow && p.stretch.rate < FULL_RATE
    };
    let mut together = Tally::new();
    let (mut places, mut mixed) = (Vec::new(), Vec::new());
    for pick in picks.iter().filter(is_partial_place) {
        let tally = tally(case, pick, picks);
        for (target, (bad, all)) in &tally {
            let sum = together.entry(*target).or_default();
            *sum = (sum.0 + bad, sum.1 + all);
        }
        places.push(pick.set);
        mixed.extend(differ(&tally).then_some(pick.set));
    }
    if differ(&together) { places } else { mixed }
}

/// What the looks say of each target that no other fault accounts for.
fn tally(case: &Case, pick: &Pick, picks: &[Pick]) -> Tally {
    let others: Vec<u32> = picks.iter().map(|p| p.set).filter(|&set| set != pick.set).collect();
    let mut targets = Tally::new();
    for look in &case.looks[pick.stretch.last as usize..=pick.stretch.first as usize] {
        let path = &case.paths[look.path as usize];
        let sets = path.sets();
        let is_its_own = sets.contains(&pick.set) && !sets.iter().any(|set| others.contains(set));
        if is_its_own && !path.useless {
            let (bad, all) = targets.entry(path.target).or_default();
            (*bad, *all) = (*bad + f64::from(u8::from(look.mark.is_fail())), *all + 1.0);
        }
    }
    targets
}

/// True if the targets fail each at its own rate rather than all at one.
fn differ(targets: &Tally) -> bool {
    let nats = |bad: f64, all: f64| {
        let part = |n: f64| if n > 0.0 { n * (n / all).ln() } else { 0.0 };
        part(bad) + part(all - bad)
    };
    let (bad, all) = targets.values().fold((0.0, 0.0), |(b, a), t| (b + t.0, a + t.1));
    let apart: f64 = targets.values().map(|&(bad, all)| nats(bad, all)).sum();
    apart - nats(bad, all) > MIXED_NATS + targets.len() as f64
}

/// Weighs every picked set against its rivals; if one loses, the picks that should stand instead.
fn weigh(
    case: &Case,
    ledger: &Ledger,
    blank: &Sheet<'_>,
    wanted: &[u32],
    picks: &[Pick],
) -> (Vec<Finding>, Option<Vec<Pick>>) {
    let mut findings = Vec::new();
    for (at, pick) in picks.iter().enumerate().take(RIVALS_MAX) {
        let mut known = blank.clone();
        if picks[..at].iter().any(|p| p.set == pick.set) {
            continue;
        }
        let others: Vec<Pick> = picks.iter().filter(|p| p.set != pick.set).copied().collect();
        for other in &others {
            known.apply(other.set as usize, &other.stretch);
        }
        let own = greedy(case, known.clone(), vec![pick.set], OWN_MAX, &others);
        let net: f64 = own.iter().map(|p| p.net).sum();
        let mut rivals = touching(case, ledger, pick.set);
        rivals.retain(|set| wanted.binary_search(set).is_ok());
        let rivals = greedy(case, known, rivals, RIVAL_PARTS_MAX, &others);
        let against = against(case, pick, &rivals);
        if net < against - EQUAL_NATS || net < 0.0 {
            return (findings, Some(others.into_iter().chain(rivals).collect()));
        }
        findings.push(Finding {
            what: case.suspects[pick.set as usize].what,
            set: pick.set,
            // the one that is going on, if there is one
            stretch: own.iter().min_by_key(|p| p.stretch.last).unwrap_or(pick).stretch,
            margin: net - against,
            rival: rivals.first().filter(|_| against > 0.0).map(|p| Rival {
                what: case.suspects[p.set as usize].what,
                parts: rivals.len() as u32,
            }),
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
    let picks = greedy(&case, known.clone(), all, PICKS_MAX, &[]);
    let touching = touching(&case, &ledger, set);
    let is_picked = picks.iter().any(|p| p.set == set);
    // what stands beside it; where it is not part of the best explanation, what takes its place does not
    let beside = |p: &&Pick| p.set != set && (is_picked || !touching.contains(&p.set));
    let others: Vec<Pick> = picks.iter().filter(beside).copied().collect();
    for other in &others {
        known.apply(other.set as usize, &other.stretch);
    }
    let alone = known.stretch(set as usize);
    let own = greedy(&case, known.clone(), vec![set], OWN_MAX, &others);
    let rivals = greedy(&case, known, touching, RIVAL_PARTS_MAX, &others);
    let net = |p: &[Pick]| p.iter().map(|p| p.net).sum::<f64>();
    match (own.first(), alone) {
        (Some(first), _) => net(&own) - against(&case, first, &rivals),
        (None, Some(s)) => s.gain - price(&case, set, &s, &[]) - net(&rivals),
        (None, None) => -case.suspects[set as usize].cost - net(&rivals),
    }
}

/// What a rival explanation gains, beyond the strokes of luck it needs; zero where chance is the better one.
fn against(case: &Case, pick: &Pick, rivals: &[Pick]) -> f64 {
    let sum: f64 = rivals.iter().map(|p| p.net).sum();
    let (next, others) = coincidences(case, pick, rivals);
    // chance is always there: no explanation has to be worse
    (sum + next - COINCIDENCE_NATS * others).max(0.0)
}

/// What it costs less that the regions of a rival explanation fail as one, and how many faults beyond
/// the first it has begin together with the accused: each of them has to explain why it began just then.
fn coincidences(case: &Case, pick: &Pick, rivals: &[Pick]) -> (f64, f64) {
    let onset = |p: &Pick| case.looks[p.stretch.first as usize].at;
    let together: Vec<&Pick> =
        rivals.iter().filter(|p| (onset(p) - onset(pick)).abs() <= case.pace_ms).collect();
    let suspect = |p: &Pick| &case.suspects[p.set as usize];
    let others = |said: usize| together.len().saturating_sub(said.max(1)) as f64;
    let is_provider = |p: &&&Pick| matches!(suspect(p).what, What::ServiceProvider(..));
    let providers: Vec<&Pick> = together.iter().filter(is_provider).copied().collect();
    if providers.len() >= 2 && is_everywhere(case, pick, &providers) {
        // a refusal speaks of a provider as long as others are let in
        return (-providers.iter().map(|p| p.stretch.kinds.max(0.0)).sum::<f64>(), others(1));
    }
    let is_region = |p: &&&Pick| matches!(suspect(p).what, What::ServiceRegion(..));
    let regions: Vec<&Pick> = together.iter().filter(is_region).copied().collect();
    if regions.len() < 2 || is_everywhere(case, pick, &regions) {
        return (0.0, others(1));
    }
    let spared = |p: &&Pick| (suspect(p).cost - NEXT_REGION_COST).max(0.0);
    let next = regions.iter().skip(1).map(spared).sum();
    (next, others(regions.len()))
}

/// True if the target of these parts was seen to work from nowhere else since it began: all of them are the
/// service. Ways that fail anyway do not count, and those that only failed since are no others.
fn is_everywhere(case: &Case, pick: &Pick, parts: &[&Pick]) -> bool {
    let what = parts.first().map(|p| case.suspects[p.set as usize].what);
    let target = what.and_then(What::target);
    let within = |sets: &[u32]| parts.iter().any(|p| sets.contains(&p.set));
    let since = &case.looks[..=pick.stretch.first as usize];
    let only_fails = |path: u32| {
        let mut its = since.iter().filter(|l| l.path == path).peekable();
        its.peek().is_some() && its.all(|l| l.mark.is_bad())
    };
    let mut theirs = (0..).zip(&case.paths).filter(|(_, p)| Some(p.target) == target);
    theirs.all(|(path, p)| p.useless || within(p.sets()) || only_fails(path))
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

/// Takes the suspect of `wanted` that gains most beside what is `said` already, counts its looks as explained,
/// and so on.
fn greedy(
    case: &Case,
    mut sheet: Sheet<'_>,
    mut wanted: Vec<u32>,
    most: usize,
    said: &[Pick],
) -> Vec<Pick> {
    let mut picks = said.to_vec();
    while picks.len() < said.len() + most {
        let Some(pick) = best_of(case, &mut sheet, &mut wanted, &picks) else { break };
        sheet.apply(pick.set as usize, &pick.stretch);
        picks.push(pick);
    }
    picks.split_off(said.len())
}

/// The suspect that gains most, the first of equals; drops those that gain too little. What could not be the best is not
/// measured: explaining looks leaves every suspect with less than it had.
fn best_of(
    case: &Case,
    sheet: &mut Sheet<'_>,
    wanted: &mut Vec<u32>,
    said: &[Pick],
) -> Option<Pick> {
    let could =
        |sheet: &Sheet<'_>, set: u32| sheet.bound(set as usize) - case.suspects[set as usize].cost;
    wanted.retain(|&set| could(sheet, set) > NET_MIN);
    let mut order: Vec<(f64, u32)> = wanted.iter().map(|&set| (could(sheet, set), set)).collect();
    order.sort_unstable_by(|(a, m), (b, n)| b.total_cmp(a).then(m.cmp(n)));
    let mut best: Option<Pick> = None;
    for (could, set) in order {
        if best.is_some_and(|b| could < b.net - EQUAL_NATS) {
            break;
        }
        let Some(stretch) = sheet.stretch(set as usize) else { continue };
        let net = stretch.gain - price(case, set, &stretch, said);
        let is_better = best
            .is_none_or(|b| net > b.net + EQUAL_NATS || net >= b.net - EQUAL_NATS && set < b.set);
        if net > NET_MIN && is_better {
            best = Some(Pick { set, stretch, net });
        }
    }
    best
}

/// What it costs to believe that a set was at fault for that stretch, beside what is said already. That a fault is open
/// is worth something once: a run of bad luck within what it explains is no more likely than elsewhere.
fn price(case: &Case, set: u32, stretch: &Stretch, said: &[Pick]) -> f64 {
    let suspect = &case.suspects[set as usize];
    let overlaps = |p: &Pick| stretch.last <= p.stretch.first && p.stretch.last <= stretch.first;
    if suspect.open {
        let again = said.iter().any(|p| p.set == set && overlaps(p));
        return if again { suspect.what.cost() } else { suspect.cost };
    }
    let at = |look: u32| case.looks[look as usize].at;
    let lasted_ms = at(stretch.last) - at(stretch.first);
    suspect.cost + suspect.what.lasting_cost(lasted_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{Look, Suspect};
    use crate::path::Mark;

    /// Two ways that began to fail at once, each for hardly more than it costs.
    #[test]
    fn no_rival_is_held_to_be_worse_than_chance() {
        let path = |agent| Suspect { what: What::Path(0, agent), cost: 8.5, open: false };
        let look = Look { at: 0, path: 0, mark: Mark::SLOW, raw: 0, usual: 0.001 };
        let case = Case {
            pace_ms: 30_000,
            looks: vec![look],
            suspects: vec![path(0), path(1), path(2)],
            ..Case::default()
        };
        let stretch = Stretch {
            gain: 9.1,
            kinds: 0.0,
            after: 0.0,
            rate: 0.97,
            slow: false,
            first: 0,
            last: 0,
            bad: 1,
        };
        let pick = |set, net| Pick { set, stretch, net };
        let against = |net| against(&case, &pick(0, 9.0), &[pick(1, net), pick(2, net)]);
        assert!(against(0.6).abs() < EQUAL_NATS, "{}", against(0.6));
        assert!((against(5.0) - (10.0 - COINCIDENCE_NATS)).abs() < EQUAL_NATS);
    }
}
