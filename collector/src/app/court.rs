//! The court in session: what was committed goes to the judge, what it says to everybody.
//!
//! A fault is told once it is stored: a number that people saw is never another fault's after a crash.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parallax_model::fault::{Standing, TargetState};
use parallax_model::{AgentSpec, Change, Coverage, Ruling, Target, TargetName, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::BEAT_EVERY;
use crate::fleet::Fleet;
use crate::incident::Incidents;
use crate::judge::Judge;
use crate::notify::{Desk, Webhook};
use crate::store::Arrival;
use crate::store::writer::{Health as StoreHealth, Stored, Writer};
use crate::view::{Edge, News, View};

use super::prepare::Remembered;

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
    pub(super) webhooks: Arc<[Webhook]>,
}

/// What is told once it is stored.
struct Unstored {
    /// Of the mailbox, for its last change.
    ticket: u64,
    at: Timestamp,
    changes: Vec<Change>,
    standings: BTreeMap<TargetName, Standing>,
}

pub(super) struct Court {
    judge: Judge,
    incidents: Incidents,
    desk: Desk,
    view: Arc<View>,
    fleet: Arc<Fleet>,
    store: StoreHealth,
    writer: Writer,
    stored: watch::Receiver<Stored>,
    /// Bounded: while the store refuses, nothing new is heard, and nobody's silence counts.
    unstored: VecDeque<Unstored>,
    now: fn() -> Timestamp,
    /// True once anything was heard: what was open before a restart is not over just because nobody
    /// came back yet.
    heard: bool,
    told: HashMap<TargetName, (TargetState, Coverage, Option<Ruling>)>,
    told_at: Timestamp,
    ticked: Timestamp,
    beat: Option<fn(&View)>,
}

impl Court {
    pub(super) fn new(
        remembered: Remembered,
        desk: Desk,
        edge: &Edge,
        fleet: Arc<Fleet>,
        writer: Writer,
    ) -> Self {
        let Remembered { judge, incidents, news, .. } = remembered;
        let mut court = Self {
            judge,
            incidents,
            desk,
            view: Arc::clone(&edge.view),
            fleet,
            store: writer.health(),
            stored: writer.stored(),
            writer,
            unstored: VecDeque::new(),
            now: edge.now,
            heard: false,
            told: HashMap::new(),
            told_at: Timestamp::EPOCH,
            ticked: (edge.now)(),
            beat: None,
        };
        court.tell(news, (edge.now)());
        court
    }

    /// The same court with somebody who listens whether it goes on.
    pub(super) fn heard_by(self, beat: Option<fn(&View)>) -> Self {
        Self { beat, ..self }
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
        let mut beat = interval(BEAT_EVERY);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = adjourn.cancelled() => break,
                commit = commits.recv() => match commit {
                    Some(arrivals) => self.hear(arrivals),
                    None => break,
                },
                Some(declared) = declared.recv() => self.declare(&declared),
                Ok(()) = self.stored.changed() => self.release(),
                _ = tick.tick() => self.tick(),
                _ = beat.tick() => if let Some(heard) = self.beat {
                    heard(&self.view);
                },
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
        self.desk.set(Arc::clone(&declared.webhooks));
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
        if changes.is_empty() && now.since(self.told_at) < STANDINGS_EVERY && now >= self.told_at {
            return;
        }
        self.tell(changes, now);
    }

    /// Has changes stored, with the letters that tell of them; tells them once they are, and the
    /// standings with them.
    fn tell(&mut self, changes: Vec<Change>, now: Timestamp) {
        self.told_at = now;
        let tickets = changes.iter().filter_map(|change| self.keep(change));
        let ticket = tickets.last();
        let standings = self.new_standings().into_iter().map(|s| (s.target.clone(), s));
        match (ticket, self.unstored.back_mut()) {
            (None, None) => {
                let standings: Vec<Standing> = standings.map(|(_, s)| s).collect();
                if !standings.is_empty() {
                    self.view.take(News::Verdict { at: now, changes, standings });
                }
            }
            // standings do not overtake the faults they follow from
            (None, Some(last)) => last.standings.extend(standings),
            (Some(ticket), _) => {
                let standings = standings.collect();
                self.unstored.push_back(Unstored { ticket, at: now, changes, standings });
            }
        }
    }

    /// Tells what is stored by now.
    fn release(&mut self) {
        let ticket = self.stored.borrow_and_update().ticket;
        while let Some(next) = self.unstored.pop_front_if(|next| next.ticket <= ticket) {
            let Unstored { at, changes, standings, .. } = next;
            for change in &changes {
                log(change);
            }
            let standings = standings.into_values().collect();
            self.view.take(News::Verdict { at, changes, standings });
        }
    }

    /// Leaves a fault to be stored; answers the ticket.
    fn keep(&mut self, change: &Change) -> Option<u64> {
        let letters = self.desk.write(change, &self.view);
        match change {
            Change::Opened(fault) | Change::Updated(fault) | Change::Closed(fault) => {
                Some(self.writer.put_fault((**fault).clone(), letters))
            }
            Change::Ask(_) => None,
        }
    }

    /// The standings that are not as they were told.
    fn new_standings(&mut self) -> Vec<Standing> {
        let mut standings = self.judge.standings();
        standings.retain(|s| {
            let now = (s.state, s.coverage, s.policy);
            let before = self.told.insert(s.target.clone(), now);
            log_policy(s, before.and_then(|(.., policy)| policy));
            before != Some(now)
        });
        standings
    }
}

/// A service's own rule is logged when its word turns, and when it says "down" from the first.
fn log_policy(standing: &Standing, before: Option<Ruling>) {
    let down = |ruling: Ruling| ruling.word.is_some_and(|word| word.down);
    let Some(ruling) = standing.policy else { return };
    if down(ruling) != before.is_some_and(down) {
        tracing::info!(
            target_name = %standing.target, rule = %ruling.rule, votes_down = ruling.votes.down,
            voting = ruling.votes.voting, "a rule says {}", if down(ruling) { "down" } else { "up" }
        );
    }
}

fn log(change: &Change) {
    let (word, fault) = match change {
        Change::Opened(fault) => ("opened", fault),
        Change::Closed(fault) => ("closed", fault),
        Change::Updated(_) | Change::Ask(_) => return,
    };
    tracing::info!(
        fault = %fault.id, locus = %fault.locus, state = fault.state.as_str(),
        confidence = fault.confidence.get(), "fault {word}"
    );
}
