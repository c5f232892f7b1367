//! The connection itself.

use std::future::pending;
use std::time::Duration;

use http::uri::PathAndQuery;
use parallax_model::Epoch;
use parallax_proto::limits::MESSAGE_FROM_COLLECTOR_BYTES_MAX;
use parallax_proto::{FromCollector, Heartbeat, Hello, PROTOCOL, SpoolState, pb};
use prost::Message;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Request, Streaming};
use tonic_prost::ProstCodec;

use super::backoff::Backoff;
use super::dial::Dialler;
use super::ending::{Ending, innermost};
use super::session::{Session, WINDOW};
use super::wire::Outgoing;
use super::{Ask, Backlog, Uplink, Wanted, assignment, now, renewal};
use crate::identity::Identity;

const SESSION: PathAndQuery = PathAndQuery::from_static("/parallax.v1.Collector/Session");

/// How often the collector hears from an agent that has nothing else to say. It takes three missed
/// intervals of looks for silence, and those are a second at the least.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);

/// A collector answers a hello within this time, or is none.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that lived so long was good: the next pause is short again.
const GOOD_AFTER: Duration = Duration::from_secs(10);

/// Messages that wait for the transport: the window, and a heartbeat or two.
const OUT_MAX: usize = WINDOW + 4;

pub(super) async fn run<O: From<Wanted>>(mut uplink: Uplink<O>, finish: CancellationToken) {
    let mut assigned = uplink.resume().await;
    let (mut backoff, mut told) = (Backoff::default(), String::new());
    let mut dialler = Dialler::default();
    while !finish.is_cancelled() {
        let begun = Instant::now();
        uplink.look_who_we_are().await;
        let (ending, welcomed) =
            connection(&mut uplink, &mut dialler, &mut assigned, &finish).await;
        if welcomed {
            told.clear();
        }
        if welcomed && begun.elapsed() >= GOOD_AFTER {
            backoff.reset();
        }
        tell(&uplink.collector, &ending, &mut told);
        let pause = match ending {
            Ending::Finished => return,
            Ending::Renewed => continue,
            Ending::Drain(pause) => pause,
            Ending::Cut(_) => backoff.after_cut(),
            Ending::Refused(_) | Ending::Stranger(_) | Ending::Impostor(_) => {
                Backoff::after_refusal()
            }
            Ending::Dismissed(why) => {
                uplink.rest(why, &mut assigned).await;
                if uplink.identity.is_some() {
                    uplink.dismissed_for
                } else {
                    Backoff::after_refusal()
                }
            }
        };
        if !uplink.stays_away(pause, &finish).await {
            return;
        }
    }
}

/// Says what happened, once, until it is something else.
fn tell(collector: &str, ending: &Ending, told: &mut String) {
    let line = match ending {
        Ending::Finished | Ending::Renewed => return,
        Ending::Drain(pause) => {
            format!(
                "the collector at {collector} goes away for {}",
                humantime::format_duration(*pause)
            )
        }
        Ending::Cut(why) => format!("no connection to the collector at {collector}: {why}"),
        Ending::Refused(why) => format!("the collector at {collector} refuses this agent: {why}"),
        Ending::Dismissed(why) => format!(
            "the collector at {collector} does not take this agent: {why}. It looks at nothing until it \
             is taken again; what it saw before is kept"
        ),
        Ending::Stranger(why) => format!("{collector} is not a Parallax collector ({why})"),
        Ending::Impostor(why) => format!(
            "{collector} is not the collector that this agent joined ({why}): nothing was said to it. \
             If its identity was made anew, join again with a new token and --force"
        ),
    };
    if *told == line {
        return;
    }
    if matches!(ending, Ending::Dismissed(_)) {
        tracing::error!("{line}");
    } else {
        tracing::warn!("{line}");
    }
    *told = line;
}

