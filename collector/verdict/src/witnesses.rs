//! Who bears witness for a finding, and whether all of them together say that a service fails everywhere, or just in one or
//! two regions.

use std::collections::{BTreeMap, BTreeSet};

use crate::case::{Case, is_stale};
use crate::evidence::fresh_ms;
use crate::explain::Finding;
use crate::suspect::is_answer;
use crate::world::{NONE, World};

/// What a domain must add, in nats, to count as a witness.
const WITNESS_NATS: f64 = 0.7;
/// A region is out if its good looks are no more than one in so many; well, the other way round,
/// once it looked this often (once, where regions are few).
const SPLIT_SHARE: u32 = 8;
const SPLIT_LOOKS: u32 = 2;
/// With so few regions each has to speak before two of them can be all.
const REGIONS_FEW: usize = 3;
/// Regions that may fail together without being the whole service.
const REGIONS_TOGETHER: usize = 2;
/// What all other regions must add, in nats, before such trouble is the service's own …
const REST_NATS: f64 = 4.0;
/// … of which all but the most telling agent may take away so much: one agent with a wrong label, or
/// with a burst of its own, is no third region.
const REST_OTHERS_NATS: f64 = -1.5;
/// … unless so few look from there: then it must say more.
const REST_FEW: usize = 2;
const REST_FEW_NATS: f64 = 8.0;

/// Who bears witness for a finding.
#[derive(Debug, Clone, Default)]
pub(crate) struct Witnesses {
    /// Domains that speak for it, with their nats.
    pub(crate) domains: BTreeMap<u32, f64>,
    pub(crate) regions: BTreeSet<u32>,
    /// Good and bad looks of each region since the begin.
    pub(crate) by_region: ByRegion,
    pub(crate) agents: BTreeMap<u32, f64>,
    pub(crate) targets: BTreeSet<u32>,
    /// Bad looks, and those that only the service can have answered.
    pub(crate) bad: u32,
    pub(crate) answers: u32,
}

impl Witnesses {
    /// Everybody who looked since the finding's begin.
    pub(crate) fn of(world: &World, case: &Case, finding: &Finding) -> Self {
        let (mut by_domain, mut w) = (BTreeMap::new(), Self::default());
        let q = finding.stretch.rate;
        for look in &case.looks[..=finding.stretch.first as usize] {
            let path = &case.paths[look.path as usize];
            if !path.sets().contains(&finding.set) {
                continue;
            }
            let bad = if finding.stretch.slow { look.mark.is_slow() } else { look.mark.is_fail() };
            let x = f64::from(look.usual);
            let nats = if bad { ((x + (1.0 - x) * q) / x).ln() } else { (1.0 - q).ln() };
            *by_domain.entry(path.domain).or_insert(0.0) += nats;
            *w.agents.entry(path.agent).or_insert(0.0) += nats;
            let region = world.agents[path.agent as usize].region;
            let tally = w.by_region.entry(region).or_default();
            *(if bad { &mut tally.1 } else { &mut tally.0 }) += 1;
            if bad {
                w.bad += 1;
                w.answers += u32::from(look.mark.kind().is_some_and(is_answer));
                w.targets.insert(path.target);
            }
        }
        w.domains = by_domain.into_iter().filter(|(_, nats)| *nats > WITNESS_NATS).collect();
        for path in case.paths.iter().filter(|p| p.sets().contains(&finding.set)) {
            if w.domains.contains_key(&path.domain) {
                w.regions.insert(world.agents[path.agent as usize].region);
            }
        }
        w
    }
}

/// Good and bad looks by region.
type ByRegion = BTreeMap<u32, (u32, u32)>;

/// The regions in which nothing (or next to nothing) works, if in all others all does.
fn split(by_region: &ByRegion) -> Option<Vec<u32>> {
    let (mut bad, mut good) = (Vec::new(), 0);
    let enough = if by_region.len() <= REGIONS_FEW { 1 } else { SPLIT_LOOKS };
    for (&region, &(ok, fail)) in by_region.iter().filter(|(r, _)| **r != NONE) {
        if fail > 0 && ok * SPLIT_SHARE <= fail {
            bad.push(region);
        } else if fail * SPLIT_SHARE <= ok && ok >= enough {
            good += 1;
        } else if fail > 0 {
            return None;
        }
    }
    (good > 0).then_some(bad)
}

