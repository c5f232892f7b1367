//! Who may speak, who does, and what each is to look at.
//!
//! Contract: an agent is known by its name; it has one stream at a time, and a newer one wins, since an
//! agent whose old stream hangs half-open comes back on a new one; but a second machine that shows the same
//! key as one that is there is refused. An agent
//! is assigned the targets whose selector takes it; the same content keeps its version, and is not
//! sent again. What an agent tells of itself is passed to `tell` at once.
//! Never: a result, a verdict, a word about region or provider taken from the agent itself.

mod presence;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use parallax_model::{AgentName, AgentSpec, AskFor, Target, TargetName, Timestamp};
use parallax_proto::{Assignment, Heartbeat, Hello};
use tokio::sync::{mpsc, watch};

pub use presence::Presence;

/// Orders that wait for one agent's stream. More than one a target is never useful, and an agent that
/// does not take these in is not worth asking.
const ORDERS_WAITING_MAX: usize = 64;

/// Why an agent is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSeat {
    /// Nobody knows the name.
    #[error(
        "agent {0} is not in the collector's configuration: add [[agents]] name = \"{0}\" to it, or let it \
         join with a token (`parallax token create`)"
    )]
    Unknown(AgentName),
    /// The same key is at work elsewhere.
    #[error(
        "{agent} is at work at {there} already, and {here} shows the same key: one of them is a copy; let \
         it join with a token of its own (`parallax-agent enroll --force`)"
    )]
    Taken {
        /// Whose key.
        agent: AgentName,
        /// Where it is at work.
        there: SocketAddr,
        /// Who came second.
        here: SocketAddr,
    },
}

/// Who comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guest {
    /// From where.
    pub address: SocketAddr,
    /// True if a certificate says who it is.
    pub proven: bool,
}

/// What is passed to whoever shows the fleet.
pub type Tell = Box<dyn Fn(Presence) + Send + Sync>;

/// The agents.
pub struct Fleet {
    seats: Mutex<HashMap<AgentName, Chair>>,
    declared: watch::Sender<Arc<Declared>>,
    /// Streams so far.
    streams: AtomicU64,
    tell: Tell,
}

/// What the owner declared, versioned: a later start has larger versions than all before it.
#[derive(Debug)]
struct Declared {
    version: u64,
    agents: HashMap<AgentName, AgentSpec>,
    targets: Vec<Target>,
}

impl Declared {
    /// What `agent` is to look at.
    fn assignment(&self, agent: &AgentName) -> Assignment {
        let spec = self.agents.get(agent);
        let its = self.targets.iter().filter(|t| spec.is_some_and(|spec| t.agents.takes(spec)));
        Assignment { version: self.version, targets: its.cloned().collect() }
    }
}

/// An agent's place, taken or not.
#[derive(Debug)]
struct Chair {
    presence: Presence,
    /// Tells streams apart, also those of an agent that went and was configured again.
    stream: u64,
    /// None while nobody sits here.
    orders: Option<mpsc::Sender<Vec<TargetName>>>,
    /// Who sat here last, and which start of its process.
    sitter: Option<(Guest, u64)>,
}

impl Chair {
    fn empty(agent: AgentName) -> Self {
        Self { presence: Presence::unheard(agent), stream: 0, orders: None, sitter: None }
    }

    /// Where somebody else with the same key sits. Every agent that joins says its instance, so 0 is nobody's.
    fn occupied(&self, guest: Guest, instance: u64) -> Option<SocketAddr> {
        let (sitter, before) = self.sitter.filter(|_| self.orders.is_some())?;
        let two = sitter.proven && guest.proven && (before != instance || instance == 0);
        two.then_some(sitter.address)
    }
}

impl Fleet {
    /// A fleet of which nobody is there yet. `now` versions the assignment.
    pub fn new(
        agents: impl IntoIterator<Item = AgentSpec>,
        targets: Vec<Target>,
        now: Timestamp,
        tell: Tell,
    ) -> Arc<Self> {
        let agents: HashMap<_, _> = agents.into_iter().map(|a| (a.name.clone(), a)).collect();
        let seats = agents.keys().map(|a| (a.clone(), Chair::empty(a.clone()))).collect();
        let first = Declared { version: version(now, 0), agents, targets };
        Arc::new(Self {
            seats: Mutex::new(seats),
            declared: watch::Sender::new(Arc::new(first)),
            streams: AtomicU64::new(0),
            tell,
        })
    }

    /// Replaces who may speak and what is looked at. Agents that went are cut; those that stay hear
    /// of new targets.
    pub fn set(
        &self,
        agents: impl IntoIterator<Item = AgentSpec>,
        targets: Vec<Target>,
        now: Timestamp,
    ) {
        let agents: HashMap<_, _> = agents.into_iter().map(|a| (a.name.clone(), a)).collect();
        let mut seats = self.seats();
        let mut before = std::mem::take(&mut *seats);
        let mut chair = |a: &AgentName| before.remove(a).unwrap_or_else(|| Chair::empty(a.clone()));
        *seats = agents.keys().map(|a| (a.clone(), chair(a))).collect();
        drop(seats);
        self.declared.send_if_modified(|declared| {
            let changed = declared.targets != targets || declared.agents != agents;
            if changed {
                let version = version(now, declared.version);
                *declared = Arc::new(Declared { version, agents, targets });
            }
            changed
        });
    }