/// One connection from its beginning to its end; says whether the collector has welcomed us.
async fn connection<O: From<Wanted>>(
    uplink: &mut Uplink<O>,
    dialler: &mut Dialler,
    assigned: &mut u64,
    finish: &CancellationToken,
) -> (Ending, bool) {
    let (out, outgoing) = mpsc::channel(OUT_MAX);
    let epoch = uplink.spool.borrow().epoch;
    let opening = open(uplink, dialler, epoch, &out, outgoing);
    let (inbound, channel) = tokio::select! {
        opened = opening => match opened {
            Ok(opened) => opened,
            Err(ending) => return (ending, false),
        },
        () = finish.cancelled() => return (Ending::Finished, false),
    };
    tracing::info!(collector = uplink.collector, "connected to the collector");
    uplink.refusal.send_replace(None);
    let identity = uplink.identity.clone();
    let mut connected =
        Connected { session: Session::new(Instant::now()), uplink, assigned, out, reading: None };
    let renewed = async {
        match &identity {
            Some(identity) => renewal::in_time(identity, channel).await,
            None => pending().await,
        }
    };
    let ending = tokio::select! {
        ending = connected.serve(inbound, finish) => ending,
        renewed = renewed => {
            tracing::info!(agent = %renewed.name(), "the certificate is renewed");
            uplink.take(renewed);
            Ending::Renewed
        }
    };
    (ending, true)
}

/// Connects, says hello and waits for the welcome.
async fn open<O>(
    uplink: &Uplink<O>,
    dialler: &mut Dialler,
    epoch: Epoch,
    out: &mpsc::Sender<Outgoing>,
    outgoing: mpsc::Receiver<Outgoing>,
) -> Result<(Streaming<pb::CollectorMessage>, Channel), Ending> {
    let tls = uplink.identity.as_ref().map(Identity::tls);
    let channel = dialler.connect(&uplink.collector, tls).await.map_err(Ending::without)?;
    let hello = Hello {
        protocol_min: *PROTOCOL.start(),
        protocol_max: *PROTOCOL.end(),
        agent: uplink.agent.clone(),
        build: env!("CARGO_PKG_VERSION").into(),
        epoch,
        instance: uplink.instance,
    };
    let gone = |_| Ending::Cut("the connection ended before the hello".into());
    out.send(hello.into()).await.map_err(gone)?;
    let silent = |_| Ending::Cut("no welcome within 10 s".into());
    let welcome = async {
        let mut client = tonic::client::Grpc::new(channel.clone())
            .max_decoding_message_size(MESSAGE_FROM_COLLECTOR_BYTES_MAX);
        client.ready().await.map_err(|e| Ending::Cut(innermost(&e)))?;
        let codec = ProstCodec::<Outgoing, pb::CollectorMessage>::default();
        let request = Request::new(ReceiverStream::new(outgoing));
        let answer = client.streaming(request, SESSION, codec).await;
        let mut inbound = answer.map_err(|status| Ending::of(&status, false))?.into_inner();
        let first = inbound.message().await.map_err(|status| Ending::of(&status, false))?;
        match first.map(FromCollector::try_from) {
            Some(Ok(FromCollector::Welcome(w))) if PROTOCOL.contains(&w.protocol) => {
                Ok((inbound, channel))
            }
            Some(Ok(FromCollector::Welcome(w))) => {
                Err(Ending::Refused(format!("it speaks protocol {}, we {PROTOCOL:?}", w.protocol)))
            }
            Some(_) => Err(Ending::Stranger("its first word is no welcome".into())),
            None => Err(Ending::Cut("it closed without a word".into())),
        }
    };
    timeout(WELCOME_TIMEOUT, welcome).await.map_err(silent)?
}

/// A connection on which the welcome has been said.
struct Connected<'a, O> {
    session: Session,
    uplink: &'a mut Uplink<O>,
    assigned: &'a mut u64,
    out: mpsc::Sender<Outgoing>,
    reading: Option<oneshot::Receiver<Backlog>>,
}

