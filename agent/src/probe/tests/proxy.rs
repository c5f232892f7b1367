//! The way through a proxy: which of its answers are evidence, and which are ours.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;

use super::super::{Belongings, Proxy};
use super::tls::{authority, greeting, https, trusting};
use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

fn by(proxy: SocketAddr, user: Option<(String, PathBuf)>) -> Belongings {
    let proxy = Proxy { address: proxy.to_string(), user };
    Belongings { proxies: BTreeMap::from([("out".to_owned(), proxy)]), ..Belongings::default() }
}

/// A proxy that connects wherever it is asked to, and keeps what it was asked.
async fn proxy() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&asked);
    let address = serve(move |mut client, head| {
        kept.lock().unwrap().push(head.clone());
        async move {
            let to = head.split(' ').nth(1).unwrap();
            let mut server = TcpStream::connect(to).await.unwrap();
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
            // either side may leave as it likes
            copy_bidirectional(&mut client, &mut server).await.ok();
        }
    })
    .await;
    (address, asked)
}

async fn look_through(url: String, around: &Surroundings, timeout: Duration) -> ProbeResult {
    let check = HttpCheck { proxy: Some("out".into()), ..get(&url) };
    look(&target(Check::Http(check), timeout), around, Timestamp::EPOCH, false).await
}

#[tokio::test]
async fn a_look_goes_through_the_proxy_and_shows_who_asks() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "open sesame\n").unwrap();
    let ours = authority("ours");
    let (proxy, asked) = proxy().await;
    let around = trusting(&ours).with(by(proxy, Some(("me".into(), file.clone()))));
    let (web, secure) = (saying(OK).await, https(&ours, "127.0.0.1", 4000).await);
    for url in [format!("http://{web}/"), format!("https://{secure}/")] {
        let result = look_through(url, &around, PATIENCE).await;
        assert_eq!(result.outcome, Outcome::Ok, "{}", detail(&result));
        assert_eq!((result.peer, result.status), (None, Some(200)));
        assert!(result.stages.connect.is_some() && result.stages.first_byte.is_some());
    }
    let asked = std::mem::take(&mut *asked.lock().unwrap());
    for (head, to) in asked.iter().zip([web, secure]) {
        assert!(head.starts_with(&format!("CONNECT {to} HTTP/1.1\r\nhost: {to}\r\n")), "{head}");
        assert!(head.contains("proxy-authorization: Basic bWU6b3BlbiBzZXNhbWU=\r\n"), "{head}");
    }
    std::fs::remove_file(&file).unwrap();
    let result = look_through(format!("http://{web}/"), &around, PATIENCE).await;
    assert_eq!(kind(&result), Some(ErrorKind::Internal), "{}", detail(&result));
}

#[tokio::test]
async fn redirects_go_through_it_too() {
    let (proxy, asked) = proxy().await;
    let last = saying(OK).await;
    let first = saying(format!("HTTP/1.1 302 X\r\nlocation: http://{last}/\r\n\r\n")).await;
    let around = plain().with(by(proxy, None));
    let result = look_through(format!("http://{first}/"), &around, PATIENCE).await;
    assert_eq!(result.outcome, Outcome::Ok, "{}", detail(&result));
    assert_eq!(asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn what_the_proxy_says_of_the_target_is_evidence_and_of_us_is_not() {
    for (answer, expected, says) in [
        ("HTTP/1.1 502 X\r\n\r\n", ErrorKind::Unreachable, "finds no way to"),
        ("HTTP/1.1 503 X\r\n\r\n", ErrorKind::Unreachable, "finds no way to"),
        ("HTTP/1.1 504 X\r\n\r\n", ErrorKind::ConnectTimeout, "got no connection to"),
        ("HTTP/1.1 407 X\r\n\r\n", ErrorKind::PolicyDenied, "wants other credentials"),
        ("HTTP/1.1 403 X\r\n\r\n", ErrorKind::PolicyDenied, "forbids a way"),
        ("HTTP/1.1 400 X\r\n\r\n", ErrorKind::Internal, "makes no tunnel"),
        ("HTTP/1.1 200 OK\r\n\r\nsurplus", ErrorKind::Internal, "more than its answer"),
        ("SSH-2.0\r\n", ErrorKind::Internal, "is not HTTP"),
        ("", ErrorKind::Internal, "closed before an answer"),
    ] {
        let around = plain().with(by(saying(answer).await, None));
        let result = look_through("http://shop.invalid/".into(), &around, PATIENCE).await;
        assert_eq!(kind(&result), Some(expected), "{answer:?}: {}", detail(&result));
        assert!(detail(&result).contains(says), "{answer:?}: {}", detail(&result));
        assert_eq!(result.peer, None);
    }
}

#[tokio::test]
async fn an_endless_head_of_a_proxy_is_not_read_to_its_end() {
    let endless = greeting(|mut stream| async move {
        let line = b"x-filler: 0123456789012345678901234567890123456789\r\n".repeat(100);
        stream.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        while stream.write_all(&line).await.is_ok() {}
    });
    let around = plain().with(by(endless.await, None));
    let result = look_through("http://shop.invalid/".into(), &around, PATIENCE).await;
    assert_eq!(kind(&result), Some(ErrorKind::Internal), "{}", detail(&result));
    assert!(detail(&result).contains("headers are too large"), "{}", detail(&result));
}

#[tokio::test]
async fn a_proxy_that_is_away_is_no_evidence() {
    let around = plain().with(by(nobody().await, None));
    let result = look_through("http://shop.invalid/".into(), &around, PATIENCE).await;
    assert_eq!(kind(&result), Some(ErrorKind::Internal), "{}", detail(&result));
    assert!(detail(&result).contains("proxy \"out\": connection refused"), "{}", detail(&result));
    let unknown = look_through("http://h/".into(), &plain(), PATIENCE).await;
    assert_eq!(kind(&unknown), Some(ErrorKind::PolicyDenied));
    assert!(detail(&unknown).contains("add [proxies.out]"), "{}", detail(&unknown));
}

#[tokio::test]
async fn a_tunnel_that_is_never_made_is_a_connect_timeout() {
    let around = plain().with(by(stalling(b"").await, None));
    let result = look_through("http://shop.invalid/".into(), &around, BRIEF).await;
    assert_eq!(kind(&result), Some(ErrorKind::ConnectTimeout), "{}", detail(&result));
    assert!(detail(&result).contains("makes no connection to shop.invalid:80"));
}

#[tokio::test]
async fn a_proxy_is_no_way_around_the_policy() {
    let (proxy, asked) = proxy().await;
    let around = plain().with(by(proxy, None));
    for host in ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]"] {
        let result = look_through(format!("http://{host}/"), &around, PATIENCE).await;
        assert_eq!(kind(&result), Some(ErrorKind::PolicyDenied), "{host}");
    }
    assert!(asked.lock().unwrap().is_empty());
}
