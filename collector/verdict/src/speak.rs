//! Putting an open fault into words: its first, the changes worth telling, and its last.

use std::collections::{BTreeMap, BTreeSet};

use parallax_model::{
    Change, ErrorKind, Evidence, Fault, FaultId, FaultState, Locus, Reason, Region, TargetName,
    Timestamp,
};

use crate::case::{Case, CasePath};
use crate::evidence::{Counts, confidence_of, evidence, fleet_coverage, target_coverage};
use crate::explain::Finding;
use crate::open::{Open, Told};
use crate::suspect::What;
use crate::witnesses::{Witnesses, places};
use crate::world::{NONE, World};

/// Least time between two words on a fault: those that matter, and those of mere confidence.
const UPDATE_MS: i64 = 5_000;
const UPDATE_MINOR_MS: i64 = 60_000;
/// A change of confidence worth telling.
const CONFIDENCE_STEP: f64 = 0.1;

/// A fault as the finding has it, not told yet.
pub(crate) fn draft(world: &World, case: &Case, finding: &Finding) -> Open {
    let now = Timestamp::from_millis(case.now);
    let what = finding.what;
    Open {
        fault: Fault {
            id: FaultId(0),
            locus: what.locus(world).unwrap_or(Locus::Collector),
            state: FaultState::Degraded,
            reason: None,
            onset: Timestamp::from_millis(case.looks[finding.stretch.first as usize].at),
            opened: now,
            updated: now,
            ended: None,
            confidence: parallax_model::Confidence::new(0.0),
            coverage: fleet_coverage(world, case.now),
            affected_targets: Vec::new(),
            regions: Vec::new(),
            evidence: Evidence::default(),
        },
        what,
        parts: BTreeSet::from([what]),
        shrunk: None,
        dependants: BTreeMap::new(),
        strangers: BTreeMap::new(),
        elsewhere: BTreeSet::new(),
        slow: finding.stretch.slow,
        rate: finding.stretch.rate,
        share: 1.0,
        margin: finding.margin,
        rival: finding.rival,
        last_bad: case.looks[finding.stretch.last as usize].at,
        easing: None,
        pause: 0,
        pauses: 0,
        paused_at: i64::MIN,
        said: i64::MIN,
        told: None,
        gist: None,
    }
}

/// What a finding is called. A lone domain is no quorum: what it cannot reach is its path's (or
/// its region's) trouble, unless the service itself answered that it is broken.
pub(crate) fn told_as(world: &World, case: &Case, finding: &Finding, w: &Witnesses) -> What {
    let What::Service(t) = finding.what else { return finding.what };
    let agents: BTreeSet<u32> =
        world.targets[t as usize].paths.iter().map(|&p| world.paths[p as usize].agent).collect();
    if places(world, t, case.now).0 > 1 || w.answers * 2 > w.bad {
        return finding.what;
    }
    let loudest = w.agents.iter().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(a.0)));
    let Some((&agent, _)) = loudest else { return finding.what };
    let region = world.agents[agent as usize].region;
    if agents.len() > 1 && region != NONE {
        What::ServiceRegion(t, region)
    } else {
        What::Path(t, agent)
    }
}

/// The first word on a fault.
pub(crate) fn first_word(world: &World, case: &Case, open: &mut Open) -> Fault {
    open.fault.state = FaultState::Down;
    open.weigh_state(world, case);
    dress(world, case, open);
    speak(world, case, open)
}

/// The next word, if there is something worth saying and it is not too soon.
pub(crate) fn retell(world: &World, case: &Case, open: &mut Open) -> Option<Fault> {
    let quiet = case.now.saturating_sub(open.said);
    if quiet < UPDATE_MS {
        return None;
    }
    dress(world, case, open);
    let now = told(open);
    let before = open.told.as_ref()?;
    let step = (before.confidence.get() - now.confidence.get()).abs();
    let matters = Told { confidence: before.confidence, ..now } != *before;
    if matters || (step >= CONFIDENCE_STEP && quiet >= UPDATE_MINOR_MS) {
        return Some(speak(world, case, open));
    }
    let pace = open.interval_ms(world).clamp(UPDATE_MS, UPDATE_MINOR_MS);
    if quiet < pace {
        return None;
    }
    // the first word rests on a few looks: those who joined them, on either side, are news
    let counts = Counts::of(world, case, open);
    let gist = Gist::of(case, open, &counts);
    (open.gist.as_ref() != Some(&gist)).then(|| speak_with(world, case, open, counts))
}

/// As much of the evidence as a reader would notice.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Gist {
    agents: BTreeSet<u32>,
    targets: BTreeSet<u32>,
    kind: Option<ErrorKind>,
    tenths: i64,
}

