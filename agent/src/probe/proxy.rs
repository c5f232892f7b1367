//! A way through an HTTP proxy: CONNECT (RFC 9110 §9.3.6).
//!
//! The proxy is ours: that it is away, or does not take us, is no evidence against a target. That it
//! finds no way to the target is. The time until the tunnel stands is the stage `connect`, and where the
//! tunnel ends only the proxy knows: such a look has no peer.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use parallax_model::{ErrorKind, Family};
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use super::Surroundings;
use super::connect::{connect, host_and_port, may_look_at};
use super::driven::Driven;
use super::failure::Failure;
use super::papers;
use super::timing::Course;

/// Largest head of a proxy's answer.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Longest password, in bytes.
const PASSWORD_BYTES_MAX: u64 = 4096;

/// A proxy, as the agent's owner declared it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// `host:port`.
    pub address: String,
    /// Who we are there: a user, and the file with the password, read for every look.
    pub user: Option<(String, PathBuf)>,
}

impl Proxy {
    /// True for `host:port`.
    pub fn is_address(text: &str) -> bool {
        host_and_port(text).is_ok_and(|(host, _)| {
            !host.is_empty() && !host.contains('/') && (!host.contains(':') || host.ends_with(']'))
        })
    }
}

/// A tunnel through the proxy called `name` to `host` at `port`.
pub(super) async fn through(
    name: &str,
    host: &str,
    port: u16,
    around: &Surroundings,
    course: &mut Course<'_>,
) -> Result<TcpStream, Failure> {
    let proxy = around.own.proxies.get(name).ok_or_else(|| papers::unknown("proxies", name))?;
    if let Ok(ip) = papers::bare(host).parse() {
        may_look_at(ip)?;
    }
    let pass = pass(name, proxy).await?;
    let stream = reach(name, proxy, around, course).await?;
    course.peer = None;
    let to = format!("{host}:{port}");
    let tunnel = timeout_at(course.last_word(), ask(name, stream, &to, pass)).await;
    tunnel.unwrap_or_else(|_| {
        let why = format!("proxy {name:?} makes no connection to {to}");
        Err(Failure::new(ErrorKind::ConnectTimeout, why))
    })
}

/// A connection to the proxy itself.
async fn reach(
    name: &str,
    proxy: &Proxy,
    around: &Surroundings,
    course: &mut Course<'_>,
) -> Result<TcpStream, Failure> {
    let (host, port) = host_and_port(&proxy.address)?;
    // which family the target is to be looked at by, a proxy cannot be told
    let family = std::mem::replace(&mut course.family, Family::Any);
    let reached = timeout_at(course.last_word(), connect(&host, port, around, course)).await;
    course.family = family;
    let ours = |why: &str| Failure::new(ErrorKind::Internal, format!("proxy {name:?}: {why}"));
    reached.map_err(|_| ours("no connection in time"))?.map_err(|failure| ours(&failure.detail))
}

/// Asks for the tunnel.
async fn ask(
    name: &str,
    stream: TcpStream,
    to: &str,
    pass: Option<HeaderValue>,
) -> Result<TcpStream, Failure> {
    let ours = |why: String| Failure::new(ErrorKind::Internal, format!("proxy {name:?}: {why}"));
    let mut request = Request::connect(to)
        .header(HOST, to)
        .body(Empty::<Bytes>::new())
        .map_err(|e| ours(e.to_string()))?;
    if let Some(pass) = pass {
        request.headers_mut().insert(PROXY_AUTHORIZATION, pass);
    }
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|e| ours(e.to_string()))?;
    let mut connection = connection.with_upgrades();
    let mut connection = Driven::new(&mut connection);
    let answer = connection.drive(sender.send_request(request)).await;
    let answer = answer.map_err(|e| ours(Failure::awaiting_answer(&e, false).detail))?;
    refusal(name, to, answer.status())?;
    let tunnel = connection.drive(hyper::upgrade::on(answer)).await;
    let tunnel = tunnel.map_err(|e| ours(e.to_string()))?;
    let tunnel = tunnel.downcast::<TokioIo<TcpStream>>();
    let tunnel = tunnel.map_err(|_| ours("it is no tunnel".to_owned()))?;
    if !tunnel.read_buf.is_empty() {
        return Err(ours("it says more than its answer".to_owned()));
    }
    Ok(tunnel.io.into_inner())
}

/// What a proxy's status says of the target, or of us.
fn refusal(name: &str, to: &str, status: StatusCode) -> Result<(), Failure> {
    let code = status.as_u16();
    let (kind, what) = match code {
        200..=299 => return Ok(()),
        502 | 503 => (ErrorKind::Unreachable, "finds no way to"),
        504 => (ErrorKind::ConnectTimeout, "got no connection to"),
        407 => (ErrorKind::PolicyDenied, "wants other credentials before"),
        401 | 403 => (ErrorKind::PolicyDenied, "forbids a way to"),
        _ => (ErrorKind::Internal, "makes no tunnel to"),
    };
    Err(Failure::new(kind, format!("proxy {name:?} {what} {to} (status {code})")))
}

/// The header that says who we are.
async fn pass(name: &str, proxy: &Proxy) -> Result<Option<HeaderValue>, Failure> {
    let Some((user, file)) = proxy.user.clone() else { return Ok(None) };
    let read = tokio::task::spawn_blocking(move || {
        let password = password(&file);
        let password = password.map_err(|e| format!("cannot read {}: {e}", file.display()))?;
        let text = format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")));
        HeaderValue::try_from(text).map_err(|e| e.to_string())
    });
    let read = read.await.unwrap_or_else(|e| Err(e.to_string()));
    let mut value =
        read.map_err(|e| Failure::new(ErrorKind::Internal, format!("proxy {name:?}: {e}")))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn password(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(PASSWORD_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
