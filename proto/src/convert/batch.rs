//! Batches of results.

use std::sync::Arc;
use std::time::Duration;

use parallax_model::result::{DETAIL_BYTES_MAX, LATENCY_MAX, detail};
use parallax_model::{
    Batch, Body, Clues, Epoch, Gap, GapReason, ProbeResult, Seq, Span, Stages, TargetName,
    Timestamp,
};
use prost::Message;

use super::{InvalidMessage, bounded, clues, kind, named, seen};
use crate::limits::{BATCH_BYTES_MAX, BATCH_CLUES_BYTES_MAX, BATCH_RESULTS_MAX};
use crate::pb;

/// The bytes of a batch, as they travel, are spooled and journalled.
pub fn encode_batch(batch: &Batch) -> Vec<u8> {
    pb::Batch::from(batch).encode_to_vec()
}

/// A batch from its bytes.
pub fn decode_batch(bytes: &[u8]) -> Result<Batch, InvalidMessage> {
    if bytes.len() > BATCH_BYTES_MAX {
        let why = format!("{} bytes, at most {BATCH_BYTES_MAX} are allowed", bytes.len());
        return Err(InvalidMessage::new("batch", why));
    }
    pb::Batch::decode(bytes).map_err(|e| InvalidMessage::new("batch", e.to_string()))?.try_into()
}

impl From<&Batch> for pb::Batch {
    fn from(batch: &Batch) -> Self {
        let mut wire =
            Self { epoch: batch.epoch.0, first_seq: batch.span.first(), ..Self::default() };
        match &batch.body {
            Body::Gap(gap) => wire.gap = Some(gap_to_wire(batch.span, *gap)),
            Body::Results(results) => {
                wire.base_us = results.first().map_or(0, |r| r.started.micros());
                wire.results.reserve_exact(results.len());
                let mut told = Told::default();
                for result in results {
                    let clues = result.clues.as_ref().map_or(0, |clues| told.place(clues));
                    let result = pb::Result { clues, ..result_to_wire(&mut wire, result) };
                    wire.results.push(result);
                }
                wire.clues = told.wire;
            }
        }
        wire
    }
}

fn gap_to_wire(span: Span, gap: Gap) -> pb::Gap {
    let reason = match gap.reason {
        GapReason::SpoolFull => pb::GapReason::SpoolFull,
        GapReason::Corrupt => pb::GapReason::Corrupt,
        GapReason::DiskError => pb::GapReason::DiskError,
    };
    pb::Gap { last_seq: span.last(), reason: reason as i32 }
}

/// The place of `text` in `table`, put there if new. Searched from the back: results of one target
/// tend to follow one another, and a batch has few targets.
fn place(table: &mut Vec<String>, text: &str) -> u32 {
    let at = table.iter().rposition(|t| t == text).unwrap_or_else(|| {
        table.push(text.to_owned());
        table.len() - 1
    });
    at as u32
}

/// The clues of a batch, each told once.
#[derive(Default)]
struct Told<'a> {
    clues: Vec<&'a Arc<Clues>>,
    wire: Vec<pb::Clues>,
    bytes: usize,
}

impl<'a> Told<'a> {
    /// The place of `clues` among those told already, plus one; 0 when there is no room for more.
    fn place(&mut self, clues: &'a Arc<Clues>) -> u32 {
        let same = |told: &&Arc<Clues>| Arc::ptr_eq(told, clues) || *told == clues;
        if let Some(at) = self.clues.iter().rposition(same) {
            return at as u32 + 1;
        }
        let wire = clues::to_wire(clues);
        let bytes = self.bytes + wire.encoded_len();
        if bytes > BATCH_CLUES_BYTES_MAX {
            return 0;
        }
        self.bytes = bytes;
        self.clues.push(clues);
        self.wire.push(wire);
        self.clues.len() as u32
    }
}

fn result_to_wire(batch: &mut pb::Batch, result: &ProbeResult) -> pb::Result {
    let target = place(&mut batch.targets, result.target.as_str());
    let peer = result.peer.as_ref().map_or(0, |peer| place(&mut batch.peers, peer) + 1);
    let Stages { resolve, connect, tls, first_byte, transfer } = result.stages;
    pb::Result {
        target,
        started_us: result.started.micros().wrapping_sub(batch.base_us),
        latency_us: micros(result.latency).into(),
        error: kind::to_wire(result.outcome) as i32,
        resolve_us: resolve.map(micros),
        connect_us: connect.map(micros),
        tls_us: tls.map(micros),
        first_byte_us: first_byte.map(micros),
        transfer_us: transfer.map(micros),
        status: result.status.map(u32::from),
        peer,
        detail: result.detail.as_deref().map(detail).unwrap_or_default(),
        asked: result.asked,
        seen: result.seen.as_deref().map(seen::to_wire),
        clues: 0,
    }
}

/// Whole microseconds; no look takes longer than [`LATENCY_MAX`].
pub(super) fn micros(d: Duration) -> u32 {
    d.min(LATENCY_MAX).as_micros() as u32
}

