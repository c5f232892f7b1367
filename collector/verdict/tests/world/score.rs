//! What a run found, missed, misplaced and invented: the rules of tests/traces/score.py.

use std::collections::BTreeSet;

use parallax_model::{Change, Fault as Told, FaultState, Locus, Reason};

use super::World;
use super::faults::{Fault, Place, Shape};

#[derive(Debug, Default, Clone)]
pub struct Score {
    pub faults: usize,
    pub found: usize,
    pub exact: usize,
    pub state_ok: usize,
    pub dep: usize,
    pub dep_found: usize,
    pub dep_wrong: usize,
    pub misplaced: usize,
    pub invented: usize,
    pub false_global: usize,
    pub flaps: usize,
    pub extra: usize,
    pub never_closed: usize,
    pub ttd: Vec<f64>,
    pub close: Vec<f64>,
    pub brier: Vec<(f64, bool)>,
    pub hours: f64,
    pub notes: Vec<String>,
}

impl Score {
    pub fn add(&mut self, o: Self) {
        self.faults += o.faults;
        self.found += o.found;
        self.exact += o.exact;
        self.state_ok += o.state_ok;
        self.dep += o.dep;
        self.dep_found += o.dep_found;
        self.dep_wrong += o.dep_wrong;
        self.misplaced += o.misplaced;
        self.invented += o.invented;
        self.false_global += o.false_global;
        self.flaps += o.flaps;
        self.extra += o.extra;
        self.never_closed += o.never_closed;
        self.ttd.extend(o.ttd);
        self.close.extend(o.close);
        self.brier.extend(o.brier);
        self.hours += o.hours;
        self.notes.extend(o.notes);
    }
}

/// One statement: a fault at one locus.
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

fn statements(changes: &[Change]) -> Vec<Statement> {
    let mut all: Vec<(u64, Statement)> = Vec::new();
    let fresh = |f: &Told, at: i64| Statement {
        at,
        locus: f.locus.clone(),
        states: vec![f.state],
        confidence: f.confidence.get(),
        closed: None,
        affected: f.affected_targets.iter().map(ToString::to_string).collect(),
        used: false,
    };
    for change in changes {
        let (Change::Opened(f) | Change::Updated(f) | Change::Closed(f)) = change else { continue };
        if f.reason == Some(Reason::Silent) {
            continue;
        }
        let at = if matches!(change, Change::Opened(_)) {
            f.opened.millis()
        } else {
            f.updated.millis()
        };
        let last = all.iter().rposition(|(id, _)| *id == f.id.0);
        match (change, last) {
            (Change::Closed(_), Some(i)) => all[i].1.closed = Some(at),
            (_, Some(i)) if all[i].1.locus == f.locus => {
                all[i].1.states.push(f.state);
                all[i].1.affected.extend(f.affected_targets.iter().map(ToString::to_string));
            }
            (_, Some(i)) => {
                all[i].1.closed = Some(at);
                all.push((f.id.0, fresh(f, at)));
            }
            (_, None) => all.push((f.id.0, fresh(f, at))),
        }
    }
    all.into_iter().map(|(_, s)| s).collect()
}

fn extent(world: &World, covers: impl Fn(usize, usize) -> bool) -> BTreeSet<(usize, usize)> {
    (0..world.agents.len())
        .flat_map(|a| (0..world.fleet.targets.len()).map(move |t| (a, t)))
        .filter(|&(a, t)| covers(a, t))
        .collect()
}

