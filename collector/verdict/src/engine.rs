//! The door: results and time in, changes out.

use std::collections::{BTreeMap, BTreeSet};

use parallax_model::fault::Standing;
use parallax_model::{
    Change, Confidence, ErrorKind, Evidence, Fault, FaultId, FaultState, Locus, Outcome, Reason,
    Timestamp,
};

use crate::ask::Budget;
use crate::case::{Case, centis, memory_ms};
use crate::docket::Docket;
use crate::evidence::{fleet_coverage, fresh_ms};
use crate::explain::explain;
use crate::fleet::{Fleet, Observation};
use crate::gain::Sheet;
use crate::heat::{HOT_NATS, WARM_NATS};
use crate::ledger::Ledger;
use crate::path::Mark;
use crate::silence::Silence;
use crate::standing::standings;
use crate::trouble::Goods;
use crate::warm::{WarmIds, target_nats};
use crate::world::{World, ms};

/// Least time between two sittings of the court, ms: bounds the work when everything fails.
const SITTING_MS: i64 = 200;
/// Looks weighed per ms of time between sittings, for huge cases: all that a fleet of a
/// thousand agents saw, 200,000 looks, is weighed anew after a second.
const LOOKS_PER_MS: i64 = 250;
/// … but no longer: a blip is told of after seven seconds.
const SITTING_MAX_MS: i64 = 2_000;
/// Results that were on their way for longer than this many intervals tell of the past only.
const LATE_INTERVALS: i64 = 4;
/// The longest usual gap between an agent's results fades by this with every result.
const GAP_KEPT: f64 = 0.99;
/// No look takes longer: what says so may say anything.
const TOOK_MAX_MS: i64 = 86_400_000;
/// A look that timed out by so much sooner than its target allows was given less time, ms.
const CUT_MS: i64 = 500;
/// While most domains are silent and some are not, it is the collector for so many times what it takes to call an
/// agent silent; then it is the agents. Otherwise two dead machines of three would keep the third from being heard for good.
const PARTIAL_SILENCES: i64 = 10;
/// Confidence in what silence says: all domains, or just most.
const ISOLATED_CONFIDENCE: f64 = 0.97;
const SILENT_CONFIDENCE: f64 = 0.99;

/// The verdict engine. Deterministic: the same calls give the same changes.
#[derive(Debug, Clone)]
pub struct Engine {
    world: World,
    docket: Docket,
    warm: WarmIds,
    budget: Budget,
    start: Option<i64>,
    now: i64,
    last_tick: i64,
    next_sitting: i64,
    /// When open faults are due for a look though nothing new was heard.
    next_round: i64,
    /// What was bad at this instant, and may be asked about: target, whether slow, agent.
    doubts: BTreeSet<(u32, bool, u32)>,
    dirty: bool,
    silent: BTreeMap<u32, Fault>,
    isolated: Option<Fault>,
    /// Until when nobody is called silent after the collector was cut off.
    grace_until: i64,
}

impl Engine {
    /// For a fleet; the first fault told gets `first_fault`'s number.
    #[expect(clippy::needless_pass_by_value, reason = "a fleet is handed over")]
    pub fn new(fleet: Fleet, first_fault: FaultId) -> Self {
        let mut world = World::default();
        world.declare(&fleet, i64::MIN);
        Self {
            world,
            docket: Docket::new(first_fault),
            warm: WarmIds::default(),
            budget: Budget::default(),
            start: None,
            now: i64::MIN,
            last_tick: i64::MIN,
            next_sitting: i64::MIN,
            next_round: i64::MIN,
            doubts: BTreeSet::new(),
            dirty: false,
            silent: BTreeMap::new(),
            isolated: None,
            grace_until: i64::MIN,
        }
    }

    /// The fleet was declared anew: what stays keeps its memory, faults about what went are closed.
    #[expect(clippy::needless_pass_by_value, reason = "a fleet is handed over")]
    pub fn set_fleet(&mut self, fleet: Fleet, now: Timestamp, out: &mut Vec<Change>) {
        self.advance(now, out);
        self.settle(out);
        self.world.declare(&fleet, self.now);
        self.docket.drop_gone(&mut self.world, self.now, out);
        self.warm.drop_gone(&self.world);
        self.world.forget_absent(&self.docket.named());
        let world = &self.world;
        let gone: Vec<u32> =
            self.silent.keys().copied().filter(|&a| !world.agents[a as usize].present).collect();
        for agent in gone {
            if let Some(fault) = self.silent.remove(&agent) {
                out.push(ended(fault, self.now, self.now));
            }
        }
    }

