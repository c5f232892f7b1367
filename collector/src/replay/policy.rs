//! What rules that count votes would have said of the same results, beside what the engine said.

use std::collections::BTreeMap;

use parallax_model::{Change, Fault, FaultId, Locus, Role, Rule, TargetName};
use parallax_verdict::policy::{Polls, Turn, out_of_reach};
use parallax_verdict::{Fleet, Observation};
use serde::Serialize;

/// Alarms of one rule, and faults, that are kept to be compared; more are counted.
const KEPT_MAX: usize = 100_000;

/// A time in which a service was said to be down, ms; no end: to the end of the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    /// Of the engine's word: its fault.
    fault: Option<FaultId>,
    from: i64,
    told: i64,
    to: Option<i64>,
}

impl Span {
    fn meets(&self, other: &Self) -> bool {
        let ends = |span: &Self| span.to.unwrap_or(i64::MAX);
        self.from <= ends(other) && other.from <= ends(self)
    }
}

type Spans = BTreeMap<TargetName, Vec<Span>>;

/// A rule that takes more places than are to look, in a sentence; a fleet's own are told with its file.
pub(super) fn beyond_reach(rule: Rule, fleet: &Fleet) -> Option<String> {
    let mut fleet = fleet.clone();
    fleet.targets.retain(|target| target.role == Role::Service);
    fleet.targets.iter_mut().for_each(|target| target.policy = Some(rule));
    let services = fleet.targets.len();
    // agents that are not declared may be in the results all the same
    let beyond = if fleet.agents.is_empty() { Vec::new() } else { out_of_reach(&fleet) };
    let most = beyond.iter().map(|(.., places)| *places).max()?;
    let takes = rule.takes();
    Some(if beyond.len() == services {
        format!(
            "{rule} takes {takes} places, and no service is looked at from more than {most}: it never says down"
        )
    } else {
        let (first, ..) = beyond.first()?;
        let others = match beyond.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!(
            "{rule} takes {takes} places: it never says down of {first}{others}, looked at from {most} at most"
        )
    })
}

/// A line that says how a rule turned. Readers of faults know by its `event` that it is none.
#[derive(Debug, Serialize)]
pub(super) struct Line<'a> {
    event: &'static str,
    at_ms: i64,
    target: &'a str,
    rule: String,
    state: &'static str,
    domains_down: u32,
    domains_voting: u32,
}

impl<'a> Line<'a> {
    pub(super) fn new(turn: &'a Turn, at_ms: i64) -> Self {
        Self {
            event: "policy",
            at_ms,
            target: turn.target.as_str(),
            rule: turn.rule.to_string(),
            state: if turn.down { "down" } else { "up" },
            domains_down: turn.votes.down,
            domains_voting: turn.votes.voting,
        }
    }
}

/// Compares rules with the engine.
#[derive(Debug)]
pub(super) struct Compared {
    rules: Vec<Rule>,
    polls: Polls,
    alarms: Vec<Spans>,
    engine: Spans,
    /// Of each open fault of a service, the targets it has.
    open: BTreeMap<FaultId, Vec<TargetName>>,
    /// Where each fault was said to be, by the engine's last word.
    places: BTreeMap<FaultId, Locus>,
    /// More than is kept.
    beyond: usize,
    kept: usize,
}

/// How one rule did.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// The rule.
    pub rule: Rule,
    /// How often it said that a service is down.
    pub alarms: usize,
    /// … while the engine said so, too, at some time of it.
    pub shared: usize,
    /// Faults of which the engine said so and the rule did not, and of which service.
    pub missed: Vec<(FaultId, TargetName)>,
    /// Median time from the engine's word to the rule's, ms; below zero if the rule was first.
    pub later_ms: Option<i64>,
}

/// How all did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scores {
    /// Where the engine said that faults are, and how many there: the most first.
    pub told: Vec<(Locus, usize)>,
    /// Times that the engine said that a service is down or degraded everywhere, once for each service.
    pub faults: usize,
    /// Each rule, in the order given.
    pub rules: Vec<Score>,
    /// Alarms and faults too many to be compared.
    pub beyond: usize,
}

impl Compared {
    /// Compares `rules`; services' own are heard as well.
    pub(super) fn new(rules: &[Rule], fleet: &Fleet) -> Self {
        Self {
            rules: rules.to_vec(),
            polls: Polls::new(rules.to_vec(), fleet),
            alarms: vec![Spans::new(); rules.len()],
            engine: Spans::new(),
            open: BTreeMap::new(),
            places: BTreeMap::new(),
            beyond: 0,
            kept: 0,
        }
    }

