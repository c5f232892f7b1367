use std::net::Ipv4Addr;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record};
use parallax_model::{DnsCheck, RecordType};
use tokio::net::UdpSocket;

use super::*;

fn check(server: SocketAddr) -> DnsCheck {
    DnsCheck {
        name: "shop.example".into(),
        record: RecordType::A,
        server: Some(server),
        answer_contains: None,
    }
}

async fn dns_look(check: DnsCheck, timeout: Duration) -> ProbeResult {
    look(&target(Check::Dns(check), timeout), &plain(), Timestamp::EPOCH, false).await
}

/// What a good server says to `question`.
fn answer(question: &Message) -> Message {
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    let query = question.queries[0].clone();
    let data = RData::A(A(Ipv4Addr::new(192, 0, 2, 7)));
    answer.add_answer(Record::from_rdata(query.name.clone(), 60, data));
    answer.add_query(query);
    answer
}

/// A server on UDP that sends what `answers` makes of each question, and the same over TCP without
/// its truncation.
async fn server<F>(answers: F) -> SocketAddr
where
    F: Fn(&Message) -> Vec<Message> + Clone + Send + 'static,
{
    // one port for both
    let (socket, listener) = loop {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(listener) = TcpListener::bind(socket.local_addr().unwrap()).await {
            break (socket, listener);
        }
    };
    let address = socket.local_addr().unwrap();
    let over_tcp = answers.clone();
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((read, from)) = socket.recv_from(&mut buffer).await {
            for message in answers(&Message::from_vec(&buffer[..read]).unwrap()) {
                socket.send_to(&message.to_vec().unwrap(), from).await.unwrap();
            }
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let length = stream.read_u16().await.unwrap();
            let mut question = vec![0; length.into()];
            stream.read_exact(&mut question).await.unwrap();
            for mut message in over_tcp(&Message::from_vec(&question).unwrap()) {
                message.metadata.truncation = false;
                let bytes = message.to_vec().unwrap();
                stream.write_u16(bytes.len() as u16).await.unwrap();
                stream.write_all(&bytes).await.unwrap();
            }
        }
    });
    address
}

#[tokio::test]
async fn an_answer_is_ok_and_searched() {
    let server = server(|question| vec![answer(question)]).await;
    let result = dns_look(check(server), PATIENCE).await;
    assert_eq!((result.outcome, result.status), (Outcome::Ok, Some(0)), "{}", detail(&result));
    assert_eq!(result.peer, Some(server.to_string()));
    assert!(result.stages.first_byte.is_some());
    for (text, expected) in [("192.0.2.", None), ("192.0.3.", Some(ErrorKind::Assertion))] {
        let check = DnsCheck { answer_contains: Some(text.into()), ..check(server) };
        assert_eq!(kind(&dns_look(check, PATIENCE).await), expected);
    }
}

#[tokio::test]
async fn a_refusal_has_its_kind() {
    for (code, expected) in [
        (ResponseCode::NXDomain, ErrorKind::DnsNxdomain),
        (ResponseCode::ServFail, ErrorKind::DnsServfail),
        (ResponseCode::Refused, ErrorKind::DnsRefused),
        (ResponseCode::NoError, ErrorKind::Assertion),
    ] {
        let server = server(move |question| {
            let mut answer = answer(question);
            answer.answers.clear();
            answer.metadata.response_code = code;
            vec![answer]
        })
        .await;
        let result = dns_look(check(server), PATIENCE).await;
        assert_eq!((kind(&result), result.status), (Some(expected), Some(code.into())));
    }
}

#[tokio::test]
async fn an_answer_to_another_question_is_not_heard() {
    let server = server(|question| {
        let mut forged = answer(question);
        forged.metadata.id = question.metadata.id.wrapping_add(1);
        forged.metadata.response_code = ResponseCode::NXDomain;
        vec![forged, question.clone(), answer(question)]
    })
    .await;
    assert_eq!(dns_look(check(server), PATIENCE).await.outcome, Outcome::Ok);
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_over_tcp() {
    let server = server(|question| {
        let mut answer = answer(question);
        answer.metadata.truncation = true;
        vec![answer]
    })
    .await;
    let result = dns_look(check(server), PATIENCE).await;
    assert_eq!(result.outcome, Outcome::Ok, "{}", detail(&result));
    assert!(result.stages.connect.is_some());
}

#[tokio::test]
async fn silence_is_a_timeout_and_a_closed_port_refuses() {
    let silent = server(|_| vec![]).await;
    let result = dns_look(check(silent), BRIEF).await;
    assert_eq!(kind(&result), Some(ErrorKind::DnsTimeout), "{}", detail(&result));
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let closed = socket.local_addr().unwrap();
    drop(socket);
    let result = dns_look(check(closed), PATIENCE).await;
    assert_eq!(kind(&result), Some(ErrorKind::ConnectRefused), "{}", detail(&result));
}

#[tokio::test]
async fn the_metadata_services_resolver_is_out_of_bounds() {
    let result = dns_look(check("169.254.169.253:53".parse().unwrap()), PATIENCE).await;
    assert_eq!(kind(&result), Some(ErrorKind::PolicyDenied));
}