    /// An agent's stream begins.
    pub fn enter(
        self: &Arc<Self>,
        hello: &Hello,
        guest: Guest,
        now: Timestamp,
    ) -> Result<Seat, NoSeat> {
        let (orders, taken) = mpsc::channel(ORDERS_WAITING_MAX);
        let mut seats = self.seats();
        let chair =
            seats.get_mut(&hello.agent).ok_or_else(|| NoSeat::Unknown(hello.agent.clone()))?;
        if let Some(there) = chair.occupied(guest, hello.instance) {
            return Err(NoSeat::Taken { agent: hello.agent.clone(), there, here: guest.address });
        }
        chair.sitter = Some((guest, hello.instance));
        chair.stream = self.streams.fetch_add(1, Ordering::Relaxed) + 1;
        if chair.orders.replace(orders).is_some() {
            tracing::warn!(agent = %hello.agent, "a newer stream of this agent replaces the older one");
        }
        chair.presence.connected = true;
        chair.presence.last_heard = Some(now);
        chair.presence.build = Some(hello.build.clone());
        let (stream, presence) = (chair.stream, chair.presence.clone());
        drop(seats);
        (self.tell)(presence);
        Ok(Seat {
            fleet: Arc::clone(self),
            agent: hello.agent.clone(),
            stream,
            orders: taken,
            declared: self.declared.subscribe(),
            assigned: None,
        })
    }

    /// Has agents look at a target at once. Those that are not there, or do not keep up, are left
    /// out: a second opinion is worth having now or not at all. Answers how many were asked.
    pub fn ask(&self, ask: &AskFor) -> usize {
        let seats = self.seats();
        let asked = |agent: &&AgentName| {
            let orders = seats.get(*agent).and_then(|chair| chair.orders.as_ref());
            orders.is_some_and(|orders| orders.try_send(vec![ask.target.clone()]).is_ok())
        };
        ask.agents.iter().filter(asked).count()
    }

    /// Where an agent speaks from now, if it is there.
    pub fn speaks_from(&self, agent: &AgentName) -> Option<SocketAddr> {
        let seats = self.seats();
        let chair = seats.get(agent).filter(|chair| chair.orders.is_some())?;
        chair.sitter.map(|(guest, _)| guest.address)
    }

    /// How every agent fares, in no order.
    pub fn presences(&self) -> Vec<Presence> {
        self.seats().values().map(|chair| chair.presence.clone()).collect()
    }

    fn seats(&self) -> MutexGuard<'_, HashMap<AgentName, Chair>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is known of an agent, if `stream` is still its stream.
    fn note(&self, agent: &AgentName, stream: u64, change: impl FnOnce(&mut Chair)) {
        let mut seats = self.seats();
        let Some(chair) = seats.get_mut(agent).filter(|chair| chair.stream == stream) else {
            return;
        };
        change(chair);
        let presence = chair.presence.clone();
        drop(seats);
        (self.tell)(presence);
    }
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fleet").field("seats", &self.seats).finish_non_exhaustive()
    }
}

/// The time in milliseconds, and more than what was before even if the clock steps back.
fn version(now: Timestamp, before: u64) -> u64 {
    u64::try_from(now.millis()).unwrap_or(0).max(before + 1)
}

/// One agent's stream. Dropping it says that the stream ended.
#[derive(Debug)]
pub struct Seat {
    fleet: Arc<Fleet>,
    agent: AgentName,
    stream: u64,
    orders: mpsc::Receiver<Vec<TargetName>>,
    declared: watch::Receiver<Arc<Declared>>,
    /// What it works on.
    assigned: Option<Arc<Assignment>>,
}

/// What a stream is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// Work on this from here on.
    Assign(Arc<Assignment>),
    /// Look at these at once.
    ProbeNow(Vec<TargetName>),
    /// A newer stream took over, or nobody knows the agent any more.
    Leave,
}

impl Seat {
    /// Whose stream it is.
    pub fn agent(&self) -> &AgentName {
        &self.agent
    }

    /// The assignment now; it will not be ordered again.
    pub fn assignment(&mut self) -> Arc<Assignment> {
        let declared = Arc::clone(&self.declared.borrow_and_update());
        let now = declared.assignment(&self.agent);
        if let Some(assigned) = self.assigned.as_ref().filter(|a| a.targets == now.targets) {
            return Arc::clone(assigned);
        }
        Arc::clone(self.assigned.insert(Arc::new(now)))
    }

    /// The next order. Safe to drop while waiting.
    pub async fn order(&mut self) -> Order {
        loop {
            tokio::select! {
                order = self.orders.recv() => {
                    return order.map_or(Order::Leave, Order::ProbeNow);
                }
                changed = self.declared.changed() => {
                    if changed.is_err() {
                        return Order::Leave;
                    }
                    let before = self.assigned.as_ref().map(|a| a.version);
                    let assignment = self.assignment();
                    if before != Some(assignment.version) {
                        return Order::Assign(assignment);
                    }
                }
            }
        }
    }

    /// The agent sent something.
    pub fn heard(&self, now: Timestamp) {
        self.fleet.note(&self.agent, self.stream, |chair| chair.presence.last_heard = Some(now));
    }

    /// The agent told how it fares.
    pub fn beat(&self, beat: &Heartbeat, now: Timestamp) {
        self.fleet.note(&self.agent, self.stream, |chair| chair.presence.beat(beat, now));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.fleet.note(&self.agent, self.stream, |chair| {
            chair.orders = None;
            chair.presence.connected = false;
        });
    }
}

#[cfg(test)]
mod tests;
