//! The faults that are open, and what a new explanation means for them: told, moved, joined to
//! the fault they come from, or over.

mod beside;
mod dependants;
mod life;
mod places;
mod shrink;

use std::collections::{BTreeMap, BTreeSet};

use parallax_model::{Change, FaultId};

use crate::case::{Case, Known};
use crate::explain::Finding;
use crate::open::{Open, interval_ms, timeout_ms};
use crate::ready::ready;
use crate::recover::OVER_NATS;
use crate::speak::{close, draft, first_word, told_as};
use crate::suspect::What;
use crate::witnesses::{Witnesses, places};
use crate::world::World;
use beside::is_stranger;
use dependants::{is_due_to, likewise, may_fail_too, suffers};
pub(crate) use shrink::STILL_BAD_MIN;

/// A service that fails in this many regions is told as one fault of the service …
const REGIONS_ONE_FAULT: usize = 3;
/// … if that is surer by so many nats, all together, than a fault of it has to be: each of them may be a stray or two.
const REGIONS_MARGIN: f64 = 6.0;
/// An agent's hiccup explains its failures from this margin on.
const HICCUP_MARGIN: f64 = 1.0;
/// Intervals for which dependants may recover after their dependency did: at most so many …
const AFTERMATH_INTERVALS: i64 = 6;
/// … or this long, ms, unless that is less than two intervals: each agent must have looked again.
const AFTERMATH_MAX_MS: i64 = 180_000;
const AFTERMATH_INTERVALS_MIN: i64 = 2;
/// Intervals within which a fault that comes back is the same trouble.
const FLAP_INTERVALS: i64 = 40;
/// Intervals after which one that failed beside a fault and is not found any more is none of it.
const STRANGER_GONE_INTERVALS: i64 = 4;
/// Open faults are weighed anew this many times an interval, within bounds.
const PACE_OF_INTERVAL: i64 = 15;
const PACE_MIN_MS: i64 = 500;
const PACE_MAX_MS: i64 = 5_000;

#[derive(Debug, Clone)]
pub(crate) struct Docket {
    opens: Vec<Open>,
    next: u64,
    /// Since when a finding waits for its dependency or its other regions to show.
    waits: BTreeMap<What, i64>,
    /// Dependants of faults that are over: until when they may still fail.
    aftermath: BTreeMap<u32, i64>,
    /// Faults that are over: since when. One that comes back soon is known to flap.
    past: BTreeMap<What, i64>,
    covered: Vec<u32>,
    /// What fails and is not told of, as a reference: other faults are over without what it accounts for.
    untold: BTreeSet<What>,
    widened: bool,
}

impl Docket {
    pub(crate) fn new(first: FaultId) -> Self {
        Self {
            opens: Vec::new(),
            next: first.0,
            waits: BTreeMap::new(),
            aftermath: BTreeMap::new(),
            past: BTreeMap::new(),
            covered: Vec::new(),
            untold: BTreeSet::new(),
            widened: false,
        }
    }

    pub(crate) fn opens(&self) -> &[Open] {
        &self.opens
    }

    /// True while time alone may change something: an open fault ends, a wait is over.
    pub(crate) fn is_busy(&self) -> bool {
        !(self.opens.is_empty() && self.waits.is_empty())
    }

    /// True while a target may fail because one that it needs did until a moment ago.
    pub(crate) fn is_recovering(&self, target: u32, now: i64) -> bool {
        self.aftermath.get(&target).is_some_and(|until| now <= *until)
    }

    /// Nothing is suspicious: nothing waits.
    pub(crate) fn let_go(&mut self) {
        self.waits.clear();
    }

    pub(crate) fn next_id(&mut self) -> FaultId {
        let id = FaultId(self.next);
        self.next += 1;
        id
    }