    /// Answers which rules turn by it.
    pub(super) fn hear(&mut self, o: &Observation) -> Vec<Turn> {
        let now = o.received.millis();
        let turns = self.polls.observe(o);
        for turn in &turns {
            let Some(rule) = self.rules.iter().position(|rule| *rule == turn.rule) else {
                continue;
            };
            let spans = self.alarms[rule].entry(turn.target.clone()).or_default();
            if !turn.down {
                end(spans, now);
            } else if self.kept < KEPT_MAX {
                self.kept += 1;
                spans.push(Span { fault: None, from: now, told: now, to: None });
            } else {
                self.beyond += 1;
            }
        }
        turns
    }

    pub(super) fn hear_engine(&mut self, change: &Change, now: i64) {
        match change {
            Change::Opened(fault) | Change::Updated(fault) => {
                self.place(fault);
                self.stands(fault, now);
            }
            Change::Closed(fault) => {
                self.place(fault);
                let end_ms = fault.ended.map_or(now, parallax_model::Timestamp::millis);
                self.ends(fault.id, end_ms);
            }
            Change::Ask(_) => {}
        }
    }

    fn place(&mut self, fault: &Fault) {
        if self.places.len() < KEPT_MAX || self.places.contains_key(&fault.id) {
            self.places.insert(fault.id, fault.locus.clone());
        }
    }

    /// A fault may become one of a service, get further targets, or turn out to be something else.
    fn stands(&mut self, fault: &Fault, now: i64) {
        let Locus::Service { target } = &fault.locus else { return self.ends(fault.id, now) };
        let known = self.open.entry(fault.id).or_default();
        for target in std::iter::once(target).chain(&fault.affected_targets) {
            if known.contains(target) {
                continue;
            }
            if self.kept >= KEPT_MAX {
                self.beyond += 1;
                continue;
            }
            self.kept += 1;
            known.push(target.clone());
            let (id, from) = (Some(fault.id), fault.onset.millis());
            let span = Span { fault: id, from, told: now, to: None };
            self.engine.entry(target.clone()).or_default().push(span);
        }
    }

    fn ends(&mut self, id: FaultId, at: i64) {
        for target in self.open.remove(&id).unwrap_or_default() {
            if let Some(spans) = self.engine.get_mut(&target) {
                end(spans, at);
            }
        }
    }

    pub(super) fn scores(&self) -> Scores {
        let rules = self.rules.iter().zip(&self.alarms).map(|(rule, alarms)| {
            let of = |spans: &Spans, target| spans.get(target).cloned().unwrap_or_default();
            let shared = alarms.iter().flat_map(|(target, alarms)| {
                let faults = of(&self.engine, target);
                alarms.iter().filter(move |a| faults.iter().any(|f| f.meets(a))).collect::<Vec<_>>()
            });
            let (mut missed, mut later) = (Vec::new(), Vec::new());
            for (target, faults) in &self.engine {
                let alarms = of(alarms, target);
                for fault in faults {
                    match alarms.iter().find(|alarm| alarm.meets(fault)) {
                        Some(alarm) => later.push(alarm.told - fault.told),
                        None => missed.extend(fault.fault.map(|id| (id, target.clone()))),
                    }
                }
            }
            missed.sort_unstable();
            later.sort_unstable();
            Score {
                rule: *rule,
                alarms: alarms.values().map(Vec::len).sum(),
                shared: shared.count(),
                missed,
                later_ms: later.get(later.len() / 2).copied(),
            }
        });
        let faults = self.engine.values().map(Vec::len).sum();
        Scores { told: self.told(), faults, rules: rules.collect(), beyond: self.beyond }
    }

    fn told(&self) -> Vec<(Locus, usize)> {
        let mut counts: BTreeMap<&Locus, usize> = BTreeMap::new();
        for locus in self.places.values() {
            *counts.entry(locus).or_default() += 1;
        }
        let mut told: Vec<_> = counts.into_iter().map(|(locus, n)| (locus.clone(), n)).collect();
        // stable: those of one number stay in the order of their loci
        told.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        told
    }
}

fn end(spans: &mut [Span], at: i64) {
    if let Some(span) = spans.last_mut().filter(|span| span.to.is_none()) {
        span.to = Some(at);
    }
}
