//! The court in session: what was committed goes to the judge, what it says to everybody.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parallax_model::fault::{Standing, TargetState};
use parallax_model::{AgentSpec, Change, Coverage, Target, TargetName, Timestamp};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::fleet::Fleet;
use crate::incident::Incidents;
use crate::judge::Judge;
use crate::store::Arrival;
use crate::store::writer::{Health as StoreHealth, Writer};
use crate::view::{Edge, News, View};

/// How often the judge is told that time passes.
const TICK: Duration = Duration::from_millis(250);

/// Time that passed between two ticks without us: the machine slept, or its clock was set forward. It is
/// less than what makes anybody count as silent.
const SLEPT: Duration = Duration::from_secs(3);

/// How often standings are looked over when nothing happened: coverage fades with time.
const STANDINGS_EVERY: Duration = Duration::from_secs(1);

/// A configuration put in force.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) agents: Vec<AgentSpec>,
    pub(super) targets: Vec<Target>,
}

pub(super) struct Court {
    judge: Judge,
    incidents: Incidents,
    view: Arc<View>,
    fleet: Arc<Fleet>,
    store: StoreHealth,
    writer: Writer,
    now: fn() -> Timestamp,
    /// True once anything was heard: what was open before a restart is not over just because nobody
    /// came back yet.
    heard: bool,
    told: HashMap<TargetName, (TargetState, Coverage)>,
    told_at: Timestamp,
    ticked: Timestamp,
}

impl Court {
    pub(super) fn new(
        judge: Judge,
        incidents: Incidents,
        edge: &Edge,
        fleet: Arc<Fleet>,
        writer: Writer,
    ) -> Self {
        Self {
            judge,
            incidents,
            view: Arc::clone(&edge.view),
            fleet,
            store: writer.health(),
            writer,
            now: edge.now,
            heard: false,
            told: HashMap::new(),
            told_at: Timestamp::EPOCH,
            ticked: (edge.now)(),
        }
    }

    /// Sits until adjourned, and then hears what is left.
    pub(super) async fn sit(
        mut self,
        mut commits: mpsc::Receiver<Vec<Arrival>>,
        mut declared: mpsc::Receiver<Declared>,
        adjourn: CancellationToken,
    ) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = adjourn.cancelled() => break,
                commit = commits.recv() => match commit {
                    Some(arrivals) => self.hear(arrivals),
                    None => break,
                },
                Some(declared) = declared.recv() => self.declare(&declared),
                _ = tick.tick() => self.tick(),
            }
        }
        while let Ok(arrivals) = commits.try_recv() {
            self.hear(arrivals);
        }
    }

    fn hear(&mut self, arrivals: Vec<Arrival>) {
        let mut said = Vec::new();
        for arrival in &arrivals {
            self.judge.hear(arrival, &mut said);
        }
        self.heard = true;
        for Arrival { agent, received, batch } in arrivals {
            self.view.take(News::Results { agent, received, batch: Arc::new(batch) });
        }
        self.say(said, (self.now)());
    }

    fn tick(&mut self) {
        let now = (self.now)();
        let mut said = Vec::new();
        let slept = now.since(self.ticked) > SLEPT;
        self.ticked = now;
        if slept || self.store.borrow().is_some() {
            // what agents sent did not come through: that is not their silence
            self.judge.excuse(now);
        }
        self.judge.tick(now, &mut said);
        self.say(said, now);
    }

    fn declare(&mut self, declared: &Declared) {
        let now = (self.now)();
        let mut said = Vec::new();
        self.judge.set_fleet(&declared.agents, &declared.targets, now, &mut said);
        self.told.clear();
        self.told_at = Timestamp::EPOCH;
        self.say(said, now);
    }

    /// Carries out what was asked for; stores and tells the rest.
    fn say(&mut self, said: Vec<Change>, now: Timestamp) {
        let mut changes = Vec::new();
        for change in said {
            match self.incidents.take(change) {
                Change::Ask(ask) => {
                    let asked = self.fleet.ask(&ask);
                    tracing::debug!(target_name = %ask.target, asked, of = ask.agents.len(), "second opinion");
                }
                change @ (Change::Opened(_) | Change::Updated(_) | Change::Closed(_)) => {
                    changes.push(change);
                }
            }
        }
        if self.heard {
            changes.extend(self.incidents.tick(now));
        }
        for change in &changes {
            self.keep(change);
        }
        if changes.is_empty() && now.since(self.told_at) < STANDINGS_EVERY && now >= self.told_at {
            return;
        }
        self.told_at = now;
        let standings = self.new_standings();
        if !changes.is_empty() || !standings.is_empty() {
            self.view.take(News::Verdict { at: now, changes, standings });
        }
    }

    fn keep(&self, change: &Change) {
        let (word, fault) = match change {
            Change::Opened(fault) => ("opened", fault),
            Change::Updated(fault) => {
                self.writer.put_fault((**fault).clone());
                return;
            }
            Change::Closed(fault) => ("closed", fault),
            Change::Ask(_) => return,
        };
        tracing::info!(
            fault = %fault.id, locus = %fault.locus, state = fault.state.as_str(),
            confidence = fault.confidence.get(), "fault {word}"
        );
        self.writer.put_fault((**fault).clone());
    }

    /// The standings that are not as they were told.
    fn new_standings(&mut self) -> Vec<Standing> {
        let mut standings = self.judge.standings();
        standings.retain(|s| {
            let now = (s.state, s.coverage);
            self.told.insert(s.target.clone(), now) != Some(now)
        });
        standings
    }
}
