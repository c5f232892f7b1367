//! A service that fails for some agents all the time and for others never: one fault of the service,
//! seen from many places, and not one fault for each of them.
//!
//! Paths of a service fail together when some of its machines, addresses or shards do. Each of them
//! alone is better explained by itself than by a service that fails for a share of looks; what tells
//! them from so many strokes of bad luck is that they began together.

use std::collections::{BTreeMap, BTreeSet};

use parallax_model::Change;

use super::Docket;
use crate::case::Case;
use crate::explain::Finding;
use crate::open::{Open, interval_ms};
use crate::speak::draft;
use crate::suspect::What;
use crate::witnesses::{places, split_since};
use crate::world::{NONE, World};

/// Parts of a service in so many regions, and domains, are the service's own trouble …
const PLACES_MIN: usize = 3;
/// … and one in so many of all that look at it: among a thousand agents three bad ways to one service are chance …
const PLACES_SHARE: usize = 5;
/// … if they began within so many intervals of one another …
const TOGETHER_INTERVALS: i64 = 8;
/// … and each of them is likely, all of them together more than that.
pub(super) const PART_MARGIN: f64 = 3.0;
const SUM_MARGIN: f64 = 12.0;

/// A part of a service that fails: where, since when, and how sure that is.
struct Part {
    what: What,
    onset: i64,
    margin: f64,
}

impl Docket {
    /// Parts of one service that began together, in three regions or more, are one fault of it.
    pub(super) fn join_places(
        &mut self,
        world: &mut World,
        case: &Case,
        news: &mut Vec<Finding>,
        out: &mut Vec<Change>,
    ) {
        let mut targets: BTreeMap<u32, Vec<Part>> = BTreeMap::new();
        for finding in news.iter().filter(|f| is_part(f.what)) {
            let onset = case.looks[finding.stretch.first as usize].at;
            let margin = finding.margin + finding.stretch.after;
            note(&mut targets, Part { what: finding.what, onset, margin });
        }
        for open in self.opens.iter().filter(|o| is_part(o.what)) {
            note(
                &mut targets,
                Part { what: open.what, onset: open.onset_ms(), margin: open.margin },
            );
        }
        targets.retain(|&t, _| What::Service(t).is_told(world));
        for (t, mut parts) in targets {
            parts.retain(|p| p.margin >= PART_MARGIN);
            together(&mut parts, TOGETHER_INTERVALS * interval_ms(world, What::Service(t)));
            drop_stranger(world, t, &mut parts);
            let sure: f64 = parts.iter().map(|p| p.margin).sum();
            let sets: BTreeSet<What> = parts.iter().map(|p| p.what).collect();
            if sure < SUM_MARGIN || !is_everywhere(world, case.now, t, &sets) {
                continue;
            }
            let mine: Vec<usize> =
                (0..self.opens.len()).filter(|&i| sets.contains(&self.opens[i].what)).collect();
            let fresh = news.iter().find(|f| sets.contains(&f.what)).cloned();
            news.retain(|f| !sets.contains(&f.what));
            let since = parts.iter().map(|p| p.onset).min().unwrap_or(case.now);
            let whole = whole_of(world, case, t, since);
            if let Some(&first) = mine.first() {
                self.widen(world, case, first, &mine, t, &whole, out);
                self.opens[first].parts = whole;
            } else if let Some(finding) = fresh {
                let mut open: Open = draft(world, case, &finding);
                (open.what, open.parts) = (What::Service(t), whole);
                self.push(world, case, open, out);
            }
        }
    }
}

/// What a fault of some parts that began then covers: the service, or some regions by name, if all works in the others.
fn whole_of(world: &World, case: &Case, target: u32, since: i64) -> BTreeSet<What> {
    match split_since(world, case, target, since, false) {
        Some(bad) if !bad.is_empty() => {
            bad.into_iter().map(|r| What::ServiceRegion(target, r)).collect()
        }
        Some(_) | None => BTreeSet::from([What::Service(target)]),
    }
}

pub(super) const fn is_part(what: What) -> bool {
    match what {
        What::ServiceRegion(..)
        | What::ServiceProvider(..)
        | What::ServiceDomain(..)
        | What::Path(..) => true,
        What::Service(_)
        | What::Region(_)
        | What::Provider(_)
        | What::Agent(_)
        | What::Domain(_) => false,
    }
}

fn note(targets: &mut BTreeMap<u32, Vec<Part>>, part: Part) {
    if let Some(t) = part.what.target() {
        targets.entry(t).or_default().push(part);
    }
}

/// Keeps the parts that began within `within` ms after the latest run of them began.
fn together(parts: &mut Vec<Part>, within: i64) {
    let newest = parts.iter().map(|p| p.onset).max().unwrap_or(0);
    parts.retain(|p| newest - p.onset <= within);
}

/// Drops what a lone agent sees beside regions, as its way, its provider's or its domain's: an agent in a region that fails
/// whose labels say that it stands elsewhere, or nothing, is no third place.
fn drop_stranger(world: &World, target: u32, parts: &mut Vec<Part>) {
    let (regions, others): (Vec<What>, Vec<What>) =
        parts.iter().map(|p| p.what).partition(|what| matches!(what, What::ServiceRegion(..)));
    let covers = |sets: &[What], agent: u32| sets.iter().any(|s| s.covers(world, agent, target));
    let paths =
        world.targets[target as usize].paths.iter().map(|&id| world.paths[id as usize].agent);
    let is_somewhere = |&a: &u32| world.agents[a as usize].region != NONE;
    let beside = paths.filter(is_somewhere).filter(|&a| covers(&others, a) && !covers(&regions, a));
    if !regions.is_empty() && beside.count() <= 1 {
        parts.retain(|p| matches!(p.what, What::ServiceRegion(..)));
    }
}

/// True if the parts stand in enough regions, and domains. What spans regions, as a provider does, is one place more
/// where none of them counts already; an agent without a region may stand in one that does.
fn is_everywhere(world: &World, now: i64, target: u32, parts: &BTreeSet<What>) -> bool {
    let needed = PLACES_MIN.max(places(world, target, now).1.div_ceil(PLACES_SHARE));
    let (mut regions, mut domains, mut wide) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for part in parts {
        let (mut its, mut there) = (BTreeSet::new(), BTreeSet::new());
        for &id in &world.targets[target as usize].paths {
            let number = world.paths[id as usize].agent;
            let agent = &world.agents[number as usize];
            if part.covers(world, number, target) && agent.region != NONE {
                its.insert(agent.region);
                there.insert(agent.domain);
            }
        }
        if its.len() == 1 {
            regions.extend(its);
            domains.extend(there);
        } else if !its.is_empty() {
            wide.push((its, there));
        }
    }
    wide.retain(|(its, _)| its.is_disjoint(&regions));
    let spanned: BTreeSet<u32> = wide.iter().flat_map(|(its, _)| its).copied().collect();
    let more = wide.len().min(spanned.len());
    domains.extend(wide.iter().flat_map(|(_, there)| there));
    regions.len() + more >= needed && domains.len() >= needed
}
