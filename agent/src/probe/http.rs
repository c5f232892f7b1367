//! An HTTP(S) request, its redirects, and what the last answer must be.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Poll;

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, HOST, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use parallax_model::{ErrorKind, HttpCheck, Stage, StatusSet};
use tokio::io::{AsyncRead, AsyncWrite};
use url::Url;

use super::Surroundings;
use super::connect::connect;
use super::failure::Failure;
use super::meter::Meter;
use super::timing::Course;
use super::tls;

/// How far a body is read: what an assertion looks for stands near the top, and a probe is no
/// download. More is neither read nor judged.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Largest head of an answer: eight times what common servers let through.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Statuses by which a service refuses *us*: credentials, proxy, rate, law.
const BLOCKED: [u16; 5] = [401, 403, 407, 429, 451];

const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("parallax-agent/", env!("CARGO_PKG_VERSION")));

pub(super) async fn look(
    check: &HttpCheck,
    around: &Surroundings,
    course: &mut Course<'_>,
) -> Result<(), Failure> {
    let mut url = Url::parse(&check.url)
        .map_err(|e| Failure::new(ErrorKind::Internal, format!("the target's address: {e}")))?;
    let mut method = Method::from_bytes(check.method.as_bytes())
        .map_err(|_| Failure::new(ErrorKind::Internal, "the target's method is none"))?;
    let mut followed = 0;
    loop {
        let may_follow = followed < check.redirects_max;
        let Some(next) = hop(check, &url, &method, may_follow, around, course).await? else {
            return Ok(());
        };
        followed += 1;
        if next.as_get && method != Method::HEAD {
            method = Method::GET;
        }
        url = next.url;
    }
}

/// Where a redirect leads.
struct Next {
    url: Url,
    as_get: bool,
}

/// One request. None: its answer is the last, and as it should be.
async fn hop(
    check: &HttpCheck,
    url: &Url,
    method: &Method,
    may_follow: bool,
    around: &Surroundings,
    course: &mut Course<'_>,
) -> Result<Option<Next>, Failure> {
    let host = url.host_str().filter(|_| matches!(url.scheme(), "http" | "https"));
    let (Some(host), Some(port)) = (host, url.port_or_known_default()) else {
        let why = format!("{} is neither http nor https", shown(url));
        return Err(Failure::new(ErrorKind::Protocol, why));
    };
    let request = request(url, host, method)?;
    let stream = connect(host, port, around, course).await?;
    if url.scheme() == "https" {
        let stream = tls::handshake(stream, host, &around.tls, course).await?;
        exchange(stream, request, check, url, may_follow, course).await
    } else {
        exchange(stream, request, check, url, may_follow, course).await
    }
}

fn request(url: &Url, host: &str, method: &Method) -> Result<Request<Empty<Bytes>>, Failure> {
    let internal = |e: http::Error| Failure::new(ErrorKind::Internal, format!("the request: {e}"));
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let host = match url.port() {
        Some(port) => HeaderValue::try_from(format!("{host}:{port}")),
        None => HeaderValue::try_from(host),
    };
    Request::builder()
        .method(method)
        .uri(target)
        .header(HOST, host.map_err(|e| internal(e.into()))?)
        .header(USER_AGENT, AGENT)
        .header(ACCEPT, HeaderValue::from_static("*/*"))
        .header(CONNECTION, HeaderValue::from_static("close"))
        .body(Empty::new())
        .map_err(internal)
}

/// Sends the request over a fresh connection and judges the answer.
async fn exchange<T: AsyncRead + AsyncWrite + Unpin>(
    stream: T,
    request: Request<Empty<Bytes>>,
    check: &HttpCheck,
    url: &Url,
    may_follow: bool,
    course: &mut Course<'_>,
) -> Result<Option<Next>, Failure> {
    course.begin(Stage::FirstByte);
    let mark = course.mark;
    let failed = |e: &hyper::Error| Failure::awaiting_answer(e, mark.get().is_some());
    let io = TokioIo::new(Meter { io: stream, mark });
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(io)
        .await
        .map_err(|e| failed(&e))?;
    let mut connection = Driven { connection: pin!(connection), done: false };
    let response = connection.drive(sender.send_request(request)).await.map_err(|e| failed(&e))?;
    let status = response.status().as_u16();
    course.status = Some(status);
    if may_follow && let Some(next) = redirect(url, status, response.headers())? {
        return Ok(Some(next));
    }
    judge_status(status, &check.status)?;
    read_body(response, check.body_contains.as_deref(), &mut connection).await?;
    Ok(None)
}

/// A connection that moves on while its answer is awaited: no task of its own.
struct Driven<'a, C> {
    connection: Pin<&'a mut C>,
    done: bool,
}

impl<C: Future> Driven<'_, C> {
    async fn drive<F: Future>(&mut self, answer: F) -> F::Output {
        let mut answer = pin!(answer);
        std::future::poll_fn(|cx| {
            if let Poll::Ready(out) = answer.as_mut().poll(cx) {
                return Poll::Ready(out);
            }
            if !self.done {
                // how the connection ended, the answer tells as well
                self.done = self.connection.as_mut().poll(cx).is_ready();
            }
            answer.as_mut().poll(cx)
        })
        .await
    }
}

fn redirect(url: &Url, status: u16, headers: &HeaderMap) -> Result<Option<Next>, Failure> {
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = headers.get(LOCATION) else { return Ok(None) };
    let malformed = || {
        let why = format!("status {status} leads to no address that makes sense");
        Failure::new(ErrorKind::Protocol, why)
    };
    let location = std::str::from_utf8(location.as_bytes()).map_err(|_| malformed())?;
    let url = url.join(location).map_err(|_| malformed())?;
    Ok(Some(Next { url, as_get: matches!(status, 301..=303) }))
}

fn judge_status(status: u16, expected: &StatusSet) -> Result<(), Failure> {
    if expected.contains(status) {
        return Ok(());
    }
    let kind = match status {
        _ if BLOCKED.contains(&status) => ErrorKind::Blocked,
        500.. => ErrorKind::Status5xx,
        _ => ErrorKind::Status4xx,
    };
    let range = |&(low, high): &(u16, u16)| {
        if low == high { low.to_string() } else { format!("{low}-{high}") }
    };
    let ranges: Vec<String> = expected.ranges().iter().map(range).collect();
    Err(Failure::new(kind, format!("status {status}, expected {}", ranges.join(", "))))
}

/// Reads the body, and looks for `wanted` in it.
async fn read_body<C: Future>(
    response: Response<Incoming>,
    wanted: Option<&str>,
    connection: &mut Driven<'_, C>,
) -> Result<(), Failure> {
    let mut body = response.into_body();
    let (mut kept, mut read) = (Vec::new(), 0);
    while read < BODY_BYTES_MAX {
        let Some(frame) = connection.drive(body.frame()).await else { break };
        let frame = frame.map_err(|e| Failure::reading_body(&e, read))?;
        let Ok(data) = frame.into_data() else { continue };
        read += data.len();
        if wanted.is_some() {
            kept.extend_from_slice(&data);
        }
    }
    match wanted {
        Some(wanted) if !contains(&kept, wanted.as_bytes()) => {
            let why = format!("the body does not contain {wanted:?} ({read} bytes read)");
            Err(Failure::new(ErrorKind::Assertion, why))
        }
        _ => Ok(()),
    }
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || text.windows(wanted.len()).any(|window| window == wanted)
}

/// An address without the user's name and password.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    if url.set_username("").is_err() || url.set_password(None).is_err() {
        return format!("an address of scheme {:?}", url.scheme());
    }
    url.into()
}
