//! One agent's stream.

use std::collections::BTreeMap;
use std::future::pending;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use futures_util::{FutureExt, future::BoxFuture};
use parallax_model::{AgentName, Batch, Epoch, IntervalSet, Span, Timestamp};
use parallax_proto::{FromAgent, FromCollector, Hello, PROTOCOL, Welcome, pb};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tonic::{Status, Streaming};

use super::door::{Caller, Way};
use super::{HELLO_WITHIN, Ingest, WINDOW, joining};
use crate::fleet::{Guest, NoSeat, Order, Seat};
use crate::identity::{Member, Refusal};
use crate::store::{Arrival, Kept};

/// Results that began later than this after we had them come from a clock that is wrong. They are
/// kept, since what was seen was seen; the engine learns each agent's offset.
const FUTURE_MAX: Duration = Duration::from_mins(5);

/// How long a message may wait for an agent to read those before it.
const SEND_WITHIN: Duration = Duration::from_secs(10);

/// How long agents stay away after a drain: as long as a restart takes.
const DRAIN_PAUSE: Duration = Duration::from_secs(1);

/// How long a drained stream may take to end: commits under way get their acks.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);

pub(super) struct Session {
    ingest: Ingest,
    caller: Caller,
    /// Whose certificate was shown, once it was judged.
    member: Option<Member>,
    inbound: Streaming<pb::AgentMessage>,
    outbound: mpsc::Sender<Result<pb::CollectorMessage, Status>>,
    under_way: FuturesUnordered<BoxFuture<'static, Committed>>,
}

/// What became of one batch; nothing if the writer is gone.
struct Committed {
    epoch: Epoch,
    span: Span,
    kept: Option<Kept>,
}

/// Why a session goes on or ends.
enum Next {
    Message(Result<Option<pb::AgentMessage>, Status>),
    Order(Order),
    Committed(Option<Committed>),
    Drain,
    Overdue,
    Expired,
}

impl Session {
    pub(super) fn new(
        ingest: Ingest,
        caller: Caller,
        inbound: Streaming<pb::AgentMessage>,
        outbound: mpsc::Sender<Result<pb::CollectorMessage, Status>>,
    ) -> Self {
        let under_way = FuturesUnordered::new();
        Self { ingest, caller, member: None, inbound, outbound, under_way }
    }

    /// From hello to the end; an error is the status that the agent hears.
    pub(super) async fn run(mut self) -> Result<(), Status> {
        let (counters, from) = (self.ingest.counters(), self.caller.address);
        let (seat, welcome) = match self.greet().await {
            Ok(greeted) => greeted,
            Err(status) => {
                counters.refused.add(1);
                tracing::warn!(%from, why = status.message(), "a stream was refused");
                return Err(status);
            }
        };
        counters.streams.add(1);
        self.caller.make_known();
        let agent = seat.agent().clone();
        tracing::info!(%agent, %from, "agent connected");
        let ended = self.converse(&agent, seat, welcome).await;
        if let Err(status) = &ended {
            tracing::info!(%agent, %from, code = ?status.code(), why = status.message(), "agent disconnected");
        }
        ended
    }

    /// Waits for the hello and answers who may speak.
    async fn greet(&mut self) -> Result<(Seat, Welcome), Status> {
        let late = || Status::deadline_exceeded("no hello within 5 s");
        let first = timeout(HELLO_WITHIN, self.inbound.message()).await.map_err(|_| late())??;
        let first =
            first.ok_or_else(|| Status::invalid_argument("the stream ended before a hello"))?;
        let FromAgent::Hello(hello) = self.read(first)? else {
            return Err(Status::invalid_argument("the first message must be a hello"));
        };
        let protocol = negotiate(&hello)?;
        let now = (self.ingest.needs.now)();
        let recognised = recognise(&self.ingest, &self.caller, &hello, now).await;
        self.member = recognised.map_err(|why| joining::status(&why))?;
        let guest = Guest { address: self.caller.address, proven: self.member.is_some() };
        let seat =
            self.ingest.needs.fleet.enter(&hello, guest, now).map_err(|none| match none {
                NoSeat::Unknown(_) => Status::unauthenticated(none.to_string()),
                NoSeat::Taken { .. } => Status::already_exists(none.to_string()),
            })?;
        Ok((seat, Welcome { protocol, build: env!("CARGO_PKG_VERSION").to_owned() }))
    }

