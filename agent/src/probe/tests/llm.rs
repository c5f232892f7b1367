//! What a stream can be, byte for byte. The practice server's switches are told apart in the collector's
//! tests.

use parallax_model::{LlmApi, LlmCheck, LlmSeen, Seen};

use super::*;
use crate::probe::{Belongings, Key, Keys};

/// A server that reads the whole question, answers with `bytes` and closes.
async fn answering(bytes: impl Into<Vec<u8>>) -> SocketAddr {
    let bytes = bytes.into();
    serve(move |mut stream, head| {
        let bytes = bytes.clone();
        async move {
            // to close over unread bytes would reset the connection
            let length = head.split("content-length: ").nth(1).unwrap();
            let length = length.split('\r').next().unwrap().parse().unwrap();
            stream.read_exact(&mut vec![0; length]).await.unwrap();
            stream.write_all(&bytes).await.ok();
        }
    })
    .await
}

fn check(address: SocketAddr) -> LlmCheck {
    LlmCheck::new(LlmApi::OpenAi, format!("http://{address}/v1/chat/completions"), "tiny")
}

async fn ask_with(check: LlmCheck, around: &Surroundings, timeout: Duration) -> ProbeResult {
    look(&target(Check::Llm(check), timeout), around, Timestamp::EPOCH, false).await
}

async fn ask(address: SocketAddr, timeout: Duration) -> ProbeResult {
    ask_with(check(address), &plain(), timeout).await
}

fn stream(events: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{events}"
    )
}

fn piece(text: &str) -> String {
    format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
}

const FINISH: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &str =
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}\n\n";

fn seen(result: &ProbeResult) -> LlmSeen {
    match result.seen.as_deref() {
        Some(Seen::Llm(seen)) => *seen,
        other => panic!("{other:?}: {}", detail(result)),
    }
}

#[tokio::test]
async fn a_whole_answer_is_measured() {
    let events = format!("{}{}{FINISH}{USAGE}data: [DONE]\n\n", piece("O"), piece("K"));
    let address = answering(stream(&events)).await;
    let result = ask(address, PATIENCE).await;
    assert_eq!((result.outcome, result.status), (Outcome::Ok, Some(200)), "{}", detail(&result));
    let seen = seen(&result);
    assert!(seen.finished && seen.first_token.is_some() && seen.longest_gap.is_some());
    assert_eq!((seen.tokens, seen.prompt_tokens), (2, 9));
    assert!(result.stages.first_byte.is_some() && result.stages.transfer.is_some());
    for (text, expected) in [("OK", None), ("NO", Some(ErrorKind::Assertion))] {
        let check = LlmCheck { answer_contains: Some(text.into()), ..check(address) };
        let result = ask_with(check, &plain(), PATIENCE).await;
        assert_eq!(kind(&result), expected, "{}", detail(&result));
    }
    let strict = LlmCheck { first_token_max: Some(Duration::from_nanos(1)), ..check(address) };
    let result = ask_with(strict, &plain(), PATIENCE).await;
    assert_eq!(kind(&result), Some(ErrorKind::Assertion));
    assert!(detail(&result).starts_with("first token after "), "{}", detail(&result));
}

#[tokio::test]
async fn streams_that_are_none_are_told_apart() {
    let many = piece("x").repeat(500);
    let comments = ": keep-alive\n\n".repeat(30_000);
    let json = |status: &str, body: &str| {
        let kind = "content-type: application/json\r\nconnection: close";
        format!("HTTP/1.1 {status}\r\n{kind}\r\n\r\n{body}")
    };
    for (answer, expected, says) in [
        (stream(&piece("O")), ErrorKind::CutStream, "cut after 1 tokens"),
        (stream(""), ErrorKind::CutStream, "before the first token"),
        (stream("data: [DONE]\n\n"), ErrorKind::Assertion, "the answer is empty"),
        (stream(FINISH), ErrorKind::Assertion, "the answer is empty"),
        (stream("data: garbage\n\n"), ErrorKind::Protocol, "makes no sense: \"garbage\""),
        (stream("data: \u{fffd}\n\n"), ErrorKind::Protocol, "makes no sense"),
        (stream(&many), ErrorKind::Protocol, "does not end"),
        (stream(&comments), ErrorKind::Protocol, "does not end"),
        (stream(&"x".repeat(100_000)), ErrorKind::Protocol, "larger than 65536 bytes"),
        (
            stream("data: {\"error\":{\"type\":\"server_error\",\"message\":\"oh\"}}\n\n"),
            ErrorKind::Status5xx,
            "an error in the answer: server_error: oh",
        ),
        (
            json("200 OK", "{\"error\":{\"message\":\"internal\"}}"),
            ErrorKind::Status5xx,
            "an error in the answer: internal",
        ),
        (json("200 OK", "{\"ok\":1}"), ErrorKind::Protocol, "no event stream but application/json"),
        (json("200 OK", ""), ErrorKind::Assertion, "the answer is empty"),
        (
            json(
                "429 Too Many Requests\r\nretry-after: 7",
                "{\"error\":{\"code\":\"rate_limit_exceeded\"}}",
            ),
            ErrorKind::Blocked,
            "status 429, retry after 7",
        ),
        (
            json("429 Too Many Requests", "{\"error\":{\"code\":\"insufficient_quota\"}}"),
            ErrorKind::PolicyDenied,
            "our key or quota: status 429",
        ),
        (json("503 Service Unavailable", "busy"), ErrorKind::Status5xx, "status 503"),
        ("HTTP/1.1 garbage\r\n\r\n".into(), ErrorKind::Protocol, "not HTTP"),
    ] {
        let result = ask(answering(answer).await, PATIENCE).await;
        assert_eq!(kind(&result), Some(expected), "{says}: {}", detail(&result));
        assert!(detail(&result).contains(says), "{says}: {}", detail(&result));
    }
}

