//! What listeners are told, in order, each with a number.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use parallax_model::{AgentName, Fault, fault::Standing};
use tokio::sync::broadcast;

/// Events kept for listeners that are slow or come back. Faults are rare and agents few; 256 is
/// minutes of a very bad day, and at most a few hundred kilobytes.
pub(super) const BACKLOG_MAX: usize = 256;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its number, from 1 since the collector started.
    pub number: u64,
    /// What happened.
    pub body: EventBody,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum EventBody {
    /// A fault began.
    Opened(Arc<Fault>),
    /// An open fault changed.
    Updated(Arc<Fault>),
    /// A fault ended.
    Closed(Arc<Fault>),
    /// What is said of a target changed.
    Standing(Standing),
    /// An agent came or went.
    Agent {
        /// The agent.
        agent: AgentName,
        /// True if it came.
        connected: bool,
    },
    /// Agents and targets are other ones now.
    Config,
}

impl EventBody {
    /// The event's name on the stream.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Opened(_) => "opened",
            Self::Updated(_) => "updated",
            Self::Closed(_) => "closed",
            Self::Standing(_) => "standing",
            Self::Agent { .. } => "agent",
            Self::Config => "config",
        }
    }
}

/// Numbers events, keeps the last ones, and passes them on.
#[derive(Debug)]
pub(super) struct Events {
    kept: Mutex<(u64, VecDeque<Event>)>,
    sender: broadcast::Sender<Event>,
}

impl Events {
    pub(super) fn new() -> Self {
        let kept = Mutex::new((0, VecDeque::with_capacity(BACKLOG_MAX)));
        Self { kept, sender: broadcast::Sender::new(BACKLOG_MAX) }
    }

    pub(super) fn tell(&self, body: EventBody) {
        // sent under the lock, so that whoever reads the backlog and subscribes misses nothing
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.0 += 1;
        let event = Event { number: kept.0, body };
        if kept.1.len() == BACKLOG_MAX {
            kept.1.pop_front();
        }
        kept.1.push_back(event.clone());
        // nobody listening is no mistake
        drop(self.sender.send(event));
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.sender.subscribe()
    }

    /// The kept events after `number`, and a receiver of all that follow them.
    pub(super) fn resume(&self, number: u64) -> (Vec<Event>, broadcast::Receiver<Event>) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let missed = kept.1.iter().filter(|e| e.number > number).cloned().collect();
        (missed, self.sender.subscribe())
    }
}
