//! What becomes of open faults: over, told again, gone from the fleet; and what they account for.

use parallax_model::{Change, Timestamp};

use super::{
    AFTERMATH_INTERVALS, AFTERMATH_INTERVALS_MIN, AFTERMATH_MAX_MS, Docket, HICCUP_MARGIN,
};
use crate::absent::Named;
use crate::case::{Case, corrected_ms};
use crate::explain::Finding;
use crate::open::Open;
use crate::ready::HICCUP_MAX_MS;
use crate::recover::{OVER_NATS, ended};
use crate::speak::{close, retell};
use crate::suspect::What;
use crate::world::World;

/// Good looks of an agent after which a hiccup of it is over and done with: none of a third of failing looks has
/// such a run (`0.65^20`, one in 5,000).
const PAST_LOOKS: f64 = 20.0;
/// … and time: more than looks take that time out.
const PAST_MS: i64 = HICCUP_MAX_MS + 10_000;

impl Docket {
    pub(super) fn close_ended(
        &mut self,
        world: &mut World,
        case: &Case,
        out: &mut Vec<Change>,
    ) -> bool {
        let mut closed = false;
        let mut at = 0;
        while at < self.opens.len() {
            match ended(world, case, &mut self.opens[at]) {
                Some(end) => {
                    let mut open = self.opens.remove(at);
                    open.elsewhere = self.opens.iter().flat_map(Open::sets).collect();
                    self.let_dependants_recover(world, &open, end);
                    close(world, case, open, end, true, out);
                    closed = true;
                }
                None => at += 1,
            }
        }
        closed
    }

    fn let_dependants_recover(&mut self, world: &World, open: &Open, end: i64) {
        let interval = open.interval_ms(world);
        let most = AFTERMATH_MAX_MS.max(AFTERMATH_INTERVALS_MIN * interval);
        let until = end + (AFTERMATH_INTERVALS * interval).min(most);
        self.aftermath.extend(open.dependants.values().map(|&t| (t, until)));
        self.past.insert(open.what, end);
    }

    /// Dependants had their time: what still fails is a fault of its own, since then; what does not was of the one that
    /// is over. Answers those.
    pub(super) fn end_aftermath(
        &mut self,
        world: &mut World,
        case: &Case,
        findings: &[Finding],
    ) -> Vec<u32> {
        let goes_on = |t: u32| {
            let mut mine = findings.iter().filter(|f| f.what.target() == Some(t));
            mine.any(|f| f.stretch.after > -OVER_NATS)
        };
        let ended = self.aftermath.iter().filter(|(_, until)| case.now > **until);
        let over: Vec<(u32, i64)> =
            ended.map(|(&t, &until)| (t, until)).filter(|&(t, _)| !goes_on(t)).collect();
        self.aftermath.retain(|t, until| case.now <= *until || over.iter().any(|(o, _)| o == t));
        for &(target, until) in &over {
            settle_target(world, target, until, case.now);
        }
        over.into_iter().map(|(target, _)| target).collect()
    }

    /// What an open fault or a hiccup accounts for is no sample of how a path usually is.
    pub(super) fn note_explained(&self, world: &mut World, case: &Case, findings: &[Finding]) {
        for finding in findings {
            let what = finding.what;
            let open = self.opens.iter().any(|o| o.sets().any(|set| set == what));
            let (first, last) = (finding.stretch.first as usize, finding.stretch.last as usize);
            // what goes on for longer is how the agent is, unless it turns out as a fault
            let brief = case.looks[last].at - case.looks[first].at <= HICCUP_MAX_MS;
            let agent = matches!(what, What::Agent(_));
            let hiccup = agent && brief && finding.margin >= HICCUP_MARGIN;
            let past = hiccup && !open && is_past(case, finding);
            let aftermath = what.target().is_some_and(|t| self.aftermath.contains_key(&t));
            if !open && !hiccup && !aftermath {
                continue;
            }
            for look in case.looks[last..=first].iter().filter(|l| l.mark.is_bad()) {
                let path = &case.paths[look.path as usize];
                if path.sets().contains(&finding.set) {
                    world.paths[path.id as usize].explain(look.raw, past);
                }
            }
        }
    }

    /// Marks the paths under open faults: their failures make nobody else suspicious.
    pub(crate) fn mark_covered(&mut self, world: &mut World) {
        for id in self.covered.drain(..) {
            world.paths[id as usize].covered = false;
        }
        for open in &self.opens {
            for part in open.sets() {
                let ids = paths_of(world, part);
                for &id in &ids {
                    world.paths[id as usize].covered = true;
                }
                self.covered.extend(ids);
            }
        }
        self.part_from_one_another(world);
    }

    /// What one open fault accounts for is no evidence about another, unless it lies wholly within.
    pub(super) fn part_from_one_another(&mut self, world: &World) {
        for at in 0..self.opens.len() {
            let mine = &self.opens[at];
            let others = self.opens.iter().enumerate().filter(|(other, _)| *other != at);
            let elsewhere = others
                .flat_map(|(_, open)| open.sets())
                .chain(self.untold.iter().copied())
                .filter(|&set| !mine.parts.iter().all(|part| part.is_within(world, set)))
                .collect();
            self.opens[at].elsewhere = elsewhere;
        }
    }