    /// Hears one result. What follows from it is said once all that was received at the same instant (ms) has been
    /// heard: in [`Engine::settle`], with the next tick, or with the next result that was received later.
    pub fn observe(&mut self, o: &Observation, out: &mut Vec<Change>) {
        self.advance(o.received, out);
        let Some(agent) = self.world.agent_named(&o.agent) else { return };
        let Some(target) = self.world.target_named(&o.target) else { return };
        let took_ms = ms(o.latency).min(TOOK_MAX_MS);
        let started = o.started.millis();
        let corrected = self.world.agents[agent as usize].clock.hear(self.now, started, took_ms);
        if corrected.reset {
            for id in self.world.agents[agent as usize].paths.clone() {
                self.world.paths[id as usize].forget_looks();
            }
            self.world.agents[agent as usize].goods = Goods::default();
        }
        let interval = self.world.targets[target as usize].interval_ms;
        let live = corrected.late_ms <= interval.saturating_mul(LATE_INTERVALS);
        self.note_return(agent);
        self.world.agents[agent as usize].spoke = Some(self.now);
        if live {
            self.hear_agent(agent, interval);
        }
        let ours = o.outcome.error().is_some_and(ErrorKind::is_ours);
        // a machine that comes back from a cut brings its last looks along: the cut was told as silence
        let of_silence = corrected.started_ms < self.world.agents[agent as usize].back;
        if live && !ours && !of_silence {
            self.hear_path(agent, target, corrected.started_ms, o);
        }
    }

    /// All that was received at this instant has been heard: weighs it, and asks about it. In between, the order of
    /// what came at once would decide what is weighed.
    pub fn settle(&mut self, out: &mut Vec<Change>) {
        // nearly always there is none, and this is what a healthy result costs
        if !self.doubts.is_empty() {
            self.ask(out);
        }
        if self.dirty && self.now >= self.next_sitting {
            self.sit(out);
        }
    }

    fn ask(&mut self, out: &mut Vec<Change>) {
        for (target, slow, agent) in std::mem::take(&mut self.doubts) {
            let is_doubt = !slow || self.world.targets[target as usize].is_slow(self.now);
            if is_doubt && self.isolated.is_none() {
                let asks = self.budget.ask(&self.world, agent, target, slow, self.now);
                out.extend(asks.into_iter().map(Change::Ask));
            }
        }
    }

    /// Lets time pass: at least once a second of received time.
    pub fn tick(&mut self, now: Timestamp, out: &mut Vec<Change>) {
        self.advance(now, out);
        if self.now < self.last_tick.saturating_add(500) {
            return;
        }
        self.last_tick = self.now;
        self.budget.forget(self.now);
        self.mind_silence(out);
        if self.now >= self.next_sitting
            && (self.dirty || self.docket.is_busy() && self.now >= self.next_round)
        {
            self.sit(out);
        }
    }

    /// The open faults, in the order they were opened.
    pub fn open_faults(&self) -> impl Iterator<Item = &Fault> {
        let mut all: Vec<&Fault> = self
            .docket
            .opens()
            .iter()
            .map(|o| &o.fault)
            .chain(self.silent.values())
            .chain(&self.isolated)
            .collect();
        all.sort_by_key(|f| f.id);
        all.into_iter()
    }

    /// What is to be said of every service, in the order of their names.
    pub fn standings(&self, now: Timestamp) -> Vec<Standing> {
        let now = now.millis().max(self.now);
        standings(&self.world, &self.docket, self.isolated.is_some(), now)
    }

    fn advance(&mut self, now: Timestamp, out: &mut Vec<Change>) {
        if now.millis() > self.now {
            self.settle(out);
            self.now = now.millis();
        }
        self.start.get_or_insert(self.now);
    }

    /// Keeps when an agent that was called silent is first heard again.
    fn note_return(&mut self, agent: u32) {
        let Some(silence) = self.silent.get(&agent) else { return };
        let told = silence.opened.millis();
        let a = &mut self.world.agents[agent as usize];
        if a.spoke.is_none_or(|spoke| spoke < told) {
            a.back = self.now;
        }
    }

