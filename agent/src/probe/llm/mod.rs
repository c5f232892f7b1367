//! A real, tiny inference: how long to the first token, how steady the stream, did it come to its end.
//!
//! Contract: as any look. A key is sent only to hosts that its owner named, over TLS or loopback, and what
//! a look may cost is taken from the day's budget before anything is sent. Errors are told apart by whose
//! they are: ours (key, quota: never evidence), the service's (overload, cut or stalled streams, errors
//! within an answer), or its refusal of us (rate).
//! Never: the key, or more of an answer than an excerpt, in a result.
//!
//! Reading order: `sse` (bytes to events), `dialect` (what events mean), `refusal` (whose an error is),
//! `tale` (the answer as it comes).

mod dialect;
mod fuzz;
mod refusal;
mod sse;
mod tale;

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use parallax_model::{ErrorKind, LlmCheck, Seen, Stage, TlsOptions};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::timeout_at;
use url::Url;

use super::Surroundings;
use super::connect::connect;
use super::failure::{Failure, excerpt};
use super::keys::Lent;
use super::papers;
use super::timing::Course;
use super::tls;
use dialect::{complaint, understand};
pub use fuzz::events;
use tale::Tale;

/// How far an answer is read, events and all. An answer of 256 tokens takes a quarter of it.
const ANSWER_BYTES_MAX: usize = 256 << 10;

/// How far an error is read.
const ERROR_BYTES_MAX: usize = 64 << 10;

/// Largest head of an answer.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// How long after a complete answer its count of tokens, and its last word, is waited for.
const LAST_EVENT_WITHIN: Duration = Duration::from_millis(500);

/// Tokens that a service may add to a prompt of its own accord.
const PROMPT_TOKENS_EXTRA: u64 = 32;

const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("parallax-agent/", env!("CARGO_PKG_VERSION")));

pub(super) async fn look(
    check: &LlmCheck,
    around: &Surroundings,
    course: &mut Course<'_>,
) -> Result<(), Failure> {
    let malformed = || Failure::new(ErrorKind::Internal, "the target's address is none");
    let url = Url::parse(&check.url).map_err(|_| malformed())?;
    let host = url.host_str().ok_or_else(malformed)?.to_ascii_lowercase();
    let port = url.port_or_known_default().ok_or_else(malformed)?;
    let stream = connect(&host, port, around, course).await?;
    let loopback = course.peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    if url.scheme() == "https" {
        let config = tls::offering(&around.tls, &[b"http/1.1"]);
        let stream = tls::handshake(stream, &host, &config, &TlsOptions::default(), course).await?;
        let lent = lend(check, &host, around).await?;
        paid(stream, check, &url, lent, course).await
    } else if check.key.is_some() && !loopback {
        let why = "a key is not sent in the clear: use https://";
        Err(Failure::new(ErrorKind::PolicyDenied, why))
    } else {
        let lent = lend(check, &host, around).await?;
        paid(stream, check, &url, lent, course).await
    }
}

/// The key, once there is a connection: a service that cannot be reached costs nothing.
async fn lend(
    check: &LlmCheck,
    host: &str,
    around: &Surroundings,
) -> Result<Option<Lent>, Failure> {
    let Some(name) = &check.key else { return Ok(None) };
    around.own.keys.lend(name, &papers::bare(host), cost(check)).await.map(Some)
}

/// Tokens that a look may take at most: no token is shorter than a byte.
fn cost(check: &LlmCheck) -> u64 {
    check.prompt.len() as u64 + PROMPT_TOKENS_EXTRA + u64::from(check.tokens_max)
}

/// Asks, and settles what it cost.
async fn paid<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: T,
    check: &LlmCheck,
    url: &Url,
    lent: Option<Lent>,
    course: &mut Course<'_>,
) -> Result<(), Failure> {
    course.begin(Stage::FirstByte);
    let mut tale = Tale::new(Instant::now());
    let secret = lent.as_ref().map(Lent::secret);
    let done = ask(stream, check, url, secret, &mut tale, course).await;
    course.seen = Some(Seen::Llm(tale.seen));
    let Some(lent) = lent else { return done };
    let done = done.map_err(|failure| named(failure, lent.name()));
    let seen = &tale.seen;
    match (&done, seen.prompt_tokens) {
        // the service said what it counts
        (_, prompt @ 1..) => lent.used(u64::from(prompt) + u64::from(seen.tokens)).await,
        // it refused, and counts nothing
        (Err(_), 0) if course.status.is_some_and(|status| status >= 400) => lent.used(0).await,
        // as much as was taken, since nobody said otherwise
        (_, 0) => drop(lent),
    }
    done
}

/// A failure of ours says which key it is about.
fn named(failure: Failure, key: &str) -> Failure {
    if failure.kind != ErrorKind::PolicyDenied {
        return failure;
    }
    Failure::new(failure.kind, format!("key {key:?}: {}", failure.detail))
}