impl<O: From<Wanted>> Connected<'_, O> {
    async fn serve(
        &mut self,
        mut inbound: Streaming<pb::CollectorMessage>,
        finish: &CancellationToken,
    ) -> Ending {
        let mut beat = interval(HEARTBEAT_EVERY);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut finishing = finish.is_cancelled();
        let out = self.out.clone();
        loop {
            self.read_on().await;
            if finishing && self.reading.is_none() && self.is_done() {
                return Ending::Finished;
            }
            tokio::select! {
                message = inbound.message() => match message {
                    Ok(Some(message)) => if let Some(ending) = self.hear(message).await {
                        return ending;
                    },
                    Ok(None) => return Ending::Cut("the collector ended the session".into()),
                    Err(status) => return Ending::of(&status, true),
                },
                Some(new) = self.uplink.live.recv() => self.session.offer(new),
                Ok(room) = out.reserve(), if self.session.has_next() => {
                    if let Some(record) = self.session.next(Instant::now()) {
                        room.send(record.into());
                    }
                }
                read = arrival(&mut self.reading) => if let Some(backlog) = read {
                    self.session.filled(backlog);
                },
                Ok(()) = self.uplink.spool.changed() => {}
                _ = beat.tick() => if let Some(ending) = self.beat() {
                    return ending;
                },
                () = finish.cancelled(), if !finishing => finishing = true,
            }
        }
    }

    fn is_done(&self) -> bool {
        self.uplink.live.is_empty() && self.session.is_idle(&self.uplink.spool.borrow().state)
    }

    /// Asks for more of the spool, if there is more.
    async fn read_on(&mut self) {
        let wants = self.session.wants(&self.uplink.spool.borrow().state);
        if let (None, Some(cursor)) = (&self.reading, wants) {
            let (reply, arrival) = oneshot::channel();
            if self.uplink.keeper.send(Ask::Read(cursor, reply)).await.is_ok() {
                self.reading = Some(arrival);
            }
        }
    }

    fn beat(&self) -> Option<Ending> {
        if self.session.is_stalled(Instant::now()) {
            return Some(Ending::Cut("it acknowledges nothing".into()));
        }
        let state = self.uplink.spool.borrow().state;
        let condition = self.uplink.condition.borrow().clone();
        let heartbeat = Heartbeat {
            sent: now(),
            assignment: *self.assigned,
            spool: SpoolState {
                records: state.records,
                bytes: state.bytes,
                lost: state.lost,
                degraded: state.degraded,
            },
            missed_slots: condition.missed_slots,
            fitness: condition.fitness,
        };
        // a full queue says as much as a heartbeat would
        self.out.try_send(heartbeat.into()).ok();
        None
    }

    async fn hear(&mut self, message: pb::CollectorMessage) -> Option<Ending> {
        if let Some(pb::collector_message::Body::Assignment(wire)) = &message.body {
            // its bytes rather than a copy: ten thousand targets are large
            let bytes = wire.encode_to_vec();
            self.assign(message, bytes).await;
            return None;
        }
        match FromCollector::try_from(message) {
            Ok(FromCollector::Ack { epoch, spans }) => {
                self.session.acked(epoch, &spans, Instant::now());
                self.uplink.keeper.send(Ask::Ack(epoch, spans)).await.ok();
            }
            Ok(FromCollector::ProbeNow(names)) => {
                self.uplink.orders.send(Wanted::Look(names).into()).await.ok();
            }
            Ok(FromCollector::Drain { pause }) => return Some(Ending::Drain(pause)),
            Ok(FromCollector::Welcome(_) | FromCollector::Assignment(_)) => {}
            Err(error) => tracing::warn!(%error, "the collector says what this agent cannot read"),
        }
        None
    }

    async fn assign(&mut self, message: pb::CollectorMessage, bytes: Vec<u8>) {
        let assignment = match FromCollector::try_from(message) {
            Ok(FromCollector::Assignment(assignment)) => assignment,
            Ok(_) => return,
            Err(error) => {
                tracing::error!(%error, "cannot take the assignment; go on with the last one");
                return;
            }
        };
        *self.assigned = assignment.version;
        self.uplink.orders.send(Wanted::Assign(assignment.targets).into()).await.ok();
        let file = self.uplink.assignment_file.clone();
        let saved = tokio::task::spawn_blocking(move || assignment::save(&file, &bytes)).await;
        if let Ok(Err(error)) = saved {
            tracing::warn!(%error, "cannot keep the assignment; a restart will wait for the collector");
        }
    }
}

impl<O: From<Wanted>> Uplink<O> {
    /// Takes up the last assignment; says its version, 0 if there is none.
    async fn resume(&self) -> u64 {
        let file = self.assignment_file.clone();
        let kept = tokio::task::spawn_blocking(move || assignment::load(&file)).await;
        let Ok(Some(kept)) = kept else { return 0 };
        tracing::info!(targets = kept.targets.len(), "go on with the last assignment");
        self.orders.send(Wanted::Assign(kept.targets).into()).await.ok();
        kept.version
    }
}

/// What was asked for. Waits for ever if nothing was; none if it will not come.
async fn arrival(reading: &mut Option<oneshot::Receiver<Backlog>>) -> Option<Backlog> {
    let Some(waiting) = reading else { return pending().await };
    let arrived = waiting.await.ok();
    *reading = None;
    arrived
}
