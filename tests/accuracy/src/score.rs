//! What a run found, missed, misplaced and invented: the rules of `tests/traces/score.py`.

use std::collections::BTreeSet;

use parallax_model::{Change, Fault as Told, FaultState, Locus, Reason};

use crate::fault::{Fault, Scope};
use crate::run::Said;
use crate::world::World;

/// Counts and times of one or more runs.
#[derive(Debug, Default, Clone)]
pub struct Score {
    /// Faults to be found, but dependants.
    pub faults: usize,
    /// … that were told of at their very place.
    pub exact: usize,
    /// … or at a part of it.
    pub found: usize,
    /// … and in the right state.
    pub state_ok: usize,
    /// Dependants, those attributed, and targets wrongly listed.
    pub dependants: usize,
    /// See `dependants`.
    pub attributed: usize,
    /// See `dependants`.
    pub wrongly_listed: usize,
    /// Statements in the wrong place while something was wrong, and while nothing was.
    pub misplaced: usize,
    /// See `misplaced`.
    pub invented: usize,
    /// … of which said a service to be at fault for everybody.
    pub false_global: usize,
    /// Openings beyond the first, and other true statements beyond it.
    pub flaps: usize,
    /// See `flaps`.
    pub extra: usize,
    /// Faults found and not closed.
    pub never_closed: usize,
    /// Times to detect, s: from when there was something to see, and from when the first failing look
    /// of it was heard anywhere.
    pub detect_s: Vec<f64>,
    /// See `detect_s`.
    pub from_first_s: Vec<f64>,
    /// Times to close, s.
    pub close_s: Vec<f64>,
    /// Confidence of each statement, and whether it was true.
    pub sure: Vec<(f64, bool)>,
    /// Services times hours.
    pub target_hours: f64,
    /// What went wrong, for people.
    pub notes: Vec<String>,
}

impl Score {
    /// Takes another's counts in.
    pub fn add(&mut self, o: &Self) {
        self.faults += o.faults;
        self.exact += o.exact;
        self.found += o.found;
        self.state_ok += o.state_ok;
        self.dependants += o.dependants;
        self.attributed += o.attributed;
        self.wrongly_listed += o.wrongly_listed;
        self.misplaced += o.misplaced;
        self.invented += o.invented;
        self.false_global += o.false_global;
        self.flaps += o.flaps;
        self.extra += o.extra;
        self.never_closed += o.never_closed;
        self.detect_s.extend(&o.detect_s);
        self.from_first_s.extend(&o.from_first_s);
        self.close_s.extend(&o.close_s);
        self.sure.extend(&o.sure);
        self.target_hours += o.target_hours;
        self.notes.extend(o.notes.iter().cloned());
    }

    /// Mean squared distance of the confidence from the truth.
    pub fn brier(&self) -> f64 {
        let miss = |&(p, is): &(f64, bool)| (p - f64::from(u8::from(is))).powi(2);
        self.sure.iter().map(miss).sum::<f64>() / self.sure.len().max(1) as f64
    }

    /// Expected calibration error over ten bins.
    pub fn ece(&self) -> f64 {
        let mut bins = [(0.0, 0.0); 10];
        for &(p, is) in &self.sure {
            let bin = &mut bins[((p * 10.0) as usize).min(9)];
            *bin = (bin.0 + p, bin.1 + f64::from(u8::from(is)));
        }
        let off: f64 = bins.iter().map(|(said, was)| (said - was).abs()).sum();
        off / self.sure.len().max(1) as f64
    }
}

/// One statement: a fault at one place. A fault that moves makes two.
#[derive(Debug, Clone)]
struct Statement {
    at: i64,
    locus: Locus,
    states: Vec<FaultState>,
    confidence: f64,
    closed: Option<i64>,
    affected: BTreeSet<String>,
    used: bool,
}

impl Statement {
    fn new(fault: &Told, at: i64) -> Self {
        Self {
            at,
            locus: fault.locus.clone(),
            states: vec![fault.state],
            confidence: fault.confidence.get(),
            closed: None,
            affected: fault.affected_targets.iter().map(ToString::to_string).collect(),
            used: false,
        }
    }

    fn is_global(&self) -> bool {
        matches!(self.locus, Locus::Service { .. } | Locus::Dependency { .. })
    }
}

fn statements(changes: &[Change]) -> Vec<Statement> {
    let mut all: Vec<(u64, Statement)> = Vec::new();
    for change in changes {
        let (fault, at) = match change {
            Change::Opened(f) => (f, f.opened.millis()),
            Change::Updated(f) | Change::Closed(f) => (f, f.updated.millis()),
            Change::Ask(_) => continue,
        };
        if fault.reason == Some(Reason::Silent) {
            continue;
        }
        let last = all.iter_mut().rev().find(|(id, _)| *id == fault.id.0).map(|(_, s)| s);
        match (change, last) {
            (Change::Closed(_), Some(s)) => s.closed = Some(at),
            (_, Some(s)) if s.locus == fault.locus => {
                s.states.push(fault.state);
                s.affected.extend(fault.affected_targets.iter().map(ToString::to_string));
            }
            (_, before) => {
                if let Some(before) = before {
                    before.closed = Some(at);
                }
                all.push((fault.id.0, Statement::new(fault, at)));
            }
        }
    }
    all.into_iter().map(|(_, s)| s).collect()
}

