//! When a finding may be told: who bears witness, for how long, and against which background.

use std::collections::{BTreeMap, BTreeSet};

use crate::case::{Case, corrected_ms};
use crate::evidence::fresh_ms;
use crate::explain::Finding;
use crate::open::interval_ms;
use crate::path::PROBATION_LOOKS;
use crate::suspect::{What, is_answer};
use crate::world::{NONE, World};

/// What a domain must add, in nats, to count as a witness (research: B.3).
const WITNESS_NATS: f64 = 0.7;
/// Fewest bad looks of any fault.
const BAD_MIN: u32 = 3;
/// … and of a service that loses some looks and answers others: of a hundred thousand questions asked at once one
/// finds four strays.
const LOSS_BAD_MIN: u32 = 5;
/// Slowness is told of after one look more, and with more certainty.
const SLOW_BAD_MIN: u32 = 4;
const SLOW_MARGIN: f64 = 2.0;
/// So is partial trouble on the near side, where noise comes in bursts.
const PARTIAL_MARGIN: f64 = 3.0;
/// … and a service that hardly ever fails: strays come in swarms as well, and a false global is the worst there is.
const RARE_MARGIN: f64 = 2.0;
const RARE_RATE: f64 = 0.2;
/// … the more so the rarer.
const RAREST_MARGIN: f64 = 4.0;
const RAREST_RATE: f64 = 0.1;
/// A partial or slow fault needs a background to stand out from: intervals of it.
const BACKGROUND_INTERVALS: i64 = 20;
/// Trouble near those who look is told from this rate on: less is how many ways on the Internet are.
const NEAR_RATE_MIN: f64 = 0.15;
/// Below this rate a fault is partial.
pub(crate) const FULL_RATE: f64 = 0.8;
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
/// Bad looks within this time are one spell; partial local trouble needs so many.
const SPELL_MS: i64 = 10_000;
const SPELLS_MIN: usize = 4;
/// … of which no two hold more than this share: two hiccups near one another are two hiccups.
const SPELLS_TOP_SHARE: f64 = 0.65;
/// From this rate on local trouble is one long spell.
const SPELL_RATE: f64 = 0.95;
/// … and trouble that two domains share is no coincidence of spells.
const SPELL_RATE_SHARED: f64 = 0.6;
/// How long a lone witness's trouble must last: longer than a hiccup (2–8 s, thrice in bad places), and
/// for some rounds of its looks, if that is not too long. A place where nobody else looks is told of sooner.
const HICCUP_MIN_MS: i64 = 8_000;
const HICCUP_MIN_ALONE_MS: i64 = 2_500;
pub(crate) const HICCUP_MAX_MS: i64 = 20_000;
const HICCUP_INTERVALS: f64 = 2.5;
/// Two domains that share a place share its blips too (a route that changes), which are shorter …
const BLIP_MS: i64 = 7_000;
/// … unless only a part of the looks fails: blips rarely take all.
const BLIP_PARTIAL_MS: i64 = 12_000;
const BLIP_RATE: f64 = 0.9;
/// A single path has bursts of loss, most of seconds and some of minutes: eight looks in a row, not three, and
/// longer than a hiccup; where some looks get through, more.
const BURST_INTERVALS: f64 = 7.0;
const BURST_PARTIAL_INTERVALS: f64 = 10.0;
const BURST_MIN_MS: i64 = 10_000;
/// With so few domains an agent's way is all that is known of its region.
const DOMAINS_FEW: usize = 3;
/// Slowness near those who look: days and nights, and queues that fill now and then, slow every third
/// look; what is to be told of slows most.
const SLOW_LOCAL_RATE: f64 = 0.6;

