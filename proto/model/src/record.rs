//! Results on the durable road.
//!
//! Every result an agent issues has the identity `(agent, epoch, seq)`. Results travel in batches of
//! consecutive numbers; a batch never changes once it is written, so that a repeat is recognised by
//! its span. What was lost is declared by a gap that stands for the numbers of what it lost:
//!
//! **stored ∪ gaps ∪ still in the spool = every number issued, pairwise disjoint.**

use crate::{ProbeResult, Span};

/// One life of an agent's spool. A new one begins when the spool is made anew; larger is younger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// A result's number within its epoch: from 1, one by one, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

/// Consecutive numbers of one epoch, and what stands at them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The spool's life in which the numbers were issued.
    pub epoch: Epoch,
    /// The numbers. For results: as many as there are results, in order.
    pub span: Span,
    /// What stands at the numbers.
    pub body: Body,
}

/// What stands at a batch's numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// One result a number.
    Results(Vec<ProbeResult>),
    /// Results were issued and lost.
    Gap(Gap),
}

impl Batch {
    /// A batch of results, the first at `first`; none if there are no results or the numbers would
    /// run over.
    pub fn of_results(epoch: Epoch, first: Seq, results: Vec<ProbeResult>) -> Option<Self> {
        let more = (results.len() as u64).checked_sub(1)?;
        let span = Span::new(first.0, first.0.checked_add(more)?)?;
        Some(Self { epoch, span, body: Body::Results(results) })
    }

    /// The results, empty for a gap.
    pub fn results(&self) -> &[ProbeResult] {
        match &self.body {
            Body::Results(results) => results,
            Body::Gap(_) => &[],
        }
    }
}

/// A declared hole: these numbers were issued, and what stood at them is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Why.
    pub reason: GapReason,
}

/// Why results were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GapReason {
    /// The spool was full.
    SpoolFull,
    /// A part of the spool was damaged.
    Corrupt,
    /// The disk refused.
    DiskError,
}

impl GapReason {
    /// The word used in JSON and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SpoolFull => "spool_full",
            Self::Corrupt => "corrupt",
            Self::DiskError => "disk_error",
        }
    }
}