/// … of all looks at a target that were begun since then.
pub(crate) fn split_since(
    world: &World,
    case: &Case,
    target: u32,
    since: i64,
    slow: bool,
) -> Option<Vec<u32>> {
    let mut by_region = ByRegion::new();
    for look in case.looks.iter().take_while(|l| l.at >= since) {
        let path = &case.paths[look.path as usize];
        if path.target == target {
            let bad = if slow { look.mark.is_slow() } else { look.mark.is_fail() };
            let region = world.agents[path.agent as usize].region;
            let tally = by_region.entry(region).or_default();
            *(if bad { &mut tally.1 } else { &mut tally.0 }) += 1;
        }
    }
    split(&by_region)
}

impl Witnesses {
    /// The regions in which nothing (or next to nothing) works, if in all others all does.
    pub(crate) fn split_regions(&self) -> Option<Vec<u32>> {
        split(&self.by_region)
    }

    /// True if it may be the trouble of one or two regions and not of the service: all others are
    /// well, or those that spoke do not say so surely, or (where there are only three) one did not yet.
    pub(crate) fn may_be_regional(&self, world: &World, target: u32, now: i64) -> bool {
        if self.split_regions().is_some_and(|bad| bad.len() <= REGIONS_TOGETHER) {
            return true;
        }
        let speaking = speaking_regions(world, target, now);
        if speaking.len() <= REGIONS_TOGETHER {
            return false;
        }
        let unheard = speaking.iter().any(|r| !self.by_region.contains_key(r));
        speaking.len() <= REGIONS_FEW && unheard || !self.is_elsewhere_too(world)
    }

    /// True if, whatever two regions are left out, the looks from all others say that the fault is there as well.
    fn is_elsewhere_too(&self, world: &World) -> bool {
        let mut regions: BTreeMap<u32, Say> = BTreeMap::new();
        for (&agent, &nats) in &self.agents {
            let region = world.agents[agent as usize].region;
            // who knows where an agent without a region stands
            if region != NONE {
                regions.entry(region).or_default().add(nats);
            }
        }
        let mut regions: Vec<Say> = regions.into_values().collect();
        regions.sort_by(|a, b| b.top.total_cmp(&a.top));
        let all = regions.iter().fold(Say::default(), Say::with);
        let pairs = (0..regions.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
        let rest = |(a, b): (usize, usize)| {
            let loudest = (0..regions.len()).find(|&at| at != a && at != b);
            let out = regions[a].with(&regions[b]);
            Say {
                nats: all.nats - out.nats,
                top: loudest.map_or(0.0, |at| regions[at].top.max(0.0)),
                agents: all.agents - out.agents,
            }
        };
        regions.len() > REGIONS_TOGETHER && pairs.map(rest).all(|rest| rest.is_enough())
    }
}

/// What the agents of some regions say together.
#[derive(Debug, Clone, Copy, Default)]
struct Say {
    nats: f64,
    /// What the one says that says most.
    top: f64,
    agents: usize,
}

impl Say {
    fn add(&mut self, nats: f64) {
        *self = self.with(&Self { nats, top: nats, agents: 1 });
    }

    fn with(self, other: &Self) -> Self {
        Self {
            nats: self.nats + other.nats,
            top: self.top.max(other.top),
            agents: self.agents + other.agents,
        }
    }

    fn is_enough(&self) -> bool {
        self.nats >= REST_NATS && self.nats - self.top >= REST_OTHERS_NATS
            || self.nats >= REST_FEW_NATS && self.agents <= REST_FEW
    }
}

/// Regions of which a fresh look at the target was heard, along a way that usually works: one that fails
/// anyway has no voice, and nobody waits for it.
fn speaking_regions(world: &World, target: u32, now: i64) -> BTreeSet<u32> {
    let t = &world.targets[target as usize];
    let within = fresh_ms(t.interval_ms, t.timeout_ms);
    let paths = t.paths.iter().map(|&id| &world.paths[id as usize]);
    paths
        .filter(|p| now.saturating_sub(p.heard) <= within && !p.is_useless())
        .map(|p| world.agents[p.agent as usize].region)
        .filter(|&region| region != NONE)
        .collect()
}

/// Domains and regions that look at a target, as far as any of their looks count.
pub(crate) fn places(world: &World, target: u32, now: i64) -> (usize, usize) {
    let (mut domains, mut regions) = (BTreeSet::new(), BTreeSet::new());
    let t = &world.targets[target as usize];
    let paths = t.paths.iter().map(|&id| &world.paths[id as usize]);
    for path in paths.filter(|p| !is_stale(p, t.interval_ms, now)) {
        let agent = &world.agents[path.agent as usize];
        domains.insert(agent.domain);
        regions.insert(agent.region);
    }
    (domains.len(), regions.len())
}