/// The paths of agents whose labels are right that belong to something.
type Extent = BTreeSet<(usize, usize)>;

fn extent(world: &World, covers: impl Fn(usize, usize) -> bool) -> Extent {
    let honest = (0..world.plan.agents).filter(|&a| world.truth.honest[a]);
    honest
        .flat_map(|a| (0..world.truth.fleet.targets.len()).map(move |t| (a, t)))
        .filter(|&(a, t)| covers(a, t))
        .collect()
}

fn extent_of(world: &World, locus: &Locus) -> Extent {
    let fleet = &world.truth.fleet;
    extent(world, |a, t| {
        let (agent, target) = (&fleet.agents[a], &fleet.targets[t].name);
        match locus {
            Locus::Service { target: x } => x == target,
            Locus::ServiceRegion { target: x, region } => {
                x == target && agent.region.as_ref() == Some(region)
            }
            Locus::ServiceProvider { target: x, provider } => {
                x == target && agent.provider.as_ref() == Some(provider)
            }
            Locus::Region { region } => agent.region.as_ref() == Some(region),
            Locus::Provider { provider } => agent.provider.as_ref() == Some(provider),
            Locus::Agent { agent: x } => *x == agent.name,
            Locus::Path { agent: x, target: y } => *x == agent.name && y == target,
            Locus::Dependency { .. } | Locus::Collector => false,
        }
    })
}

/// How well a statement fits a fault: exactly, as a part of it that may be told as well, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Exact,
    Part,
    No,
}

fn fit(world: &World, told: &Statement, fault: &Fault, truly: &Extent) -> Fit {
    let name = |t: usize| &world.truth.fleet.targets[t].name;
    let of_the_collector = [told.locus == Locus::Collector, fault.scope == Scope::Collector];
    if of_the_collector.contains(&true) {
        return if of_the_collector == [true, true] { Fit::Exact } else { Fit::No };
    }
    match (&told.locus, &fault.scope) {
        (Locus::Service { target }, Scope::Dependant(t, d)) => {
            let listed = target == name(*d) && told.affected.contains(name(*t).as_str());
            return if listed { Fit::Exact } else { Fit::No };
        }
        (_, Scope::Dependant(..)) => return Fit::No,
        (Locus::Service { target }, Scope::ServiceRegions(t, _)) if target == name(*t) => {
            return Fit::Exact;
        }
        _ => {}
    }
    if is_of_a_stranger(world, &told.locus, fault) {
        return Fit::Part;
    }
    let mine = extent_of(world, &told.locus);
    if mine == *truly {
        return Fit::Exact;
    }
    let may_be_part = match fault.scope {
        Scope::Region(_) | Scope::Provider(_) => matches!(
            told.locus,
            Locus::Region { .. } | Locus::Provider { .. } | Locus::Agent { .. }
        ),
        Scope::ServiceRegion(..) | Scope::ServiceRegions(..) | Scope::ServiceProvider(..) => {
            matches!(
                told.locus,
                Locus::ServiceRegion { .. } | Locus::ServiceProvider { .. } | Locus::Path { .. }
            )
        }
        Scope::Service(_)
        | Scope::Dependant(..)
        | Scope::Agent(_)
        | Scope::Path(..)
        | Scope::Collector => false,
    };
    if may_be_part && !mine.is_empty() && mine.is_subset(truly) { Fit::Part } else { Fit::No }
}

/// True for what is said of an agent with wrong labels that has the trouble: how should one know.
fn is_of_a_stranger(world: &World, locus: &Locus, fault: &Fault) -> bool {
    let (Locus::Agent { agent } | Locus::Path { agent, .. }) = locus else { return false };
    let id = world.truth.fleet.agents.iter().position(|a| a.name == *agent);
    id.is_some_and(|id| {
        let place = world.truth.places[id];
        let targets = 0..world.truth.fleet.targets.len();
        !world.truth.honest[id] && targets.into_iter().any(|t| fault.scope.covers(id, place, t))
    })
}

/// Before this much of a fault nothing can be said of it; after it, it is a page for the past.
const EARLY_MS: i64 = 1_000;
const SAY_BY_MS: i64 = 120_000;
/// A statement this long around a fault is in the wrong place rather than about nothing.
const NEAR_BEFORE_MS: i64 = 60_000;
const NEAR_AFTER_MS: i64 = 600_000;

