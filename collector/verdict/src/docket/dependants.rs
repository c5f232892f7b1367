//! Targets that fail because one they need does: listed under that one's fault, not told again.

use parallax_model::Change;

use crate::case::{Case, corrected_ms};
use crate::docket::Docket;
use crate::explain::Finding;
use crate::open::{Open, interval_ms, timeout_ms};
use crate::path::Path;
use crate::ready::Witnesses;
use crate::speak::close;
use crate::suspect::What;
use crate::world::World;

/// A dependant is listed from this margin on: its dependency's fault makes it likely …
const DEPENDANT_MARGIN: f64 = 5.0;
/// … if it fails this often at least, in so many looks: one failure here and one there is what every target has …
const DEPENDANT_RATE: f64 = 0.25;
const DEPENDANT_BAD_MIN: u32 = 3;
/// … and if it began within so many intervals of its dependency, or is more likely than that.
const DEPENDANT_INTERVALS: i64 = 4;
const DEPENDANT_LATE_MARGIN: f64 = 12.0;

/// A dependency is well if so many looks more are good than fail; one where few look, as each is waited for.
const WELL_SURPLUS: u32 = 2;
const FEW_WAYS: usize = 6;

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
            close(world, case, own, case.now, None, out);
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
    open.parts.iter().any(|&part| {
        part.target().is_some_and(|d| needs.contains(&d))
            && match (part, what) {
                (_, What::Path(..)) => false,
                (What::Service(_), _) => true,
                (What::ServiceRegion(_, r), What::ServiceRegion(_, s)) => r == s,
                (What::ServiceProvider(_, p), What::ServiceProvider(_, q)) => p == q,
                (What::ServiceDomain(_, d), What::ServiceDomain(_, e)) => d == e,
                _ => false,
            }
    })
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

/// True unless looks at a target were good since then, more of them than failed: an answer comes at once, what times out is
/// heard of late, and even what is down answers now and then.
pub(super) fn may_fail_too(world: &World, target: u32, since: i64, now: i64) -> bool {
    let (mut bad, mut good) = (0_u32, 0_u32);
    let paths = world.targets[target as usize].paths.iter().map(|&id| &world.paths[id as usize]);
    // what never worked, or hardly ever does, says nothing of it
    let ways: Vec<&Path> = paths.filter(|p| p.vain_since.is_none() && !p.is_useless()).collect();
    for path in &ways {
        let offset_ms = world.agents[path.agent as usize].clock.offset_ms();
        let fresh = path.seen().rev().take_while(|s| corrected_ms(now, offset_ms, s.at) >= since);
        for seen in fresh {
            *(if seen.mark.is_fail() { &mut bad } else { &mut good }) += 1;
        }
    }
    let surplus = if ways.len() < FEW_WAYS { 1 } else { WELL_SURPLUS };
    !ways.is_empty() && good < bad + surplus
}
