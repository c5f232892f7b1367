//! The one who writes: takes what waits, commits it at once, tells each sender what was kept.
//!
//! Contract: arrivals come over a bounded channel and are answered after the durable commit, never
//! before; what was new is passed on in the order of the commits. While the store does not take them,
//! they wait here, nothing is answered, and [`Health`] says why. Faults and their letters wait in a
//! mailbox that holds the latest word on each, so that whoever decides never waits for the disk; each
//! gets a ticket, and [`Stored`] says up to which ticket all is durable.
//! Never: an arrival dropped while its sender waits; an unbounded queue.

mod clerk;
mod mail;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use parallax_model::Fault;
use tokio::sync::{mpsc, oneshot, watch};

use super::letter::{Letter, LetterId};
use super::{Arrival, Dropped, Kept};
use mail::Mailbox;

pub use clerk::writer;

/// How the store fares: what went wrong last, while it goes wrong.
pub type Health = watch::Receiver<Option<String>>;

/// What of the mailbox is stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stored {
    /// All up to this ticket is durable.
    pub ticket: u64,
    /// Letters dropped since the start because too many waited.
    pub dropped: Dropped,
}

#[derive(Debug)]
struct Job {
    arrival: Arrival,
    done: oneshot::Sender<Kept>,
}

/// The senders' side. When the last clone is gone, the writer finishes what waits and ends.
#[derive(Debug, Clone)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
    mail: Arc<Mailbox>,
    health: Health,
    stored: watch::Receiver<Stored>,
}

/// The writer is gone: the collector stops.
#[derive(Debug, thiserror::Error)]
#[error("the store is closed")]
pub struct Closed;

impl Writer {
    /// Hands an arrival over, waiting while too many wait already. The receiver hears what was kept,
    /// after the commit.
    pub async fn append(&self, arrival: Arrival) -> Result<oneshot::Receiver<Kept>, Closed> {
        let (done, kept) = oneshot::channel();
        self.jobs.send(Job { arrival, done }).await.map_err(|_| Closed)?;
        Ok(kept)
    }

    /// Leaves a fault to be stored soon, together with the letters that tell of it. Waits for nothing;
    /// the ticket says when it is durable ([`Writer::stored`]).
    pub fn put_fault(&self, fault: Fault, letters: Vec<Letter>) -> u64 {
        self.mail.put(|mail| {
            mail.faults.insert(fault.id, fault);
            for letter in letters {
                letter.post(&mut mail.letters);
            }
        })
    }

    /// Leaves letters to be forgotten soon. Waits for nothing.
    pub fn forget_letters(&self, letters: &[LetterId]) {
        self.mail.put(|mail| mail.done.extend(letters));
    }

    /// Tells how many arrivals wait to be committed. Does not keep the writer at work.
    pub fn waiting(&self) -> impl Fn() -> usize + Send + Sync + use<> {
        let jobs = self.jobs.downgrade();
        move || jobs.upgrade().map_or(0, |jobs| jobs.max_capacity() - jobs.capacity())
    }

    /// How the store fares.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// What of the mailbox is stored.
    pub fn stored(&self) -> watch::Receiver<Stored> {
        self.stored.clone()
    }
}
