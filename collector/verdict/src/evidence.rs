//! Why the engine says what it says, for people: witnesses for and against, kinds, the best other
//! explanation, and what one agent's word is worth.

use std::collections::{BTreeMap, BTreeSet};

use parallax_model::fault::WITNESSES_MAX;
use parallax_model::{
    AgentName, Alternative, Confidence, Coverage, ErrorKind, Evidence, Role, Timestamp, Without,
    Witness,
};

use crate::case::{Case, corrected_ms};
use crate::confidence::confidence;
use crate::explain::margin_without;
use crate::open::Open;
use crate::path::Path;
use crate::suspect::What;
use crate::world::{Agent, World};

/// Version of the scale in [`crate::confidence`].
pub(crate) const CALIBRATION: u32 = 1;
/// Agents whose absence is tried.
const WITHOUT_MAX: usize = 3;
/// … up to this many looks: each trial weighs all of them anew.
const WITHOUT_LOOKS_MAX: usize = 50_000;
/// Failing targets whose other observers are listed, and failing agents of which it is said what
/// else they see: a fleet may be large, a page is not.
const BOUNDING_TARGETS_MAX: usize = 4;
const BOUNDING_AGENTS_MAX: usize = 32;

#[derive(Debug, Default)]
struct Tally {
    ok: u32,
    bad: u32,
    kind: Option<ErrorKind>,
    nats: f64,
}

/// The looks of an open fault, counted: all that its evidence rests on, and quick to have.
#[derive(Debug)]
pub(crate) struct Counts {
    /// Paths with bad looks, those with most first; their place in the case and what they saw.
    fore: Vec<(u32, Tally)>,
    /// Paths of it without any.
    against: Vec<(u32, Tally)>,
    /// Kinds of error, the most common first.
    kinds: Vec<(ErrorKind, u32)>,
    /// What the looks of each agent say for it, in nats.
    agents: BTreeMap<u32, f64>,
}

impl Counts {
    pub(crate) fn of(world: &World, case: &Case, open: &Open) -> Self {
        let mut tallies: BTreeMap<u32, Tally> = BTreeMap::new();
        let mut kinds: BTreeMap<ErrorKind, u32> = BTreeMap::new();
        let rate = open.rate.clamp(0.01, 0.99);
        for look in open.looks(world, case).filter(|l| l.at >= open.onset_ms()) {
            let tally = tallies.entry(look.path).or_default();
            if open.is_bad(look) {
                let x = f64::from(look.usual);
                tally.bad += 1;
                tally.nats += ((x + (1.0 - x) * rate) / x).ln();
                // newest first: the first kind met is the latest
                tally.kind = tally.kind.or(look.mark.kind());
                if let Some(kind) = look.mark.kind() {
                    *kinds.entry(kind).or_default() += 1;
                }
            } else {
                tally.ok += 1;
                tally.nats += (1.0 - rate).ln();
            }
        }
        let mut agents: BTreeMap<u32, f64> = BTreeMap::new();
        for (&path, tally) in &tallies {
            *agents.entry(case.paths[path as usize].agent).or_default() += tally.nats;
        }
        let (mut fore, against): (Vec<_>, Vec<_>) =
            tallies.into_iter().partition(|(_, t)| t.bad > 0);
        fore.sort_by(|(a, x), (b, y)| y.bad.cmp(&x.bad).then(x.ok.cmp(&y.ok)).then(a.cmp(b)));
        let mut kinds: Vec<(ErrorKind, u32)> = kinds.into_iter().collect();
        kinds.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        Self { fore, against, kinds, agents }
    }

    /// The witnesses for the fault that will be listed: agent and target, by their numbers.
    pub(crate) fn listed(&self, case: &Case) -> impl Iterator<Item = (u32, u32)> {
        let paths = self.fore.iter().take(WITNESSES_MAX).map(|(path, _)| *path);
        paths.map(|path| (case.paths[path as usize].agent, case.paths[path as usize].target))
    }

    /// The most common kind of error.
    pub(crate) fn kind(&self) -> Option<ErrorKind> {
        self.kinds.first().map(|(kind, _)| *kind)
    }
}

/// Gathers the evidence for an open fault from the case at hand and its counts.
pub(crate) fn evidence(world: &World, case: &Case, open: &Open, counts: Counts) -> Evidence {
    let without = without(world, case, open, &counts.agents);
    let Counts { fore, against, kinds, .. } = counts;
    let failing: Vec<(u32, u32)> = fore
        .iter()
        .map(|(path, _)| &case.paths[*path as usize])
        .map(|p| (p.agent, p.target))
        .collect();
    let within = against.into_iter().map(|(path, t)| witness(world, case, path, &t)).collect();
    let (against_count, witnesses_against) = bounds(world, case.now, open, within, &failing);
    Evidence {
        for_count: fore.len() as u32,
        against_count,
        witnesses_for: fore
            .iter()
            .take(WITNESSES_MAX)
            .map(|(path, t)| witness(world, case, *path, t))
            .collect(),
        witnesses_against,
        kinds,
        failure_rate: open.fault.evidence.failure_rate,
        alternative: alternative(world, open),
        without,
        good_since: open.easing.map(Timestamp::from_millis),
        calibration: CALIBRATION,
    }
}