    /// What is known before weighing: open faults, their surroundings, and likely dependants.
    pub(crate) fn known(&self, world: &World) -> Known {
        let mut known = Known::default();
        // what waits is told when time has passed, whether or not it is heard of
        self.waits.keys().for_each(|&what| known.lay_out(world, what));
        for open in &self.opens {
            known.open.extend(&open.parts);
            known.open.insert(open.what);
            known.open.extend(open.dependants.keys());
            open.sets().for_each(|part| known.lay_out(world, part));
            if let Some(t) = open.what.target() {
                let needing = (0..world.targets.len() as u32)
                    .filter(|&u| world.targets[u as usize].needs.contains(&t));
                known.dependants.extend(needing.flat_map(|u| likewise(open, u)));
            }
        }
        known
    }

    /// Takes a new explanation; true if what is covered by open faults changed.
    pub(crate) fn judge(
        &mut self,
        world: &mut World,
        case: &Case,
        findings: &[Finding],
        out: &mut Vec<Change>,
    ) -> bool {
        let before = self.opens.len();
        let recovered = self.end_aftermath(world, case, findings);
        self.past.retain(|what, end| case.now - *end <= FLAP_INTERVALS * interval_ms(world, *what));
        self.note_untold(world, findings);
        let mut news = self.refresh(world, case, findings);
        self.absorb_dependants(world, case, &mut news);
        self.join_regions(world, case, &mut news, out);
        self.join_places(world, case, &mut news, out);
        let told = self.tell(world, case, &news, findings, out);
        self.waits.retain(|what, _| news.iter().any(|f| f.what == *what));
        self.fold_dependants(world, case, out);
        let over = self.close_ended(world, case, out);
        self.shrink(world, case);
        self.note_explained(world, case, findings);
        self.aftermath.retain(|t, _| !recovered.contains(t));
        self.update(world, case, out);
        let changed = told || over || before != self.opens.len() || self.widened;
        self.widened = false;
        if changed {
            self.mark_covered(world);
        }
        changed
    }

    /// How often an open fault deserves a look while nothing new happens, ms.
    pub(crate) fn pace_ms(&self, world: &World) -> i64 {
        let shortest = self.opens.iter().map(|o| o.interval_ms(world)).min();
        (shortest.unwrap_or(1_000) / PACE_OF_INTERVAL).clamp(PACE_MIN_MS, PACE_MAX_MS)
    }

    fn note_untold(&mut self, world: &World, findings: &[Finding]) {
        let is_sure = |f: &&Finding| f.margin >= f.what.margin(world);
        let untold = findings.iter().filter(|f| !f.what.is_told(world)).filter(is_sure);
        let untold: BTreeSet<What> = untold.map(|f| f.what).collect();
        if untold != self.untold {
            self.untold = untold;
            self.part_from_one_another(world);
        }
    }

    /// Gives findings about open faults to them; returns the others.
    fn refresh(&mut self, world: &World, case: &Case, findings: &[Finding]) -> Vec<Finding> {
        let mut news = Vec::new();
        for finding in findings {
            let mine = self
                .opens
                .iter_mut()
                .find(|o| o.parts.contains(&finding.what) || o.what == finding.what);
            if let Some(open) = mine {
                self.widened |= open.spread(world, case, finding);
                let whole = open.what == finding.what && open.shrunk.is_none();
                let part = open.parts.contains(&finding.what) && open.shrunk.is_some();
                if whole || part || open.parts.len() > 1 {
                    open.refresh(world, case, finding);
                }
            } else if self.opens.iter_mut().any(|open| open.take_region(world, finding)) {
                self.widened = true;
            } else if !self.is_known(world, case, finding) {
                let target = finding.what.target();
                if target.is_none_or(|t| !self.aftermath.contains_key(&t)) {
                    news.push(finding.clone());
                }
            }
        }
        for open in &mut self.opens {
            open.weigh_state(world, case);
            let gone = STRANGER_GONE_INTERVALS * open.interval_ms(world);
            open.strangers.retain(|_, found| case.now - *found <= gone);
        }
        news
    }