    /// Tells what changed of open faults.
    pub(super) fn update(&mut self, world: &World, case: &Case, out: &mut Vec<Change>) {
        for open in &mut self.opens {
            if let Some(fault) = retell(world, case, open) {
                out.push(Change::Updated(Box::new(fault)));
            }
        }
    }

    /// All that it still goes by.
    pub(crate) fn named(&self) -> Named {
        let open = |o: &Open| -> Vec<What> {
            o.sets()
                .chain(o.elsewhere.iter().copied())
                .chain(o.rival.map(|r| r.what))
                .chain([o.what])
                .collect()
        };
        let opens = self.opens.iter().flat_map(open);
        let targets = self.aftermath.keys().map(|&t| What::Service(t));
        let rest = self.waits.keys().chain(self.past.keys()).chain(&self.untold).copied();
        opens.chain(targets).chain(rest).collect()
    }

    /// Closes open faults about what left the fleet.
    pub(crate) fn drop_gone(&mut self, world: &mut World, now: i64, out: &mut Vec<Change>) {
        let gone = |what: What| match what {
            What::Region(r) => !world.groups.regions.contains_key(&r),
            What::Provider(p) => !world.groups.providers.contains_key(&p),
            What::Domain(d) => !world.groups.domains.contains_key(&d),
            What::Agent(a) => !world.agents[a as usize].present,
            What::Path(t, a) => {
                !world.agents[a as usize].present || !world.targets[t as usize].present
            }
            What::ServiceRegion(t, r) => {
                !world.targets[t as usize].present || !world.groups.regions.contains_key(&r)
            }
            What::ServiceProvider(t, p) => {
                !world.targets[t as usize].present || !world.groups.providers.contains_key(&p)
            }
            What::ServiceDomain(t, d) => {
                !world.targets[t as usize].present || !world.groups.domains.contains_key(&d)
            }
            What::Service(t) => !world.targets[t as usize].present,
        };
        let (closed, kept): (Vec<Open>, Vec<Open>) =
            self.opens.drain(..).partition(|o| gone(o.what) || o.parts.iter().all(|&p| gone(p)));
        self.opens = kept;
        for mut open in closed {
            open.fault.ended = Some(Timestamp::from_millis(now));
            open.fault.updated = Timestamp::from_millis(now);
            out.push(Change::Closed(Box::new(open.fault)));
        }
        for open in &mut self.opens {
            open.parts.retain(|&part| !gone(part));
            open.dependants.retain(|&part, _| !gone(part));
            open.strangers.retain(|&part, _| !gone(part));
        }
        self.untold.retain(|&what| !gone(what));
        self.covered.clear();
        world.paths.iter_mut().for_each(|p| p.covered = false);
        self.mark_covered(world);
    }
}

/// The bad looks of a target until then are no evidence any more.
fn settle_target(world: &mut World, target: u32, until: i64, now: i64) {
    for &id in &world.targets[target as usize].paths {
        let path = &mut world.paths[id as usize];
        let offset_ms = world.agents[path.agent as usize].clock.offset_ms();
        let bad = path.seen().filter(|s| s.mark.is_bad());
        let old = bad.filter(|s| corrected_ms(now, offset_ms, s.at) <= until);
        let old: Vec<u32> = old.map(|s| s.at).collect();
        for at in old {
            path.explain(at, true);
        }
    }
}

/// True if an agent has been well since for so long that even trouble of a third of its looks would have shown, those
/// included that time out, which are heard of late.
fn is_past(case: &Case, hiccup: &Finding) -> bool {
    let since = case.now - case.looks[hiccup.stretch.last as usize].at;
    let goods = hiccup.stretch.after / (1.0 - hiccup.stretch.rate).ln();
    since >= PAST_MS && goods >= PAST_LOOKS
}

fn paths_of(world: &World, what: What) -> Vec<u32> {
    let of_agents = |agents: Option<&Vec<u32>>| -> Vec<u32> {
        let agents = agents.into_iter().flatten();
        agents.flat_map(|&a| world.agents[a as usize].paths.iter().copied()).collect()
    };
    match what {
        What::Region(r) => of_agents(world.groups.regions.get(&r)),
        What::Provider(p) => of_agents(world.groups.providers.get(&p)),
        What::Domain(d) => of_agents(world.groups.domains.get(&d)),
        What::Agent(a) => world.agents[a as usize].paths.clone(),
        What::Service(t)
        | What::ServiceRegion(t, _)
        | What::ServiceProvider(t, _)
        | What::ServiceDomain(t, _)
        | What::Path(t, _) => {
            let ids = world.targets[t as usize].paths.iter().copied();
            ids.filter(|&id| what.covers(world, world.paths[id as usize].agent, t)).collect()
        }
    }
}