/// The best explanation without the fault: its strongest part, or chance where that explains all the rest.
fn alternative(world: &World, open: &Open) -> Option<Alternative> {
    let locus = match open.rival {
        Some(rival) => Some(rival.what.locus(world)?),
        None => None,
    };
    let parts = open.rival.map_or(0, |rival| rival.parts);
    // never below zero, nor zero with a sign
    Some(Alternative { locus, parts, behind_nats: open.margin.max(0.0) + 0.0 })
}

fn witness(world: &World, case: &Case, path: u32, tally: &Tally) -> Witness {
    let p = &case.paths[path as usize];
    Witness {
        agent: world.agent_names.name(p.agent).clone(),
        target: world.target_names.name(p.target).clone(),
        ok: tally.ok,
        fail: tally.bad,
        kind: tally.kind,
        stage: tally.kind.map(ErrorKind::stage),
        last: Timestamp::from_millis(world.paths[p.id as usize].heard),
    }
}

/// Healthy paths that bound the fault, and how many there are: those within it, the same targets
/// from elsewhere, and what else those who fail see well, their references first.
fn bounds(
    world: &World,
    now: i64,
    open: &Open,
    within: Vec<Witness>,
    failing: &[(u32, u32)],
) -> (u32, Vec<Witness>) {
    let since = open.onset_ms();
    let healthy = |id: u32| {
        let path = &world.paths[id as usize];
        let outside = !open.covers(world, path.agent, path.target);
        outside.then(|| bystander(world, path, now, since)).flatten()
    };
    let mut targets: Vec<u32> = failing.iter().map(|&(_, t)| t).collect();
    let mut agents: Vec<u32> = failing.iter().map(|&(a, _)| a).collect();
    for ids in [&mut targets, &mut agents] {
        let mut met = BTreeSet::new();
        ids.retain(|&id| met.insert(id));
    }
    targets.truncate(BOUNDING_TARGETS_MAX);
    agents.truncate(BOUNDING_AGENTS_MAX);
    let there = targets.iter().flat_map(|&t| &world.targets[t as usize].paths);
    let same: Vec<Witness> =
        within.into_iter().chain(there.filter_map(|&id| healthy(id))).collect();
    let theirs = |role: Role| -> Vec<Witness> {
        let paths = agents.iter().flat_map(|&a| &world.agents[a as usize].paths);
        let role_of = |id: u32| world.targets[world.paths[id as usize].target as usize].role;
        paths.filter(|&&id| role_of(id) == role).filter_map(|&id| healthy(id)).collect()
    };
    let (references, others) = (theirs(Role::Reference), theirs(Role::Service));
    let count = same.len() + references.len() + others.len();
    // a share for each, so that none crowds the others out; what is left goes to the first
    let (references_max, others_max) = (WITNESSES_MAX / 4, WITNESSES_MAX / 8);
    let (r, o) = (references.len().min(references_max), others.len().min(others_max));
    let mut listed: Vec<Witness> = same.into_iter().take(WITNESSES_MAX - r - o).collect();
    listed.extend(one_of_each_agent_first(references).into_iter().take(r));
    listed.extend(one_of_each_agent_first(others).into_iter().take(o));
    (count as u32, listed)
}

/// Eight witnesses of eight agents say more than eight of two.
fn one_of_each_agent_first(witnesses: Vec<Witness>) -> Vec<Witness> {
    let mut met: BTreeMap<AgentName, u32> = BTreeMap::new();
    let mut ranked: Vec<(u32, Witness)> = witnesses
        .into_iter()
        .map(|w| {
            let rank = met.entry(w.agent.clone()).or_default();
            *rank += 1;
            (*rank, w)
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, w)| w).collect()
}

/// A path outside the fault that worked all the time since it began; none if it did not.
fn bystander(world: &World, path: &Path, now: i64, since: i64) -> Option<Witness> {
    let offset_ms = world.agents[path.agent as usize].clock.offset_ms();
    let fresh = path.seen().rev().take_while(|s| corrected_ms(now, offset_ms, s.at) >= since);
    let mut ok = 0;
    for seen in fresh {
        if seen.mark.is_bad() {
            return None;
        }
        ok += 1;
    }
    (ok > 0).then(|| Witness {
        agent: world.agent_names.name(path.agent).clone(),
        target: world.target_names.name(path.target).clone(),
        ok,
        fail: 0,
        kind: None,
        stage: None,
        last: Timestamp::from_millis(path.heard),
    })
}