#[tokio::test]
async fn silence_is_a_timeout_wherever_it_falls() {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    const BEGUN: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n\
        data: {\"choices\":[{\"delta\":{\"content\":\"O\"}}]}\n\n";
    const COMPLETE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n\
        data: {\"choices\":[{\"delta\":{\"content\":\"O\"},\"finish_reason\":\"stop\"}]}\n\n";
    for (bytes, says) in [
        (&b""[..], "no answer to the question"),
        (HEAD, "no token within"),
        (BEGUN, "the stream stalled: nothing for"),
    ] {
        let result = ask(stalling(bytes).await, BRIEF).await;
        assert_eq!(kind(&result), Some(ErrorKind::Timeout), "{}", detail(&result));
        assert!(detail(&result).contains(says), "{}", detail(&result));
    }
    // complete, and only the good-bye does not come
    let result = ask(stalling(COMPLETE).await, PATIENCE).await;
    assert_eq!(result.outcome, Outcome::Ok, "{}", detail(&result));
}

#[tokio::test]
async fn a_key_is_sent_as_its_owner_allows_and_its_budget_is_asked_first() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "sk-1\n").unwrap();
    let events = format!("{}{FINISH}{USAGE}data: [DONE]\n\n", piece("OK"));
    let answer = stream(&events);
    let address = serve(move |mut stream, head| {
        let answer = answer.clone();
        async move {
            assert!(head.contains("authorization: Bearer sk-1\r\n"), "{head}");
            stream.write_all(answer.as_bytes()).await.ok();
        }
    })
    .await;
    let hosts = vec!["127.0.0.1".to_owned()];
    // a look reserves 23 + 32 + 16 tokens and uses 11
    let key = Key { file, hosts, tokens_per_day: 90 };
    let known = BTreeMap::from([("main".to_owned(), key)]);
    let keys = Keys::new(known, Some(folder.path().join("tokens")));
    let around = plain().with(Belongings { keys, ..Belongings::default() });
    let keyed = LlmCheck { key: Some("main".into()), ..check(address) };
    for _ in 0..2 {
        let result = ask_with(keyed.clone(), &around, PATIENCE).await;
        assert_eq!(result.outcome, Outcome::Ok, "{}", detail(&result));
    }
    let result = ask_with(keyed.clone(), &around, PATIENCE).await;
    assert_eq!(kind(&result), Some(ErrorKind::PolicyDenied));
    assert!(detail(&result).contains("(22 of 90, a look may take 71)"), "{}", detail(&result));
    let elsewhere = format!("http://localhost:{}/", address.port());
    let pins = BTreeMap::from([("localhost".to_owned(), address)]);
    let around = Surroundings { connect_to: pins, ..around };
    let result = ask_with(LlmCheck { url: elsewhere, ..keyed }, &around, PATIENCE).await;
    assert_eq!(kind(&result), Some(ErrorKind::PolicyDenied));
    assert!(detail(&result).contains("is not for localhost"), "{}", detail(&result));
}

#[tokio::test]
async fn a_trickle_of_bytes_ends_with_the_look() {
    let address = serve(|mut stream, _| async move {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        // as slow as it gets without being silent, until the client has gone
        while stream.write_all(b":").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let result = ask(address, BRIEF).await;
    assert_eq!(kind(&result), Some(ErrorKind::Timeout), "{}", detail(&result));
    assert!(detail(&result).starts_with("no token within"), "{}", detail(&result));
}
