//! What a gRPC server says of a service: `grpc.health.v1.Health/Check`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parallax_model::{ErrorKind, GrpcCheck, GrpcSeen, Seen, Serving, Stage};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::timeout_at;
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_health::pb as health;

use super::Surroundings;
use super::connect::{connect, host_and_port};
use super::failure::Failure;
use super::papers;
use super::timing::Course;
use super::tls;

/// Largest answer: it is a number.
const ANSWER_BYTES_MAX: usize = 4096;

/// Largest header list of an answer, a status' message included.
const HEADERS_BYTES_MAX: u32 = 16 << 10;

pub(super) async fn look(
    check: &GrpcCheck,
    around: &Surroundings,
    course: &mut Course<'_>,
) -> Result<(), Failure> {
    let (host, port) = host_and_port(&check.address)?;
    let client = match &check.tls {
        Some(options) => {
            let client = tls::offering(&around.tls, &[b"h2"]);
            Some(papers::dressed(client, options, &host, &around.own).await?)
        }
        None => None,
    };
    let stream = connect(&host, port, around, course).await?;
    if let (Some(options), Some(client)) = (&check.tls, client) {
        let stream = tls::handshake(stream, &host, &client, options, course).await?;
        ask(stream, "https", check, course).await
    } else {
        ask(stream, "http", check, course).await
    }
}

async fn ask<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: T,
    scheme: &str,
    check: &GrpcCheck,
    course: &mut Course<'_>,
) -> Result<(), Failure> {
    course.begin(Stage::FirstByte);
    let origin = Uri::builder().scheme(scheme).authority(check.address.as_str());
    let origin = origin.path_and_query("/").build();
    let origin = origin
        .map_err(|e| Failure::new(ErrorKind::Internal, format!("the target's address: {e}")))?;
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .max_header_list_size(HEADERS_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|e| Failure::speaking_http2(&e))?;
    // ends with the look
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let heard = Arc::new(Heard::default());
    let call = Call { sender, heard: Arc::clone(&heard) };
    let mut client = health::health_client::HealthClient::with_origin(call, origin)
        .max_decoding_message_size(ANSWER_BYTES_MAX);
    let question = health::HealthCheckRequest { service: check.service.clone() };
    let answer = timeout_at(course.last_word(), client.check(question)).await;
    let answer = answer.map_err(|_| {
        Failure::new(ErrorKind::Timeout, "connected, but the health call is not answered")
    })?;
    course.begin(Stage::Assert);
    match answer {
        Ok(answer) => {
            course.status = Some(Code::Ok as u16);
            judge(check, answer.into_inner().status, course)
        }
        Err(status) if heard.is_other_than_grpc() && transport(&status).is_none() => {
            let why = format!("the answer is not gRPC: {}", status.message());
            Err(Failure::new(ErrorKind::Protocol, why))
        }
        Err(status) => {
            let failure = refusal(check, &status, course);
            if failure.kind != ErrorKind::Closed {
                return Err(failure);
            }
            // a call on a connection that broke is only told that it did; why, the connection knows
            let why = timeout_at(course.last_word(), driver.join_next()).await;
            let Ok(Some(Ok(Err(why)))) = why else { return Err(failure) };
            Err(Failure::speaking_http2(&why))
        }
    }
}

/// One HTTP/2 connection, as tonic wants to call it.
struct Call {
    sender: SendRequest<Body>,
    heard: Arc<Heard>,
}

/// What of the answer was the server's own word. tonic makes up a status for what is no gRPC at all, and
/// such a status would otherwise be held to be the server's.
#[derive(Default)]
struct Heard {
    http_ok: AtomicBool,
    status: AtomicBool,
}

impl Heard {
    fn is_other_than_grpc(&self) -> bool {
        self.http_ok.load(Ordering::Relaxed) && !self.status.load(Ordering::Relaxed)
    }

    fn note(&self, headers: &HeaderMap) {
        if headers.contains_key("grpc-status") {
            self.status.store(true, Ordering::Relaxed);
        }
    }
}

impl tower_service::Service<Request<Body>> for Call {
    type Response = Response<UnsyncBoxBody<Bytes, hyper::Error>>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.sender.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let heard = Arc::clone(&self.heard);
        let answer = self.sender.send_request(request);
        Box::pin(async move {
            let answer = answer.await?;
            heard.http_ok.store(answer.status() == StatusCode::OK, Ordering::Relaxed);
            heard.note(answer.headers());
            Ok(answer.map(|body| {
                let listened = body.map_frame(move |frame| {
                    if let Some(trailers) = frame.trailers_ref() {
                        heard.note(trailers);
                    }
                    frame
                });
                listened.boxed_unsync()
            }))
        })
    }
}

fn judge(check: &GrpcCheck, word: i32, course: &mut Course<'_>) -> Result<(), Failure> {
    let known = usize::try_from(word).ok().and_then(|at| Serving::ALL.get(at).copied());
    let Some(serving) = known else {
        let why = format!("a health status that the protocol does not know: {word}");
        return Err(Failure::new(ErrorKind::Protocol, why));
    };
    course.seen = Some(Seen::Grpc(GrpcSeen { serving }));
    let kind = match serving {
        Serving::Serving => return Ok(()),
        // the service's own word that it is not well, as a 503 is
        Serving::NotServing => ErrorKind::Status5xx,
        Serving::Unknown | Serving::ServiceUnknown => ErrorKind::Assertion,
    };
    Err(Failure::new(kind, format!("{} is {}", named(check), serving.as_str())))
}

/// The call itself was refused, or broke.
fn refusal(check: &GrpcCheck, status: &Status, course: &mut Course<'_>) -> Failure {
    if let Some(broken) = transport(status) {
        return broken;
    }
    course.status = Some(status.code() as u16);
    let said = status.message();
    let code = status.code();
    let why = if code == Code::NotFound {
        course.seen = Some(Seen::Grpc(GrpcSeen { serving: Serving::ServiceUnknown }));
        format!("the server knows no {}", named(check))
    } else if code == Code::Unimplemented {
        format!("the server does not speak grpc.health.v1: {said}")
    } else {
        format!("gRPC status {} ({code}): {said}", code as i32)
    };
    Failure::new(kind(code), why)
}

fn kind(code: Code) -> ErrorKind {
    match code {
        Code::Unauthenticated | Code::PermissionDenied | Code::ResourceExhausted => {
            ErrorKind::Blocked
        }
        Code::Ok
        | Code::Unavailable
        | Code::Internal
        | Code::Unknown
        | Code::DataLoss
        | Code::Aborted
        | Code::Cancelled
        | Code::DeadlineExceeded => ErrorKind::Status5xx,
        Code::NotFound
        | Code::Unimplemented
        | Code::InvalidArgument
        | Code::FailedPrecondition
        | Code::AlreadyExists
        | Code::OutOfRange => ErrorKind::Status4xx,
    }
}

/// What broke below gRPC, if that is what the status stands for.
fn transport(status: &Status) -> Option<Failure> {
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            return Some(Failure::speaking_http2(error));
        }
        source = error.source();
    }
    None
}

fn named(check: &GrpcCheck) -> String {
    if check.service.is_empty() {
        return "the server".to_owned();
    }
    format!("service {:?}", check.service)
}