/// The confidence, were one agent's looks not there: for the most telling agents. Everything is
/// weighed anew, as what speaks for the fault may speak for its rival, too.
fn without(world: &World, case: &Case, open: &Open, agents: &BTreeMap<u32, f64>) -> Vec<Without> {
    let is_part = |what: &What| open.parts.contains(what) || open.what == *what;
    let sets: Vec<u32> =
        (0..).zip(&case.suspects).filter(|(_, s)| is_part(&s.what)).map(|(set, _)| set).collect();
    // among so many looks no agent's word decides
    if sets.is_empty() || case.looks.len() > WITHOUT_LOOKS_MAX {
        return Vec::new();
    }
    let mut order: Vec<(u32, f64)> = agents.iter().map(|(&agent, &nats)| (agent, nats)).collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let domains = witnesses(world, case.now, open, fresh_domains(world, case.now).len() as u32);
    order
        .into_iter()
        .take(WITHOUT_MAX)
        .map(|(agent, _)| {
            let left = sets.iter().map(|&set| margin_without(case, agent, set));
            let margin = left.fold(f64::NEG_INFINITY, f64::max);
            Without {
                agent: world.agent_names.name(agent).clone(),
                confidence: confidence(margin, domains, open.slow),
            }
        })
        .collect()
}

/// Domains of which a live look was heard within three intervals.
fn fresh_domains(world: &World, now: i64) -> BTreeSet<u32> {
    let fresh = |a: &&Agent| {
        a.present
            && a.heard.is_some_and(|heard| now - heard <= fresh_ms(a.interval_ms, a.timeout_ms))
    };
    world.agents.iter().filter(fresh).map(|a| a.domain).collect()
}

/// Three intervals and the time a look may take.
pub(crate) fn fresh_ms(interval_ms: i64, timeout_ms: i64) -> i64 {
    interval_ms.saturating_mul(3).saturating_add(timeout_ms)
}

/// Who bears witness to the fleet as a whole.
pub(crate) fn fleet_coverage(world: &World, now: i64) -> Coverage {
    Coverage {
        domains: fresh_domains(world, now).len() as u32,
        assigned: world.groups.domains.len() as u32,
    }
}

/// Who bears witness to one target. Agents never heard of count, too, where they are to look.
pub(crate) fn target_coverage(world: &World, target: u32, now: i64) -> Coverage {
    let t = &world.targets[target as usize];
    let within = fresh_ms(t.interval_ms, t.timeout_ms);
    let (mut fresh, mut assigned) = (BTreeSet::new(), BTreeSet::new());
    for &id in &t.paths {
        let path = &world.paths[id as usize];
        if t.excluded.contains(&path.agent) {
            continue;
        }
        let domain = world.agents[path.agent as usize].domain;
        assigned.insert(domain);
        if now.saturating_sub(path.heard) <= within {
            fresh.insert(domain);
        }
    }
    let unheard = |(id, a): &(usize, &Agent)| {
        a.declared.is_some() && a.heard.is_none() && !t.excluded.contains(&(*id as u32))
    };
    if t.role == Role::Service {
        let agents = world.agents.iter().enumerate();
        assigned.extend(agents.filter(unheard).map(|(_, a)| a.domain));
    }
    Coverage { domains: fresh.len() as u32, assigned: assigned.len() as u32 }
}

/// What an open fault's confidence is now.
pub(crate) fn confidence_of(world: &World, now: i64, open: &Open) -> Confidence {
    let domains = witnesses(world, now, open, open.fault.coverage.domains);
    confidence(open.margin, domains, open.slow)
}

/// Domains that bear witness. Where no reference answers anybody, what is seen of services is no surer than one place
/// is: it may be the network of all who look.
fn witnesses(world: &World, now: i64, open: &Open, domains: u32) -> u32 {
    if open.what.target().is_some() && is_blind(world, now) { domains.min(1) } else { domains }
}

/// True if there are references, and the latest look at each from everywhere failed.
fn is_blind(world: &World, now: i64) -> bool {
    let references =
        world.targets.iter().filter(|t| t.present && t.role == Role::Reference).flat_map(|t| {
            let within = fresh_ms(t.interval_ms, t.timeout_ms);
            let paths = t.paths.iter().map(|&id| &world.paths[id as usize]);
            paths.filter(move |p| now.saturating_sub(p.heard) <= within)
        });
    let mut latest = references.filter_map(|p| p.seen().next_back()).peekable();
    latest.peek().is_some() && latest.all(|seen| seen.mark.is_fail())
}
