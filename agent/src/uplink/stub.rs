//! A collector for tests: a real gRPC server that answers as it is told.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use parallax_model::{Batch, Target};
use parallax_proto::{Assignment, FromAgent, FromCollector, Welcome, pb};
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;
use tonic::{Request, Response, Status, Streaming};

use crate::identity::Granted;
use crate::identity::tests::{Authority, Shown};

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

/// What to answer to whoever asks for a certificate: its request, and its token if it has one.
pub(crate) type Grants =
    Arc<dyn Fn(Vec<u8>, Option<String>) -> Result<Granted, Status> + Send + Sync>;

/// Certificates that were shown, in the order of connections.
pub(crate) type Visitors = Arc<Mutex<Vec<Option<CertificateDer<'static>>>>>;

/// A running stub.
pub(crate) struct Stub {
    pub(crate) address: SocketAddr,
    pub(crate) visitors: Visitors,
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

struct Registrar(Grants);

impl Registrar {
    fn answer(
        &self,
        csr: Vec<u8>,
        token: Option<String>,
    ) -> Result<Option<pb::Credential>, Status> {
        let granted = (self.0)(csr, token)?;
        Ok(Some(pb::Credential {
            certificate: granted.certificate,
            ca: granted.authority,
            name: granted.name,
            region: granted.region,
            provider: granted.provider,
            site: granted.site,
            not_before_ms: 0,
            not_after_ms: granted.not_after_ms,
            now_ms: granted.now_ms,
        }))
    }
}

#[tonic::async_trait]
impl pb::joining_server::Joining for Registrar {
    async fn enroll(
        &self,
        request: Request<pb::EnrollRequest>,
    ) -> Result<Response<pb::EnrollResponse>, Status> {
        let pb::EnrollRequest { csr, token, .. } = request.into_inner();
        Ok(Response::new(pb::EnrollResponse { credential: self.answer(csr, Some(token))? }))
    }

    async fn renew(
        &self,
        request: Request<pb::RenewRequest>,
    ) -> Result<Response<pb::RenewResponse>, Status> {
        let credential = self.answer(request.into_inner().csr, None)?;
        Ok(Response::new(pb::RenewResponse { credential }))
    }
}

/// Starts a stub on a port of its own, in the clear.
pub(crate) async fn collector(
    answers: impl Fn(FromAgent) -> Answer + Send + Sync + 'static,
) -> Stub {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    let nobody: Grants = Arc::new(|_, _| Err(Status::unimplemented("not here")));
    serve(address, incoming, answers, nobody, Visitors::default())
}

/// Starts one that shows this certificate, and takes any of `authority`'s or none.
pub(crate) async fn encrypted(
    authority: &Authority,
    shown: Shown,
    grants: impl Fn(Vec<u8>, Option<String>) -> Result<Granted, Status> + Send + Sync + 'static,
    answers: impl Fn(FromAgent) -> Answer + Send + Sync + 'static,
) -> Stub {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (visitors, shake) = (Visitors::default(), acceptor(authority, shown));
    let (ready, incoming) = mpsc::channel(8);
    let seen = Arc::clone(&visitors);
    tokio::spawn(async move {
        loop {
            let stream = tokio::select! {
                accepted = listener.accept() => accepted.unwrap().0,
                () = ready.closed() => return,
            };
            let Ok(stream) = shake.accept(stream).await else { continue };
            let chain = stream.get_ref().1.peer_certificates();
            let own = chain.and_then(|chain| chain.first()).map(|own| own.clone().into_owned());
            seen.lock().unwrap().push(own);
            if ready.send(Ok::<_, std::io::Error>(Shaken(stream))).await.is_err() {
                return;
            }
        }
    });
    serve(address, ReceiverStream::new(incoming), answers, Arc::new(grants), visitors)
}

fn acceptor(authority: &Authority, shown: Shown) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.der.clone()).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(clients.allow_unauthenticated().build().unwrap())
        .with_single_cert(shown.0, shown.1)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

fn serve<I>(
    address: SocketAddr,
    incoming: impl tokio_stream::Stream<Item = Result<I, std::io::Error>> + Send + 'static,
    answers: impl Fn(FromAgent) -> Answer + Send + Sync + 'static,
    grants: Grants,
    visitors: Visitors,
) -> Stub
where
    I: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
{
    let stop = CancellationToken::new();
    let service = Service { answers: Arc::new(answers), stop: stop.clone() };
    let service = pb::collector_server::CollectorServer::new(service);
    let registrar = pb::joining_server::JoiningServer::new(Registrar(grants));
    let ended = stop.clone().cancelled_owned();
    let task = tokio::spawn(async move {
        let server = tonic::transport::Server::builder().add_service(service);
        let server = server.add_service(registrar);
        server.serve_with_incoming_shutdown(incoming, ended).await.unwrap();
    });
    Stub { address, visitors, stop, task }
}

/// A connection of which tonic need know nothing.
struct Shaken(TlsStream<TcpStream>);

impl Connected for Shaken {
    type ConnectInfo = ();
    fn connect_info(&self) {}
}

impl AsyncRead for Shaken {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Shaken {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
