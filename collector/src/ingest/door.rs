//! The door of the agents' port: in the clear from this machine, by TLS 1.3 from everywhere.
//!
//! Who comes with a certificate is let in whatever it says, and judged by the stream it opens: a refusal
//! in words is worth more than an alert.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use super::Counters;

/// How long a connection may take to say what it is, and to shake hands.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);

/// Connections that shake hands at once; more wait in the system's queue.
const HANDSHAKES_MAX: usize = 256;

/// Connections at once: more than streams, since one that renews has two for a moment.
const CONNECTIONS_MAX: usize = 12_000;

/// Lines that wait for somebody to serve them.
pub(super) const LINES_WAITING_MAX: usize = 64;

/// How long nothing is accepted after the system refused to, for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// The first byte of a TLS handshake (RFC 8446 §5.1: `handshake(22)`).
const TLS_HANDSHAKE: u8 = 22;

/// Who is at the other end.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// Where it calls from.
    pub(super) address: SocketAddr,
    pub(super) way: Way,
}

/// How it speaks.
#[derive(Debug, Clone)]
pub(super) enum Way {
    /// In the clear, from this machine.
    Clear,
    /// By TLS, with the certificate that it showed, if any; its key is at hand there.
    Tls(Option<Arc<CertificateDer<'static>>>),
}

/// One connection that may speak gRPC.
pub(super) struct Line {
    stream: Either<TcpStream, Box<TlsStream<TcpStream>>>,
    caller: Caller,
    _place: OwnedSemaphorePermit,
}

/// Why a connection is not served.
#[derive(Debug, thiserror::Error)]
enum Closed {
    #[error("it did not shake hands within 5 s")]
    Late,
    #[error("it speaks in the clear, which only this machine may: use https://")]
    Clear,
    #[error("it went away")]
    Gone,
    #[error("it does not speak TLS 1.3 as agents do: {0}")]
    Handshake(io::Error),
}

/// Lets connections in.
pub(super) struct Door {
    pub(super) tls: Arc<ServerConfig>,
    pub(super) counters: Arc<Counters>,
    pub(super) stop: CancellationToken,
}

impl Door {
    /// Passes lines on until told to stop, or until nobody wants them.
    pub(super) async fn keep(
        self,
        listener: TcpListener,
        lines: mpsc::Sender<Result<Line, io::Error>>,
    ) {
        let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
        let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let tls = TlsAcceptor::from(self.tls);
        loop {
            let next = async {
                let turn = Arc::clone(&handshakes).acquire_owned().await.ok()?;
                let place = Arc::clone(&connections).acquire_owned().await.ok()?;
                Some((turn, place, listener.accept().await))
            };
            let next = tokio::select! {
                () = self.stop.cancelled() => None,
                () = lines.closed() => None,
                next = next => next,
            };
            let Some((turn, place, accepted)) = next else { return };
            let (stream, from) = match accepted {
                Ok(accepted) => accepted,
                Err(why) => {
                    tracing::warn!(%why, "no connection can be accepted");
                    sleep(PAUSE).await;
                    continue;
                }
            };
            let (tls, lines, counters) = (tls.clone(), lines.clone(), Arc::clone(&self.counters));
            tokio::spawn(async move {
                let _turn = turn;
                let line = timeout(HANDSHAKE_WITHIN, admit(stream, from, tls, place)).await;
                match line.unwrap_or(Err(Closed::Late)) {
                    // if nobody wants it any more, all is over
                    Ok(line) => drop(lines.send(Ok(line)).await),
                    Err(why) => {
                        counters.closed.add(1);
                        tracing::info!(%from, %why, "a connection was closed");
                    }
                }
            });
        }
    }
}

async fn admit(
    stream: TcpStream,
    address: SocketAddr,
    tls: TlsAcceptor,
    place: OwnedSemaphorePermit,
) -> Result<Line, Closed> {
    let mut first = [0];
    if stream.peek(&mut first).await.map_err(|_| Closed::Gone)? == 0 {
        return Err(Closed::Gone);
    }
    // an ack that waits for company helps nobody; without this it is merely slower
    drop(stream.set_nodelay(true));
    if first[0] != TLS_HANDSHAKE {
        if !address.ip().to_canonical().is_loopback() {
            return Err(Closed::Clear);
        }
        let caller = Caller { address, way: Way::Clear };
        return Ok(Line { stream: Either::Left(stream), caller, _place: place });
    }
    let stream = tls.accept(stream).await.map_err(Closed::Handshake)?;
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let way = Way::Tls(shown.map(|shown| Arc::new(shown.clone())));
    let stream = Either::Right(Box::new(stream));
    Ok(Line { stream, caller: Caller { address, way }, _place: place })
}

impl Connected for Line {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
