//! A practice service: a real HTTP server on loopback with a switch.
//!
//! Contract: every request is answered as the [`Mode`] says that is set when the answer is due, so
//! a switch is felt by looks that are already waiting.
//! An LLM service (`llm`) streams its answers, and has switches of its own for how streams fail.
//! Never: more than [`CONNECTIONS_MAX`] connections, or one that lives longer than
//! [`CONNECTION_LIFETIME`]. Of a request's body,
//! no more than [`QUESTION_BYTES_MAX`] is read.

mod llm;

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

pub use llm::LlmMode;

/// Most connections at once; further ones wait in the kernel's queue. Five agents that look once a
/// second, and visitors.
pub const CONNECTIONS_MAX: usize = 128;

/// Longest life of a connection: a visitor's browser may keep one open, not for ever.
pub const CONNECTION_LIFETIME: Duration = Duration::from_secs(30);

/// How long a healthy service takes to answer.
pub const ANSWERS_AFTER: Duration = Duration::from_millis(8);

/// By how much a service can be slowed; more is a service that hangs.
pub const FACTOR_MAX: u32 = 1000;

/// How slow "slow" is where no factor is given: 320 ms, within the practice timeout.
pub const FACTOR_DEFAULT: u32 = 40;

/// Most bytes of a question to an LLM service.
pub const QUESTION_BYTES_MAX: usize = 64 << 10;

/// What a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A page that says that it is fine.
    Page,
    /// An LLM service that streams its answers: chat completions, and messages below `/v1/messages`.
    Llm,
}

impl Kind {
    /// The words of its switches, in the order in which they are shown.
    pub fn switches(self) -> Vec<&'static str> {
        let common = [Mode::Healthy, Mode::Error, Mode::Slow(1), Mode::Refuse, Mode::Hang];
        let own = match self {
            Self::Page => &[][..],
            Self::Llm => LlmMode::ALL,
        };
        let own = own.iter().map(|mode| mode.as_str());
        common.iter().map(|mode| mode.as_str()).chain(own).collect()
    }
}

/// A body, whole or as it comes.
type Body = UnsyncBoxBody<Bytes, io::Error>;

/// How a service behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Answers 200 after [`ANSWERS_AFTER`].
    Healthy,
    /// Answers 500 "internal server error".
    Error,
    /// Answers 200, this many times slower, at most [`FACTOR_MAX`].
    Slow(u32),
    /// Refuses connections. The service itself resets them; links to it refuse them.
    Refuse,
    /// Takes the request and never answers.
    Hang,
    /// As only a service that streams can fail.
    Llm(LlmMode),
}

impl Mode {
    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Error => "error",
            Self::Slow(_) => "slow",
            Self::Refuse => "refuse",
            Self::Hang => "hang",
            Self::Llm(mode) => mode.as_str(),
        }
    }

    /// The mode a word stands for; `factor` is for `slow` alone.
    pub fn from_word(word: &str, factor: Option<u32>) -> Option<Self> {
        match word {
            "healthy" => Some(Self::Healthy),
            "error" => Some(Self::Error),
            "slow" => Some(Self::Slow(factor.unwrap_or(FACTOR_DEFAULT).clamp(1, FACTOR_MAX))),
            "refuse" => Some(Self::Refuse),
            "hang" => Some(Self::Hang),
            other => LlmMode::from_word(other).map(Self::Llm),
        }
    }
}

/// One service, as the world holds it. Dropping it ends the server and its connections.
#[derive(Debug)]
pub struct Service {
    addr: SocketAddr,
    kind: Kind,
    mode: watch::Sender<Mode>,
    _server: JoinSet<()>,
}

impl Service {
    /// A healthy service called `name` on a free loopback port.
    pub async fn open(name: &'static str, kind: Kind) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let (mode, seen) = watch::channel(Mode::Healthy);
        let mut server = JoinSet::new();
        server.spawn(serve(name, kind, listener, seen));
        Ok(Self { addr, kind, mode, _server: server })
    }

    /// Where it listens.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it is.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// How it behaves.
    pub fn mode(&self) -> Mode {
        *self.mode.borrow()
    }

    /// Makes it behave so, at once. False if it is no service of the kind that can.
    pub fn set(&self, mode: Mode) -> bool {
        if matches!(mode, Mode::Llm(_)) && self.kind != Kind::Llm {
            return false;
        }
        self.mode.send_replace(mode);
        true
    }
}

async fn serve(name: &'static str, kind: Kind, listener: TcpListener, mode: watch::Receiver<Mode>) {
    let mut open = JoinSet::new();
    loop {
        let room = open.len() < CONNECTIONS_MAX;
        tokio::select! {
            Some(_) = open.join_next() => {}
            accepted = listener.accept(), if room => match accepted {
                Ok((stream, _)) => { open.spawn(answer(name, kind, stream, mode.clone())); }
                Err(error) => {
                    tracing::debug!(service = name, %error, "practice service could not accept");
                    sleep(ANSWERS_AFTER).await;
                }
            }
        }
    }
}

/// Answers all requests of one connection, or resets it.
async fn answer(
    name: &'static str,
    kind: Kind,
    stream: TcpStream,
    mut mode: watch::Receiver<Mode>,
) {
    if *mode.borrow() == Mode::Refuse {
        return drop(stream.set_zero_linger());
    }
    let requests = mode.clone();
    let service = service_fn(move |request| respond(name, kind, request, requests.clone()));
    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // a peer that breaks off is what practice is about
        _ = timeout(CONNECTION_LIFETIME, serving) => {}
        _ = mode.wait_for(|mode| *mode == Mode::Refuse) => {}
    }
}

async fn respond(
    name: &'static str,
    kind: Kind,
    request: Request<Incoming>,
    mut mode: watch::Receiver<Mode>,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let question = match kind {
        Kind::Page => Bytes::new(),
        Kind::Llm => match Limited::new(body, QUESTION_BYTES_MAX).collect().await {
            Ok(body) => body.to_bytes(),
            Err(_) => Bytes::new(),
        },
    };
    loop {
        let now = *mode.borrow_and_update();
        let wait = async {
            match now {
                Mode::Healthy | Mode::Error | Mode::Llm(_) => sleep(ANSWERS_AFTER).await,
                Mode::Slow(factor) => sleep(ANSWERS_AFTER.saturating_mul(factor)).await,
                Mode::Refuse | Mode::Hang => pending().await,
            }
        };
        tokio::select! {
            () = wait => return Ok(match kind {
                Kind::Page => page(name, now),
                Kind::Llm => llm::answer(&head, &question, now),
            }),
            Ok(()) = mode.changed() => {}
        }
    }
}

fn page(name: &str, mode: Mode) -> Response<Body> {
    let (status, text) = match mode {
        Mode::Error => (StatusCode::INTERNAL_SERVER_ERROR, "internal server error\n".to_owned()),
        Mode::Healthy | Mode::Slow(_) | Mode::Refuse | Mode::Hang | Mode::Llm(_) => {
            (StatusCode::OK, format!("{name} is fine\n"))
        }
    };
    whole(status, "text/plain; charset=utf-8", text)
}

/// An answer that is there at once.
fn whole(status: StatusCode, kind: &'static str, text: String) -> Response<Body> {
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests;
