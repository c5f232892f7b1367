//! Targets that fail because one they need does: listed under that one's fault, not told again.

use parallax_model::Change;

use crate::case::{Case, corrected_ms};
use crate::docket::Docket;
use crate::explain::Finding;
use crate::open::{Open, interval_ms, timeout_ms};
use crate::path::Path;
use crate::speak::close;
use crate::suspect::What;
use crate::witnesses::Witnesses;
use crate::world::World;

/// A dependant is listed from this margin on: its dependency's fault makes it likely …
const DEPENDANT_MARGIN: f64 = 5.0;
/// … if it fails this often at least, in so many looks: one failure here and one there is what every target has …
const DEPENDANT_RATE: f64 = 0.25;
const DEPENDANT_BAD_MIN: u32 = 3;
/// … and if it began within so many intervals of its dependency, or is more likely than that.
const DEPENDANT_INTERVALS: i64 = 4;
const DEPENDANT_LATE_MARGIN: f64 = 12.0;

/// Nats by which looks must say that a dependency is well, about two of them; one where few look at it from where the target
/// fails, as each is waited for …
const WELL_NATS: f64 = 4.5;
const WELL_FEW_NATS: f64 = 2.0;
const FEW_WAYS: usize = 6;
/// … of which one look says so many at most, good or bad.
const LOOK_NATS_MAX: f64 = 2.5;

impl Docket {
    /// Findings about targets that need one at fault are part of that fault.
    pub(super) fn absorb_dependants(
        &mut self,
        world: &World,
        case: &Case,
        news: &mut Vec<Finding>,
    ) {
        news.retain(|finding| {
            let Some(open) = self.opens.iter_mut().find(|o| is_due_to(world, finding.what, o))
            else {
                return true;
            };
            if !suffers(world, case, finding, open) {
                return true;
            }
            let w = Witnesses::of(world, case, finding);
            if matches!(finding.what, What::Service(_)) && w.domains.len() < 2 {
                return true;
            }
            if let Some(t) = finding.what.target() {
                self.widened |= open.dependants.insert(finding.what, t).is_none();
            }
            false
        });
    }
}

impl Docket {
    /// Faults of dependants that were told before what they need was become part of its fault.
    pub(super) fn fold_dependants(
        &mut self,
        world: &mut World,
        case: &Case,
        out: &mut Vec<Change>,
    ) {
        let mut at = 0;
        while at < self.opens.len() {
            let own = &self.opens[at];
            let patience = interval_ms(world, own.what) + timeout_ms(world, own.what);
            let host = self.opens.iter().find(|host| {
                is_due_to(world, own.what, host) && host.onset_ms() - own.onset_ms() <= patience
            });
            let Some(host) = host.map(|host| host.fault.id) else {
                at += 1;
                continue;
            };
            let own = self.opens.remove(at);
            if let Some(host) = self.opens.iter_mut().find(|o| o.fault.id == host) {
                host.dependants.extend(own.what.target().map(|t| (own.what, t)));
                host.dependants.extend(&own.dependants);
            }
            self.widened = true;
            close(world, case, own, case.now, false, out);
        }
    }
}

/// True if a target fails as one does whose dependency is at fault, and not just now and then as all do.
pub(super) fn suffers(world: &World, case: &Case, finding: &Finding, open: &Open) -> bool {
    let stretch = &finding.stretch;
    let late = case.looks[stretch.first as usize].at - open.onset_ms();
    let margin = if late <= DEPENDANT_INTERVALS * open.interval_ms(world) {
        DEPENDANT_MARGIN
    } else {
        DEPENDANT_LATE_MARGIN
    };
    stretch.rate >= DEPENDANT_RATE
        && stretch.bad >= DEPENDANT_BAD_MIN
        && finding.margin + stretch.after >= margin
}

