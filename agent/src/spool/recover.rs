//! Opening what an earlier process left, in whatever state.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use parallax_model::{GapReason, IntervalSet, Span};

use super::disk::Disk;
use super::ledger::{self, Ledger};
use super::memory::Memory;
use super::segment::{self, Segment};
use super::{BAD_MAX, Spool, count};

pub(super) fn open<D: Disk>(disk: D, bytes_max: u64, now_ms: u64) -> io::Result<Spool<D>> {
    let names = disk.names()?;
    let ledger = read_ledger(&disk, &names);
    let mut places: Vec<(u64, u64)> =
        names.iter().filter_map(|name| Segment::parse_name(name)).collect();
    places.sort_unstable();
    let mut spool = Spool {
        disk,
        bytes_max,
        segments: VecDeque::new(),
        active: None,
        epoch: 0,
        next: 1,
        ledger,
        memory: Memory::default(),
        end: 0,
        lost: 0,
        degraded: false,
        gap_version: 0,
    };
    let mut issued: BTreeMap<u64, u64> = BTreeMap::new();
    let mut tail = false;
    for (epoch, first) in places {
        let Some(found) = scan(&mut spool, epoch, first) else { continue };
        tail = found.tail;
        let last = issued.entry(epoch).or_default();
        *last = found.last.max(first.saturating_sub(1)).max(*last).max(spool.ledger.last(epoch));
    }
    declare_lost(&mut spool, &issued);
    number(&mut spool, &issued, tail, now_ms);
    for segment in &mut spool.segments {
        segment.held = spool.ledger.without_gaps(segment.epoch, &segment.held);
        segment.unacked = count(&spool.ledger.unacked(segment.epoch, &segment.held));
    }
    spool.keep_gaps();
    Ok(spool)
}

/// A damaged or missing ledger is an empty one: what it knew is resent, or declared lost.
fn read_ledger(disk: &impl Disk, names: &[String]) -> Ledger {
    if !names.iter().any(|name| name == ledger::NAME) {
        return Ledger::default();
    }
    let read = disk.read(ledger::NAME).ok().and_then(|bytes| Ledger::decode(&bytes));
    read.unwrap_or_else(|| {
        tracing::error!("the spool's ledger is damaged; begin a new one");
        Ledger::default()
    })
}

struct Scanned {
    /// The largest number it knows of, 0 if none.
    last: u64,
    /// Something at its end makes no sense.
    tail: bool,
}

fn scan<D: Disk>(spool: &mut Spool<D>, epoch: u64, first: u64) -> Option<Scanned> {
    let mut found = Segment::new(epoch, first, spool.end);
    let bytes = spool.disk.read(&found.name).unwrap_or_else(|error| {
        tracing::error!(%error, name = found.name, "cannot read a segment of the spool");
        // as a tail of which nothing is known
        vec![0; found.len as usize + 1]
    });
    let scan = segment::scan(&bytes);
    if scan.is_unborn() {
        // nothing was ever written behind a header that was not finished: as if it were not there
        if let Err(error) = spool.disk.remove(&found.name) {
            tracing::warn!(%error, name = found.name, "cannot remove an empty segment");
        }
        return None;
    }
    found.held = scan.records.iter().map(|(_, span)| *span).collect();
    found.len = found.len.max(scan.sound_end as u64);
    found.damaged = scan.damaged || scan.tail;
    if found.damaged {
        tracing::warn!(name = found.name, "a segment of the spool is damaged");
    }
    let last = found.held.spans().last().map_or(0, |span| span.last());
    // a whole header without its payload: that number was issued, and no other reader will know
    let claimed =
        scan.tail_span.filter(|span| span.first() == last.max(first.saturating_sub(1)) + 1);
    spool.end = found.end();
    spool.segments.push_back(found);
    Some(Scanned { last: claimed.map_or(last, Span::last), tail: scan.tail })
}

/// Whatever was issued and is nowhere is lost.
fn declare_lost<D: Disk>(spool: &mut Spool<D>, issued: &BTreeMap<u64, u64>) {
    for (&epoch, &last) in issued {
        let Some(all) = Span::new(1, last) else { continue };
        let segments = spool.segments.iter().filter(|s| s.epoch == epoch);
        let held: IntervalSet = segments.flat_map(|s| s.held.spans().iter().copied()).collect();
        let missing = held.missing(all);
        spool.lose(epoch, missing, GapReason::Corrupt);
    }
}

/// Where numbers go on.
fn number<D: Disk>(spool: &mut Spool<D>, issued: &BTreeMap<u64, u64>, tail: bool, now_ms: u64) {
    let newest = issued.last_key_value();
    match newest {
        Some((&epoch, &last)) if !tail && epoch >= spool.ledger.newest() => {
            spool.epoch = epoch;
            spool.next = last + 1;
        }
        _ => {
            let known = newest.map_or(0, |(epoch, _)| *epoch).max(spool.ledger.newest());
            spool.epoch = now_ms.max(known + 1);
            spool.next = 1;
        }
    }
}

/// Ends the names of damaged segments that are kept.
pub(super) const BAD: &str = ".bad";

/// Removes the oldest of the damaged segments that are kept for people.
pub(super) fn keep_few_bad(disk: &impl Disk) -> io::Result<()> {
    let mut bad: Vec<String> =
        disk.names()?.into_iter().filter(|name| name.ends_with(BAD)).collect();
    bad.sort_unstable();
    for name in bad.iter().rev().skip(BAD_MAX) {
        disk.remove(name)?;
    }
    Ok(())
}