    /// True if a finding belongs to an open fault that it is no part of: to a service that fails in more places, to what
    /// depends on it, or to those who fail beside it.
    fn is_known(&mut self, world: &World, case: &Case, finding: &Finding) -> bool {
        let what = finding.what;
        self.opens.iter_mut().any(|open| {
            let stranger = open.strangers.get_mut(&what).map(|found| *found = case.now).is_some();
            let due = is_due_to(world, what, open);
            let needs = |&d: &What| d == what || due && what.is_within(world, d);
            stranger
                || what.target().map(What::Service) == Some(open.what)
                || open.dependants.keys().any(needs)
        })
    }

    /// A service that fails in three regions or more is one fault of the service.
    fn join_regions(
        &mut self,
        world: &mut World,
        case: &Case,
        news: &mut Vec<Finding>,
        out: &mut Vec<Change>,
    ) {
        let mut regions: BTreeMap<u32, BTreeSet<What>> = BTreeMap::new();
        for finding in news.iter().filter(|f| f.margin >= places::PART_MARGIN) {
            if let What::ServiceRegion(t, _) = finding.what {
                regions.entry(t).or_default().insert(finding.what);
            }
        }
        for open in &self.opens {
            for part in &open.parts {
                if let (What::ServiceRegion(t, _), true) = (*part, open.fault.ended.is_none()) {
                    regions.entry(t).or_default().insert(*part);
                }
            }
        }
        let told = |t: u32| What::Service(t).is_told(world);
        regions.retain(|&t, parts| parts.len() >= REGIONS_ONE_FAULT && told(t));
        for (t, parts) in regions {
            let sure: f64 = news
                .iter()
                .filter(|f| parts.contains(&f.what))
                .map(|f| f.margin + f.stretch.after)
                .sum();
            let mine: Vec<usize> = (0..self.opens.len())
                .filter(|&i| {
                    let open = &self.opens[i];
                    open.what == What::Service(t) || open.parts.iter().any(|p| parts.contains(p))
                })
                .collect();
            let fresh: Vec<Finding> =
                news.iter().filter(|f| parts.contains(&f.what)).cloned().collect();
            // one that fails beside two that are open may be a burst: it must say as much as if it was alone
            let needed = What::Service(t).margin(world) + REGIONS_MARGIN;
            if (mine.is_empty() || !fresh.is_empty()) && sure < needed {
                continue;
            }
            news.retain(|f| !parts.contains(&f.what));
            match (mine.first().copied(), fresh.first()) {
                (Some(first), _) => self.widen(world, case, first, &mine, t, &parts, out),
                (None, Some(finding)) => {
                    let mut open = draft(world, case, finding);
                    (open.what, open.parts) = (What::Service(t), parts);
                    self.push(world, case, open, out);
                }
                (None, None) => {}
            }
        }
    }

    /// Makes the first of some regional faults the service's own; the others become part of it.
    #[expect(clippy::too_many_arguments, reason = "one step of a sitting, called once")]
    fn widen(
        &mut self,
        world: &mut World,
        case: &Case,
        first: usize,
        all: &[usize],
        target: u32,
        parts: &BTreeSet<What>,
        out: &mut Vec<Change>,
    ) {
        let open = &mut self.opens[first];
        if open.what == What::Service(target) && open.parts.is_superset(parts) {
            return;
        }
        if !open.parts.contains(&What::Service(target)) {
            open.parts.extend(parts);
        }
        if open.what != What::Service(target) {
            open.what = What::Service(target);
            open.said = i64::MIN;
        }
        for &other in all.iter().skip(1).rev() {
            if other != first {
                let gone = self.opens.remove(other);
                close(world, case, gone, case.now, false, out);
            }
        }
        self.widened = true;
    }

