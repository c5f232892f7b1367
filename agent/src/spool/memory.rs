//! What the disk refused: a bounded queue.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use parallax_model::{Epoch, IntervalSet, Span};

use super::{Content, Record, overlap};

/// Most bytes kept in memory: hours of an ordinary agent, and small beside its other needs.
const BYTES_MAX: usize = 4 << 20;

#[derive(Debug, Default)]
pub(super) struct Memory {
    held: VecDeque<Held>,
    bytes: usize,
}

#[derive(Debug)]
struct Held {
    epoch: u64,
    span: Span,
    bytes: Bytes,
    at: u64,
}

/// How far one record moves the spool's end on.
pub(super) fn room(bytes: &Bytes) -> u64 {
    bytes.len().max(1) as u64
}

impl Memory {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn count(&self) -> u64 {
        self.held.iter().map(|h| h.span.count()).sum()
    }

    /// The record at or after place `at`, and the place after it.
    pub(super) fn after(&self, at: u64) -> Option<(Record, u64)> {
        let held = self.held.iter().find(|h| h.at >= at)?;
        let content = Content::Bytes(held.bytes.clone());
        let record = Record { epoch: Epoch(held.epoch), span: held.span, content };
        Some((record, held.at + room(&held.bytes)))
    }

    /// The epochs of what is held.
    pub(super) fn epochs(&self) -> impl Iterator<Item = u64> {
        self.held.iter().map(|h| h.epoch)
    }

    /// What waits for the disk, each epoch in the order of its numbers.
    pub(super) fn by_epoch(&self) -> BTreeMap<u64, Vec<(Span, Bytes)>> {
        let mut epochs: BTreeMap<u64, Vec<(Span, Bytes)>> = BTreeMap::new();
        for held in &self.held {
            epochs.entry(held.epoch).or_default().push((held.span, held.bytes.clone()));
        }
        epochs
    }

    /// An epoch that has become durable.
    pub(super) fn drop_epoch(&mut self, epoch: u64) {
        self.held.retain(|h| h.epoch != epoch);
        self.bytes = self.held.iter().map(|h| h.bytes.len()).sum();
    }

    /// Keeps a record. If that is too much, drops the older half and says which numbers of which epochs
    /// that were.
    pub(super) fn push(
        &mut self,
        epoch: u64,
        span: Span,
        bytes: Bytes,
        at: u64,
    ) -> Vec<(u64, Span)> {
        self.bytes += bytes.len();
        self.held.push_back(Held { epoch, span, bytes, at });
        let mut dropped = Vec::new();
        if self.bytes > BYTES_MAX {
            while self.bytes > BYTES_MAX / 2
                && let Some(held) = self.held.pop_front()
            {
                self.bytes -= held.bytes.len();
                dropped.push((held.epoch, held.span));
            }
        }
        dropped
    }

    /// The numbers of `span` that are held.
    pub(super) fn within(&self, epoch: u64, span: Span) -> Vec<Span> {
        let ours = self.held.iter().filter(|h| h.epoch == epoch);
        ours.filter_map(|h| overlap(h.span, span)).collect()
    }

    /// Forgets records that are wholly acked.
    pub(super) fn forget(&mut self, epoch: u64, acked: Option<&IntervalSet>) {
        let Some(acked) = acked else { return };
        self.held.retain(|h| h.epoch != epoch || !acked.covers(h.span));
        self.bytes = self.held.iter().map(|h| h.bytes.len()).sum();
    }
}