    fn hear_agent(&mut self, agent: u32, interval_ms: i64) {
        let a = &mut self.world.agents[agent as usize];
        if let Some(before) = a.heard {
            let gap = (self.now - before) as f64;
            // unknown yet: one look an interval
            let usual = if a.gap_ms > 0.0 { a.gap_ms } else { interval_ms as f64 };
            a.gap_ms = (usual * GAP_KEPT).max(gap.min(interval_ms as f64));
        }
        a.heard = Some(self.now);
    }

    fn hear_path(&mut self, agent: u32, target: u32, started_ms: i64, o: &Observation) {
        let id = self.world.path(agent, target);
        let at = centis(started_ms);
        let world = &mut self.world;
        if world.paths[id as usize].has(at) {
            return;
        }
        // a second look has less time: where looks are slow it says nothing
        let t = &world.targets[target as usize];
        let is_cut = matches!(o.outcome, Outcome::Fail(ErrorKind::Timeout))
            && ms(o.latency) < t.timeout_ms - CUT_MS;
        if is_cut && t.is_slow(self.now) {
            return;
        }
        // what is slow while its target may be about to be told of is no sample of the usual
        let suspicious =
            self.warm.is_warm(target) && target_nats(world, target, self.now) >= HOT_NATS;
        let path = &mut world.paths[id as usize];
        let micros = u64::try_from(o.latency.as_micros()).unwrap_or(u64::MAX);
        let mark = match o.outcome {
            Outcome::Fail(kind) => Mark::failed(kind),
            Outcome::Ok if path.latency.is_slow(micros) => Mark::SLOW,
            Outcome::Ok => Mark::OK,
        };
        if !(mark.is_fail() || path.covered || suspicious && mark.is_slow()) {
            path.latency.learn(micros);
        }
        path.heard = self.now;
        path.note_use(self.now, !mark.is_fail());
        let gone = path.push(at, mark);
        // a fault that was not found within a window's time is how things are
        let may_learn = !path.covered;
        if let Some(gone) = gone.filter(|g| may_learn && !g.is_explained()) {
            path.noise.learn(gone.is_fail(), gone.is_slow());
        }
        let ok = !mark.is_fail();
        let t = &mut world.targets[target as usize];
        t.since = t.since.min(self.now);
        if ok {
            t.last_ok = self.now;
            world.agents[agent as usize].last_ok = self.now;
        }
        self.budget.earn();
        if mark.is_bad() {
            self.suspect(id, started_ms, mark);
        } else {
            let a = &mut self.world.agents[agent as usize];
            a.goods.count(started_ms, a.paths.len(), a.interval_ms);
        }
    }

    /// A bad look: what it is of grows warm, and others are to be asked.
    fn suspect(&mut self, id: u32, started_ms: i64, mark: Mark) {
        let path = &self.world.paths[id as usize];
        let offset_ms = self.world.agents[path.agent as usize].clock.offset_ms();
        self.warm.note_lost(&self.world, path, started_ms.saturating_add(offset_ms), mark);
        let (agent, target, covered) = (path.agent, path.target, path.covered);
        let usual = if mark.is_fail() { path.noise.fail_rate() } else { path.noise.slow_rate() };
        let nats = (0.97 / usual).ln().max(0.0);
        if covered {
            return;
        }
        self.dirty = true;
        let t = &mut self.world.targets[target as usize];
        t.heat.add(nats, self.now, memory_ms(t.interval_ms) / 2);
        // one slow look is nothing to ask about, some in a row are
        if mark.is_slow() {
            t.slow_heat.add(nats, self.now, t.slow_row_ms());
        }
        let a = &mut self.world.agents[agent as usize];
        a.heat.add(nats, self.now, memory_ms(a.interval_ms) / 2);
        self.warm.note(&self.world.paths[id as usize], id);
        if nats >= WARM_NATS {
            self.doubts.insert((target, !mark.is_fail(), agent));
        }
    }

    /// Weighs everything suspicious and says what follows.
    fn sit(&mut self, out: &mut Vec<Change>) {
        self.dirty = false;
        self.next_sitting = self.now + SITTING_MS;
        if self.isolated.is_some() {
            return;
        }
        self.warm.cool(&self.world, self.now);
        let known = self.docket.known(&self.world);
        let warm = self.warm.find(&self.world, &known, self.now);
        let Some(case) = Case::build(&self.world, &known, &warm, self.now) else {
            self.docket.let_go();
            return;
        };
        let ledger = Ledger::new(&case);
        let mut blank = Sheet::new(&case, &ledger);
        let findings = explain(&case, &ledger, &mut blank);
        if case.is_whole() {
            self.warm.note_weighed(&self.world, &case, &mut blank);
        }
        self.next_sitting += (case.looks.len() as i64 / LOOKS_PER_MS).min(SITTING_MAX_MS);
        if self.docket.judge(&mut self.world, &case, &findings, out) {
            self.warm.reheat(&mut self.world, self.now);
        }
        self.next_round = self.now + self.docket.pace_ms(&self.world);
    }

