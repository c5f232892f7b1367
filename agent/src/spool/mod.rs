//! The durable outbox: bytes in, bytes out.
//!
//! # Contract
//!
//! [`Spool::append`] returns once a record is durable; only then does it count and may be sent. Every
//! record stands for consecutive numbers of an epoch; [`Spool::ack`] says which numbers may be
//! forgotten. For every epoch, whatever happens to process and disk:
//!
//! **acked ∪ gaps ∪ held = every number issued, pairwise disjoint**
//!
//! and no number is ever issued twice. What is lost (the spool is full, a part is damaged, the disk
//! refuses for too long) becomes a *gap*, which is itself kept until it is acked. Opening a folder
//! succeeds however damaged its files are. One loss cannot be declared: that of the last record of an
//! epoch, if its very head is damaged, since nothing else tells its numbers.
//!
//! # Files
//!
//! | name | content |
//! |---|---|
//! | `EPOCH-FIRST.seg` | a segment: records from number FIRST on, written once, one after the other |
//! | `ledger` | acked numbers and gaps; replaced whole |
//! | `….bad` | a damaged segment whose readable records are delivered, kept for people, a few |
//!
//! All integers are little-endian. A segment begins with 32 bytes: `PLXSPOOL`, version u32 (1), epoch
//! u64, FIRST u64, CRC-32 of these. A record is: mark u32, payload length u32, first u64, last u64,
//! CRC-32 of length, numbers and payload, payload. The mark lets a reader find the next record behind
//! a damaged one.
//!
//! # Rules, and the loss each prevents
//!
//! * A record counts after `fdatasync` of its segment; a segment exists after `fsync` of the folder. A
//!   file descriptor whose sync failed is never used again: the kernel may have dropped the dirty pages
//!   and call the next sync a success.
//! * The ledger is durable before a segment that it accounts for is removed. Otherwise it is written
//!   lazily: an ack that is forgotten costs a resend, which the collector recognises.
//! * Numbers go on in the newest segment. If its tail is damaged, nobody knows what was issued last:
//!   then a new epoch begins, and the old one drains.
//! * If the disk refuses, results are kept in memory, bounded, under a new epoch that the disk has not
//!   heard of: should the process die, the old epoch can go on without using a number twice. When the
//!   disk takes it after all, that epoch is closed too.
//! * If it cannot be known whether a refused record reached the disk, the record is dropped and counted:
//!   it may yet turn up under its old number.
//! * Full means: the oldest segment goes, and exactly its unacked numbers become gaps.
//!
//! Never: the meaning of a record, a clock, the network. Every call may block on the disk except
//! [`Spool::ack`] and [`Spool::state`].

mod disk;
mod ledger;
mod memory;
mod recover;
mod segment;
#[cfg(test)]
mod tests;
mod write;

use std::collections::{BTreeSet, VecDeque};
use std::io;

use bytes::Bytes;
use parallax_model::{Epoch, GapReason, IntervalSet, Span};

pub use disk::{Disk, Folder};
use ledger::Ledger;
use memory::Memory;
use segment::Segment;
use write::Refused;

/// Damaged segments kept for people: enough to see a pattern, 16 MiB at most.
const BAD_MAX: usize = 4;

/// Most bytes of records that one read returns, give or take one record.
const READ_BYTES_MAX: usize = 256 << 10;

/// Most records that one read returns.
const READ_RECORDS_MAX: usize = 32;

/// A place in the spool, in the order in which records were appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Cursor(u64);

/// What waits for its ack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The epoch of its numbers.
    pub epoch: Epoch,
    /// Its numbers.
    pub span: Span,
    /// What stands there.
    pub content: Content,
}

/// What stands at a record's numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// What was appended.
    Bytes(Bytes),
    /// It is lost.
    Gap(GapReason),
}

/// A record that has just been appended.
#[derive(Debug, Clone)]
pub struct Appended {
    /// The record.
    pub record: Record,
    /// Where it stands.
    pub from: Cursor,
    /// Where the next one will stand.
    pub to: Cursor,
}

/// How full the spool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State {
    /// Numbers that wait for their ack, gaps not included.
    pub records: u64,
    /// Bytes on disk and in memory.
    pub bytes: u64,
    /// Numbers lost since it was opened.
    pub lost: u64,
    /// The disk refuses; records are kept in memory only.
    pub degraded: bool,
    /// Where the next record will stand.
    pub end: Cursor,
    /// Changes whenever a gap is declared.
    pub gap_version: u64,
}

