//! The road to the collector: what is spooled goes out, acks and orders come in.
//!
//! Contract: only what the spool has made durable is sent, in the very bytes that are spooled. At least
//! once: what is not acked when a connection ends is sent again over the next. Live results travel
//! before backlog, at most `WINDOW` batches wait for their ack at any time. The
//! last assignment is kept on disk, so that an agent that starts without its collector looks on.
//!
//! Whatever the collector does, the agent lives on and comes back: quickly after a cut, slowly after a
//! refusal, and the log says once, in the collector's own words, why. A collector that is away stops
//! nothing; one that does not take the agent (any more) stops its looks, and nothing that was seen is lost.
//!
//! Never: a look, a file of the spool, a decision about what a result means.

mod assignment;
mod backoff;
mod dial;
mod ending;
mod joining;
mod renewal;
mod rest;
mod session;
mod stream;
#[cfg(test)]
pub(crate) mod stub;
#[cfg(test)]
mod tests;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parallax_model::{AgentName, Epoch, Fitness, Span, Target, TargetName, Timestamp};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::identity::Identity;
use crate::spool::{Appended, Cursor, Record, State};

pub use joining::{Applicant, NotJoined, enroll};

/// How long to wait before a collector that does not take an agent is asked again, unless the agent
/// joins anew meanwhile: a person has to do something.
pub const DISMISSED_FOR: Duration = Duration::from_mins(5);

/// What a collector wants looked at.
#[derive(Debug)]
pub enum Wanted {
    /// These targets from here on, and no others.
    Assign(Vec<Target>),
    /// These targets at once.
    Look(Vec<TargetName>),
}

/// What the uplink asks of whoever owns the spool.
#[derive(Debug)]
pub enum Ask {
    /// These numbers are durable at the collector.
    Ack(Epoch, Vec<Span>),
    /// Every gap, and records from this place on.
    Read(Cursor, oneshot::Sender<Backlog>),
}

/// A piece of what waits in the spool.
#[derive(Debug)]
pub struct Backlog {
    /// Changes whenever a gap is declared.
    pub gap_version: u64,
    /// Every gap that waits.
    pub gaps: Vec<Record>,
    /// Records in the order of the spool.
    pub records: Vec<Record>,
    /// Where to go on.
    pub next: Cursor,
}

/// How the spool stands.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// The epoch in which numbers are issued.
    pub epoch: Epoch,
    /// How full it is.
    pub state: State,
}

/// How the agent fares, beside its spool. It is told with every heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Condition {
    /// Slots that passed without a look since it started.
    pub missed_slots: u64,
    /// How fit it is; none: it has not measured itself yet.
    pub fitness: Option<Fitness>,
}

/// The road of one agent. `O` is what whoever looks takes orders as.
#[derive(Debug)]
pub struct Uplink<O> {
    /// The name to say.
    pub agent: AgentName,
    /// Random, of this process: tells it from a copy of this agent elsewhere.
    pub instance: u64,
    /// The collector's address: `http(s)://HOST:PORT`.
    pub collector: String,
    /// The certificate to show; none: in the clear.
    pub identity: Option<Identity>,
    /// How long to wait before the question whether the collector takes us again.
    pub dismissed_for: Duration,
    /// Why the collector does not take us, while it does not.
    pub refusal: watch::Sender<Option<Arc<str>>>,
    /// The file that keeps the last assignment.
    pub assignment_file: PathBuf,
    /// Records that have just become durable.
    pub live: mpsc::Receiver<Appended>,
    /// How the spool stands.
    pub spool: watch::Receiver<Standing>,
    /// Whoever owns the spool.
    pub keeper: mpsc::Sender<Ask>,
    /// Whoever looks.
    pub orders: mpsc::Sender<O>,
    /// How the agent fares.
    pub condition: watch::Receiver<Condition>,
}

impl<O: From<Wanted>> Uplink<O> {
    /// Goes on until `finish`; from then on only until everything that is spooled is acked, or the
    /// connection ends.
    pub async fn run(self, finish: CancellationToken) {
        stream::run(self, finish).await;
    }
}

/// The wall clock, for heartbeats.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(since.as_micros() as i64)
}
