//! What the edges may know: the one room that API, pages, exports and the terminal read from.
//!
//! Contract: [`View::take`] swallows [`News`] in the order it happened, cheaply and without waiting;
//! every other method answers from memory (what is now) or from the store (what was). A path costs
//! at most 200 bytes. Listeners that do not keep up lose events and are told so; they never slow
//! the court down.
//! Never: a decision about what is wrong, a clock (the instant is passed in), a lock held over I/O.

mod agent;
mod event;
mod fleet;
mod health;
mod live;
mod pace;
mod path;
mod read;
mod references;
pub mod words;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use parallax_model::{
    AgentName, AgentSpec, Batch, Change, Fault, FaultId, Fitness, Target, TargetName, Timestamp,
    fault::Standing,
};
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

pub use crate::store::{BOUNDS, Counts, FaultQuery, PathTally, StoreError, Tally};
pub use agent::AgentView;
pub use event::{Event, EventBody};
pub use fleet::Fleet;
pub use health::{Failing, Health, Reload, Traffic, WebhookNews};
pub use path::{IpVersion, Look, Path, Peer, fnv_1a};
pub use read::{AgentRow, Cell, CellState, Overview, PathRow, Ruled, TargetRow, Told};

use crate::store::ReadStore;

use event::Events;
use live::Live;

/// Something that the view should know.
#[derive(Debug, Clone)]
pub enum News {
    /// The configuration, at start and after each reload. Replaces what was known.
    Config {
        /// The agents that may speak.
        agents: Vec<AgentSpec>,
        /// The targets that are looked at.
        targets: Vec<Target>,
    },
    /// Results that were committed just now and were not known before.
    Results {
        /// Who looked.
        agent: AgentName,
        /// When they arrived.
        received: Timestamp,
        /// The results, or a declared gap.
        batch: Arc<Batch>,
    },
    /// An agent came, went, or told how it fares.
    Agent(AgentNews),
    /// The engine spoke.
    Verdict {
        /// Of which instant.
        at: Timestamp,
        /// What changed.
        changes: Vec<Change>,
        /// The standings that changed, or all of them.
        standings: Vec<Standing>,
    },
}

/// How an agent fares, whole: replaces what was known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentNews {
    /// The agent.
    pub agent: AgentName,
    /// True while its stream is open.
    pub connected: bool,
    /// When it last sent anything.
    pub last_heard: Option<Timestamp>,
    /// Its build, as it told.
    pub build: Option<String>,
    /// Records in its spool that wait for an ack.
    pub spool_records: u64,
    /// The bytes they take.
    pub spool_bytes: u64,
    /// Results it lost and declared as gaps since it started.
    pub lost: u64,
    /// Its disk takes no results; they are kept in memory only.
    pub spool_degraded: bool,
    /// Slots that passed without a look since it started; none: it has not told yet.
    pub missed_slots: Option<u64>,
    /// How fit it is to bear witness, as it told; none: it has not told.
    pub fitness: Option<Fitness>,
}

impl AgentNews {
    /// An agent that was never heard.
    pub const fn unheard(agent: AgentName) -> Self {
        Self {
            agent,
            connected: false,
            last_heard: None,
            build: None,
            spool_records: 0,
            spool_bytes: 0,
            lost: 0,
            spool_degraded: false,
            missed_slots: None,
            fitness: None,
        }
    }
}

/// What every edge is handed.
#[derive(Debug, Clone)]
pub struct Edge {
    /// What there is to tell.
    pub view: Arc<View>,
    /// What the process says of itself.
    pub health: Arc<Health>,
    /// Reads the wall clock.
    pub now: fn() -> Timestamp,
    /// Cancelled when the collector goes away: streams end.
    pub closing: CancellationToken,
    /// True in a practice world: the page offers what can be broken.
    pub practice: bool,
}

/// The reader's side of the collector.
pub struct View {
    live: RwLock<Live>,
    events: Events,
    turned: watch::Sender<u64>,
    store: Arc<dyn ReadStore>,
}

