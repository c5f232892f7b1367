//! The least an HTTP(S) look can cost with the same libraries: one thread, one task a look, nothing
//! judged, nothing kept.

use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio_rustls::TlsConnector;

use crate::figures::{Figures, Meter, end_after, spread_us};
use crate::{Burst, Flat, Paced, delay};

/// Name by which the servers of a run are called; all are on loopback.
const HOST: &str = "localhost";

struct Client {
    to: SocketAddr,
    tls: Option<TlsConnector>,
}

/// What one look saw.
#[derive(Debug, Clone, Copy)]
struct Seen {
    total_s: f64,
    first_byte_s: f64,
}

pub(crate) fn flat(run: &Flat) -> Result<Figures> {
    let client = Rc::new(Client::new(&run.url, run.ca.as_deref())?);
    alone(async move {
        let (meter, end) = (Meter::of(std::process::id())?, end_after(run.seconds));
        let looks = (0..run.at_once).map(|_| {
            let client = Rc::clone(&client);
            tokio::task::spawn_local(async move {
                let (mut all, mut ok) = (0, 0);
                while Instant::now() < end {
                    all += 1;
                    ok += u64::from(client.look("/").await.is_ok());
                }
                (all, ok)
            })
        });
        let (mut all, mut ok) = (0, 0);
        for task in looks.collect::<Vec<_>>() {
            let (a, o) = task.await?;
            (all, ok) = (all + a, ok + o);
        }
        meter.read(all, ok)
    })
}

pub(crate) fn paced(run: &Paced) -> Result<Figures> {
    let client = Rc::new(Client::new(&run.url, run.ca.as_deref())?);
    alone(async move {
        let meter = Meter::of(std::process::id())?;
        let (begin, end) = (tokio::time::Instant::now(), end_after(run.seconds));
        let interval = Duration::from_secs(run.interval);
        let tasks = (0..run.targets).map(|n| {
            let client = Rc::clone(&client);
            let mut at = begin + interval.mul_f64(n as f64 / run.targets as f64);
            tokio::task::spawn_local(async move {
                let (mut all, mut ok) = (0, 0);
                while at.into_std() < end {
                    tokio::time::sleep_until(at).await;
                    all += 1;
                    ok += u64::from(client.look("/").await.is_ok());
                    at += interval;
                }
                (all, ok)
            })
        });
        let (mut all, mut ok) = (0, 0);
        for task in tasks.collect::<Vec<_>>() {
            let (a, o) = task.await?;
            (all, ok) = (all + a, ok + o);
        }
        meter.read(all, ok)
    })
}

pub(crate) fn burst(run: &Burst) -> Result<Figures> {
    let client = Rc::new(Client::new(&run.url(0), None)?);
    alone(async move {
        let meter = Meter::of(std::process::id())?;
        let (mut totals, mut firsts) = (Vec::new(), Vec::new());
        for _ in 0..run.rounds {
            let looks = (0..run.at_once).map(|id| {
                let (client, path) = (Rc::clone(&client), run.path(id));
                tokio::task::spawn_local(async move { client.look(&path).await })
            });
            let mut round = Vec::new();
            for look in looks.collect::<Vec<_>>() {
                round.push(look.await??);
            }
            // asked when all are done: it holds up this thread
            for (id, seen) in round.into_iter().enumerate() {
                let kept = delay::kept(run.port, id)?;
                totals.push(seen.total_s - kept);
                firsts.push(seen.first_byte_s - kept);
            }
            tokio::time::sleep(crate::REST).await;
        }
        let looks = totals.len() as u64;
        let figures = meter.read(looks, looks)?;
        let (error_us, first_byte_error_us) = (spread_us(totals), spread_us(firsts));
        Ok(Figures { error_us, first_byte_error_us, ..figures })
    })
}

/// Runs on one thread.
fn alone<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, work)
}

impl Client {
    fn new(url: &str, ca: Option<&Path>) -> Result<Self> {
        let (scheme, rest) = url.split_once("://").context("an address without scheme")?;
        let place = rest.split('/').next().unwrap_or_default();
        let port = place.rsplit(':').next().and_then(|p| p.parse().ok()).context("no port")?;
        let to = SocketAddr::from(([127, 0, 0, 1], port));
        let tls = (scheme == "https").then(|| connector(ca.context("no --ca")?)).transpose()?;
        Ok(Self { to, tls })
    }

    async fn look(&self, path: &str) -> Result<Seen> {
        let begun = Instant::now();
        let stream = TcpStream::connect(self.to).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return ask(stream, path, begun).await };
        let stream = tls.connect(ServerName::try_from(HOST)?, stream).await?;
        ask(stream, path, begun).await
    }
}

fn connector(ca: &Path) -> Result<TlsConnector> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca)? {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn ask(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    path: &str,
    begun: Instant,
) -> Result<Seen> {
    let asked = Instant::now();
    let io = TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
    let driver = tokio::task::spawn_local(connection);
    let request = hyper::Request::get(path)
        .header("host", HOST)
        .header("connection", "close")
        .body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await?;
    let first_byte_s = asked.elapsed().as_secs_f64();
    anyhow::ensure!(answer.status().is_success(), "status {}", answer.status());
    answer.into_body().collect().await?;
    let total_s = begun.elapsed().as_secs_f64();
    driver.abort();
    Ok(Seen { total_s, first_byte_s })
}