impl TryFrom<pb::Batch> for Batch {
    type Error = InvalidMessage;

    fn try_from(wire: pb::Batch) -> Result<Self, InvalidMessage> {
        let epoch = Epoch(wire.epoch);
        if let Some(gap) = wire.gap {
            if !wire.results.is_empty() {
                return Err(InvalidMessage::new("batch.gap", "a gap has no results"));
            }
            let span = Span::new(wire.first_seq, gap.last_seq).ok_or_else(|| {
                InvalidMessage::new("batch.gap.last_seq", "lies before first_seq")
            })?;
            return Ok(Self { epoch, span, body: Body::Gap(gap_from_wire(&gap)) });
        }
        bounded("batch.results", wire.results.len(), BATCH_RESULTS_MAX)?;
        bounded("batch.targets", wire.targets.len(), wire.results.len())?;
        bounded("batch.peers", wire.peers.len(), wire.results.len())?;
        let targets = targets_from_wire(&wire.targets)?;
        bounded("batch.clues", wire.clues.len(), wire.results.len())?;
        let clues: Vec<_> = wire.clues.iter().map(|c| Arc::new(clues::from_wire(c))).collect();
        let known = Known { base_us: wire.base_us, targets, peers: &wire.peers, clues };
        let results = wire
            .results
            .iter()
            .enumerate()
            .map(|(at, r)| result_from_wire(at, r, &known))
            .collect::<Result<Vec<_>, _>>()?;
        if results.is_empty() {
            return Err(InvalidMessage::new("batch.results", "neither results nor a gap"));
        }
        Self::of_results(epoch, Seq(wire.first_seq), results).ok_or_else(|| {
            InvalidMessage::new("batch.first_seq", "must be at least 1 and not overflow")
        })
    }
}

fn gap_from_wire(gap: &pb::Gap) -> Gap {
    let reason = match gap.reason() {
        pb::GapReason::SpoolFull => GapReason::SpoolFull,
        // a reason of a newer agent: the numbers are lost all the same
        pb::GapReason::Corrupt | pb::GapReason::Unknown => GapReason::Corrupt,
        pb::GapReason::DiskError => GapReason::DiskError,
    };
    Gap { reason }
}

fn targets_from_wire(names: &[String]) -> Result<Vec<TargetName>, InvalidMessage> {
    names
        .iter()
        .enumerate()
        .map(|(at, name)| named(|| format!("batch.targets[{at}]"), name))
        .collect()
}

/// What results of a batch refer to.
struct Known<'a> {
    base_us: i64,
    targets: Vec<TargetName>,
    peers: &'a [String],
    clues: Vec<Arc<Clues>>,
}

fn result_from_wire(
    at: usize,
    wire: &pb::Result,
    known: &Known<'_>,
) -> Result<ProbeResult, InvalidMessage> {
    let invalid =
        |field: &str, why: &str| InvalidMessage::new(format!("batch.results[{at}].{field}"), why);
    let target = known
        .targets
        .get(wire.target as usize)
        .ok_or_else(|| invalid("target", "no such entry in batch.targets"))?;
    let peer = match wire.peer.checked_sub(1) {
        None => None,
        Some(index) => Some(
            known
                .peers
                .get(index as usize)
                .ok_or_else(|| invalid("peer", "no such entry in batch.peers"))?,
        ),
    };
    let clues = match wire.clues.checked_sub(1) {
        None => None,
        Some(index) => Some(Arc::clone(
            known
                .clues
                .get(index as usize)
                .ok_or_else(|| invalid("clues", "no such entry in batch.clues"))?,
        )),
    };
    let latency = Duration::from_micros(wire.latency_us);
    if latency > LATENCY_MAX {
        return Err(invalid("latency_us", "more than an hour"));
    }
    if wire.detail.len() > DETAIL_BYTES_MAX {
        return Err(invalid("detail", "longer than 256 bytes"));
    }
    let status =
        wire.status.map(u16::try_from).transpose().map_err(|_| invalid("status", "over 65535"))?;
    Ok(ProbeResult {
        target: target.clone(),
        started: Timestamp::from_micros(known.base_us.saturating_add(wire.started_us)),
        latency,
        outcome: kind::from_wire(wire.error),
        stages: stages_from_wire(wire).ok_or_else(|| invalid("stages", "more than an hour"))?,
        status,
        peer: peer.map(|p| detail(p)),
        clues,
        detail: (!wire.detail.is_empty()).then(|| detail(&wire.detail)),
        seen: wire.seen.as_ref().map(|seen| Box::new(seen::from_wire(seen))),
        asked: wire.asked,
    })
}

fn stages_from_wire(wire: &pb::Result) -> Option<Stages> {
    let time = |us: Option<u32>| us.map(|us| Duration::from_micros(us.into()));
    let stages = Stages {
        resolve: time(wire.resolve_us),
        connect: time(wire.connect_us),
        tls: time(wire.tls_us),
        first_byte: time(wire.first_byte_us),
        transfer: time(wire.transfer_us),
    };
    stages.iter().all(|(_, t)| t <= LATENCY_MAX).then_some(stages)
}