impl View {
    /// A view that knows nothing yet of now; what was is read from `store`.
    pub fn new(store: Arc<dyn ReadStore>) -> Self {
        Self {
            live: RwLock::default(),
            events: Events::new(),
            turned: watch::Sender::new(0),
            store,
        }
    }

    /// Brings back the faults that closed last, as of before a restart. Asks the store: may block.
    pub fn recall(&self) -> Result<(), StoreError> {
        let query = FaultQuery { open: Some(false), before: None, limit: live::RECENT_MAX };
        let closed = self.store.faults(&query)?;
        self.live.write().unwrap_or_else(PoisonError::into_inner).recall(closed);
        Ok(())
    }

    /// Takes a piece of news in. Cheap: one short lock, no I/O.
    pub fn take(&self, news: News) {
        let bodies = self.live.write().unwrap_or_else(PoisonError::into_inner).take(news);
        for body in bodies {
            self.events.tell(body);
        }
        self.turned.send_modify(|n| *n += 1);
    }

    /// Everything at one glance, as of `now`.
    pub fn overview(&self, now: Timestamp) -> Overview {
        self.live().overview(now)
    }

    /// The targets and how each region sees them: services, then references, by name.
    pub fn targets(&self, now: Timestamp) -> Vec<TargetRow> {
        self.live().targets(now)
    }

    /// The agents, by name.
    pub fn agents(&self) -> Vec<AgentRow> {
        self.live().agents()
    }

    /// One agent, what it sees, and the open faults that touch it.
    pub fn agent(&self, name: &AgentName, now: Timestamp) -> Option<AgentView> {
        self.live().agent(name, now)
    }

    /// Every path that was looked along since the start, or those to one target, by agent and target.
    pub fn paths(&self, only: Option<&TargetName>, now: Timestamp) -> Vec<PathRow> {
        self.live().path_rows(only, now)
    }

    /// What the engine says of every service, by name.
    pub fn standings(&self) -> Vec<Standing> {
        self.live().standings.values().cloned().collect()
    }

    /// The open faults, oldest first.
    pub fn open_faults(&self) -> Vec<Arc<Fault>> {
        self.live().open.values().cloned().collect()
    }

    /// A fault in words.
    pub fn tell(&self, fault: &Arc<Fault>) -> Told {
        self.live().tell(fault)
    }

    /// What was ever stored. Asks the store: may block.
    pub fn counts(&self) -> Result<Counts, StoreError> {
        self.store.counts()
    }

    /// What was ever counted of each path, by agent and target. Asks the store: may block.
    pub fn tallies(&self, only: Option<&TargetName>) -> Result<Vec<PathTally>, StoreError> {
        self.store.tallies(only)
    }

    /// Open and closed faults, newest first. Asks the store: may block.
    pub fn faults(&self, query: &FaultQuery) -> Result<Vec<Arc<Fault>>, StoreError> {
        let stored = self.store.faults(query)?;
        Ok(self.live().over(stored, query))
    }

    /// One fault. Asks the store for those that ended long ago: may block.
    pub fn fault(&self, id: FaultId) -> Result<Option<Arc<Fault>>, StoreError> {
        let at_hand = self.live().fault(id);
        Ok(match at_hand {
            Some(fault) => Some(fault),
            None => self.store.fault(id)?.map(Arc::new),
        })
    }

    /// The agents and targets as configured.
    pub fn fleet(&self) -> Arc<Fleet> {
        Arc::clone(&self.live().fleet)
    }

    /// What happens from now on. A listener that falls more than 256 events
    /// behind loses the oldest and is told how many.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// The kept events after `number`, and a receiver of all that follow them.
    pub fn resume(&self, number: u64) -> (Vec<Event>, broadcast::Receiver<Event>) {
        self.events.resume(number)
    }

    /// Told whenever something may look different than before, at any rate.
    pub fn turned(&self) -> watch::Receiver<u64> {
        self.turned.subscribe()
    }

    fn live(&self) -> std::sync::RwLockReadGuard<'_, Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("live", &self.live).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod made_up;
#[cfg(test)]
pub(crate) mod made_up_store;