/// The outbox of one agent.
#[derive(Debug)]
pub struct Spool<D: Disk> {
    disk: D,
    bytes_max: u64,
    segments: VecDeque<Segment>,
    /// The open file of the last segment.
    active: Option<D::File>,
    epoch: u64,
    next: u64,
    ledger: Ledger,
    memory: Memory,
    end: u64,
    lost: u64,
    degraded: bool,
    gap_version: u64,
}

impl<D: Disk> Spool<D> {
    /// Opens what is there. `now_ms` (Unix time) names a new epoch, should one be needed. Fails only if
    /// the folder cannot be listed.
    pub fn open(disk: D, bytes_max: u64, now_ms: u64) -> io::Result<Self> {
        recover::open(disk, bytes_max, now_ms)
    }

    /// The epoch in which numbers are issued.
    pub fn epoch(&self) -> Epoch {
        Epoch(self.epoch)
    }

    /// Appends `count` numbers; `encode` makes the record's bytes from epoch and first number. None: it
    /// is lost, and counted as such.
    pub fn append(
        &mut self,
        count: u64,
        now_ms: u64,
        mut encode: impl FnMut(Epoch, u64) -> Vec<u8>,
    ) -> Option<Appended> {
        if !self.degraded {
            let span = Span::new(self.next, self.next + count.checked_sub(1)?)?;
            let bytes = Bytes::from(encode(Epoch(self.epoch), self.next));
            match self.write(self.epoch, span.first(), &[(span, &bytes)]) {
                Ok(from) => {
                    self.next += count;
                    return Some(self.appended(span, bytes, from));
                }
                Err(Refused::Clean(error)) => self.degrade(&error, now_ms),
                Err(Refused::Unsure(error)) => {
                    self.degrade(&error, now_ms);
                    self.lost += count;
                    return None;
                }
            }
        }
        let span = Span::new(self.next, self.next + count.checked_sub(1)?)?;
        let bytes = Bytes::from(encode(Epoch(self.epoch), self.next));
        self.next += count;
        let from = self.end;
        self.end += memory::room(&bytes);
        for (epoch, dropped) in self.memory.push(self.epoch, span, bytes.clone(), from) {
            self.lose(epoch, vec![dropped], GapReason::DiskError);
        }
        Some(self.appended(span, bytes, from))
    }

    fn appended(&self, span: Span, bytes: Bytes, from: u64) -> Appended {
        let record = Record { epoch: Epoch(self.epoch), span, content: Content::Bytes(bytes) };
        Appended { record, from: Cursor(from), to: Cursor(self.end) }
    }

    /// Forgets numbers. Those that are not held are ignored.
    pub fn ack(&mut self, epoch: Epoch, span: Span) {
        let mut acked = Vec::new();
        for segment in self.segments.iter_mut().filter(|s| s.epoch == epoch.0) {
            acked.extend(segment.held.spans().iter().filter_map(|held| overlap(*held, span)));
        }
        acked.extend(self.ledger.unacked_gaps(epoch.0, span));
        acked.extend(self.memory.within(epoch.0, span));
        for part in acked {
            for new in self.ledger.ack(epoch.0, part) {
                for segment in self.segments.iter_mut().filter(|s| s.epoch == epoch.0) {
                    segment.acked(new);
                }
            }
        }
        self.memory.forget(epoch.0, self.ledger.acked(epoch.0));
    }

    /// Every gap that waits for its ack.
    pub fn gaps(&self) -> Vec<Record> {
        self.ledger.gaps().collect()
    }

    /// Unacked records from `from` on, and where to go on. At the end: no records, and the end.
    pub fn read(&mut self, from: Cursor) -> (Vec<Record>, Cursor) {
        let (mut found, mut bytes, mut at) = (Vec::new(), 0, from.0);
        while found.len() < READ_RECORDS_MAX && bytes < READ_BYTES_MAX {
            let before = found.len();
            let Some(next) = self.read_some(at, &mut found) else {
                at = at.max(self.end);
                break;
            };
            at = next;
            bytes += found.iter().skip(before).map(Record::len).sum::<usize>();
        }
        (found, Cursor(at))
    }

    /// One piece of a segment, or one record of the memory. None at the end.
    fn read_some(&mut self, at: u64, found: &mut Vec<Record>) -> Option<u64> {
        let Some(segment) = self.segments.iter_mut().find(|s| s.end() > at) else {
            let (record, next) = self.memory.after(at)?;
            found.push(record);
            return Some(next);
        };
        let piece = segment.read(&self.disk, at);
        let epoch = segment.epoch;
        if !piece.lost.is_empty() {
            segment.unacked = count(&self.ledger.unacked(epoch, &segment.held));
            self.lose(epoch, piece.lost, GapReason::Corrupt);
            self.keep_gaps();
        }
        let acked = self.ledger.acked(epoch);
        let waits = |r: &Record| !acked.is_some_and(|acked| acked.covers(r.span));
        found.extend(piece.records.into_iter().filter(waits));
        Some(piece.next)
    }

