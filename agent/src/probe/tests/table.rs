//! What HTTP and TLS looks tell apart, as a table. `cargo test -p parallax-agent table -- --nocapture`
//! prints it.

use std::fmt::Write as _;

use super::tls::{authority, chained, greeting, https, trusting};
use super::*;

/// A case, the look's result, and what it must be: kind, stages, a part of the detail.
struct Case {
    name: &'static str,
    result: ProbeResult,
    kind: ErrorKind,
    stages: &'static str,
    says: &'static str,
}

async fn https_look(address: SocketAddr, around: &Surroundings, timeout: Duration) -> ProbeResult {
    let check = Check::Http(get(&format!("https://{address}/")));
    look(&target(check, timeout), around, Timestamp::EPOCH, false).await
}

async fn http_at(address: SocketAddr, timeout: Duration) -> ProbeResult {
    http_look(get(&format!("http://{address}/")), timeout).await
}

async fn tls_cases() -> Vec<Case> {
    let (ours, other) = (authority("ours"), authority("another"));
    let around = trusting(&ours);
    let resetting = greeting(|mut stream| async move {
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        reset(stream);
    });
    // what OpenSSL answers where it may speak TLS 1.0 alone: a fatal alert, protocol_version
    let old = greeting(|mut stream| async move {
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        stream.write_all(&[21, 3, 1, 0, 2, 2, 70]).await.unwrap();
    });
    let garbage = greeting(|mut stream| async move {
        stream.write_all(b"220 mail.example ESMTP\r\n").await.unwrap();
        std::future::pending::<()>().await;
    });
    let case = |name, kind, says, result| Case { name, result, kind, stages: "connect tls", says };
    let look = |address| https_look(address, &around, PATIENCE);
    vec![
        case(
            "expired",
            ErrorKind::CertExpired,
            "has expired (2021-01-01)",
            look(https(&ours, "127.0.0.1", 2021).await).await,
        ),
        case(
            "self-signed",
            ErrorKind::CertUntrusted,
            "self-signed",
            look(chained(None, "127.0.0.1").await).await,
        ),
        case(
            "untrusted root",
            ErrorKind::CertUntrusted,
            "no trusted root",
            look(https(&other, "127.0.0.1", 4000).await).await,
        ),
        case(
            "incomplete chain",
            ErrorKind::CertUntrusted,
            "sent no certificate of its issuer",
            look(chained(Some(&ours), "127.0.0.1").await).await,
        ),
        case(
            "wrong name",
            ErrorKind::CertName,
            "not for 127.0.0.1 but for 127.0.0.2",
            look(https(&ours, "127.0.0.2", 4000).await).await,
        ),
        case("TLS 1.0 only", ErrorKind::TlsHandshake, "ProtocolVersion", look(old.await).await),
        case("RST in handshake", ErrorKind::Reset, "reset in the TLS", look(resetting.await).await),
        case("no TLS there", ErrorKind::TlsHandshake, "TLS handshake", look(garbage.await).await),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table")]
async fn http_cases() -> Vec<Case> {
    let closed = serve(|stream, _| async move { drop(stream) }).await;
    let later = "HTTP/1.1 429 X\r\nretry-after: 120\r\nserver: edge\r\n\r\n";
    let slow_body = stalling(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello").await;
    let wrong_body = {
        let address = saying("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhaha").await;
        let check = get(&format!("http://{address}/"));
        http_look(HttpCheck { body_contains: Some("ok".into()), ..check }, PATIENCE).await
    };
    let answered = "connect first_byte transfer";
    let case = |name, kind, stages, says, result| Case { name, result, kind, stages, says };
    vec![
        case(
            "closed before headers",
            ErrorKind::Closed,
            "connect first_byte",
            "before an answer",
            http_at(closed, PATIENCE).await,
        ),
        case(
            "slow headers",
            ErrorKind::Timeout,
            "connect first_byte",
            "no answer within 200ms",
            http_at(stalling(b"").await, BRIEF).await,
        ),
        case(
            "slow body",
            ErrorKind::Timeout,
            answered,
            "not complete within 200ms",
            http_at(slow_body, BRIEF).await,
        ),
        case(
            "wrong status",
            ErrorKind::Status5xx,
            answered,
            "status 500, expected 200-299",
            http_at(saying("HTTP/1.1 500 X\r\n\r\n").await, PATIENCE).await,
        ),
        case("wrong body", ErrorKind::Assertion, answered, "does not contain \"ok\"", wrong_body),
        case(
            "blocked",
            ErrorKind::Blocked,
            answered,
            "status 403",
            http_at(saying("HTTP/1.1 403 X\r\n\r\n").await, PATIENCE).await,
        ),
        case(
            "429 with retry-after",
            ErrorKind::Blocked,
            answered,
            "retry after 120",
            http_at(saying(later).await, PATIENCE).await,
        ),
        case(
            "redirect loop",
            ErrorKind::Status4xx,
            answered,
            "status 302",
            http_at(saying("HTTP/1.1 302 X\r\nlocation: /\r\n\r\n").await, PATIENCE).await,
        ),
        case(
            "refused",
            ErrorKind::ConnectRefused,
            "connect",
            "connection refused by",
            http_at(nobody().await, PATIENCE).await,
        ),
        case(
            "unroutable",
            ErrorKind::Unreachable,
            "connect",
            "no route to 127.255.255.255:80",
            // to a broadcast address there is no way by TCP, on any machine
            http_at("127.255.255.255:80".parse().unwrap(), PATIENCE).await,
        ),
    ]
}

fn stages(result: &ProbeResult) -> String {
    let words: Vec<_> = result.stages.iter().map(|(stage, _)| stage.as_str()).collect();
    words.join(" ")
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the table is for people")]
async fn the_table_of_what_is_told_apart() {
    let mut table = String::new();
    let cases: Vec<_> = tls_cases().await.into_iter().chain(Box::pin(http_cases()).await).collect();
    for case in &cases {
        let (kind, stages) = (kind(&case.result), stages(&case.result));
        let row = format!(
            "{:<24}{:<18}{:<30}{}",
            case.name,
            kind.map_or("ok", ErrorKind::as_str),
            stages,
            detail(&case.result)
        );
        assert_eq!((kind, stages.as_str()), (Some(case.kind), case.stages), "{row}");
        assert!(detail(&case.result).contains(case.says), "{row}");
        writeln!(table, "{row}").unwrap();
    }
    println!("{table}");
    let clues = |name: &str| {
        let case = cases.iter().find(|c| c.name == name).unwrap();
        case.result.clues.clone().unwrap()
    };
    // the certificate that was refused is shown all the same
    let chain = clues("expired").tls.clone().unwrap().chain;
    assert_eq!(chain[0].not_after_s, 1_609_459_200);
    assert_eq!(chain[0].alternative_names, "127.0.0.1");
    assert_eq!(chain[0].fingerprint_sha256.len(), 64);
    let headers = &clues("429 with retry-after").headers;
    assert_eq!(headers[0], ("server".into(), "edge".into()));
}