/// Who bears witness for a finding.
#[derive(Debug, Clone, Default)]
pub(crate) struct Witnesses {
    /// Domains that speak for it, with their nats.
    pub(crate) domains: BTreeMap<u32, f64>,
    pub(crate) regions: BTreeSet<u32>,
    /// Good and bad looks of each region since the begin.
    pub(crate) by_region: BTreeMap<u32, (u32, u32)>,
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

impl Witnesses {
    /// The regions in which nothing (or next to nothing) works, if in all others all does.
    pub(crate) fn split_regions(&self) -> Option<Vec<u32>> {
        let (mut bad, mut good) = (Vec::new(), 0);
        let enough = if self.by_region.len() <= REGIONS_FEW { 1 } else { SPLIT_LOOKS };
        for (&region, &(ok, fail)) in self.by_region.iter().filter(|(r, _)| **r != NONE) {
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

/// Domains and regions that look at a target.
pub(crate) fn places(world: &World, target: u32) -> (usize, usize) {
    let (mut domains, mut regions) = (BTreeSet::new(), BTreeSet::new());
    for &path in &world.targets[target as usize].paths {
        let agent = &world.agents[world.paths[path as usize].agent as usize];
        domains.insert(agent.domain);
        regions.insert(agent.region);
    }
    (domains.len(), regions.len())
}

/// Who bears witness for a finding, if it may be told now.
pub(crate) fn ready(world: &World, case: &Case, finding: &Finding) -> Option<Witnesses> {
    if !is_certain(world, case, finding) {
        return None;
    }
    let w = Witnesses::of(world, case, finding);
    let told = w.bad >= bad_min(finding, &w)
        && is_surer_if_rare(world, finding, &w)
        && is_spread(case, finding, &w)
        && has_witnesses(world, case, finding, &w);
    told.then_some(w)
}

/// True if the finding is likely, and bad, enough for its kind.
fn is_certain(world: &World, case: &Case, finding: &Finding) -> bool {
    let Finding { what, stretch, .. } = finding;
    let service = matches!(what, What::Service(_));
    let near = what.target().is_none() || matches!(what, What::Path(..));
    let partial = stretch.rate < FULL_RATE && !service;
    let margin = what.margin(world)
        + if stretch.slow { SLOW_MARGIN } else { 0.0 }
        + if partial { PARTIAL_MARGIN } else { 0.0 };
    what.is_told(world)
        && finding.margin + stretch.after >= margin
        && (service || !stretch.slow || stretch.rate >= SLOW_LOCAL_RATE)
        && (!near || stretch.rate >= NEAR_RATE_MIN)
        && has_background(world, case.now, finding)
}

/// How many looks must be bad.
fn bad_min(finding: &Finding, w: &Witnesses) -> u32 {
    let loss = matches!(finding.what, What::Service(_)) && w.answers * 2 <= w.bad;
    match (finding.stretch.slow, finding.stretch.rate < FULL_RATE) {
        (true, _) => SLOW_BAD_MIN,
        (false, true) if loss => LOSS_BAD_MIN,
        (false, _) => BAD_MIN,
    }
}

/// True unless a service hardly ever fails and that is not certain. What it answers itself is no stray loss.
fn is_surer_if_rare(world: &World, finding: &Finding, w: &Witnesses) -> bool {
    let Finding { what, stretch, .. } = finding;
    if !matches!(what, What::Service(_)) || stretch.slow || stretch.rate >= RARE_RATE {
        return true;
    }
    let is_loss = w.answers * 2 <= w.bad;
    let rarest = stretch.rate < RAREST_RATE && is_loss;
    let margin = what.margin(world) + if rarest { RAREST_MARGIN } else { RARE_MARGIN };
    finding.margin + stretch.after >= margin
}

/// True unless the whole finding rests on a few spells: what fails partly, near an agent, must do so
/// time and again, as spells of seconds are no fault.
fn is_spread(case: &Case, finding: &Finding, w: &Witnesses) -> bool {
    let local = !matches!(finding.what, What::Service(_));
    let full = if w.domains.len() >= 2 { SPELL_RATE_SHARED } else { SPELL_RATE };
    if !local || finding.stretch.rate >= full {
        return true;
    }
    let (mut spells, mut newest) = (Vec::new(), i64::MAX);
    for look in &case.looks[finding.stretch.last as usize..=finding.stretch.first as usize] {
        if !(look.mark.is_bad() && case.paths[look.path as usize].sets().contains(&finding.set)) {
            continue;
        }
        if newest.saturating_sub(look.at) > SPELL_MS {
            newest = look.at;
            spells.push(0_u32);
        }
        if let Some(count) = spells.last_mut() {
            *count += 1;
        }
    }
    let all: u32 = spells.iter().sum();
    spells.sort_unstable();
    let top: u32 = spells.iter().rev().take(2).sum();
    spells.len() >= SPELLS_MIN && f64::from(top) <= f64::from(all) * SPELLS_TOP_SHARE
}

fn has_background(world: &World, now: i64, finding: &Finding) -> bool {
    if finding.stretch.rate >= FULL_RATE && !finding.stretch.slow {
        return true;
    }
    let since = match finding.what.target() {
        Some(t) => world.targets[t as usize].since,
        None => world.targets.iter().map(|t| t.since).min().unwrap_or(i64::MAX),
    };
    now.saturating_sub(since) >= BACKGROUND_INTERVALS * interval_ms(world, finding.what)
}

fn has_witnesses(world: &World, case: &Case, finding: &Finding, w: &Witnesses) -> bool {
    match finding.what {
        What::Service(t) => {
            let (domains, regions) = places(world, t);
            w.domains.len() >= domains.min(2)
                && w.regions.len() >= regions.min(2)
                && !w.may_be_regional(world, t, case.now)
        }
        What::Path(t, a) => {
            !finding.stretch.slow
                && is_seasoned(world, finding, a, t)
                && lasts_burst(world, case, finding)
        }
        What::Agent(_) => lasts(world, case, finding, false) && w.targets.len() >= 2,
        What::Region(_) | What::Provider(_) | What::Domain(_) => {
            lasts(world, case, finding, w.domains.len() >= 2) && w.targets.len() >= 2
        }
        // what one agent of many sees may be its way, unless the service itself says that it is broken
        What::ServiceRegion(t, _) | What::ServiceProvider(t, _) | What::ServiceDomain(t, _) => {
            let is_way = w.agents.len() == 1 && places(world, t).0 > DOMAINS_FEW;
            !is_way || w.answers * 2 > w.bad || lasts_burst(world, case, finding)
        }
    }
}

/// True if a path was looked at long enough for its usual losses to be known; where it fails in part they have to be.
fn is_seasoned(world: &World, finding: &Finding, agent: u32, target: u32) -> bool {
    let times = if finding.stretch.rate < SPELL_RATE { 2 } else { 1 };
    let looks = world.path_of(agent, target).map_or(0, |p| world.paths[p as usize].looks);
    looks >= times * PROBATION_LOOKS
}

/// True if the trouble of one path outlasts a burst of loss.
fn lasts_burst(world: &World, case: &Case, finding: &Finding) -> bool {
    let partial = finding.stretch.rate < FULL_RATE;
    let intervals = if partial { BURST_PARTIAL_INTERVALS } else { BURST_INTERVALS };
    let interval = interval_ms(world, finding.what);
    let mut needed = (interval as f64 * intervals) as i64;
    if let What::Path(t, a) = finding.what {
        // second looks shorten what is remembered
        needed = needed.min(remembered_ms(world, case.now, a, t) - interval);
    }
    lasted_ms(case, finding) >= needed.max(BURST_MIN_MS)
}

/// How long ago the oldest look is that is remembered of a path, ms.
fn remembered_ms(world: &World, now: i64, agent: u32, target: u32) -> i64 {
    let path = world.path_of(agent, target).map(|id| &world.paths[id as usize]);
    let oldest = path.and_then(|p| p.seen().next());
    let offset_ms = world.agents[agent as usize].clock.offset_ms();
    oldest.map_or(i64::MAX / 2, |seen| now - corrected_ms(now, offset_ms, seen.at))
}

/// True if the trouble outlasts what a place has to bear now and then: a blip, if domains share it,
/// else a hiccup.
fn lasts(world: &World, case: &Case, finding: &Finding, shared: bool) -> bool {
    let needed = match (shared, finding.stretch.rate >= BLIP_RATE) {
        (true, true) => BLIP_MS,
        (true, false) => BLIP_PARTIAL_MS,
        (false, _) => {
            let interval = interval_ms(world, finding.what) as f64;
            let least = if matches!(finding.what, What::Agent(_)) {
                HICCUP_MIN_MS
            } else {
                HICCUP_MIN_ALONE_MS
            };
            ((interval * HICCUP_INTERVALS) as i64).clamp(least, HICCUP_MAX_MS)
        }
    };
    lasted_ms(case, finding) >= needed
}

/// Time from the first to the last bad look.
fn lasted_ms(case: &Case, finding: &Finding) -> i64 {
    let at = |look: u32| case.looks[look as usize].at;
    at(finding.stretch.last) - at(finding.stretch.first)
}