fn locus_extent(world: &World, locus: &Locus) -> BTreeSet<(usize, usize)> {
    let f = &world.fleet;
    extent(world, |a, t| {
        let (agent, target) = (&f.agents[a], &f.targets[t].name);
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

fn fits(world: &World, s: &Statement, f: &Fault) -> bool {
    match (&s.locus, &f.place) {
        (Locus::Collector, p) => *p == Place::Collector,
        (_, Place::Collector) => false,
        (Locus::Service { target }, Place::Dependency(t, d)) => {
            *target == world.fleet.targets[*d].name
                && s.affected.contains(world.fleet.targets[*t].name.as_str())
        }
        (Locus::Service { target }, Place::ServiceRegions(t, _)) => {
            *target == world.fleet.targets[*t].name
        }
        (_, Place::Dependency(..)) => false,
        (locus, _) => locus_extent(world, locus) == extent(world, |a, t| f.covers(world, a, t)),
    }
}

/// Judges the changes of one run.
pub fn score(world: &World, changes: &[Change]) -> Score {
    let mut told = statements(changes);
    let mut out =
        Score { hours: world.plan.services as f64 * world.plan.hours, ..Score::default() };
    for f in &world.faults {
        let slack = if matches!(f.place, Place::Dependency(..)) { 60_000 } else { 1_000 };
        let hits: Vec<usize> = (0..told.len())
            .filter(|&i| {
                told[i].at >= f.onset - slack
                    && told[i].at <= f.end + 120_000
                    && fits(world, &told[i], f)
            })
            .collect();
        hits.iter().for_each(|&i| told[i].used = true);
        if matches!(f.place, Place::Dependency(..)) {
            out.dep += 1;
            out.dep_found += usize::from(!hits.is_empty());
            continue;
        }
        out.faults += 1;
        let Some(&first) = hits.first() else { continue };
        let last = &told[*hits.last().unwrap()];
        out.found += 1;
        out.exact += 1;
        let state = if f.down {
            last.states.contains(&FaultState::Down)
        } else {
            last.states.last() == Some(&FaultState::Degraded)
        };
        out.state_ok += usize::from(state || f.place == Place::Collector);
        out.flaps += hits.len() - 1;
        if hits.len() > 1 {
            let told: Vec<_> = hits
                .iter()
                .map(|&i| {
                    (
                        told[i].at / 1000 - f.onset / 1000,
                        told[i].closed.map(|c| (c - f.onset) / 1000),
                    )
                })
                .collect();
            out.notes.push(format!(
                "{} seed {} n{}: FLAPS {told:?} of {}s {:?}",
                world.plan.family,
                world.plan.seed,
                world.plan.agents,
                (f.end - f.onset) / 1000,
                f.shape
            ));
        }
        out.ttd.push((told[first].at - f.onset).max(0) as f64 / 1000.0);
        match last.closed {
            Some(c) => out.close.push((c - f.end) as f64 / 1000.0),
            None => out.never_closed += 1,
        }
        if let Locus::Service { .. } = told[first].locus {
            let true_deps: BTreeSet<String> = world
                .faults
                .iter()
                .filter_map(|d| match d.place {
                    Place::Dependency(t, _) => Some(world.fleet.targets[t].name.to_string()),
                    _ => None,
                })
                .collect();
            out.dep_wrong += told[first].affected.difference(&true_deps).count();
        }
    }
    for s in &told {
        out.brier.push((s.confidence, s.used));
        if s.used {
            continue;
        }
        let near = world.faults.iter().any(|f| f.onset - 60_000 <= s.at && s.at <= f.end + 600_000);
        if near {
            out.misplaced += 1
        } else {
            out.invented += 1
        }
        out.false_global += usize::from(matches!(s.locus, Locus::Service { .. }));
        let rel = world.faults.first().map_or(s.at - super::START_MS, |f| s.at - f.onset) / 1000;
        out.notes.push(format!(
            "{} seed {} n{}: {} {:?} at {}s conf {:.3}",
            world.plan.family,
            world.plan.seed,
            world.plan.agents,
            s.locus,
            s.states,
            rel,
            s.confidence
        ));
    }
    if out.found < out.faults {
        out.notes.push(format!(
            "{} seed {} n{}: MISSED {:?}",
            world.plan.family,
            world.plan.seed,
            world.plan.agents,
            world
                .faults
                .iter()
                .map(|f| (&f.place, &f.shape, (f.end - f.onset) / 1000))
                .collect::<Vec<_>>()
        ));
    }
    if out.state_ok < out.found {
        out.notes.push(format!(
            "{} seed {} n{}: STATE {:?}",
            world.plan.family,
            world.plan.seed,
            world.plan.agents,
            world.faults.iter().map(|f| (&f.place, &f.shape)).collect::<Vec<_>>()
        ));
    }
    let _ = Shape::Rate(0.0);
    out
}
