use parallax_model::TcpStep;

use super::*;

async fn talk(address: SocketAddr, talk: &[TcpStep], timeout: Duration) -> ProbeResult {
    let check = TcpCheck { address: address.to_string(), talk: talk.to_vec() };
    look(&target(Check::Tcp(check), timeout), &plain(), Timestamp::EPOCH, false).await
}

fn send(text: &str) -> TcpStep {
    TcpStep::Send(text.into())
}

fn expect(pattern: &str) -> TcpStep {
    TcpStep::Expect(pattern.into())
}

/// A server that says `banner`, and then answers each line with `answer`, if it has one.
async fn server(banner: &'static [u8], answer: Option<&'static [u8]>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                stream.write_all(banner).await.unwrap();
                while let Ok(byte) = stream.read_u8().await {
                    if byte != b'\n' {
                        continue;
                    }
                    let Some(answer) = answer else { return };
                    stream.write_all(answer).await.ok();
                }
            });
        }
    });
    address
}

/// A server that floods whoever connects.
async fn saying_first(words: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(words.as_bytes()).await.ok();
    });
    address
}

#[tokio::test]
async fn a_mail_server_is_greeted_and_left() {
    let mail = server(b"220-mail.test\r\n220 ready\r\n", Some(b"221 bye\r\n")).await;
    let steps = [expect("^220 "), send("QUIT\r\n"), expect("^221 ")];
    let result = talk(mail, &steps, PATIENCE).await;
    assert_eq!(result.outcome, Outcome::Ok, "{}", detail(&result));
    assert!(result.stages.connect.is_some() && result.stages.first_byte.is_some());
}

#[tokio::test]
async fn what_is_not_said_as_expected_is_told_apart() {
    let nobody_speaks = server(b"", Some(b"")).await;
    let other_word = server(b"554 no service\r\n", Some(b"")).await;
    let leaves = server(b"", None).await;
    let leaves_rudely = server(b"+OK\r\n", None).await;
    let pong = server(b"", Some(b"+PONG\r\n")).await;
    let ping = [send("PING\r\n"), expect(r"^\+PONG")];
    let banner = [expect("^220 ")];
    for (address, steps, timeout, expected, says) in [
        (pong, &ping[..], PATIENCE, None, ""),
        (nobody_speaks, &banner[..], BRIEF, Some(ErrorKind::Timeout), "nothing came, expected"),
        (
            other_word,
            &banner[..],
            BRIEF,
            Some(ErrorKind::Assertion),
            "\"554 no service\\r\\n\" came, expected \"^220 \"",
        ),
        (leaves, &ping[..], PATIENCE, Some(ErrorKind::Closed), "closed without a word"),
        (leaves_rudely, &ping[..], PATIENCE, Some(ErrorKind::Assertion), "\"+OK"),
        (pong, &[expect("(")][..], PATIENCE, Some(ErrorKind::Internal), "the pattern"),
    ] {
        let result = talk(address, steps, timeout).await;
        assert_eq!(kind(&result), expected, "{}", detail(&result));
        assert!(detail(&result).contains(says), "{}", detail(&result));
    }
}

#[tokio::test]
async fn a_peer_that_resets_or_floods_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let resets = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.readable().await.unwrap();
            reset(stream);
        }
    });
    let result = talk(resets, &[send("x"), expect("y")], PATIENCE).await;
    assert_eq!(kind(&result), Some(ErrorKind::Reset), "{}", detail(&result));

    let flood = saying_first("x".repeat(1 << 20)).await;
    let result = talk(flood, &[expect("y")], PATIENCE).await;
    assert_eq!(kind(&result), Some(ErrorKind::Assertion));
    assert!(detail(&result).starts_with("\"xxx"), "{}", detail(&result));
}
