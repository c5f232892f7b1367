//! A collector for tests: a real gRPC server that answers as it is told.

use std::net::SocketAddr;
use std::sync::Arc;

use parallax_model::{Batch, Target};
use parallax_proto::{Assignment, FromAgent, FromCollector, Welcome, pb};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

/// What to answer to a message; an error ends the session with it.
pub(crate) type Answer = Result<Vec<FromCollector>, Status>;

pub(crate) fn welcome() -> FromCollector {
    FromCollector::Welcome(Welcome { protocol: 1, build: "stub".into() })
}

pub(crate) fn assignment(version: u64, targets: Vec<Target>) -> FromCollector {
    FromCollector::Assignment(Assignment { version, targets })
}

pub(crate) fn ack(batch: &Batch) -> FromCollector {
    FromCollector::Ack { epoch: batch.epoch, spans: vec![batch.span] }
}

type Answers = Arc<dyn Fn(FromAgent) -> Answer + Send + Sync>;

/// A running stub.
pub(crate) struct Stub {
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Stub {
    /// Ends it and every session at once.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

struct Service {
    answers: Answers,
    stop: CancellationToken,
}

#[tonic::async_trait]
impl pb::collector_server::Collector for Service {
    type SessionStream = ReceiverStream<Result<pb::CollectorMessage, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<pb::AgentMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let (out, outgoing) = mpsc::channel(64);
        let (answers, stop) = (Arc::clone(&self.answers), self.stop.clone());
        let mut inbound = request.into_inner();
        tokio::spawn(async move {
            loop {
                let message = tokio::select! {
                    message = inbound.message() => message,
                    () = stop.cancelled() => return,
                };
                let Ok(Some(message)) = message else { return };
                let (said, end) = match answers(FromAgent::try_from(message).unwrap()) {
                    Ok(said) => (said, None),
                    Err(status) => (vec![], Some(status)),
                };
                let said = said.iter().map(|message| Ok(pb::CollectorMessage::from(message)));
                for answer in said.chain(end.map(Err)) {
                    let last = answer.is_err();
                    if out.send(answer).await.is_err() || last {
                        return;
                    }
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(outgoing)))
    }
}

/// Starts a stub on a port of its own.
pub(crate) async fn collector(
    answers: impl Fn(FromAgent) -> Answer + Send + Sync + 'static,
) -> Stub {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let service = Service { answers: Arc::new(answers), stop: stop.clone() };
    let service = pb::collector_server::CollectorServer::new(service);
    let ended = stop.clone().cancelled_owned();
    let task = tokio::spawn(async move {
        let incoming = tonic::transport::server::TcpIncoming::from(listener);
        let server = tonic::transport::Server::builder().add_service(service);
        server.serve_with_incoming_shutdown(incoming, ended).await.unwrap();
    });
    Stub { address, stop, task }
}
