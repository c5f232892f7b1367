//! The door of the agents' port: in the clear from this machine, by TLS 1.3 from everywhere.
//!
//! Who comes with a certificate is let in whatever it says, and judged by the stream it opens: a refusal
//! in words is worth more than an alert. But whoever is not known to be an agent within [`KNOWN_WITHIN`] is
//! cut, and no address may have more than a few such: silent strangers cannot fill the house.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Sleep, sleep, timeout};
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

/// How long a connection may last before its caller is known to be an agent.
const KNOWN_WITHIN: Duration = Duration::from_secs(10);

/// Connections of one address whose callers are not known yet: agents behind one address come back together.
const STRANGERS_MAX: u32 = 256;

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
    known: Arc<AtomicBool>,
}

impl Caller {
    fn new(address: SocketAddr, way: Way) -> Self {
        Self { address, way, known: Arc::default() }
    }

    /// It is an agent: its connection may last.
    pub(super) fn make_known(&self) {
        self.known.store(true, Ordering::Relaxed);
    }
}

/// How it speaks.
#[derive(Debug, Clone)]
pub(super) enum Way {
    /// In the clear, from this machine.
    Clear,
    /// By TLS, with the certificate that it showed, if any; its key is at hand there.
    Tls(Option<Arc<CertificateDer<'static>>>),
}

type Wire = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// One connection that may speak gRPC.
pub(super) struct Line {
    stream: Wire,
    caller: Caller,
    _place: OwnedSemaphorePermit,
    /// None once the caller is known.
    stranger: Option<(Pin<Box<Sleep>>, Stranger)>,
}

impl Line {
    /// True if the caller did not make itself known in time.
    fn is_overdue(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((deadline, _)) = &mut self.stranger else { return false };
        if self.caller.known.load(Ordering::Relaxed) {
            self.stranger = None;
            return false;
        }
        deadline.as_mut().poll(cx).is_ready()
    }
}

/// How many connections each address has whose callers are not known.
#[derive(Debug, Default)]
struct Strangers(Mutex<HashMap<IpAddr, u32>>);

/// One of them, until it is dropped.
#[derive(Debug)]
struct Stranger {
    all: Arc<Strangers>,
    from: IpAddr,
}

impl Strangers {
    fn enter(self: &Arc<Self>, from: IpAddr) -> Option<Stranger> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let n = all.entry(from).or_default();
        if *n >= STRANGERS_MAX {
            return None;
        }
        *n += 1;
        Some(Stranger { all: Arc::clone(self), from })
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let mut all = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(n) = all.get_mut(&self.from) {
            *n -= 1;
            if *n == 0 {
                all.remove(&self.from);
            }
        }
    }
}

/// Why a connection is not served.
#[derive(Debug, thiserror::Error)]
enum Closed {
    #[error("it did not shake hands within 5 s")]
    Late,
    #[error(
        "it speaks in the clear, which only this machine may, and only on a loopback address: use https://"
    )]
    Clear,
    #[error("too many connections of its address have not said who they are")]
    Crowd,
    #[error("it went away")]
    Gone,
    #[error("no TLS 1.3 came about, as agents speak it: {0}")]
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
        let (tls, strangers) = (TlsAcceptor::from(self.tls), Arc::<Strangers>::default());
        // whatever carries connections to a public address from this machine may carry anybody's
        let clear = listener.local_addr().is_ok_and(|at| at.ip().to_canonical().is_loopback());
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
            let Some(stranger) = strangers.enter(from.ip()) else {
                counters.closed.add(1);
                tracing::debug!(%from, why = %Closed::Crowd, "a connection was closed");
                continue;
            };
            tokio::spawn(async move {
                let _turn = turn;
                let admitted = timeout(HANDSHAKE_WITHIN, admit(stream, from, tls, clear)).await;
                match admitted.unwrap_or(Err(Closed::Late)).map(|(stream, way)| Line {
                    stream,
                    caller: Caller::new(from, way),
                    _place: place,
                    stranger: Some((Box::pin(sleep(KNOWN_WITHIN)), stranger)),
                }) {
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
    clear: bool,
) -> Result<(Wire, Way), Closed> {
    let mut first = [0];
    if stream.peek(&mut first).await.map_err(|_| Closed::Gone)? == 0 {
        return Err(Closed::Gone);
    }
    // an ack that waits for company helps nobody; without this it is merely slower
    drop(stream.set_nodelay(true));
    if first[0] != TLS_HANDSHAKE {
        if !clear || !address.ip().to_canonical().is_loopback() {
            return Err(Closed::Clear);
        }
        return Ok((Either::Left(stream), Way::Clear));
    }
    let stream = tls.accept(stream).await.map_err(Closed::Handshake)?;
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let way = Way::Tls(shown.map(|shown| Arc::new(shown.clone())));
    Ok((Either::Right(Box::new(stream)), way))
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
        if self.is_overdue(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_does_not_fill_the_house() {
        let all = Arc::<Strangers>::default();
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let mut inside: Vec<_> = (0..300).filter_map(|_| all.enter(one)).collect();
        assert_eq!(inside.len(), STRANGERS_MAX as usize);
        assert!(all.enter(other).is_some());
        inside.truncate(1);
        assert!(all.enter(one).is_some());
        drop(inside);
        assert!(all.0.lock().unwrap().is_empty());
    }
}
