//! An HTTP(S) request, its redirects, and what the last answer must be.

use std::future::Future;
use std::pin::pin;
use std::time::Instant;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, HOST, LOCATION, USER_AGENT,
};
use http::response::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use parallax_model::clues::CLUE_HEADERS_MAX;
use parallax_model::{Auth, ErrorKind, HttpCheck, Stage, StatusSet, TlsOptions};
use tokio::io::{AsyncRead, AsyncWrite};
use url::Url;

use super::connect::connect;
use super::driven::Driven;
use super::failure::Failure;
use super::meter::Meter;
use super::timing::Course;
use super::{Surroundings, assertion, body, certificate, http2, papers, proxy, tls};

/// Largest head of an answer: eight times what common servers let through.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Statuses by which a service refuses *us*: credentials, proxy, rate, law.
const BLOCKED: [u16; 5] = [401, 403, 407, 429, 451];

/// Headers that name the machine which answered, or say when to come back.
const CLUES: [&str; CLUE_HEADERS_MAX] = [
    "server",
    "via",
    "cf-ray",
    "x-served-by",
    "x-cache",
    "x-amz-cf-pop",
    "x-request-id",
    "request-id",
    "x-amzn-requestid",
    "retry-after",
];

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
    course.family = check.family;
    let origin = url.origin();
    let mut followed = 0;
    loop {
        let may_follow = followed < check.redirects_max;
        let at = At { check, url: &url, home: url.origin() == origin, may_follow };
        let Some(next) = at.hop(&method, around, course).await? else {
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

/// One address on the way.
struct At<'a> {
    check: &'a HttpCheck,
    url: &'a Url,
    /// False: a redirect led to another origin. The target's own headers and body are not for it.
    home: bool,
    may_follow: bool,
}

impl At<'_> {
    /// One request. None: its answer is the last, and as it should be.
    async fn hop(
        &self,
        method: &Method,
        around: &Surroundings,
        course: &mut Course<'_>,
    ) -> Result<Option<Next>, Failure> {
        let host = self.url.host_str().filter(|_| matches!(self.url.scheme(), "http" | "https"));
        let (Some(host), Some(port)) = (host, self.url.port_or_known_default()) else {
            let why = format!("{} is neither http nor https", shown(self.url));
            return Err(Failure::new(ErrorKind::Protocol, why));
        };
        let mut request = self.request(host, method)?;
        if let Some(auth) = self.check.auth.as_ref().filter(|_| self.home) {
            authorize(&mut request, auth, host, around).await?;
        }
        let secured = self.url.scheme() == "https";
        let client = if self.check.http2 { &around.tls_h2 } else { &around.tls };
        let (mut client, mut options) = (client.clone(), TlsOptions::default());
        if secured {
            options = self.tls();
            client = papers::dressed(client, &options, host, &around.own).await?;
        }
        let stream = match &self.check.proxy {
            Some(name) => proxy::through(name, host, port, around, course).await?,
            None => connect(host, port, around, course).await?,
        };
        if !secured {
            return self.by_http1(stream, request, course).await;
        }
        let stream = tls::handshake(stream, host, &client, &options, course).await?;
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            return self.by_http2(stream, request, course).await;
        }
        self.by_http1(stream, request, course).await
    }

    /// How hands are shaken here: what was said of the target's own host holds for no other.
    fn tls(&self) -> TlsOptions {
        let TlsOptions { any_certificate, .. } = self.check.tls;
        if self.home {
            self.check.tls.clone()
        } else {
            TlsOptions { any_certificate, ..TlsOptions::default() }
        }
    }

    /// The request as HTTP/1.1 writes it.
    fn request(&self, host: &str, method: &Method) -> Result<Request<Full<Bytes>>, Failure> {
        let internal =
            |e: http::Error| Failure::new(ErrorKind::Internal, format!("the request: {e}"));
        let target = match self.url.query() {
            Some(query) => format!("{}?{query}", self.url.path()),
            None => self.url.path().to_owned(),
        };
        let host = match self.url.port() {
            Some(port) => HeaderValue::try_from(format!("{host}:{port}")),
            None => HeaderValue::try_from(host),
        };
        let text = self.check.body.as_deref().filter(|_| self.home && *method != Method::GET);
        let text = text.map(str::to_owned).unwrap_or_default();
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header(HOST, host.map_err(|e| internal(e.into()))?)
            .header(USER_AGENT, AGENT)
            .header(ACCEPT, HeaderValue::from_static("*/*"))
            .header(CONNECTION, HeaderValue::from_static("close"))
            .body(Full::from(text))
            .map_err(internal)?;
        let headers = request.headers_mut();
        if self.check.compression {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(body::ACCEPTED));
        }
        for (name, value) in self.check.headers.iter().filter(|_| self.home) {
            let name = HeaderName::try_from(name).map_err(|e| internal(e.into()))?;
            headers.insert(name, HeaderValue::try_from(value).map_err(|e| internal(e.into()))?);
        }
        Ok(request)
    }

    /// Sends the request over a fresh connection and judges the answer.
    async fn by_http1<T: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: T,
        request: Request<Full<Bytes>>,
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
        let connection = pin!(connection);
        let mut connection = Driven::pinned(connection);
        let response =
            connection.drive(sender.send_request(request)).await.map_err(|e| failed(&e))?;
        let (head, incoming) = response.into_parts();
        if let Some(next) = self.judge_head(&head, course)? {
            return Ok(Some(next));
        }
        let (body, whole) = self.read_body(incoming, &mut connection).await?;
        self.judge_body(&head, body, whole, course)?;
        Ok(None)
    }

    async fn by_http2<T: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: T,
        request: Request<Full<Bytes>>,
        course: &mut Course<'_>,
    ) -> Result<Option<Next>, Failure> {
        let (request, body) = for_http2(request).await?;
        let answer = http2::ask(stream, request, body, course).await?;
        if let Some(next) = self.judge_head(&answer.head, course)? {
            return Ok(Some(next));
        }
        let head = answer.head.clone();
        let (body, whole) = answer.read(self.check.body_bytes_max as usize).await?;
        self.judge_body(&head, body, whole, course)?;
        Ok(None)
    }

    /// Where the answer leads, if it is followed; else its status is judged.
    fn judge_head(&self, head: &Parts, course: &mut Course<'_>) -> Result<Option<Next>, Failure> {
        let status = head.status.as_u16();
        course.status = Some(status);
        note_clues(head, course);
        if self.may_follow
            && let Some(next) = redirect(self.url, status, &head.headers)?
        {
            return Ok(Some(next));
        }
        judge_status(status, &self.check.status, &head.headers)?;
        Ok(None)
    }

    /// Whether anybody will look into the body.
    fn needs_body(&self) -> bool {
        self.check.body_contains.is_some() || assertion::need_body(&self.check.assertions)
    }

    /// Reads the body up to its bound; true: to its end. It is kept only if it is needed.
    async fn read_body<C: Future>(
        &self,
        mut body: Incoming,
        connection: &mut Driven<'_, C>,
    ) -> Result<(Vec<u8>, bool), Failure> {
        let (mut kept, mut read) = (Vec::new(), 0);
        let most = self.check.body_bytes_max as usize;
        while read < most {
            let Some(frame) = connection.drive(body.frame()).await else {
                return Ok((kept, true));
            };
            let frame = frame.map_err(|e| Failure::reading_body(&e, read))?;
            let Ok(data) = frame.into_data() else { continue };
            read += data.len();
            if self.needs_body() {
                kept.extend_from_slice(data.get(..most - kept.len()).unwrap_or(&data));
            }
        }
        Ok((kept, false))
    }

    fn judge_body(
        &self,
        head: &Parts,
        body: Vec<u8>,
        whole: bool,
        course: &mut Course<'_>,
    ) -> Result<(), Failure> {
        course.end(Instant::now());
        let body = if self.needs_body() {
            body::plain(&head.headers, body, whole, self.check.body_bytes_max as usize)?
        } else {
            body
        };
        if let Some(wanted) = &self.check.body_contains
            && !assertion::contains(&body, wanted.as_bytes())
        {
            let why = format!(
                "the body does not contain {wanted:?} ({} bytes read): {}",
                body.len(),
                assertion::shown(&body)
            );
            return Err(Failure::new(ErrorKind::Assertion, why));
        }
        let answer = assertion::Answer { headers: Some(&head.headers), body: &body };
        assertion::judge(&self.check.assertions, &answer, course)
    }
}