impl Gist {
    fn of(case: &Case, open: &Open, counts: &Counts) -> Self {
        Self {
            agents: counts.listed(case).map(|(agent, _)| agent).collect(),
            targets: counts.listed(case).map(|(_, target)| target).collect(),
            kind: counts.kind(),
            tenths: (open.fault.evidence.failure_rate * 10.0).round() as i64,
        }
    }
}

/// The last word. `settle`: its looks are no evidence any more, nor those of others that it accounts for until its end.
pub(crate) fn close(
    world: &mut World,
    case: &Case,
    mut open: Open,
    end_ms: i64,
    settle: bool,
    out: &mut Vec<Change>,
) {
    open.fault.ended = Some(Timestamp::from_millis(end_ms));
    open.fault.updated = Timestamp::from_millis(case.now);
    if settle {
        let mine = |p: &CasePath| open.covers(world, p.agent, p.target);
        let beside = |p: &CasePath| {
            let mut sets = open.strangers.keys().chain(open.dependants.keys());
            sets.any(|set| set.covers(world, p.agent, p.target))
        };
        let others =
            |p: &CasePath| open.elsewhere.iter().any(|s| s.covers(world, p.agent, p.target));
        let upto = |p: &CasePath| {
            if others(p) {
                // what goes on needs them still
                i64::MIN
            } else if mine(p) {
                i64::MAX
            } else if beside(p) {
                // what it loses from now on is its own
                end_ms
            } else {
                i64::MIN
            }
        };
        let upto: Vec<i64> = case.paths.iter().map(upto).collect();
        let bad = case.looks.iter().filter(|l| l.mark.is_bad() && l.at < upto[l.path as usize]);
        let settled: Vec<(u32, u32)> =
            bad.map(|l| (case.paths[l.path as usize].id, l.raw)).collect();
        for (path, raw) in settled {
            world.paths[path as usize].explain(raw, true);
        }
        if let Some(t) = open.what.target() {
            world.targets[t as usize].heat.cool();
        }
        if let What::Agent(a) = open.what {
            world.agents[a as usize].heat.cool();
        }
    }
    out.push(Change::Closed(Box::new(open.fault)));
}

fn speak(world: &World, case: &Case, open: &mut Open) -> Fault {
    let counts = Counts::of(world, case, open);
    speak_with(world, case, open, counts)
}

fn speak_with(world: &World, case: &Case, open: &mut Open, counts: Counts) -> Fault {
    open.gist = Some(Gist::of(case, open, &counts));
    open.fault.evidence = evidence(world, case, open, counts);
    open.fault.updated = Timestamp::from_millis(case.now);
    open.said = case.now;
    open.told = Some(told(open));
    open.fault.clone()
}

fn told(open: &Open) -> Told {
    Told {
        locus: open.fault.locus.clone(),
        state: open.fault.state,
        reason: open.fault.reason,
        affected: open.fault.affected_targets.clone(),
        regions: open.fault.regions.clone(),
        recovering: open.easing.is_some(),
        confidence: open.fault.confidence,
    }
}

/// Brings all but state and evidence up to date.
fn dress(world: &World, case: &Case, open: &mut Open) {
    if let Some(locus) = open.what.locus(world) {
        open.fault.locus = locus;
    }
    open.fault.reason = open.slow.then_some(Reason::Slow);
    open.fault.coverage = match open.what.target() {
        Some(t) => target_coverage(world, t, case.now),
        None => fleet_coverage(world, case.now),
    };
    open.fault.confidence = confidence_of(world, case.now, open);
    let affected: BTreeSet<TargetName> =
        open.dependants.values().map(|&t| world.target_names.name(t).clone()).collect();
    open.fault.affected_targets = affected.into_iter().collect();
    let regions: BTreeSet<Region> = match (open.is_in_places(), open.what) {
        (true, _) => open.parts.iter().filter_map(|p| region_of(world, *p)).collect(),
        (false, What::ServiceRegion(..) | What::Region(_)) => {
            region_of(world, open.what).into_iter().collect()
        }
        (false, _) => BTreeSet::new(),
    };
    open.fault.regions = regions.into_iter().collect();
}

fn region_of(world: &World, what: What) -> Option<Region> {
    match what {
        What::ServiceRegion(_, r) | What::Region(r) => world.region_name(r).cloned(),
        What::Service(_)
        | What::ServiceProvider(..)
        | What::ServiceDomain(..)
        | What::Path(..)
        | What::Provider(_)
        | What::Domain(_)
        | What::Agent(_) => None,
    }
}
