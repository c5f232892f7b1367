//! One connection's state, pure: what to send next, and what is acked.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use parallax_model::{Epoch, IntervalSet, Span};
use tokio::time::Instant;

use super::Backlog;
use crate::spool::{Appended, Content, Cursor, Record, State};

/// Most batches that wait for their ack.
pub(super) const WINDOW: usize = 8;

/// Of these, places that only live results take, so that they never wait behind a backlog.
const WINDOW_FOR_LIVE: usize = 2;

/// Most live batches that wait for a place in the window. What is more is read from the spool later.
const LIVE_MAX: usize = 32;

/// A collector that acks nothing for so long is not there any more.
const ACK_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Session {
    in_flight: Vec<(Epoch, Span)>,
    live: VecDeque<Record>,
    backlog: VecDeque<Record>,
    sent: BTreeMap<Epoch, IntervalSet>,
    acked: BTreeMap<Epoch, IntervalSet>,
    /// How far the spool has been read, or was seen live.
    cursor: Cursor,
    gap_version: Option<u64>,
    /// When something was last acked, or first waited for it.
    progress: Instant,
}

impl Session {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            in_flight: Vec::new(),
            live: VecDeque::new(),
            backlog: VecDeque::new(),
            sent: BTreeMap::new(),
            acked: BTreeMap::new(),
            cursor: Cursor::default(),
            gap_version: None,
            progress: now,
        }
    }

    /// A record that has just become durable.
    pub(super) fn offer(&mut self, new: Appended) {
        if self.live.len() < LIVE_MAX {
            if self.cursor == new.from {
                self.cursor = new.to;
            }
            self.live.push_back(new.record);
        }
    }

    /// Where to read on, if the spool holds what has not been seen here.
    pub(super) fn wants(&self, spool: &State) -> Option<Cursor> {
        let behind = self.cursor < spool.end || self.gap_version != Some(spool.gap_version);
        (behind && self.backlog.is_empty()).then_some(self.cursor)
    }

    /// What was read from the place that [`Session::wants`] told.
    pub(super) fn filled(&mut self, backlog: Backlog) {
        // live records may have moved the cursor on meanwhile; what is seen twice is sent once
        self.cursor = self.cursor.max(backlog.next);
        self.gap_version = Some(backlog.gap_version);
        self.backlog.extend(backlog.gaps);
        self.backlog.extend(backlog.records);
    }

    /// What to send now.
    pub(super) fn next(&mut self, now: Instant) -> Option<Record> {
        loop {
            let record = if self.in_flight.len() >= WINDOW {
                return None;
            } else if let Some(live) = self.live.pop_front() {
                live
            } else if self.in_flight.len() < WINDOW - WINDOW_FOR_LIVE {
                self.backlog.pop_front()?
            } else {
                return None;
            };
            if let Some(record) = self.unsent(record) {
                self.sent.entry(record.epoch).or_default().insert(record.span);
                if self.in_flight.is_empty() {
                    self.progress = now;
                }
                self.in_flight.push((record.epoch, record.span));
                return Some(record);
            }
        }
    }

    /// True if [`Session::next`] has something.
    pub(super) fn has_next(&self) -> bool {
        let live = !self.live.is_empty() && self.in_flight.len() < WINDOW;
        live || (!self.backlog.is_empty() && self.in_flight.len() < WINDOW - WINDOW_FOR_LIVE)
    }

    /// The record, if this connection has not sent it. A gap may have grown since: its first new part,
    /// and the rest goes back.
    fn unsent(&mut self, record: Record) -> Option<Record> {
        let Some(sent) = self.sent.get(&record.epoch) else { return Some(record) };
        let missing = sent.missing(record.span);
        match record.content {
            Content::Bytes(_) => (missing == [record.span]).then_some(record),
            Content::Gap(_) => {
                let (&first, rest) = missing.split_first()?;
                for &span in rest {
                    self.backlog.push_back(Record { span, ..record.clone() });
                }
                Some(Record { span: first, ..record })
            }
        }
    }

    /// The collector has these numbers durably.
    pub(super) fn acked(&mut self, epoch: Epoch, spans: &[Span], now: Instant) {
        let acked = self.acked.entry(epoch).or_default();
        for span in spans {
            acked.insert(*span);
        }
        let before = self.in_flight.len();
        self.in_flight.retain(|(e, span)| *e != epoch || !acked.covers(*span));
        if self.in_flight.len() < before {
            self.progress = now;
        }
    }

    /// The collector acks nothing any more.
    pub(super) fn is_stalled(&self, now: Instant) -> bool {
        !self.in_flight.is_empty() && now.duration_since(self.progress) >= ACK_TIMEOUT
    }

    /// Nothing is left to send or to wait for.
    pub(super) fn is_idle(&self, spool: &State) -> bool {
        self.in_flight.is_empty() && !self.has_next() && self.wants(spool).is_none()
    }
}
