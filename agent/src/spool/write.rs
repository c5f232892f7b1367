//! Onto the disk and off it again: the only place that changes segments.

use std::io;

use bytes::Bytes;
use parallax_model::{GapReason, Span};

use super::disk::Disk;
use super::segment::{self, Segment};
use super::{Spool, recover};

/// A segment is full at this size: small enough to be dropped as one, large enough that a full spool
/// has about a hundred.
const SEGMENT_BYTES: u64 = 4 << 20;

/// A bounded spool has at least this many segments, so that dropping one is a small loss.
const SEGMENTS_MIN: u64 = 8;

/// Why a record could not be written.
pub(super) enum Refused {
    /// Nothing of it is on the disk.
    Clean(io::Error),
    /// It may or may not be.
    Unsure(io::Error),
}

impl<D: Disk> Spool<D> {
    /// Makes records durable in the last segment; says where they begin.
    pub(super) fn write(
        &mut self,
        epoch: u64,
        first: u64,
        records: &[(Span, &Bytes)],
    ) -> Result<u64, Refused> {
        let mut framed = Vec::new();
        for (span, bytes) in records {
            segment::frame(&mut framed, *span, bytes);
        }
        self.make_room(framed.len() as u64).map_err(Refused::Clean)?;
        self.open_segment(epoch, first).map_err(Refused::Clean)?;
        let (Some(mut file), Some(segment)) = (self.active.take(), self.segments.back_mut()) else {
            return Err(Refused::Clean(io::Error::other("no segment is open")));
        };
        let written = self.disk.append(&mut file, &framed).and_then(|()| self.disk.sync(&mut file));
        if let Err(error) = written {
            drop(file);
            segment.unsure = self.disk.cut(&segment.name, segment.len).is_err();
            let unsure = segment.unsure;
            return Err(if unsure { Refused::Unsure(error) } else { Refused::Clean(error) });
        }
        self.active = Some(file);
        let from = segment.end();
        for (span, _) in records {
            segment.hold(*span);
        }
        segment.len += framed.len() as u64;
        self.end = segment.end();
        Ok(from)
    }

    /// Opens the last segment, or a new one if that is full or of another epoch. Every number below a
    /// segment's first was issued before it was made.
    fn open_segment(&mut self, epoch: u64, first: u64) -> io::Result<()> {
        let bytes_max = SEGMENT_BYTES.min(self.bytes_max / SEGMENTS_MIN);
        let fits = |s: &&mut Segment| s.epoch == epoch && s.len < bytes_max && !s.damaged;
        if let Some(last) = self.segments.back_mut().filter(fits) {
            if last.unsure {
                self.disk.cut(&last.name, last.len)?;
                last.unsure = false;
            }
            if self.active.is_none() {
                self.active = Some(self.disk.open(&last.name)?);
            }
            return Ok(());
        }
        self.active = None;
        let segment = Segment::new(epoch, first, self.end);
        let created = self.disk.create(&segment.name, &segment.header());
        self.segments.retain(|s| s.name != segment.name);
        self.end = segment.end();
        // one that was refused may be there all the same: it is known, and not written to
        self.segments.push_back(Segment { damaged: created.is_err(), ..segment });
        self.active = Some(created?);
        Ok(())
    }

    /// Drops the oldest segments until `more` bytes fit.
    fn make_room(&mut self, more: u64) -> io::Result<()> {
        while self.disk_bytes() + more > self.bytes_max && self.segments.len() > 1 {
            let Some(oldest) = self.segments.front() else { break };
            let (epoch, name) = (oldest.epoch, oldest.name.clone());
            let unacked = self.ledger.unacked(epoch, &oldest.held);
            let mut ledger = self.ledger.clone();
            ledger.lose(epoch, unacked.clone(), GapReason::SpoolFull);
            ledger.save(&self.disk, &self.epochs())?;
            self.lose(epoch, unacked, GapReason::SpoolFull);
            self.ledger.dirty = false;
            if let Err(error) = self.remove(&name) {
                // it is accounted for; the next start removes it
                tracing::warn!(%error, name, "cannot remove a dropped segment");
                self.segments.retain(|s| s.name != name);
            }
        }
        Ok(())
    }

    /// Removes a segment that the durable ledger accounts for.
    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        let damaged = self.segments.iter().any(|s| s.name == name && s.damaged);
        let removed = if damaged {
            self.disk.rename(name, &format!("{name}{}", recover::BAD))
        } else {
            self.disk.remove(name)
        };
        if let Err(error) = removed
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        if damaged {
            recover::keep_few_bad(&self.disk)?;
        }
        self.segments.retain(|s| s.name != name);
        Ok(())
    }

    /// The bytes of all segments.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.segments.iter().map(|s| s.len).sum()
    }
}