    /// How long the certificate holds from `now`; for ever in the clear.
    fn expiry(&self, now: Timestamp) -> Option<Instant> {
        let member = self.member.as_ref()?;
        Some(Instant::now() + member.until.since(now).max(Duration::ZERO))
    }

    async fn converse(
        &mut self,
        agent: &AgentName,
        mut seat: Seat,
        welcome: Welcome,
    ) -> Result<(), Status> {
        self.send(&FromCollector::Welcome(welcome)).await?;
        let assignment = seat.assignment();
        self.send(&FromCollector::Assignment((*assignment).clone())).await?;
        let mut reading = true;
        let mut overdue: Option<Instant> = None;
        let expiry = self.expiry((self.ingest.needs.now)());
        while reading || !self.under_way.is_empty() {
            match self.next(&mut seat, reading, overdue, expiry).await {
                Next::Message(message) => match message? {
                    Some(message) => self.hear(agent, &seat, message).await?,
                    // the agent has said all; what is under way still gets its acks
                    None => reading = false,
                },
                Next::Order(order) => self.obey(order).await?,
                Next::Committed(committed) => self.ack(committed).await?,
                Next::Drain => {
                    self.send(&FromCollector::Drain { pause: DRAIN_PAUSE }).await?;
                    reading = false;
                    overdue = Some(Instant::now() + DRAIN_WITHIN);
                }
                Next::Overdue => break,
                Next::Expired => {
                    let over = self.member.as_ref().map_or(Refusal::NoCertificate, Member::over);
                    return Err(joining::status(&over));
                }
            }
        }
        Ok(())
    }

    async fn next(
        &mut self,
        seat: &mut Seat,
        reading: bool,
        overdue: Option<Instant>,
        expiry: Option<Instant>,
    ) -> Next {
        let room = reading && self.under_way.len() < WINDOW;
        let reached = async |at: Option<Instant>| match at {
            Some(at) => sleep_until(at).await,
            None => pending().await,
        };
        tokio::select! {
            biased;
            committed = self.under_way.next(), if !self.under_way.is_empty() => {
                Next::Committed(committed)
            }
            () = self.ingest.stop.cancelled(), if overdue.is_none() => Next::Drain,
            () = reached(overdue) => Next::Overdue,
            () = reached(expiry) => Next::Expired,
            order = seat.order(), if overdue.is_none() => Next::Order(order),
            message = self.inbound.message(), if room => Next::Message(message),
        }
    }

    async fn hear(
        &mut self,
        agent: &AgentName,
        seat: &Seat,
        message: pb::AgentMessage,
    ) -> Result<(), Status> {
        let now = (self.ingest.needs.now)();
        match self.read(message)? {
            FromAgent::Hello(_) => Err(Status::invalid_argument("a second hello")),
            FromAgent::Heartbeat(beat) => {
                seat.beat(&beat, now);
                Ok(())
            }
            FromAgent::Batch(batch) => {
                seat.heard(now);
                self.take(agent, batch, now).await
            }
        }
    }

    /// Hands a batch to the writer; waits while too much waits there, but not for an agent that left:
    /// it comes back on a new stream and sends the batch again, and streams that all wait would pile up.
    async fn take(
        &mut self,
        agent: &AgentName,
        batch: Batch,
        received: Timestamp,
    ) -> Result<(), Status> {
        let counters = &self.ingest.counters;
        counters.batches.add(1);
        let limit = received + FUTURE_MAX;
        let future = batch.results().iter().filter(|r| r.started > limit).count() as u64;
        if future > 0 {
            counters.from_the_future.add(future);
            tracing::debug!(%agent, results = future, "results from the future: a clock is wrong");
        }
        let (epoch, span) = (batch.epoch, batch.span);
        let arrival = Arrival { agent: agent.clone(), received, batch };
        let closing = |_| Status::unavailable("the collector stops; come back later");
        let kept = tokio::select! {
            kept = self.ingest.needs.writer.append(arrival) => kept.map_err(closing)?,
            () = self.outbound.closed() => return Err(Status::cancelled("the agent is gone")),
        };
        self.under_way
            .push(kept.map(move |kept| Committed { epoch, span, kept: kept.ok() }).boxed());
        Ok(())
    }