/// Shows a key of the agent's own; only to hosts that its owner named.
async fn authorize(
    request: &mut Request<Full<Bytes>>,
    auth: &Auth,
    host: &str,
    around: &Surroundings,
) -> Result<(), Failure> {
    let internal = || Failure::new(ErrorKind::Internal, "the key or its header cannot be sent");
    let (name, text) = match auth {
        Auth::Basic { user, key } => {
            let secret = around.own.keys.shown_to(key, &papers::bare(host)).await?;
            (AUTHORIZATION, format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{secret}"))))
        }
        Auth::Bearer { key } => (
            AUTHORIZATION,
            format!("Bearer {}", around.own.keys.shown_to(key, &papers::bare(host)).await?),
        ),
        Auth::Header { name, key } => {
            let name = HeaderName::try_from(name).map_err(|_| internal())?;
            (name, around.own.keys.shown_to(key, &papers::bare(host)).await?)
        }
    };
    let mut value = HeaderValue::try_from(text).map_err(|_| internal())?;
    value.set_sensitive(true);
    request.headers_mut().insert(name, value);
    Ok(())
}

/// The same request as HTTP/2 writes it: a whole address, and no word about the connection.
async fn for_http2(request: Request<Full<Bytes>>) -> Result<(Request<()>, Bytes), Failure> {
    let internal = |e: http::Error| Failure::new(ErrorKind::Internal, format!("the request: {e}"));
    let (mut head, body) = request.into_parts();
    let host = head.headers.remove(HOST).unwrap_or(HeaderValue::from_static(""));
    head.headers.remove(CONNECTION);
    let authority = Authority::try_from(host.as_bytes()).map_err(|e| internal(e.into()))?;
    let path = head.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    let uri = Uri::builder().scheme(Scheme::HTTPS).authority(authority).path_and_query(path);
    head.uri = uri.build().map_err(internal)?;
    head.version = Version::HTTP_2;
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    Ok((Request::from_parts(head, ()), body))
}

fn note_clues(head: &Parts, course: &mut Course<'_>) {
    let version = if head.version == Version::HTTP_2 {
        "2"
    } else if head.version == Version::HTTP_10 {
        "1.0"
    } else {
        "1.1"
    };
    course.clues.http_version = Some(version.to_owned());
    course.clues.headers.clear();
    for name in CLUES {
        if let Some(value) = head.headers.get(name) {
            let value = certificate::cut(&String::from_utf8_lossy(value.as_bytes()));
            course.clues.headers.push((name.to_owned(), value));
        }
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

fn judge_status(status: u16, expected: &StatusSet, headers: &HeaderMap) -> Result<(), Failure> {
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
    let later = headers.get(http::header::RETRY_AFTER).map(|value| {
        format!(", retry after {}", certificate::cut(&String::from_utf8_lossy(value.as_bytes())))
    });
    let expected = ranges.join(", ");
    let why = format!("status {status}, expected {expected}{}", later.unwrap_or_default());
    Err(Failure::new(kind, why))
}

/// An address without the user's name and password.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    if url.set_username("").is_err() || url.set_password(None).is_err() {
        return format!("an address of scheme {:?}", url.scheme());
    }
    url.into()
}