/// True if what the finding says of a target is due to `open`: a fault of something it needs,
/// seen from the same places.
pub(super) fn is_due_to(world: &World, what: What, open: &Open) -> bool {
    let Some(t) = what.target() else { return false };
    let needs = &world.targets[t as usize].needs;
    let seen_from = |part: What| match part {
        What::Service(_) => !matches!(what, What::Path(..)),
        What::ServiceRegion(_, r) => matches!(what, What::ServiceRegion(_, s) if s == r),
        What::ServiceProvider(_, p) => matches!(what, What::ServiceProvider(_, q) if q == p),
        What::ServiceDomain(_, d) => matches!(what, What::ServiceDomain(_, e) if e == d),
        What::Path(..) | What::Region(_) | What::Provider(_) | What::Agent(_) | What::Domain(_) => {
            false
        }
    };
    let is_needed = |part: What| part.target().is_some_and(|d| needs.contains(&d));
    open.parts.iter().any(|&part| is_needed(part) && seen_from(part))
}

/// The sets in which a dependant fails if it fails as what it needs does.
pub(super) fn likewise(open: &Open, dependant: u32) -> impl Iterator<Item = What> {
    open.parts.iter().map(move |part| match *part {
        What::ServiceRegion(_, r) => What::ServiceRegion(dependant, r),
        What::ServiceProvider(_, p) => What::ServiceProvider(dependant, p),
        What::ServiceDomain(_, d) => What::ServiceDomain(dependant, d),
        What::Path(_, a) => What::Path(dependant, a),
        What::Service(_)
        | What::Region(_)
        | What::Provider(_)
        | What::Agent(_)
        | What::Domain(_) => What::Service(dependant),
    })
}

/// True unless looks at what the target of a finding needs say by now that it is well: an answer comes at once, what times out is
/// heard of late, and even what is down answers now and then. A good look says as much as it is unlikely if this fails as the
/// target does, which is little for a target that fails in part, or from where that works.
pub(super) fn may_fail_too(
    world: &World,
    finding: &Finding,
    needed: u32,
    since: i64,
    now: i64,
) -> bool {
    let Some(target) = finding.what.target() else { return false };
    let paths = world.targets[needed as usize].paths.iter().map(|&id| &world.paths[id as usize]);
    // what never worked, or hardly ever does, says nothing of it
    let ways = paths.filter(|p| p.vain_since.is_none() && !p.is_useless());
    // what is needed may have failed before anybody looked at what needs it
    let before = since - interval_ms(world, finding.what);
    let slow = finding.stretch.slow;
    let count = |path, bad_since| count(world, path, slow, [bad_since, since], now);
    let (mut nats, mut same) = (0.0, 0);
    for path in ways {
        let covered = finding.what.covers(world, path.agent, target);
        same += usize::from(covered);
        let rate = if covered { finding.stretch.rate } else { 0.0 };
        let own = world.path_of(path.agent, target);
        let (bad, good) = own.map_or((0, 0), |id| count(&world.paths[id as usize], since));
        let share = (f64::from(bad) + rate) / f64::from(bad + good + 1);
        let (bad, good) = count(path, before);
        nats += f64::from(good) * (-(1.0 - share).ln()).min(LOOK_NATS_MAX);
        nats -= f64::from(bad) * LOOK_NATS_MAX;
    }
    // nobody waits for what nobody looks at from there
    let needs = match same {
        0 => 0.0,
        1..FEW_WAYS => WELL_FEW_NATS,
        FEW_WAYS.. => WELL_NATS,
    };
    nats < needs
}

/// Looks of a path that failed (or were slow, if that is asked), and that did not, each since its time.
fn count(
    world: &World,
    path: &Path,
    slow: bool,
    [bad_since, good_since]: [i64; 2],
    now: i64,
) -> (u32, u32) {
    let offset_ms = world.agents[path.agent as usize].clock.offset_ms();
    let (mut bad, mut good) = (0, 0);
    for seen in path.seen().rev() {
        let at = corrected_ms(now, offset_ms, seen.at);
        if at < bad_since {
            break;
        }
        let is_bad = if slow { seen.mark.is_bad() } else { seen.mark.is_fail() };
        bad += u32::from(is_bad);
        good += u32::from(!is_bad && at >= good_since);
    }
    (bad, good)
}
