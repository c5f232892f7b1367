//! From an address to a connection on which calls can be made.

use std::future::{Ready, ready};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hickory_resolver::{ResolverBuilder, TokioResolver};
use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use tower_service::Service;

use crate::identity::{Untrusted, untrusted};

/// How long finding an address, connecting to it and shaking hands may take, each.
const STEP_TIMEOUT: Duration = Duration::from_secs(5);

/// Most addresses of a collector's name that are tried.
const ADDRESSES_MAX: usize = 4;

/// A peer that does not answer a ping for so long is gone; without pings a half-open connection would
/// hang for ever.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum NoRoad {
    /// Nobody answers.
    Away(String),
    /// Somebody answers who is not taken for the collector. Nothing was said to it.
    Untrusted(Untrusted),
    /// Somebody answers who speaks another protocol.
    Foreign(String),
}

/// Finds one collector, again and again.
#[derive(Debug, Default)]
pub(super) struct Dialler {
    /// Where it was last reached: a resolver that breaks must not cut off an agent that could tell of it.
    /// With certificates it does no harm if somebody else has the address by now.
    known: Option<SocketAddr>,
}

impl Dialler {
    /// Connects to `http(s)://HOST:PORT`; with TLS if there is any.
    pub(super) async fn connect(
        &mut self,
        collector: &str,
        tls: Option<Arc<ClientConfig>>,
    ) -> Result<Channel, NoRoad> {
        let away = |why: &str| NoRoad::Away(why.to_owned());
        let address = Uri::try_from(collector).map_err(|_| away("its address is none"))?;
        let stream = self.dial(&address).await.map_err(NoRoad::Away)?;
        stream.set_nodelay(true).map_err(|e| NoRoad::Away(e.to_string()))?;
        let Some(tls) = tls else { return channel(stream, &address).await };
        // what is sent as a name is nothing: the authority is looked at, not the name
        let nobody = ServerName::IpAddress(IpAddr::from([0, 0, 0, 0]).into());
        let shaking = TlsConnector::from(tls).connect(nobody, stream);
        match timeout(STEP_TIMEOUT, shaking).await {
            Ok(Ok(stream)) => channel(stream, &address).await,
            Ok(Err(error)) => Err(refusal(&error)),
            Err(_) => Err(away("no TLS handshake within 5 s")),
        }
    }

    async fn dial(&mut self, address: &Uri) -> Result<TcpStream, String> {
        let host = address.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = address.port_u16().unwrap_or_default();
        let found = match host.parse::<IpAddr>() {
            Ok(ip) => Ok(vec![ip]),
            Err(_) => timeout(STEP_TIMEOUT, resolve(host))
                .await
                .unwrap_or_else(|_| Err(format!("{host}: the resolver does not answer"))),
        };
        let mut last = found.as_ref().err().cloned();
        let found = found.unwrap_or_default().into_iter().map(|ip| SocketAddr::new(ip, port));
        let known = if last.is_some() { self.known } else { None };
        for to in found.take(ADDRESSES_MAX).chain(known) {
            match timeout(STEP_TIMEOUT, TcpStream::connect(to)).await {
                Ok(Ok(stream)) => {
                    self.known = Some(to);
                    return Ok(stream);
                }
                Ok(Err(error)) => last = Some(error.to_string()),
                Err(_) => last = Some("no answer within 5 s".to_owned()),
            }
        }
        Err(last.unwrap_or_else(|| format!("{host} has no address")))
    }
}

/// The addresses of a name, IPv4 first. Read anew: connections are few, and machines move.
async fn resolve(host: &str) -> Result<Vec<IpAddr>, String> {
    let unreadable =
        |e: &dyn std::error::Error| format!("cannot read the system's resolver configuration: {e}");
    let resolver = TokioResolver::builder_tokio()
        .and_then(ResolverBuilder::build)
        .map_err(|e| unreadable(&e))?;
    let found =
        resolver.lookup_ip(host).await.map_err(|e| format!("cannot resolve {host}: {e}"))?;
    let mut addresses: Vec<IpAddr> = found.iter().collect();
    addresses.sort_by_key(IpAddr::is_ipv6);
    Ok(addresses)
}

fn refusal(error: &io::Error) -> NoRoad {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls.and_then(untrusted) {
        Some(why) => NoRoad::Untrusted(why),
        None => NoRoad::Away(format!("the TLS handshake failed: {error}")),
    }
}

/// HTTP/2 over a connection that stands. It is not made again behind our back.
async fn channel<T>(stream: T, address: &Uri) -> Result<Channel, NoRoad>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let endpoint = Endpoint::from(address.clone())
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .keep_alive_while_idle(true);
    endpoint.connect_with_connector(Once(Some(stream))).await.map_err(|error| {
        let why = super::ending::innermost(&error);
        // a server that speaks another protocol fails the very first exchange
        if ["frame", "preface", "http2 error"].iter().any(|sign| why.contains(sign)) {
            return NoRoad::Foreign(why);
        }
        NoRoad::Away(why)
    })
}

/// Gives away the one connection it has.
struct Once<T>(Option<T>);

impl<T: AsyncRead + AsyncWrite> Service<Uri> for Once<T> {
    type Response = TokioIo<T>;
    type Error = io::Error;
    type Future = Ready<io::Result<TokioIo<T>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let gone = || io::Error::new(io::ErrorKind::NotConnected, "the connection ended");
        ready(self.0.take().map(TokioIo::new).ok_or_else(gone))
    }
}
