//! What can only be seen over all files: names used twice, dependencies that lead nowhere or round.

use std::collections::{BTreeMap, HashMap, HashSet};

use parallax_model::{AgentSpec, Target};
use parallax_verdict::policy::out_of_reach;

use super::mistake::hint;
use super::source::{Place, Report};
use super::target::Declared;
use crate::notify::Webhook;

/// Most targets: what one assignment can carry.
const TARGETS_MAX: usize = parallax_proto::limits::ASSIGNMENT_TARGETS_MAX;

/// Most agents: what one collector is built for, ten times over.
const AGENTS_MAX: usize = 10_000;

/// Most webhooks: each message is written once for each.
const WEBHOOKS_MAX: usize = 32;

/// The webhooks, after every name used twice was told.
pub(super) fn webhooks(declared: Vec<(Place, Webhook)>, report: &Report) -> Vec<Webhook> {
    once("webhook", declared.iter().map(|(place, w)| (*place, w.name.as_str())), report);
    too_many("webhooks", declared.get(WEBHOOKS_MAX).map(|d| d.0), WEBHOOKS_MAX, report);
    declared.into_iter().map(|(_, webhook)| webhook).collect()
}

/// The agents, after every name used twice was told.
pub(super) fn agents(declared: Vec<(Place, AgentSpec)>, report: &Report) -> Vec<AgentSpec> {
    once("agent", declared.iter().map(|(place, a)| (*place, a.name.as_str())), report);
    too_many("agents", declared.get(AGENTS_MAX).map(|d| d.0), AGENTS_MAX, report);
    declared.into_iter().map(|(_, agent)| agent).collect()
}

/// The targets, after every name used twice and every bad dependency was told.
pub(super) fn targets(declared: Vec<Declared>, report: &Report) -> Vec<Target> {
    once("target", declared.iter().map(|d| (d.place, d.target.name.as_str())), report);
    too_many("targets", declared.get(TARGETS_MAX).map(|d| d.place), TARGETS_MAX, report);
    unknown_dependencies(&declared, report);
    circles(&declared, report);
    declared.into_iter().map(|d| d.target).collect()
}

/// Tells rules that take more places than the declared agents are. Where none is declared, all join, and
/// nothing is known of them here.
pub(super) fn rules_out_of_reach(declared: &[Declared], agents: &[AgentSpec], report: &Report) {
    if agents.is_empty() {
        return;
    }
    let targets = declared.iter().map(|d| (&d.target).into()).collect();
    let fleet = parallax_verdict::Fleet { agents: agents.to_vec(), targets };
    let policy_at: HashMap<_, _> = declared.iter().map(|d| (&d.target.name, d.policy_at)).collect();
    for (name, rule, places) in out_of_reach(&fleet) {
        if let Some(place) = policy_at.get(&name).copied().flatten() {
            report.doubt(
                place,
                format!(
                    "policy: {rule} takes {} places, and the agents declared here look at {name} from {places}: \
                     unless others join, it never says down; lower it, or add agents elsewhere",
                    rule.takes()
                ),
            );
        }
    }
}

fn once<'a>(what: &str, names: impl Iterator<Item = (Place, &'a str)>, report: &Report) {
    let mut seen: HashMap<&str, Place> = HashMap::new();
    for (place, name) in names {
        if let Some(first) = seen.get(name) {
            let first = report.name_of(*first);
            report.wrong(place, format!("{what} {name:?} is already at {first}; rename one"));
        } else {
            seen.insert(name, place);
        }
    }
}

fn too_many(what: &str, beyond: Option<Place>, max: usize, report: &Report) {
    if let Some(place) = beyond {
        report.wrong(place, format!("more than {max} {what}; remove some from here on"));
    }
}

fn unknown_dependencies(declared: &[Declared], report: &Report) {
    let known: HashSet<&str> = declared.iter().map(|d| d.target.name.as_str()).collect();
    for d in declared {
        for (name, place) in d.target.depends_on.iter().zip(&d.depends_at) {
            if !known.contains(name.as_str()) {
                let otherwise =
                    || format!("declare it as a target or remove it from {}", d.target.name);
                let hint = hint(name.as_str(), known.iter().copied(), otherwise);
                report.wrong(*place, format!("depends_on: unknown target {name}; {hint}"));
            }
        }
    }
}

/// Tells one circle for each target at which a walk along the dependencies comes back to itself.
fn circles(declared: &[Declared], report: &Report) {
    let by_name: BTreeMap<&str, &Declared> =
        declared.iter().map(|d| (d.target.name.as_str(), d)).collect();
    let mut done: HashSet<&str> = HashSet::new();
    for &start in by_name.keys() {
        walk(start, &by_name, &mut done, report);
    }
}

/// Depth first, with the way from the start as an explicit stack: a chain of 20,000 must not
/// overflow ours.
fn walk<'a>(
    start: &'a str,
    by_name: &BTreeMap<&'a str, &'a Declared>,
    done: &mut HashSet<&'a str>,
    report: &Report,
) {
    let mut way: Vec<(&str, usize)> = vec![(start, 0)];
    let mut on_way: HashSet<&str> = HashSet::from([start]);
    while let Some(&mut (at, ref mut next)) = way.last_mut() {
        let dependencies = by_name.get(at).map_or(&[][..], |d| &d.target.depends_on);
        let Some(dependency) = dependencies.get(*next).filter(|_| !done.contains(at)) else {
            done.insert(at);
            on_way.remove(at);
            way.pop();
            continue;
        };
        *next += 1;
        let name = dependency.as_str();
        if on_way.contains(name) {
            tell_circle(&way, name, by_name, report);
        } else if !done.contains(name) {
            on_way.insert(name);
            way.push((name, 0));
        }
    }
}

fn tell_circle(
    way: &[(&str, usize)],
    closes_at: &str,
    by_name: &BTreeMap<&str, &Declared>,
    report: &Report,
) {
    let circle = way.iter().map(|&(name, _)| name).skip_while(|name| *name != closes_at);
    let names: Vec<&str> = circle.chain([closes_at]).collect();
    if let Some(d) = by_name.get(closes_at) {
        let circle = names.join(" -> ");
        let what = format!("dependencies run in a circle: {circle}; remove one of them");
        report.wrong(d.place, what);
    }
}