    /// How full it is.
    pub fn state(&self) -> State {
        let segments: u64 = self.segments.iter().map(|s| s.unacked).sum();
        State {
            records: segments + self.memory.count(),
            bytes: self.disk_bytes() + self.memory.bytes() as u64,
            lost: self.lost,
            degraded: self.degraded,
            end: Cursor(self.end),
            gap_version: self.gap_version,
        }
    }

    /// What need not happen at once: writes the ledger, removes acked segments, tries a disk that
    /// refused again. To be called about once a second, and before the end.
    pub fn maintain(&mut self) {
        if let Err(error) = self.try_maintain() {
            tracing::debug!(%error, "the spool's disk still refuses");
        }
    }

    fn try_maintain(&mut self) -> io::Result<()> {
        if self.degraded || self.ledger.dirty {
            let epochs = self.epochs();
            self.ledger.save(&self.disk, &epochs)?;
        }
        if self.degraded {
            self.settle()?;
        }
        // the last segment stays: it tells the last number
        let last = self.segments.len().saturating_sub(1);
        let done = self.segments.iter().take(last).filter(|s| s.unacked == 0);
        let done: Vec<String> = done.map(|s| s.name.clone()).collect();
        done.iter().try_for_each(|name| self.remove(name))
    }

    /// The disk is back: what is in memory becomes durable, each epoch in a segment of its own. The
    /// disk knows these epochs from now on, but perhaps not their last numbers: a new one begins.
    fn settle(&mut self) -> io::Result<()> {
        let epochs = self.memory.by_epoch();
        self.epoch += 1;
        self.next = 1;
        for (epoch, records) in epochs {
            let Some(first) = records.first().map(|(span, _)| span.first()) else { continue };
            let records: Vec<_> = records.iter().map(|(span, bytes)| (*span, bytes)).collect();
            // unsure is no loss here: the records are in memory still, under the same numbers
            let written = self.write(epoch, first, &records);
            if let Err(Refused::Clean(error) | Refused::Unsure(error)) = written {
                return Err(error);
            }
            self.memory.drop_epoch(epoch);
        }
        tracing::info!("the spool's disk takes results again");
        self.degraded = false;
        Ok(())
    }

    /// Epochs of which something is kept.
    fn epochs(&self) -> BTreeSet<u64> {
        let segments = self.segments.iter().map(|s| s.epoch);
        segments.chain(self.memory.epochs()).chain([self.epoch]).collect()
    }

    fn degrade(&mut self, error: &io::Error, now_ms: u64) {
        tracing::error!(%error, "the spool's disk refuses; results are kept in memory only");
        self.degraded = true;
        self.epoch = now_ms.max(self.epoch + 1);
        self.next = 1;
    }

    /// Makes gaps durable that have just been declared, before anybody hears of them.
    fn keep_gaps(&mut self) {
        let epochs = self.epochs();
        if self.ledger.dirty
            && let Err(error) = self.ledger.save(&self.disk, &epochs)
        {
            tracing::warn!(%error, "cannot write the spool's ledger");
        }
    }

    /// Declares what of `lost` is not acked as gaps.
    fn lose(&mut self, epoch: u64, lost: Vec<Span>, reason: GapReason) {
        let count = self.ledger.lose(epoch, lost, reason);
        if count > 0 {
            tracing::warn!(epoch, count, reason = reason.as_str(), "results lost");
            self.lost += count;
            self.gap_version += 1;
        }
    }
}

impl Record {
    fn len(&self) -> usize {
        match &self.content {
            Content::Bytes(bytes) => bytes.len(),
            Content::Gap(_) => 0,
        }
    }
}

/// The numbers that two spans share.
fn overlap(a: Span, b: Span) -> Option<Span> {
    Span::new(a.first().max(b.first()), a.last().min(b.last()))
}

/// `from` without `what`.
fn without(from: &IntervalSet, what: &IntervalSet) -> Vec<Span> {
    from.spans().iter().flat_map(|span| what.missing(*span)).collect()
}

fn count(spans: &[Span]) -> u64 {
    spans.iter().map(|span| span.count()).sum()
}
