//! A fault that was told and is not over.

use std::collections::{BTreeMap, BTreeSet};

use parallax_model::{Confidence, ErrorKind, Fault, FaultState, Locus, Reason, Region, TargetName};

use crate::case::{Case, CasePath, Look};
use crate::docket::STILL_BAD_MIN;
use crate::explain::{Finding, Rival};
use crate::speak::Gist;
use crate::suspect::What;
use crate::witnesses::Witnesses;
use crate::world::World;

/// Intervals that the recent share of bad looks is taken over.
const RECENT_INTERVALS: i64 = 7;
/// Bad looks from which it goes on, after what may have been its end: fewer are strays.
pub(crate) const AGAIN_MIN: u32 = 3;
/// Intervals without a pause after which a fault that paused no longer counts as flapping.
const FLAPPING_INTERVALS: i64 = 10;
/// Pauses of a fault that flaps: one pause and it is an outage that came back.
const FLAPPING_PAUSES: u32 = 2;
/// Shares of failing looks between which the state stays what it was.
const DOWN_FROM: f64 = 0.9;
const DOWN_UNTIL: f64 = 0.8;
/// Intervals of looks by which a slow fault is slow still …
const SLOW_STILL_INTERVALS: i64 = 2;
/// … unless it fails so many times as often as it is slow, and as often as an outage has to.
const OUT_OF_SLOW: u32 = 3;
/// Looks needed to turn a degraded fault into an outage.
const DOWN_LOOKS: u32 = 6;

/// An open fault, its public face and what the engine needs to follow it.
#[derive(Debug, Clone)]
pub(crate) struct Open {
    pub(crate) fault: Fault,
    /// What is told.
    pub(crate) what: What,
    /// The sets of paths it covers: usually `what` alone.
    pub(crate) parts: BTreeSet<What>,
    /// Since when it is over everywhere but in its parts, if it shrank to them, ms.
    pub(crate) shrunk: Option<i64>,
    /// Sets of targets that fail because of this one.
    pub(crate) dependants: BTreeMap<What, u32>,
    /// Lone agents, their ways, and sets that share its bad looks, which began to fail with it: their labels may be wrong.
    /// When each was last found, ms.
    pub(crate) strangers: BTreeMap<What, i64>,
    /// Sets that other open faults account for: where both could be the reason, a look says nothing
    /// of either.
    pub(crate) elsewhere: BTreeSet<What>,
    pub(crate) slow: bool,
    pub(crate) rate: f64,
    /// Share of its recent looks that were bad, when some last were.
    pub(crate) share: f64,
    pub(crate) margin: f64,
    pub(crate) rival: Option<Rival>,
    /// Begin of the newest bad look, ms.
    pub(crate) last_bad: i64,
    /// Begin of the run of good looks it seems to end with, ms.
    pub(crate) easing: Option<i64>,
    /// Longest run of good looks after which it failed again, ms.
    pub(crate) pause: i64,
    /// How many such runs there were.
    pub(crate) pauses: u32,
    /// When it last failed again after one, ms.
    pub(crate) paused_at: i64,
    /// When something was last said of it, ms.
    pub(crate) said: i64,
    pub(crate) told: Option<Told>,
    /// The evidence then, as far as a change of it is worth telling.
    pub(crate) gist: Option<Gist>,
}

/// What was last said of a fault, as far as a change of it is worth telling.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) locus: Locus,
    pub(crate) state: FaultState,
    pub(crate) reason: Option<Reason>,
    pub(crate) affected: Vec<TargetName>,
    pub(crate) regions: Vec<Region>,
    pub(crate) recovering: bool,
    pub(crate) confidence: Confidence,
}

impl Open {
    pub(crate) fn covers(&self, world: &World, agent: u32, target: u32) -> bool {
        self.parts.iter().any(|part| part.covers(world, agent, target))
    }

