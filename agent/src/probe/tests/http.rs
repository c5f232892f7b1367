use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

async fn look_at(address: SocketAddr) -> ProbeResult {
    http_look(get(&format!("http://{address}/")), PATIENCE).await
}

#[tokio::test]
async fn a_good_answer_is_ok_with_its_stages() {
    let address = saying(OK).await;
    let result = look_at(address).await;
    assert_eq!((result.outcome, result.status), (Outcome::Ok, Some(200)));
    assert_eq!((result.detail.as_deref(), result.started), (None, Timestamp::from_micros(7)));
    let stages = result.stages;
    assert!(stages.connect.is_some() && stages.first_byte.is_some() && stages.transfer.is_some());
    assert_eq!((stages.resolve, stages.tls), (None, None));
    let sum: Duration = stages.iter().map(|(_, time)| time).sum();
    assert!(sum <= result.latency, "{sum:?} of {:?}", result.latency);
}

#[tokio::test]
async fn the_request_says_who_asks_for_what() {
    let address = serve(|mut stream, head| async move {
        let good = head.starts_with("GET /a?b=c HTTP/1.1\r\n")
            && head.contains(&format!("host: {}\r\n", stream.local_addr().unwrap()))
            && head.contains("user-agent: parallax-agent/")
            && !head.contains("secret");
        let answer = if good { OK } else { "HTTP/1.1 500 X\r\n\r\n" };
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let url = format!("http://me:secret@{address}/a?b=c#d");
    assert_eq!(http_look(get(&url), PATIENCE).await.outcome, Outcome::Ok);
}

#[tokio::test]
async fn a_status_that_is_not_expected_has_its_kind() {
    for (status, expected) in [
        (503, ErrorKind::Status5xx),
        (404, ErrorKind::Status4xx),
        (304, ErrorKind::Status4xx),
        (401, ErrorKind::Blocked),
        (403, ErrorKind::Blocked),
        (407, ErrorKind::Blocked),
        (429, ErrorKind::Blocked),
        (451, ErrorKind::Blocked),
    ] {
        let result = look_at(saying(format!("HTTP/1.1 {status} X\r\n\r\n")).await).await;
        assert_eq!((kind(&result), result.status), (Some(expected), Some(status)));
        assert_eq!(detail(&result), format!("status {status}, expected 200-299"));
    }
}

#[tokio::test]
async fn an_expected_403_is_fine() {
    let address = saying("HTTP/1.1 403 X\r\ncontent-length: 0\r\n\r\n").await;
    let status = StatusSet::new(vec![(403, 403)]).unwrap();
    let check = HttpCheck { status, ..get(&format!("http://{address}/")) };
    assert_eq!(http_look(check, PATIENCE).await.outcome, Outcome::Ok);
}

#[tokio::test]
async fn the_body_is_searched() {
    let url = format!("http://{}/", saying(OK).await);
    let wanting = |text: &str| HttpCheck { body_contains: Some(text.into()), ..get(&url) };
    assert_eq!(http_look(wanting("ell"), PATIENCE).await.outcome, Outcome::Ok);
    let missing = http_look(wanting("goodbye"), PATIENCE).await;
    assert_eq!(kind(&missing), Some(ErrorKind::Assertion));
    assert_eq!(detail(&missing), "the body does not contain \"goodbye\" (5 bytes read): \"hello\"");
}

#[tokio::test]
async fn a_large_body_is_read_to_its_bound_only() {
    let mut answer = b"HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n".to_vec();
    answer.resize(10_000_000, b'x');
    let address = saying(answer).await;
    assert_eq!(look_at(address).await.outcome, Outcome::Ok);
    let body_contains = Some("end".into());
    let check = HttpCheck { body_contains, ..get(&format!("http://{address}/")) };
    assert_eq!(kind(&http_look(check, PATIENCE).await), Some(ErrorKind::Assertion));
}

#[tokio::test]
async fn a_peer_that_goes_away_is_told_by_when_it_went() {
    let closed = serve(|stream, _| async move { drop(stream) }).await;
    let gone = serve(|stream, _| async move { reset(stream) }).await;
    for (address, expected) in [
        (nobody().await, ErrorKind::ConnectRefused),
        (closed, ErrorKind::Closed),
        (gone, ErrorKind::Reset),
        (saying("HTTP/1.1 200 OK\r\nconten").await, ErrorKind::CutStream),
        (saying("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello").await, ErrorKind::CutStream),
        (
            saying("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel").await,
            ErrorKind::CutStream,
        ),
    ] {
        let result = look_at(address).await;
        assert_eq!(kind(&result), Some(expected), "{}", detail(&result));
    }
}

#[tokio::test]
async fn a_look_that_is_given_less_time_says_how_long_it_waited() {
    let silent = get(&format!("http://{}/", stalling(b"").await));
    let patient = target(Check::Http(silent), PATIENCE);
    let result = look_within(BRIEF, &patient, &plain(), Timestamp::EPOCH, true).await;
    assert_eq!(kind(&result), Some(ErrorKind::Timeout));
    assert_eq!(detail(&result), "no answer within 200ms");
    assert!(result.latency >= BRIEF && result.latency < PATIENCE / 4, "{:?}", result.latency);
}

#[tokio::test]
async fn a_slow_peer_is_told_by_what_it_withholds() {
    let silent = stalling(b"").await;
    let result = http_look(get(&format!("http://{silent}/")), BRIEF).await;
    assert_eq!(kind(&result), Some(ErrorKind::Timeout));
    assert_eq!(detail(&result), "no answer within 200ms");
    assert!(result.stages.first_byte.is_some() && result.stages.transfer.is_none());
    for begun in
        [b"HTTP/1.1 200 OK\r\n".as_slice(), b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello"]
    {
        let result = http_look(get(&format!("http://{}/", stalling(begun).await)), BRIEF).await;
        assert_eq!(kind(&result), Some(ErrorKind::Timeout));
        assert_eq!(detail(&result), "answer not complete within 200ms");
        assert!(result.stages.transfer.unwrap() > result.stages.first_byte.unwrap());
    }
}

#[tokio::test]
async fn nonsense_is_a_protocol_error() {
    let mut endless = b"HTTP/1.1 200 OK\r\n".to_vec();
    endless.extend(b"x-filler: 0123456789012345678901234567890123456789\r\n".repeat(10_000));
    for address in [
        saying("SSH-2.0-OpenSSH_9.2\r\n").await,
        saying(endless).await,
        saying("HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n").await,
        saying("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nhello\r\n").await,
    ] {
        let result = look_at(address).await;
        assert_eq!(kind(&result), Some(ErrorKind::Protocol), "{}", detail(&result));
    }
}

#[tokio::test]
async fn redirects_are_followed_and_their_stages_add_up() {
    let address = serve(|mut stream, head| async move {
        let answer = match head.split(' ').nth(1).unwrap() {
            "/" => "HTTP/1.1 302 X\r\nlocation: /b\r\n\r\n",
            "/b" => "HTTP/1.1 307 X\r\nlocation: c?d\r\n\r\n",
            "/c?d" => OK,
            _ => "HTTP/1.1 404 X\r\n\r\n",
        };
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let result = look_at(address).await;
    assert_eq!((result.outcome, result.status), (Outcome::Ok, Some(200)));
    let check = HttpCheck { redirects_max: 1, ..get(&format!("http://{address}/")) };
    let result = http_look(check, PATIENCE).await;
    assert_eq!((kind(&result), result.status), (Some(ErrorKind::Status4xx), Some(307)));
}

#[tokio::test]
async fn a_redirect_loop_ends() {
    let result = look_at(saying("HTTP/1.1 302 X\r\nlocation: /\r\n\r\n").await).await;
    assert_eq!((kind(&result), result.status), (Some(ErrorKind::Status4xx), Some(302)));
}

#[tokio::test]
async fn a_redirect_cannot_lead_out_of_bounds() {
    for (to, expected) in [
        ("http://169.254.169.254/latest/meta-data/", ErrorKind::PolicyDenied),
        ("http://[::ffff:169.254.169.254]/", ErrorKind::PolicyDenied),
        ("file:///etc/passwd", ErrorKind::Protocol),
        ("http://", ErrorKind::Protocol),
    ] {
        let address = saying(format!("HTTP/1.1 302 X\r\nlocation: {to}\r\n\r\n")).await;
        let result = look_at(address).await;
        assert_eq!(kind(&result), Some(expected), "{to}: {}", detail(&result));
    }
}

#[tokio::test]
async fn a_detail_never_tells_a_password() {
    let answer = "HTTP/1.1 302 X\r\nlocation: gopher://me:secret@x/\r\n\r\n";
    let result = look_at(saying(answer).await).await;
    assert!(!detail(&result).contains("secret"), "{}", detail(&result));
}
