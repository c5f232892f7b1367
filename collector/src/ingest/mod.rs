//! Hears agents: one stream each, acks after the durable commit.
//!
//! Contract: one port for both tongues: TLS 1.3 for agents that joined, the clear for those that the
//! configuration names and that call from this machine. Hello first, within [`HELLO_WITHIN`]; a batch is
//! acked when the store has it and not before, coalesced; at most [`WINDOW`] batches of a stream are under
//! way, then the stream is not read and HTTP/2 holds the agent back. Whoever is refused hears why.
//! Never: a decision about targets, a buffer without a bound, a generated type outside this room.

mod counters;
mod door;
mod failures;
mod joining;
mod session;

use std::sync::Arc;
use std::time::Duration;

use parallax_model::Timestamp;
use parallax_proto::limits::MESSAGE_FROM_AGENT_BYTES_MAX;
use parallax_proto::pb;
use parallax_proto::pb::collector_server::{Collector, CollectorServer};
use parallax_proto::pb::joining_server::JoiningServer;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use crate::fleet::Fleet;
use crate::identity::{Identity, IdentityError, Roll};
use crate::store::writer::Writer;

pub use counters::Counters;
use door::{Caller, Door, LINES_WAITING_MAX};
use joining::Gate;
use session::Session;

/// How long a new stream may take to say hello.
pub const HELLO_WITHIN: Duration = Duration::from_secs(5);

/// Batches of one stream between arrival and commit. At 1,000 results a batch one stream could keep
/// 8,000 results waiting; more only moves the queue from the agent's disk to our memory.
pub const WINDOW: usize = 8;

/// Streams at once. Each costs a task and two small queues.
const STREAMS_MAX: usize = 10_000;

/// Messages that wait to be sent to one agent.
const SENDING_MAX: usize = 16;

/// Streams on one connection; an agent needs one.
const STREAMS_PER_CONNECTION: u32 = 8;

/// Bytes of one stream, and of one connection, that may be on their way: a few batches.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// How often a silent connection is asked for life, and how long it may take to answer: a half-open
/// one is noticed within 20 s.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// How long a call may take to begin its answer: joining, not streams.
const CALL_WITHIN: Duration = Duration::from_secs(15);

/// How long connections may take to end once it is over; drained streams need five seconds at most.
const END_WITHIN: Duration = Duration::from_secs(6);

/// Longest header list; agents send a few hundred bytes.
const HEADERS_BYTES_MAX: u32 = 8 * 1024;

/// Largest request to join: a token, a certificate request of 8 KiB at most, some words.
const JOINING_BYTES_MAX: usize = 16 * 1024;

/// What hearing agents needs of the rest.
#[derive(Debug, Clone)]
pub struct Needs {
    /// Who may speak.
    pub fleet: Arc<Fleet>,
    /// Where results go.
    pub writer: Writer,
    /// Who joined.
    pub identity: Arc<Identity>,
    /// Hears of those who join.
    pub roll: Arc<dyn Roll>,
    /// True if nobody may speak in the clear, not even from this machine.
    pub tls_only: bool,
    /// Reads the clock.
    pub now: fn() -> Timestamp,
}

/// What the sessions share.
#[derive(Debug, Clone)]
pub struct Ingest {
    needs: Needs,
    counters: Arc<Counters>,
    streams: Arc<Semaphore>,
    sessions: TaskTracker,
    stop: CancellationToken,
}

impl Ingest {
    /// `stop` ends every session in order.
    pub fn new(needs: Needs, stop: CancellationToken) -> Self {
        Self {
            needs,
            counters: Arc::default(),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            sessions: TaskTracker::new(),
            stop,
        }
    }

    /// What was counted since the start.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Hears agents on `listeners` until told to stop and every session has ended.
    pub async fn serve(self, listeners: Vec<TcpListener>) -> Result<(), ServeError> {
        let (stop, sessions) = (self.stop.clone(), self.sessions.clone());
        let tls = Arc::new(self.needs.identity.tls(self.needs.now)?);
        let (lines, incoming) = mpsc::channel(LINES_WAITING_MAX);
        let open = |listener| {
            let (tls, counters, stop) = (Arc::clone(&tls), self.counters(), stop.clone());
            let door = Door { tls, counters, stop };
            AbortOnDropHandle::new(tokio::spawn(door.keep(listener, lines.clone())))
        };
        let _doors: Vec<_> = listeners.into_iter().map(open).collect();
        let joining =
            JoiningServer::new(Gate::new(&self)).max_decoding_message_size(JOINING_BYTES_MAX);
        let service =
            CollectorServer::new(self).max_decoding_message_size(MESSAGE_FROM_AGENT_BYTES_MAX);
        let server = Server::builder()
            .timeout(CALL_WITHIN)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_concurrent_streams(STREAMS_PER_CONNECTION)
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE))
            .http2_max_header_list_size(HEADERS_BYTES_MAX)
            .add_service(service)
            .add_service(joining)
            .serve_with_incoming_shutdown(ReceiverStream::new(incoming), stop.cancelled());
        let overdue = async {
            stop.cancelled().await;
            sleep(END_WITHIN).await;
        };
        tokio::select! {
            ended = server => ended?,
            () = overdue => tracing::warn!("connections that do not end are cut"),
        }
        sessions.close();
        sessions.wait().await;
        Ok(())
    }
}

/// Why agents are not heard.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The server ended.
    #[error(transparent)]
    Transport(#[from] tonic::transport::Error),
    /// There is no certificate to show.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// Who sends a request.
fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    let caller = request.extensions().get::<Caller>().cloned();
    caller.ok_or_else(|| Status::internal("nobody knows who is calling"))
}

#[tonic::async_trait]
impl Collector for Ingest {
    type SessionStream = ReceiverStream<Result<pb::CollectorMessage, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<pb::AgentMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let place = Arc::clone(&self.streams)
            .try_acquire_owned()
            .map_err(|_| Status::resource_exhausted("too many streams; come back later"))?;
        let caller = caller(&request)?;
        let from = caller.address;
        let (send, receive) = mpsc::channel(SENDING_MAX);
        let session = Session::new(self.clone(), caller, request.into_inner(), send.clone());
        self.sessions.spawn(async move {
            let _place = place;
            if let Err(status) = session.run().await {
                tracing::debug!(%from, code = ?status.code(), why = status.message(), "stream ended");
                // nobody may be left to hear it
                drop(send.send(Err(status)).await);
            }
        });
        Ok(Response::new(ReceiverStream::new(receive)))
    }
}

#[cfg(test)]
mod tests;