    /// Its looks, newest first, but those that another open fault may account for, if any are left.
    pub(crate) fn looks<'a>(
        &'a self,
        world: &'a World,
        case: &'a Case,
    ) -> impl Iterator<Item = &'a Look> {
        let covered = |p: &CasePath| self.covers(world, p.agent, p.target);
        let elsewhere =
            |p: &CasePath| self.elsewhere.iter().any(|set| set.covers(world, p.agent, p.target));
        let mut mine: Vec<bool> = case.paths.iter().map(|p| covered(p) && !elsewhere(p)).collect();
        if !mine.contains(&true) {
            mine = case.paths.iter().map(covered).collect();
        }
        case.looks.iter().filter(move |l| mine[l.path as usize])
    }

    /// Its sets, those of its dependants, and of those who fail beside it.
    pub(crate) fn sets(&self) -> impl Iterator<Item = What> {
        self.parts.iter().chain(self.dependants.keys()).chain(self.strangers.keys()).copied()
    }

    /// True if the look was bad in this fault's own way.
    pub(crate) fn is_bad(&self, look: &Look) -> bool {
        if self.slow { look.mark.is_bad() } else { look.mark.is_fail() }
    }

    pub(crate) fn onset_ms(&self) -> i64 {
        self.fault.onset.millis()
    }

    /// Takes what the latest sitting found for one of its parts.
    pub(crate) fn refresh(&mut self, world: &World, case: &Case, finding: &Finding) {
        // what is slow fails now and then, which says more for a moment, and ends no slowness
        if !(self.slow && !finding.stretch.slow && self.is_slow_still(world, case, finding)) {
            self.slow = finding.stretch.slow;
            self.rate = finding.stretch.rate;
        }
        self.margin = finding.margin;
        self.rival = finding.rival;
    }

    /// True if most of the latest looks that did not fail were slow, and it did not turn into an outage.
    fn is_slow_still(&self, world: &World, case: &Case, failing: &Finding) -> bool {
        let since = case.looks[failing.stretch.first as usize].at;
        let recent = since.min(case.now - SLOW_STILL_INTERVALS * self.interval_ms(world));
        let (mut fails, mut slow_since, mut slow, mut all) = (0_u32, 0_u32, 0_u32, 0_u32);
        for look in self.looks(world, case).take_while(|l| l.at >= recent) {
            let fresh = u32::from(look.at >= since);
            fails += fresh * u32::from(look.mark.is_fail());
            slow_since += fresh * u32::from(look.mark.is_slow());
            slow += u32::from(look.mark.is_slow());
            all += u32::from(!look.mark.is_fail());
        }
        let is_out = fails >= DOWN_LOOKS && fails >= OUT_OF_SLOW * slow_since;
        slow >= 1 && slow * 2 >= all && !is_out
    }

    /// A finding about the service as a whole widens what was in some regions only; true if it did.
    pub(crate) fn spread(&mut self, world: &World, case: &Case, finding: &Finding) -> bool {
        let What::Service(t) = finding.what else { return false };
        if !self.is_in_places() || finding.margin < finding.what.margin(world) {
            return false;
        }
        let before = self.parts.len();
        if let Some(since) = self.shrunk {
            self.parts.extend(failing_regions(world, case, t, since));
            return self.parts.len() != before;
        }
        let witnesses = Witnesses::of(world, case, finding);
        match witnesses.split_regions() {
            Some(bad) => self.parts.extend(bad.into_iter().map(|r| What::ServiceRegion(t, r))),
            None if witnesses.may_be_regional(world, t, case.now) => {}
            None => self.parts = BTreeSet::from([finding.what]),
        }
        self.parts.len() != before
    }

    /// The pace at which it is looked at, ms.
    pub(crate) fn interval_ms(&self, world: &World) -> i64 {
        interval_ms(world, self.what)
    }

    /// Takes a region of a service that others cannot use already.
    pub(crate) fn take_region(&mut self, world: &World, finding: &Finding) -> bool {
        let What::ServiceRegion(t, _) = finding.what else { return false };
        let is_sure = finding.margin + finding.stretch.after >= finding.what.margin(world);
        let mine = self.what == What::Service(t) && self.is_in_places() && is_sure;
        mine && self.parts.insert(finding.what)
    }

    /// How bad it is, by its recent looks.
    pub(crate) fn weigh_state(&mut self, world: &World, case: &Case) {
        let interval = self.interval_ms(world);
        let newest = self.looks(world, case).find(|l| self.is_bad(l)).map(|l| l.at);
        let Some(newest) = newest else { return };
        let from = (newest - RECENT_INTERVALS * interval).max(self.onset_ms());
        let count_since = |since: i64| {
            let looks = self.looks(world, case).filter(|l| l.at <= newest && l.at >= since);
            looks.fold((0, 0), |(b, a), l| (b + u32::from(self.is_bad(l)), a + 1_u32))
        };
        let share_of = |(bad, all): (u32, u32)| f64::from(bad) / f64::from(all.max(1));
        // since it last failed again, if it did: the pause before says nothing of how bad it is now …
        let since = count_since(from.max(self.paused_at));
        let (share, all) = (share_of(since), since.1);
        // … and a stray after its end nothing of how often it failed
        let recent = count_since(from);
        if recent.0 >= AGAIN_MIN {
            self.share = share_of(recent);
        }
        self.last_bad = self.last_bad.max(newest);
        self.fault.evidence.failure_rate = share;
        let flaps = self.pauses >= FLAPPING_PAUSES
            && newest - self.paused_at < FLAPPING_INTERVALS * interval + 3 * self.pause;
        let was_down = matches!(self.fault.state, FaultState::Down);
        let down =
            if was_down { share >= DOWN_UNTIL } else { share >= DOWN_FROM && all >= DOWN_LOOKS };
        let down = down && !self.slow && !flaps && !self.is_in_places();
        let down = down && !is_refusal(world, case, self);
        self.fault.state = if down { FaultState::Down } else { FaultState::Degraded };
    }

    /// True for a service that only some regions cannot use.
    pub(crate) fn is_in_places(&self) -> bool {
        matches!(self.what, What::Service(_)) && !self.parts.contains(&self.what)
    }
}

