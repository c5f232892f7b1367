//! When a finding may be told: who bears witness, for how long, and against which background.

use crate::case::{Case, corrected_ms};
use crate::explain::Finding;
use crate::open::interval_ms;
use crate::path::PROBATION_LOOKS;
use crate::suspect::What;
use crate::witnesses::{Witnesses, places};
use crate::world::World;

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
            let (domains, regions) = places(world, t, case.now);
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
            let is_way = w.agents.len() == 1 && places(world, t, case.now).0 > DOMAINS_FEW;
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
