//! What the two ends say to one another.

use std::time::Duration;

use parallax_model::{Batch, Epoch, Span, Target, Timestamp};

use super::fitness::{fitness_from_wire, fitness_to_wire};
use super::{InvalidMessage, bounded, named};
use crate::limits::{ACK_SPANS_MAX, ASSIGNMENT_TARGETS_MAX, PROBE_NOW_TARGETS_MAX};
use crate::message::{Assignment, FromAgent, FromCollector, Heartbeat, Hello, SpoolState, Welcome};
use crate::pb;
use pb::agent_message::Body as AgentBody;
use pb::collector_message::Body as CollectorBody;

/// Longest build string taken, in bytes.
const BUILD_BYTES_MAX: usize = 128;

/// Longest pause a drain may ask for.
const DRAIN_PAUSE_MAX: Duration = Duration::from_mins(5);

impl From<&FromAgent> for pb::AgentMessage {
    fn from(message: &FromAgent) -> Self {
        let body = match message {
            FromAgent::Hello(hello) => AgentBody::Hello(pb::Hello {
                protocol_min: hello.protocol_min,
                protocol_max: hello.protocol_max,
                agent: hello.agent.as_str().to_owned(),
                build: hello.build.clone(),
                epoch: hello.epoch.0,
                instance: hello.instance,
            }),
            FromAgent::Batch(batch) => AgentBody::Batch(batch.into()),
            FromAgent::Heartbeat(beat) => AgentBody::Heartbeat(pb::Heartbeat {
                sent_us: beat.sent.micros(),
                assignment: beat.assignment,
                spool: Some(pb::SpoolState {
                    records: beat.spool.records,
                    bytes: beat.spool.bytes,
                    lost: beat.spool.lost,
                    degraded: beat.spool.degraded,
                }),
                missed_slots: beat.missed_slots,
                fitness: beat.fitness.as_ref().map(fitness_to_wire),
            }),
        };
        Self { body: Some(body) }
    }
}

impl TryFrom<pb::AgentMessage> for FromAgent {
    type Error = InvalidMessage;

    fn try_from(wire: pb::AgentMessage) -> Result<Self, InvalidMessage> {
        let body = wire.body.ok_or_else(|| {
            InvalidMessage::new("agent_message.body", "empty or of a newer version")
        })?;
        Ok(match body {
            AgentBody::Hello(hello) => Self::Hello(hello_from_wire(hello)?),
            AgentBody::Batch(batch) => Self::Batch(Batch::try_from(batch)?),
            AgentBody::Heartbeat(beat) => Self::Heartbeat(beat_from_wire(&beat)?),
        })
    }
}

fn hello_from_wire(hello: pb::Hello) -> Result<Hello, InvalidMessage> {
    bounded("hello.build", hello.build.len(), BUILD_BYTES_MAX)?;
    if hello.protocol_min > hello.protocol_max {
        return Err(InvalidMessage::new("hello.protocol_min", "is more than protocol_max"));
    }
    Ok(Hello {
        protocol_min: hello.protocol_min,
        protocol_max: hello.protocol_max,
        agent: named(|| "hello.agent".into(), &hello.agent)?,
        build: hello.build,
        epoch: Epoch(hello.epoch),
        instance: hello.instance,
    })
}

fn beat_from_wire(beat: &pb::Heartbeat) -> Result<Heartbeat, InvalidMessage> {
    let spool = beat.spool.unwrap_or_default();
    Ok(Heartbeat {
        sent: Timestamp::from_micros(beat.sent_us),
        assignment: beat.assignment,
        spool: SpoolState {
            records: spool.records,
            bytes: spool.bytes,
            lost: spool.lost,
            degraded: spool.degraded,
        },
        missed_slots: beat.missed_slots,
        fitness: beat.fitness.as_ref().map(fitness_from_wire).transpose()?,
    })
}

impl From<&FromCollector> for pb::CollectorMessage {
    fn from(message: &FromCollector) -> Self {
        let body = match message {
            FromCollector::Welcome(w) => {
                CollectorBody::Welcome(pb::Welcome { protocol: w.protocol, build: w.build.clone() })
            }
            FromCollector::Ack { epoch, spans } => CollectorBody::Ack(pb::Ack {
                epoch: epoch.0,
                spans: spans
                    .iter()
                    .map(|s| pb::Span { first: s.first(), last: s.last() })
                    .collect(),
            }),
            FromCollector::Assignment(a) => CollectorBody::Assignment(pb::Assignment {
                version: a.version,
                targets: a.targets.iter().map(Into::into).collect(),
            }),
            FromCollector::ProbeNow(targets) => CollectorBody::ProbeNow(pb::ProbeNow {
                targets: targets.iter().map(|t| t.as_str().to_owned()).collect(),
            }),
            FromCollector::Drain { pause } => {
                CollectorBody::Drain(pb::Drain { pause_us: pause.as_micros() as u64 })
            }
        };
        Self { body: Some(body) }
    }
}

impl TryFrom<pb::CollectorMessage> for FromCollector {
    type Error = InvalidMessage;

    fn try_from(wire: pb::CollectorMessage) -> Result<Self, InvalidMessage> {
        let body = wire.body.ok_or_else(|| {
            InvalidMessage::new("collector_message.body", "empty or of a newer version")
        })?;
        Ok(match body {
            CollectorBody::Welcome(w) => {
                bounded("welcome.build", w.build.len(), BUILD_BYTES_MAX)?;
                Self::Welcome(Welcome { protocol: w.protocol, build: w.build })
            }
            CollectorBody::Ack(ack) => {
                Self::Ack { epoch: Epoch(ack.epoch), spans: spans_from_wire(&ack.spans)? }
            }
            CollectorBody::Assignment(a) => Self::Assignment(assignment_from_wire(a)?),
            CollectorBody::ProbeNow(ask) => {
                bounded("probe_now.targets", ask.targets.len(), PROBE_NOW_TARGETS_MAX)?;
                let name = |(at, name): (usize, &String)| {
                    named(|| format!("probe_now.targets[{at}]"), name)
                };
                Self::ProbeNow(ask.targets.iter().enumerate().map(name).collect::<Result<_, _>>()?)
            }
            CollectorBody::Drain(drain) => {
                Self::Drain { pause: Duration::from_micros(drain.pause_us).min(DRAIN_PAUSE_MAX) }
            }
        })
    }
}

fn spans_from_wire(spans: &[pb::Span]) -> Result<Vec<Span>, InvalidMessage> {
    bounded("ack.spans", spans.len(), ACK_SPANS_MAX)?;
    let span = |(at, s): (usize, &pb::Span)| {
        let why = "must be 1 <= first <= last";
        Span::new(s.first, s.last)
            .ok_or_else(|| InvalidMessage::new(format!("ack.spans[{at}]"), why))
    };
    spans.iter().enumerate().map(span).collect()
}

fn assignment_from_wire(wire: pb::Assignment) -> Result<Assignment, InvalidMessage> {
    bounded("assignment.targets", wire.targets.len(), ASSIGNMENT_TARGETS_MAX)?;
    let target = |(at, t): (usize, pb::Target)| {
        Target::try_from(t).map_err(|e| {
            InvalidMessage::new(format!("assignment.targets[{at}].{}", e.field), e.why)
        })
    };
    let targets = wire.targets.into_iter().enumerate().map(target).collect::<Result<_, _>>()?;
    Ok(Assignment { version: wire.version, targets })
}