/// The regions that failed time and again since then.
fn failing_regions(world: &World, case: &Case, target: u32, since: i64) -> Vec<What> {
    let mut bad: BTreeMap<u32, u32> = BTreeMap::new();
    for look in case.looks.iter().take_while(|l| l.at > since).filter(|l| l.mark.is_fail()) {
        let path = &case.paths[look.path as usize];
        if path.target == target {
            *bad.entry(world.agents[path.agent as usize].region).or_default() += 1;
        }
    }
    let often = bad.into_iter().filter(|(_, count)| *count >= STILL_BAD_MIN);
    often.map(|(region, _)| What::ServiceRegion(target, region)).collect()
}

/// The pace of a set: its target's interval, or the shortest that its agents keep.
pub(crate) fn interval_ms(world: &World, what: What) -> i64 {
    let of_agents = |agents: Option<&Vec<u32>>| {
        agents.into_iter().flatten().map(|&a| world.agents[a as usize].interval_ms).min()
    };
    let shortest = match what {
        What::Region(r) => of_agents(world.groups.regions.get(&r)),
        What::Provider(p) => of_agents(world.groups.providers.get(&p)),
        What::Domain(d) => of_agents(world.groups.domains.get(&d)),
        What::Agent(a) => Some(world.agents[a as usize].interval_ms),
        What::Service(t)
        | What::ServiceRegion(t, _)
        | What::ServiceProvider(t, _)
        | What::ServiceDomain(t, _)
        | What::Path(t, _) => Some(world.targets[t as usize].interval_ms),
    };
    shortest.filter(|&ms| ms < i64::MAX).unwrap_or(30_000).max(1)
}

/// The longest that one look of a set may take, ms.
pub(crate) fn timeout_ms(world: &World, what: What) -> i64 {
    match what.target() {
        Some(t) => world.targets[t as usize].timeout_ms,
        None => 5_000,
    }
}

/// A service that refuses everybody works, for somebody else.
fn is_refusal(world: &World, case: &Case, open: &Open) -> bool {
    if !matches!(open.what, What::Service(_)) {
        return false;
    }
    let (mut refused, mut all) = (0_u32, 0_u32);
    for kind in open.looks(world, case).filter_map(|l| l.mark.kind()) {
        all += 1;
        refused += u32::from(kind == ErrorKind::Blocked);
    }
    refused * 2 > all
}