    /// Opens what is ready, moves what turned out to be elsewhere. True if anything was told.
    fn tell(
        &mut self,
        world: &mut World,
        case: &Case,
        news: &[Finding],
        findings: &[Finding],
        out: &mut Vec<Change>,
    ) -> bool {
        let mut mature: Vec<(&Finding, Witnesses)> =
            news.iter().filter_map(|f| Some((f, ready(world, case, f)?))).collect();
        // what others need comes first, so that they find it open, and places before those who fail beside them
        mature.sort_by_key(|(f, _)| {
            let needs = f.what.target().map_or(0, |t| world.targets[t as usize].needs.len());
            (needs, matches!(f.what, What::Path(..) | What::Agent(_)))
        });
        let mut told = false;
        for (finding, witnesses) in mature {
            if self.must_wait(world, case, finding, findings) {
                continue;
            }
            if let Some(open) = self.opens.iter_mut().find(|o| is_due_to(world, finding.what, o)) {
                // one that hardly suffers is none, and what it has is no news either
                if let Some(t) =
                    finding.what.target().filter(|_| suffers(world, case, finding, open))
                {
                    self.widened |= open.dependants.insert(finding.what, t).is_none();
                }
                continue;
            }
            let moved = self.moved(world, case, finding, findings);
            let place = self.opens.iter_mut().find(|o| is_stranger(world, case, finding, o));
            if let Some(open) = place.filter(|_| moved.is_none()) {
                self.widened |= open.strangers.insert(finding.what, case.now).is_none();
                continue;
            }
            if moved.is_none() && self.is_part_of_open(world, case, finding, findings) {
                continue;
            }
            told = true;
            let mut draft = draft(world, case, finding);
            draft.what = told_as(world, case, finding, &witnesses);
            if let (What::Service(t), Some(regions)) = (draft.what, witnesses.split_regions()) {
                draft.parts = regions.into_iter().map(|r| What::ServiceRegion(t, r)).collect();
            }
            match moved {
                Some(at) => self.replace(world, case, at, draft),
                None => self.push(world, case, draft, out),
            }
            self.close_parts(world, case, finding.what, out);
        }
        told
    }

    /// A fault is told later if it is about to turn out as part of another: of a dependency that
    /// fails as well, or of one service failing in more places. At most for one round of looks, two if a dependency
    /// is found and not sure enough to be told.
    fn must_wait(
        &mut self,
        world: &World,
        case: &Case,
        finding: &Finding,
        findings: &[Finding],
    ) -> bool {
        let what = finding.what;
        let Some(t) = what.target() else { return false };
        let told = |d: u32| self.opens.iter().any(|o| o.what.target() == Some(d));
        let is_likely =
            |f: &Finding| f.margin >= places::PART_MARGIN && f.stretch.after > -OVER_NATS;
        let found = |d: u32| findings.iter().any(|f| f.what.target() == Some(d) && is_likely(f));
        let needs = &world.targets[t as usize].needs;
        let is_found = needs.iter().any(|&d| !told(d) && found(d));
        let round = interval_ms(world, what) + timeout_ms(world, what);
        let patience = if is_found { 2 * round } else { round };
        let since = *self.waits.entry(what).or_insert(case.now);
        if case.now - since > patience {
            return false;
        }
        let onset = case.looks[finding.stretch.first as usize].at;
        let dependency = is_found
            || needs.iter().any(|&d| !told(d) && may_fail_too(world, finding, d, onset, case.now));
        let spreading = places::is_part(what) && {
            let elsewhere: BTreeSet<u32> = case.looks[..=finding.stretch.first as usize]
                .iter()
                .filter(|l| l.mark.is_fail())
                .map(|l| &case.paths[l.path as usize])
                .filter(|p| p.target == t && !p.sets().contains(&finding.set))
                .map(|p| world.agents[p.agent as usize].region)
                .collect();
            let places = places(world, t, case.now).1;
            elsewhere.len() >= 2.min(places.saturating_sub(1)).max(1)
        };
        dependency || spreading
    }

    fn push(&mut self, world: &World, case: &Case, mut open: Open, out: &mut Vec<Change>) {
        open.fault.id = self.next_id();
        if let Some(over) = self.past.remove(&open.what) {
            // it must stay away for longer than it did: the next time it is the same fault
            open.pause = open.onset_ms() - over.min(open.onset_ms());
        }
        out.push(Change::Opened(Box::new(first_word(world, case, &mut open))));
        self.opens.push(open);
    }
}
