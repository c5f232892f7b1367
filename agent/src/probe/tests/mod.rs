//! Every error kind against real servers on loopback.

mod diagnose;
mod dns;
mod grpc;
mod http;
mod icmp;
mod llm;
mod papers;
mod proxy;
mod starttls;
mod table;
mod tcp;
mod tls;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use parallax_model::{
    Check, ErrorKind, HttpCheck, Outcome, ProbeResult, Role, Selector, Sensitivity, StatusSet,
    Target, TargetName, TcpCheck, Timestamp,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Surroundings, look, look_within};

/// Long enough that only a look that hangs meets it.
const PATIENCE: Duration = Duration::from_secs(20);

/// For looks that must run into their timeout.
const BRIEF: Duration = Duration::from_millis(200);

fn plain() -> Surroundings {
    Surroundings::new(None, BTreeMap::new()).unwrap()
}

fn target(check: Check, timeout: Duration) -> Target {
    Target {
        name: TargetName::new("t").unwrap(),
        role: Role::Service,
        interval: Duration::from_secs(1),
        timeout,
        depends_on: vec![],
        agents: Selector::default(),
        sensitivity: Sensitivity::default(),
        policy: None,
        check,
    }
}

fn get(url: &str) -> HttpCheck {
    HttpCheck { redirects_max: 3, ..HttpCheck::get(url) }
}

async fn http_look(check: HttpCheck, timeout: Duration) -> ProbeResult {
    look(&target(Check::Http(check), timeout), &plain(), Timestamp::from_micros(7), false).await
}

fn kind(result: &ProbeResult) -> Option<ErrorKind> {
    result.outcome.error()
}

/// The failure's sentence.
fn detail(result: &ProbeResult) -> &str {
    result.detail.as_deref().unwrap_or_default()
}

/// A server that reads a request's head and hands it on with its connection, again and again.
async fn serve<F, Fut>(answer: F) -> SocketAddr
where
    F: Fn(TcpStream, String) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            tokio::spawn(answer(stream, String::from_utf8(head).unwrap()));
        }
    });
    address
}

/// A server that answers every request with `bytes` and closes.
async fn saying(bytes: impl Into<Vec<u8>>) -> SocketAddr {
    let bytes = bytes.into();
    serve(move |mut stream, _| {
        let bytes = bytes.clone();
        async move {
            // a client that has read enough closes early
            stream.write_all(&bytes).await.ok();
        }
    })
    .await
}

/// A server that says `bytes` and then holds its breath.
async fn stalling(bytes: &'static [u8]) -> SocketAddr {
    serve(move |mut stream, _| async move {
        stream.write_all(bytes).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await
}

/// An address at which nobody listens.
async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// Closes so that the peer sees a reset.
fn reset(stream: TcpStream) {
    let socket = socket2::SockRef::from(&stream);
    socket.set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}

#[tokio::test]
async fn a_tcp_look_tells_taken_from_refused() {
    let open = saying("").await;
    let tcp = |address: String| target(Check::Tcp(TcpCheck::to(address)), PATIENCE);
    let taken = look(&tcp(open.to_string()), &plain(), Timestamp::EPOCH, true).await;
    assert_eq!(taken.outcome, Outcome::Ok);
    assert!(taken.asked && taken.stages.connect.is_some() && taken.stages.resolve.is_none());
    let address = nobody().await;
    let refused = look(&tcp(address.to_string()), &plain(), Timestamp::EPOCH, false).await;
    assert_eq!(kind(&refused), Some(ErrorKind::ConnectRefused));
    assert_eq!(detail(&refused), format!("connection refused by {address}"));
    assert_eq!(refused.peer, Some(address.to_string()));
    let malformed = look(&tcp("nowhere".into()), &plain(), Timestamp::EPOCH, false).await;
    assert_eq!(kind(&malformed), Some(ErrorKind::Internal));
}

#[tokio::test]
async fn a_pinned_host_is_connected_to_where_the_pin_says() {
    let address = saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let pins = BTreeMap::from([("shop.invalid".to_owned(), address)]);
    let around = Surroundings::new(None, pins).unwrap();
    let check = Check::Http(get("http://Shop.invalid:9/x"));
    let result = look(&target(check, PATIENCE), &around, Timestamp::EPOCH, false).await;
    assert_eq!(result.outcome, Outcome::Ok);
    assert_eq!(result.peer, Some(address.to_string()));
    assert_eq!(result.stages.resolve, None);
}
