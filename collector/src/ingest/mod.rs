//! Hears agents: one stream each, acks after the durable commit.
//!
//! Contract: hello first, within [`HELLO_WITHIN`]; only agents that the configuration names; a batch
//! is acked when the store has it and not before, coalesced; at most [`WINDOW`] batches of a stream
//! are under way, then the stream is not read and HTTP/2 holds the agent back. Plain text only on
//! loopback.
//! Never: a decision about targets, a buffer without a bound, a generated type outside this room.

mod counters;
mod session;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parallax_model::Timestamp;
use parallax_proto::limits::MESSAGE_FROM_AGENT_BYTES_MAX;
use parallax_proto::pb;
use parallax_proto::pb::collector_server::{Collector, CollectorServer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

use crate::fleet::Fleet;
use crate::store::writer::Writer;

pub use counters::Counters;
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

/// Longest header list; agents send a few hundred bytes.
const HEADERS_BYTES_MAX: u32 = 8 * 1024;

/// An address at which agents would be heard in plain text by others, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "agents would speak in plain text on {0}: listen on a loopback address such as 127.0.0.1:7481, \
     and reach it from elsewhere through a tunnel"
)]
pub struct NotLoopback(pub SocketAddr);

/// Agents speak plain text until they can join with a certificate, so they are heard on loopback only.
pub fn may_listen(address: SocketAddr) -> Result<(), NotLoopback> {
    if address.ip().to_canonical().is_loopback() { Ok(()) } else { Err(NotLoopback(address)) }
}

/// What the sessions share.
#[derive(Debug, Clone)]
pub struct Ingest {
    fleet: Arc<Fleet>,
    writer: Writer,
    now: fn() -> Timestamp,
    counters: Arc<Counters>,
    streams: Arc<Semaphore>,
    sessions: TaskTracker,
    stop: CancellationToken,
}

impl Ingest {
    /// `now` reads the clock; `stop` ends every session in order.
    pub fn new(
        fleet: Arc<Fleet>,
        writer: Writer,
        now: fn() -> Timestamp,
        stop: CancellationToken,
    ) -> Self {
        Self {
            fleet,
            writer,
            now,
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

    /// Hears agents on `listener` until told to stop and every session has ended.
    pub async fn serve(self, listener: TcpListener) -> Result<(), tonic::transport::Error> {
        let incoming =
            TcpIncoming::from(listener).with_nodelay(Some(true)).with_keepalive(Some(KEEPALIVE));
        let (stop, sessions) = (self.stop.clone(), self.sessions.clone());
        let service =
            CollectorServer::new(self).max_decoding_message_size(MESSAGE_FROM_AGENT_BYTES_MAX);
        Server::builder()
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_concurrent_streams(STREAMS_PER_CONNECTION)
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE))
            .http2_max_header_list_size(HEADERS_BYTES_MAX)
            .add_service(service)
            .serve_with_incoming_shutdown(incoming, stop.cancelled())
            .await?;
        sessions.close();
        sessions.wait().await;
        Ok(())
    }
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
        let from = request.remote_addr();
        let (send, receive) = mpsc::channel(SENDING_MAX);
        let session = Session::new(self.clone(), request.into_inner(), send.clone());
        self.sessions.spawn(async move {
            let _place = place;
            if let Err(status) = session.run().await {
                tracing::debug!(?from, code = ?status.code(), why = status.message(), "stream ended");
                // nobody may be left to hear it
                drop(send.send(Err(status)).await);
            }
        });
        Ok(Response::new(ReceiverStream::new(receive)))
    }
}

#[cfg(test)]
mod tests;