    fn mind_silence(&mut self, out: &mut Vec<Change>) {
        let start = self.start.unwrap_or(self.now);
        let known: BTreeSet<u32> = self.silent.keys().copied().collect();
        let silence = Silence::find(&self.world, self.now, start, &known);
        match (silence.isolated_since, self.isolated.take()) {
            (Some(since), None) => self.isolate(since, out),
            (Some(_), Some(fault)) if silence.is_partial && self.is_lasting(&fault) => {
                // somebody comes through all the time: it is they who are gone
                out.push(ended(fault, self.now, self.now));
                self.next_sitting = self.now + SITTING_MS;
                self.tell_silent(&silence, out);
            }
            (Some(_), Some(fault)) => self.isolated = Some(fault),
            (None, Some(fault)) => {
                let pause = self.longest_silence();
                self.grace_until = self.now.saturating_add(pause);
                self.next_sitting = self.now + SITTING_MS;
                out.push(ended(fault, self.now, self.now));
            }
            (None, None) => self.mind_agents(&silence, out),
        }
    }

    fn isolate(&mut self, since: i64, out: &mut Vec<Change>) {
        let mut fault = self.silence_fault(Locus::Collector, since, ISOLATED_CONFIDENCE);
        fault.reason = None;
        out.push(Change::Opened(Box::new(fault.clone())));
        self.isolated = Some(fault);
    }

    fn mind_agents(&mut self, silence: &Silence, out: &mut Vec<Change>) {
        let silent = &silence.silent;
        let back: Vec<u32> =
            self.silent.keys().copied().filter(|a| !silent.contains_key(a)).collect();
        for agent in back {
            if let Some(fault) = self.silent.remove(&agent) {
                let spoke = self.world.agents[agent as usize].spoke.unwrap_or(self.now);
                out.push(ended(fault, spoke, self.now));
            }
        }
        if self.now < self.grace_until || silence.is_spreading {
            return;
        }
        self.tell_silent(silence, out);
    }

    fn tell_silent(&mut self, silence: &Silence, out: &mut Vec<Change>) {
        for (&agent, &since) in &silence.silent {
            if !self.silent.contains_key(&agent) {
                let locus = Locus::Agent { agent: self.world.agent_names.name(agent).clone() };
                let fault = self.silence_fault(locus, since, SILENT_CONFIDENCE);
                out.push(Change::Opened(Box::new(fault.clone())));
                self.silent.insert(agent, fault);
            }
        }
    }

    /// True if most have been silent for much longer than the collector is ever cut off while some come through.
    fn is_lasting(&self, isolation: &Fault) -> bool {
        let patience = self.longest_silence().saturating_mul(PARTIAL_SILENCES);
        self.now.saturating_sub(isolation.onset.millis()) > patience
    }

    fn longest_silence(&self) -> i64 {
        let all = self.world.agents.iter().filter(|a| a.heard.is_some());
        all.map(|a| fresh_ms(a.interval_ms, a.timeout_ms)).max().unwrap_or(0)
    }

    fn silence_fault(&mut self, locus: Locus, since: i64, confidence: f64) -> Fault {
        let now = Timestamp::from_millis(self.now);
        Fault {
            id: self.docket.next_id(),
            locus,
            state: FaultState::Down,
            reason: Some(Reason::Silent),
            onset: Timestamp::from_millis(since),
            opened: now,
            updated: now,
            ended: None,
            confidence: Confidence::new(confidence),
            coverage: fleet_coverage(&self.world, self.now),
            affected_targets: Vec::new(),
            regions: Vec::new(),
            evidence: Evidence {
                calibration: crate::evidence::CALIBRATION,
                failure_rate: 1.0,
                ..Evidence::default()
            },
        }
    }
}

fn ended(mut fault: Fault, end_ms: i64, now_ms: i64) -> Change {
    fault.ended = Some(Timestamp::from_millis(end_ms));
    fault.updated = Timestamp::from_millis(now_ms);
    Change::Closed(Box::new(fault))
}