    /// Acks what is committed: this, and whatever else is by now.
    async fn ack(&mut self, first: Option<Committed>) -> Result<(), Status> {
        let mut epochs: BTreeMap<Epoch, IntervalSet> = BTreeMap::new();
        let mut next = first;
        while let Some(committed) = next {
            let closed = || Status::unavailable("the collector stops; come back later");
            let kept = committed.kept.ok_or_else(closed)?;
            if kept.refused {
                self.ingest.counters.batches_refused.add(1);
                return Err(Status::resource_exhausted(
                    "this epoch has too many holes, or a batch is too large: nothing of it is stored",
                ));
            }
            epochs.entry(committed.epoch).or_default().insert(committed.span);
            next = self.under_way.next().now_or_never().flatten();
        }
        for (epoch, acked) in epochs {
            self.ingest.counters.acked.add(acked.count());
            let spans = acked.spans().to_vec();
            self.send(&FromCollector::Ack { epoch, spans }).await?;
        }
        Ok(())
    }

    async fn obey(&mut self, order: Order) -> Result<(), Status> {
        match order {
            Order::Assign(assignment) => {
                self.send(&FromCollector::Assignment((*assignment).clone())).await
            }
            Order::ProbeNow(targets) => self.send(&FromCollector::ProbeNow(targets)).await,
            Order::Leave => Err(Status::aborted(
                "another stream of this agent took over, or it was revoked or removed",
            )),
        }
    }

    fn read(&self, message: pb::AgentMessage) -> Result<FromAgent, Status> {
        FromAgent::try_from(message).map_err(|why| {
            self.ingest.counters.invalid.add(1);
            Status::invalid_argument(why.to_string())
        })
    }

    async fn send(&mut self, message: &FromCollector) -> Result<(), Status> {
        let gone = |_| Status::cancelled("the agent is gone");
        let sent = timeout(SEND_WITHIN, self.outbound.send(Ok(message.into()))).await;
        sent.map_err(|_| Status::unavailable("the agent does not read"))?.map_err(gone)
    }
}

/// Believes who it says it is: by its certificate, or in the clear if it may.
async fn recognise(
    ingest: &Ingest,
    caller: &Caller,
    hello: &Hello,
    now: Timestamp,
) -> Result<Option<Member>, Refusal> {
    let identity = &ingest.needs.identity;
    if matches!(caller.way, Way::Clear) {
        return match identity.has_joined(&hello.agent) {
            _ if ingest.needs.tls_only => Err(Refusal::TlsOnly),
            true => Err(Refusal::InTheClear(hello.agent.clone())),
            false => Ok(None),
        };
    }
    let shown = joining::shown(caller)?;
    let member = joining::on_disk(identity, move |i| i.judge(&shown, now)).await?;
    if member.name == hello.agent {
        return Ok(Some(member));
    }
    Err(Refusal::OtherName { named: member.name, said: hello.agent.clone() })
}

/// The newest version both sides speak.
fn negotiate(hello: &Hello) -> Result<u32, Status> {
    let newest = hello.protocol_max.min(*PROTOCOL.end());
    if newest < hello.protocol_min.max(*PROTOCOL.start()) {
        return Err(Status::failed_precondition(format!(
            "the agent speaks protocol {} to {}, this collector {} to {}: update the older one",
            hello.protocol_min,
            hello.protocol_max,
            PROTOCOL.start(),
            PROTOCOL.end()
        )));
    }
    Ok(newest)
}