async fn ask<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: T,
    check: &LlmCheck,
    url: &Url,
    secret: Option<&str>,
    tale: &mut Tale,
    course: &mut Course<'_>,
) -> Result<(), Failure> {
    let request = request(check, url, secret)?;
    let late = |_| tale_is_late(course);
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|e| Failure::awaiting_answer(&e, false))?;
    // ends with the look
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let answer = timeout_at(course.last_word(), sender.send_request(request)).await;
    let answer = answer.map_err(late)?.map_err(|e| Failure::awaiting_answer(&e, false))?;
    let status = answer.status().as_u16();
    course.status = Some(status);
    if status != 200 {
        let headers = answer.headers().clone();
        let body = read_error(answer, course).await;
        let said = serde_json::from_slice(&body).ok().as_ref().and_then(complaint);
        return Err(refusal::of_status(status, &headers, said.as_ref(), secret));
    }
    if !is_stream(answer.headers()) {
        let kind = answer.headers().get(CONTENT_TYPE).cloned();
        let body = read_error(answer, course).await;
        return Err(no_stream(kind.as_ref(), &body, secret));
    }
    follow(answer.into_body(), check, secret, tale, course).await?;
    course.begin(Stage::Assert);
    tale.judge(check)
}

fn tale_is_late(course: &Course<'_>) -> Failure {
    let left = course.running().map_or("look", Stage::as_str);
    Failure::new(ErrorKind::Timeout, format!("no answer to the question ({left})"))
}

fn request(
    check: &LlmCheck,
    url: &Url,
    secret: Option<&str>,
) -> Result<Request<Full<Bytes>>, Failure> {
    let internal = |e: http::Error| Failure::new(ErrorKind::Internal, format!("the request: {e}"));
    let host = url.host_str().unwrap_or_default();
    let body = dialect::question(check, host).to_string();
    let named = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let mut request = Request::post(target)
        .header(HOST, named)
        .header(USER_AGENT, AGENT)
        .header(ACCEPT, HeaderValue::from_static("text/event-stream"))
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .body(Full::new(Bytes::from(body)))
        .map_err(internal)?;
    let keyed = dialect::headers(check.api, secret).map_err(|e| internal(e.into()))?;
    request.headers_mut().extend(keyed);
    Ok(request)
}

fn is_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.trim_start().starts_with("text/event-stream"))
}

/// An error's body, as far as it comes and is bearable.
async fn read_error(answer: Response<Incoming>, course: &Course<'_>) -> Vec<u8> {
    let (mut body, mut read) = (answer.into_body(), Vec::new());
    while read.len() < ERROR_BYTES_MAX {
        let Ok(Some(Ok(frame))) = timeout_at(course.last_word(), body.frame()).await else { break };
        if let Ok(data) = frame.into_data() {
            read.extend_from_slice(&data);
        }
    }
    read
}

/// A 200 that is no stream: an error in disguise, or something else altogether.
fn no_stream(kind: Option<&HeaderValue>, body: &[u8], secret: Option<&str>) -> Failure {
    if body.is_empty() {
        return Failure::new(ErrorKind::Assertion, "the answer is empty");
    }
    let said = serde_json::from_slice(body).ok().as_ref().and_then(complaint);
    if let Some(complaint) = said {
        return refusal::in_band(&complaint, secret);
    }
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or("of no type");
    let why = format!("the answer is no event stream but {kind}: {}", excerpt(body));
    Failure::new(ErrorKind::Protocol, why)
}

/// Reads the stream to its end, or to where it can be told that there is none.
async fn follow(
    mut body: Incoming,
    check: &LlmCheck,
    secret: Option<&str>,
    tale: &mut Tale,
    course: &mut Course<'_>,
) -> Result<(), Failure> {
    let (mut reader, mut read) = (sse::Reader::default(), 0);
    let mut until = course.last_word();
    loop {
        let frame = match timeout_at(until, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            // how a connection ends after a complete answer is nobody's fault
            Ok(_) | Err(_) if tale.complete => return Ok(()),
            Ok(None | Some(Err(_))) => return Err(tale.cut()),
            Err(_) => return Err(tale.stalled(Instant::now())),
        };
        let Ok(data) = frame.into_data() else { continue };
        read += data.len();
        let events = reader.read(&data).map_err(|e| {
            Failure::new(ErrorKind::Protocol, format!("the answer is no event stream: {e}"))
        })?;
        for event in events {
            let said = understand(check.api, &event).ok_or_else(|| {
                let why =
                    format!("an event that makes no sense: {}", excerpt(event.data.as_bytes()));
                Failure::new(ErrorKind::Protocol, why)
            })?;
            if let Some(complaint) = &said.complaint {
                return Err(refusal::in_band(complaint, secret));
            }
            tale.hear(&said, Instant::now());
            if tale.has_begun() {
                course.mark.hit();
            }
            if said.last {
                return Ok(());
            }
        }
        if tale.complete {
            until = until.min(tokio::time::Instant::now() + LAST_EVENT_WITHIN);
        } else if read > ANSWER_BYTES_MAX || tale.is_endless(check) {
            let why = format!(
                "the answer does not end: {} tokens, {read} bytes, after asking for {}",
                tale.seen.tokens, check.tokens_max
            );
            return Err(Failure::new(ErrorKind::Protocol, why));
        }
    }
}
