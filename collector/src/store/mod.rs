//! What is kept, and what can be asked of it.
//!
//! Contract: domain types only. [`WriteStore::append`] is one durable transaction: the journal's
//! rows, the interval sets that say what is stored, and the counts derived from it change together or
//! not at all, so a record `(agent, epoch, seq)` is stored and counted exactly once however often it
//! arrives. A fault's change and the letters that tell of it are one transaction, too. Every
//! implementation passes the same suite (`suite.rs`).
//! Never: a decision, a clock, an ack (those who append send it, after the commit).

pub mod letter;
#[cfg(test)]
pub(crate) mod memory;
mod spans;
pub mod sqlite;
#[cfg(test)]
pub(crate) mod suite;
mod tally;
pub mod writer;

use std::collections::BTreeMap;
use std::ops::{ControlFlow, RangeInclusive};

use parallax_model::{
    AgentName, Batch, Body, Epoch, Fault, FaultId, IntervalSet, Span, TargetName, Timestamp,
};

pub use tally::{BOUNDS, PathTally, TALLIED_TARGETS_MAX, Tally};

use letter::{Letter, LetterId, Waiting};

/// Most spans in what is held of one epoch. An agent that sends live results before its backlog makes
/// one hole for each time it comes back; thousands are made by nothing but malice.
pub const HELD_SPANS_MAX: usize = 4096;

/// A batch as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Whose it is, by its credential.
    pub agent: AgentName,
    /// When the collector had it.
    pub received: Timestamp,
    /// The results, or the gap.
    pub batch: Batch,
}

/// What an [`Arrival`] brought that was not there before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// The numbers that were new, ascending.
    pub fresh: Vec<Span>,
    /// How many numbers were there already.
    pub duplicates: u64,
    /// True if the arrival was not taken: its epoch has too many holes ([`HELD_SPANS_MAX`]) or it is
    /// larger than any batch may be. Nothing of it is stored.
    pub refused: bool,
}

/// What was ever stored, over all agents and restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Results.
    pub results: u64,
    /// Numbers declared lost.
    pub gaps: u64,
    /// Journal rows.
    pub batches: u64,
    /// Numbers that arrived again and were not stored again.
    pub duplicates: u64,
}

/// Which faults are wanted. They come newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultQuery {
    /// Only open ones, only closed ones, or all.
    pub open: Option<bool>,
    /// Only those older than this one (the page before it).
    pub before: Option<FaultId>,
    /// At most so many.
    pub limit: usize,
}

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("store: {what}: {why}")]
pub struct StoreError {
    what: &'static str,
    why: String,
}

impl StoreError {
    /// While doing `what`, because of `why`.
    pub(crate) fn new(what: &'static str, why: impl std::fmt::Display) -> Self {
        Self { what, why: why.to_string() }
    }
}

/// What changes the store. One owner, one thread.
pub trait WriteStore: Send {
    /// Stores what is new of each arrival, all in one durable transaction; what was there already is
    /// counted and dropped. The answers stand in the order of the arrivals.
    fn append(&mut self, arrivals: &[Arrival]) -> Result<Vec<Kept>, StoreError>;

    /// Stores faults whole, over what was stored under their numbers before, and the letters that tell
    /// of them, all in one durable transaction. Answers whose letters had to be dropped for it, and
    /// how many ([`letter::LETTERS_MAX`]).
    fn put_faults(&mut self, faults: &[Fault], letters: &[Letter]) -> Result<Dropped, StoreError>;

    /// Forgets letters: they are delivered, or given up.
    fn forget_letters(&mut self, letters: &[LetterId]) -> Result<(), StoreError>;
}

/// Letters that were dropped because too many waited, by webhook.
pub type Dropped = BTreeMap<String, u64>;

/// What those who deliver ask the store.
pub trait ReadOutbox: Send + Sync {
    /// The oldest letters that wait for a webhook, at most `limit`, in the order they were written.
    fn waiting(&self, webhook: &str, limit: usize) -> Result<Vec<Waiting>, StoreError>;

    /// A letter, unless it was forgotten or replaced meanwhile.
    fn letter(&self, id: LetterId) -> Result<Option<Letter>, StoreError>;

    /// The webhooks for which letters wait, and how many do.
    fn outbox(&self) -> Result<BTreeMap<String, u64>, StoreError>;
}

/// What asks the store. Any number at once; none waits for the writer.
pub trait ReadStore: Send + Sync {
    /// One fault.
    fn fault(&self, id: FaultId) -> Result<Option<Fault>, StoreError>;

    /// Faults, newest first.
    fn faults(&self, query: &FaultQuery) -> Result<Vec<Fault>, StoreError>;

    /// The highest number a fault ever had.
    fn newest_fault(&self) -> Result<Option<FaultId>, StoreError>;

    /// What is stored or declared lost of one epoch of one agent.
    fn held(&self, agent: &AgentName, epoch: Epoch) -> Result<IntervalSet, StoreError>;

    /// What was ever stored.
    fn counts(&self) -> Result<Counts, StoreError>;

    /// What was ever counted of each path, or of the paths to one target, by agent and target.
    fn tallies(&self, only: Option<&TargetName>) -> Result<Vec<PathTally>, StoreError>;

    /// Visits what was received within `received`, in the order it was stored, until the visitor breaks.
    /// What was stored after the last of it is not read.
    fn batches(
        &self,
        received: RangeInclusive<Timestamp>,
        visit: &mut dyn FnMut(Arrival) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;
}

/// The part of a batch that stands at `span`; none if the span is not within the batch.
pub fn part(batch: &Batch, span: Span) -> Option<Batch> {
    if span.first() < batch.span.first() || span.last() > batch.span.last() {
        return None;
    }
    let body = match &batch.body {
        Body::Gap(gap) => Body::Gap(*gap),
        Body::Results(results) => {
            let from = (span.first() - batch.span.first()) as usize;
            Body::Results(results.get(from..from + span.count() as usize)?.to_vec())
        }
    };
    Some(Batch { epoch: batch.epoch, span, body })
}

impl Counts {
    /// Counts one batch and what was kept of it.
    fn count(&mut self, batch: &Batch, kept: &Kept) {
        let new: u64 = kept.fresh.iter().map(|s| s.count()).sum();
        match batch.body {
            Body::Results(_) => self.results = self.results.saturating_add(new),
            Body::Gap(_) => self.gaps = self.gaps.saturating_add(new),
        }
        self.batches += kept.fresh.len() as u64;
        self.duplicates = self.duplicates.saturating_add(kept.duplicates);
    }
}
