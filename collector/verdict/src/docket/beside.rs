//! What a new finding is to the faults that are open: a part of one, the whole of some, one that fails beside it, or
//! where one of them turned out to be.

use parallax_model::Change;

use super::Docket;
use crate::case::Case;
use crate::explain::Finding;
use crate::open::{Open, interval_ms};
use crate::recover::OVER_NATS;
use crate::speak::close;
use crate::suspect::What;
use crate::world::World;

/// Intervals within which an agent must begin to fail to count as one of those that a fault is about.
const STRANGER_INTERVALS: i64 = 2;

impl Docket {
    /// True if an open fault that goes on accounts for every path of the finding. A place does as long as it does not
    /// ease, and for all that was before: that its agents fail each by itself explains the same looks, now a little
    /// better, now a little worse.
    pub(super) fn is_part_of_open(
        &self,
        world: &World,
        case: &Case,
        finding: &Finding,
        findings: &[Finding],
    ) -> bool {
        let last = case.looks[finding.stretch.last as usize].at;
        self.opens.iter().any(|open| {
            let place_fails = open.easing.is_none_or(|from| last < from);
            let wholes = open.parts.iter().chain(open.strangers.keys());
            let mut wholes = wholes.filter(|&&part| finding.what.is_within(world, part));
            wholes.any(|&part| place_fails || goes_on(findings, part))
        })
    }

    /// Closes the faults that turned out to be parts of the one just told.
    pub(super) fn close_parts(
        &mut self,
        world: &mut World,
        case: &Case,
        whole: What,
        out: &mut Vec<Change>,
    ) {
        let mut at = 0;
        while at < self.opens.len() {
            let open = &self.opens[at];
            let inside = open.what != whole
                && open.parts.iter().all(|&p| p != whole && p.is_within(world, whole));
            if inside {
                let gone = self.opens.remove(at);
                close(world, case, gone, case.now, false, out);
            } else {
                at += 1;
            }
        }
    }

    /// The open fault that a new finding takes the place of: one that explains nothing any more,
    /// while most of its bad looks are explained by the finding.
    pub(super) fn moved(
        &self,
        world: &World,
        case: &Case,
        finding: &Finding,
        findings: &[Finding],
    ) -> Option<usize> {
        self.opens.iter().position(|open| {
            if open.parts.iter().chain([&open.what]).any(|&set| goes_on(findings, set)) {
                return false;
            }
            let (mut mine, mut shared) = (0, 0);
            for look in open.looks(world, case).filter(|l| open.is_bad(l)) {
                mine += 1;
                let path = &case.paths[look.path as usize];
                shared += u32::from(path.sets().contains(&finding.set));
            }
            let same_target = open.what.target() == finding.what.target();
            mine > 0 && shared * 3 >= mine * 2 && (same_target || finding.what.target().is_none())
        })
    }

    pub(super) fn replace(&mut self, world: &World, case: &Case, at: usize, draft: Open) {
        let open = &mut self.opens[at];
        let onset = open.fault.onset.min(draft.fault.onset);
        let (id, opened) = (open.fault.id, open.fault.opened);
        let (told, strangers) = (open.told.take(), std::mem::take(&mut open.strangers));
        *open = draft;
        open.strangers = strangers;
        (open.fault.id, open.fault.opened, open.fault.onset) = (id, opened, onset);
        (open.told, open.said) = (told, i64::MIN);
        open.weigh_state(world, case);
    }
}

/// True if a set is at fault, as the latest sitting has it, and that is not over.
fn goes_on(findings: &[Finding], what: What) -> bool {
    findings.iter().any(|f| f.what == what && f.stretch.after > -OVER_NATS)
}

/// True if it is what an open fault of a place is about, with others who only seem to stand elsewhere: one agent that
/// began to fail just when the place did, in the same way, or a set of which that place has a third of the bad looks.
/// Labels may be wrong, and two faults from one minute on would be chance.
pub(super) fn is_stranger(world: &World, case: &Case, finding: &Finding, open: &Open) -> bool {
    let same_target = open.what.target() == finding.what.target();
    let is_inside = open.parts.iter().any(|&part| finding.what.is_within(world, part));
    if !same_target || is_inside || open.easing.is_some() || open.slow != finding.stretch.slow {
        return false;
    }
    let onset = case.looks[finding.stretch.first as usize].at;
    let within = STRANGER_INTERVALS * interval_ms(world, finding.what);
    let began_together = (onset - open.onset_ms()).abs() <= within;
    match (open.what, finding.what) {
        (What::Service(_) | What::Path(..) | What::Agent(_), _)
        | (_, What::Service(_) | What::Region(_) | What::Provider(_) | What::Domain(_)) => false,
        (_, What::Path(..) | What::Agent(_)) => began_together,
        (_, What::ServiceRegion(..) | What::ServiceProvider(..) | What::ServiceDomain(..)) => {
            // what failed for as long as is remembered may have begun with the place
            let always = onset - oldest(case, finding) <= within;
            (began_together || always) && overlaps(world, case, finding, open)
        }
    }
}

/// When the oldest look was begun that is remembered of a finding's set, ms.
fn oldest(case: &Case, finding: &Finding) -> i64 {
    let of_set = |path: u32| case.paths[path as usize].sets().contains(&finding.set);
    let oldest = case.looks.iter().rev().find(|look| of_set(look.path));
    oldest.map_or(i64::MIN / 2, |look| look.at)
}

/// True if an open fault covers a third of the finding's bad looks.
fn overlaps(world: &World, case: &Case, finding: &Finding, open: &Open) -> bool {
    let (mut all, mut shared) = (0_u32, 0_u32);
    for look in case.looks[..=finding.stretch.first as usize].iter().filter(|l| open.is_bad(l)) {
        let path = &case.paths[look.path as usize];
        if path.sets().contains(&finding.set) {
            all += 1;
            shared += u32::from(open.covers(world, path.agent, path.target));
        }
    }
    shared > 0 && shared * 3 >= all
}
