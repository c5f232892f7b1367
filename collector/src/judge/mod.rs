//! Decides: hears what was committed, lets time pass, says what changed.
//!
//! Contract: the engine's clock is received time, never going back. After a restart the journal's
//! last minutes are heard again in silence ([`Judge::remember`]), so that an outage that goes on is
//! known as such; agents then get a grace to come back before their silence means anything. Only the
//! configured fleet is heard: what the journal, a spool or a look under way still says of agents and
//! targets that were removed is stored, and not judged.
//! Never: I/O beside the journal, a wait, a word to anybody: callers pass on what it says.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::time::Duration;

use parallax_model::fault::Standing;
use parallax_model::{AgentName, AgentSpec, Change, Fault, FaultId, Target, TargetName, Timestamp};
use parallax_verdict::policy::Polls;
use parallax_verdict::{Engine, Fleet, Observation};

use crate::store::{Arrival, ReadStore, StoreError};

/// How far back the journal is heard after a restart: beyond the engine's windows at usual intervals.
const REMEMBERED: Duration = Duration::from_mins(15);

/// How often the engine is told that time passes while the journal is heard.
const TICK: Duration = Duration::from_secs(1);

/// After we were deaf an agent may be silent for so many of the shortest intervals: three until it
/// counts as silent, and as much again …
const GRACE_INTERVALS: u32 = 6;

/// … and at least for so long: an agent stays away for up to 30 s between two tries to connect, and a
/// try takes up to 5 s.
const GRACE_MIN: Duration = Duration::from_secs(40);

/// The court, with its memory.
#[derive(Debug)]
pub struct Judge {
    engine: Engine,
    /// What services' own rules say, beside the engine.
    polls: Polls,
    agents: HashSet<AgentName>,
    targets: HashSet<TargetName>,
    /// The engine's clock.
    now: Timestamp,
    /// When the engine was last told that time passes, while the journal is heard.
    ticked: Option<Timestamp>,
    grace: Duration,
    /// Agents that were ever heard.
    present: HashSet<AgentName>,
    /// Agents that were there before we went deaf and are not heard since, and until when we wait.
    awaited: HashSet<AgentName>,
    awaited_until: Timestamp,
}

impl Judge {
    /// A court that has heard nothing; the first fault it opens gets `first`'s number.
    pub fn new(agents: &[AgentSpec], targets: &[Target], first: FaultId) -> Self {
        let fleet = fleet(agents, targets);
        Self {
            polls: Polls::new(Vec::new(), &fleet),
            engine: Engine::new(fleet, first),
            agents: agents.iter().map(|a| a.name.clone()).collect(),
            targets: targets.iter().map(|t| t.name.clone()).collect(),
            now: Timestamp::EPOCH,
            ticked: None,
            grace: grace(targets),
            present: HashSet::new(),
            awaited: HashSet::new(),
            awaited_until: Timestamp::EPOCH,
        }
    }

    /// Hears the journal's last minutes. What it concludes on the way is known already; what is open
    /// at the end is in [`Judge::open_faults`]. Answers how many results were heard.
    pub fn remember(&mut self, read: &dyn ReadStore, now: Timestamp) -> Result<u64, StoreError> {
        let mut said = Vec::new();
        let mut heard = 0;
        // a clock that was ahead before the restart must not take the engine into the future
        read.batches(now - REMEMBERED..=now, &mut |arrival| {
            self.pass_time(arrival.received, &mut said);
            heard += arrival.batch.results().len() as u64;
            self.hear(&arrival, &mut said);
            said.clear();
            ControlFlow::Continue(())
        })?;
        self.excuse(now);
        Ok(heard)
    }

    /// We are deaf at `now` (away, or the store takes nothing): until they are heard again, and at most
    /// for the grace, nobody's silence means anything.
    pub fn excuse(&mut self, now: Timestamp) {
        self.awaited.clone_from(&self.present);
        self.awaited_until = now + self.grace;
    }

    /// Ticks up to `until`, as often as it would have ticked then: also between arrivals that come
    /// closer together than that.
    fn pass_time(&mut self, until: Timestamp, said: &mut Vec<Change>) {
        let mut ticked = self.ticked.unwrap_or(until);
        while ticked + TICK <= until {
            ticked = ticked + TICK;
            self.now = self.now.max(ticked);
            self.engine.tick(self.now, said);
        }
        self.ticked = Some(ticked);
    }

    /// Hears what was committed, as far as it is of the configured fleet.
    pub fn hear(&mut self, arrival: &Arrival, said: &mut Vec<Change>) {
        self.now = self.now.max(arrival.received);
        if !self.agents.contains(&arrival.agent) {
            return;
        }
        self.awaited.remove(&arrival.agent);
        if !self.present.contains(&arrival.agent) {
            self.present.insert(arrival.agent.clone());
        }
        let ours = arrival.batch.results().iter().filter(|r| self.targets.contains(&r.target));
        for result in ours {
            let observation = Observation {
                received: self.now,
                started: result.started,
                agent: arrival.agent.clone(),
                target: result.target.clone(),
                outcome: result.outcome,
                latency: result.latency,
            };
            // what turns by it stands in the standings
            drop(self.polls.observe(&observation));
            self.engine.observe(&observation, said);
        }
        // a batch is heard as one
        self.engine.settle(said);
    }

    /// Lets time pass, unless agents are still to be heard again after we were deaf.
    pub fn tick(&mut self, now: Timestamp, said: &mut Vec<Change>) {
        self.now = self.now.max(now);
        if !self.awaited.is_empty() && self.now < self.awaited_until {
            return;
        }
        self.awaited.clear();
        self.engine.tick(self.now, said);
    }

    /// The configuration changed.
    pub fn set_fleet(
        &mut self,
        agents: &[AgentSpec],
        targets: &[Target],
        now: Timestamp,
        said: &mut Vec<Change>,
    ) {
        self.now = self.now.max(now);
        self.grace = grace(targets);
        self.agents = agents.iter().map(|a| a.name.clone()).collect();
        self.targets = targets.iter().map(|t| t.name.clone()).collect();
        self.present.retain(|agent| self.agents.contains(agent));
        self.awaited.retain(|agent| self.agents.contains(agent));
        let fleet = fleet(agents, targets);
        self.polls.set_fleet(&fleet, self.now);
        self.engine.set_fleet(fleet, self.now, said);
    }

    /// The open faults, in the order they were opened.
    pub fn open_faults(&self) -> impl Iterator<Item = &Fault> {
        self.engine.open_faults()
    }

    /// What is to be said of every service, by the engine and by the service's own rule.
    pub fn standings(&self) -> Vec<Standing> {
        let mut standings = self.engine.standings(self.now);
        for standing in &mut standings {
            standing.policy = self.polls.ruling(&standing.target, self.now);
        }
        standings
    }

    /// How long whoever was there before we went deaf may take to come back.
    pub fn grace(&self) -> Duration {
        self.grace
    }
}

fn fleet(agents: &[AgentSpec], targets: &[Target]) -> Fleet {
    Fleet { agents: agents.to_vec(), targets: targets.iter().map(Into::into).collect() }
}

/// All agents look at all targets, so each is heard at the shortest interval.
fn grace(targets: &[Target]) -> Duration {
    let shortest = targets.iter().map(|t| t.interval).min().unwrap_or_default();
    let timeout = targets.iter().map(|t| t.timeout).max().unwrap_or_default();
    shortest
        .saturating_mul(GRACE_INTERVALS)
        .saturating_add(timeout.saturating_mul(2))
        .max(GRACE_MIN)
}

#[cfg(test)]
mod tests;