/// Judges what was said of a world.
pub fn score(world: &World, said: &Said) -> Score {
    let mut told = statements(&said.changes);
    let target_hours = world.plan.services as f64 * world.plan.hours;
    let mut out = Score { target_hours, ..Score::default() };
    for (at, fault) in world.faults.iter().enumerate() {
        let first_bad = said.first_bad.get(at).copied().flatten();
        judge(world, fault, first_bad, &mut told, &mut out);
    }
    for s in &told {
        out.sure.push((s.confidence, s.used));
        if s.used {
            continue;
        }
        let near = |f: &Fault| (f.onset - NEAR_BEFORE_MS..=f.end + NEAR_AFTER_MS).contains(&s.at);
        if world.faults.iter().any(near) {
            out.misplaced += 1;
        } else {
            out.invented += 1;
        }
        out.false_global += usize::from(s.is_global());
        let from = world.faults.first().map_or(crate::plan::START_MS, |f| f.onset);
        let after_s = (s.at - from) / 1000;
        note(
            world,
            &mut out,
            &format!("WRONG {} {:?} at {after_s} s, sure {:.3}", s.locus, s.states, s.confidence),
        );
    }
    out
}

fn judge(
    world: &World,
    fault: &Fault,
    first_bad: Option<i64>,
    told: &mut [Statement],
    out: &mut Score,
) {
    let truly = extent(world, |a, t| fault.scope.covers(a, world.truth.places[a], t));
    // its dependency's fault may have been opened before the dependant felt it
    let is_dependant = matches!(fault.scope, Scope::Dependant(..));
    let since = if is_dependant { world.faults[0].onset } else { fault.onset };
    let (mut exact, mut parts): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
    for (at, s) in told.iter_mut().enumerate() {
        if s.at < since - EARLY_MS || s.at > fault.end + SAY_BY_MS {
            continue;
        }
        match fit(world, s, fault, &truly) {
            Fit::Exact => exact.push(at),
            Fit::Part => parts.push(at),
            Fit::No => continue,
        }
        s.used = true;
    }
    if is_dependant {
        out.dependants += 1;
        out.attributed += usize::from(!exact.is_empty());
        if exact.is_empty() {
            note(world, out, "DEPENDANT not attributed");
        }
        return;
    }
    let is_reference = matches!(fault.scope, Scope::Service(t) if t >= world.plan.services);
    if is_reference || (truly.is_empty() && fault.scope != Scope::Collector) {
        return;
    }
    out.faults += 1;
    out.found += usize::from(!(exact.is_empty() && parts.is_empty()));
    out.exact += usize::from(!exact.is_empty());
    out.flaps += exact.len().saturating_sub(1);
    out.extra += (exact.len() + parts.len()).saturating_sub(1);
    if exact.len() != 1 || !parts.is_empty() {
        let when = |at: &usize| (told[*at].at - fault.onset) / 1000;
        let (e, p): (Vec<_>, Vec<_>) =
            (exact.iter().map(when).collect(), parts.iter().map(when).collect());
        let lasted_s = (fault.end - fault.onset) / 1000;
        note(
            world,
            out,
            &format!(
                "TOLD at {e:?} s, parts {p:?} of {lasted_s} s {:?} {:?}",
                fault.scope, fault.shape
            ),
        );
    }
    let Some(&first) = exact.first().or(parts.first()) else { return };
    let last = &told[*exact.last().or(parts.last()).unwrap_or(&first)];
    let right = if fault.down {
        last.states.contains(&FaultState::Down)
    } else {
        last.states.last() == Some(&FaultState::Degraded)
    };
    out.state_ok += usize::from(right && !exact.is_empty() || fault.scope == Scope::Collector);
    if !right {
        note(
            world,
            out,
            &format!("STATE {:?} of {:?} {:?}", last.states, fault.scope, fault.shape),
        );
    }
    let after_s = |from: i64| (told[first].at - from).max(0) as f64 / 1000.0;
    out.detect_s.push(after_s(fault.visible()));
    out.from_first_s.extend(first_bad.map(after_s));
    match last.closed {
        Some(closed) => out.close_s.push((closed - fault.end) as f64 / 1000.0),
        None => out.never_closed += 1,
    }
    list(world, fault, &told[first], out);
}

/// Targets listed as suffering from a service that do not need it, or do not suffer.
fn list(world: &World, fault: &Fault, first: &Statement, out: &mut Score) {
    let Scope::Service(needed) = fault.scope else { return };
    let name = |t: usize| world.truth.fleet.targets[t].name.to_string();
    let mut truly = BTreeSet::new();
    for fault in &world.faults {
        if let Scope::Dependant(t, d) = fault.scope
            && d == needed
        {
            truly.insert(name(t));
        }
    }
    out.wrongly_listed += first.affected.difference(&truly).count();
}

fn note(world: &World, out: &mut Score, what: &str) {
    let plan = &world.plan;
    out.notes.push(format!(
        "{} n{} x{} seed {}: {what}",
        plan.family, plan.agents, plan.noise, plan.seed
    ));
}
