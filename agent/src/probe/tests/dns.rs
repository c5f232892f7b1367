use std::net::Ipv4Addr;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, NS, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record};
use parallax_model::{DnsCheck, DnsTransport, Rcode, RecordType, Seen};
use tokio::net::UdpSocket;

use super::*;

fn check(server: SocketAddr) -> DnsCheck {
    DnsCheck { server: Some(server.to_string()), ..DnsCheck::new("shop.example", RecordType::A) }
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
pub(super) async fn server<F>(answers: F) -> SocketAddr
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
            for mut message in answers(&Message::from_vec(&buffer[..read]).unwrap()) {
                if message.metadata.truncation {
                    message.answers.clear();
                }
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

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// A zone's own answer: two addresses, its name server, its start of authority.
fn whole(question: &Message) -> Message {
    let mut answer = answer(question);
    let owner = answer.queries[0].name.clone();
    let second = RData::A(A(Ipv4Addr::new(192, 0, 2, 8)));
    answer.add_answer(Record::from_rdata(owner.clone(), 600, second));
    let ns = RData::NS(NS(name("ns1.shop.example.")));
    answer.authorities.push(Record::from_rdata(owner.clone(), 600, ns));
    let soa = SOA::new(name("ns1.shop.example."), name("root.shop.example."), 77, 1, 1, 1, 1);
    answer.authorities.push(Record::from_rdata(owner, 600, RData::SOA(soa)));
    answer.metadata.authentic_data = question.metadata.authentic_data;
    answer
}

#[tokio::test]
async fn every_assertion_of_an_answer_holds_or_names_itself() {
    let server = server(|question| vec![whole(question)]).await;
    let both = vec!["192.0.2.8".to_owned(), "192.0.2.7".to_owned()];
    let base = check(server);
    let with = |change: &dyn Fn(&mut DnsCheck)| {
        let mut check = base.clone();
        change(&mut check);
        check
    };
    for (check, says) in [
        (with(&|c| c.answers.clone_from(&both)), None),
        (with(&|c| c.answers = vec!["192.0.2.7".into()]), Some("192.0.2.8 is not expected")),
        (
            with(&|c| c.answers = [&both[..], &["192.0.2.9".into()]].concat()),
            Some("192.0.2.9 is missing"),
        ),
        (with(&|c| c.authority_contains = Some("ns1.shop".into())), None),
        (with(&|c| c.authority_contains = Some("ns9".into())), Some("authority section contains")),
        (with(&|c| c.ttl_s = Some((60, 600))), None),
        (with(&|c| c.ttl_s = Some((100, 600))), Some("a time to live of 60 s")),
        (with(&|c| c.ttl_s = Some((0, 300))), Some("a time to live of 600 s")),
        (with(&|c| c.authenticated = true), None),
        (with(&|c| c.record = RecordType::AAAA), Some("shop.example has no AAAA record")),
    ] {
        let result = dns_look(check, PATIENCE).await;
        match says {
            None => assert_eq!(result.outcome, Outcome::Ok, "{}", detail(&result)),
            Some(says) => {
                assert_eq!(kind(&result), Some(ErrorKind::Assertion));
                assert!(detail(&result).contains(says), "{}", detail(&result));
            }
        }
        let Some(Seen::Dns(seen)) = result.seen.as_deref() else { panic!("{result:?}") };
        assert_eq!((seen.answers, seen.authority, seen.serial), (2, 2, Some(77)));
    }
}

#[tokio::test]
async fn an_answer_that_nobody_validated_is_told_where_that_was_asked() {
    let server = server(|question| vec![answer(question)]).await;
    let result = dns_look(DnsCheck { authenticated: true, ..check(server) }, PATIENCE).await;
    assert_eq!(kind(&result), Some(ErrorKind::Assertion));
    assert!(detail(&result).contains("no AD flag"), "{}", detail(&result));
}

#[tokio::test]
async fn a_name_that_must_not_exist_may_be_asked_for() {
    let gone = server(|question| {
        let mut answer = answer(question);
        answer.answers.clear();
        answer.metadata.response_code = ResponseCode::NXDomain;
        vec![answer]
    })
    .await;
    let absent = |server| DnsCheck { rcode: Rcode::NX_DOMAIN, ..check(server) };
    assert_eq!(dns_look(absent(gone), PATIENCE).await.outcome, Outcome::Ok);
    let there = server(|question| vec![answer(question)]).await;
    let result = dns_look(absent(there), PATIENCE).await;
    assert_eq!(kind(&result), Some(ErrorKind::Assertion));
    assert_eq!(detail(&result), "shop.example: there is such a name, expected NXDOMAIN");
}

#[tokio::test]
async fn any_type_is_asked_for_over_tcp_alone_and_without_recursion() {
    let server = server(|question| {
        assert!(!question.metadata.recursion_desired);
        let mut answer = answer(question);
        let asked = question.queries[0].query_type();
        assert_eq!(u16::from(asked), 16);
        answer.answers[0].data = RData::TXT(TXT::new(vec!["v=spf1 -all".into()]));
        vec![answer]
    })
    .await;
    let check = DnsCheck {
        record: RecordType(16),
        transport: DnsTransport::Tcp,
        recursion: false,
        answers: vec!["\"v=spf1 -all\"".into()],
        ..check(server)
    };
    let result = dns_look(check, PATIENCE).await;
    assert_eq!(result.outcome, Outcome::Ok, "{}", detail(&result));
    assert!(result.stages.connect.is_some(), "over TCP");
}

#[tokio::test]
async fn a_server_may_be_given_by_its_name() {
    let server = server(|question| vec![answer(question)]).await;
    let pins = BTreeMap::from([("ns1.shop.invalid".to_owned(), server)]);
    let around = Surroundings::new(None, pins).unwrap();
    let check = DnsCheck { server: Some("NS1.shop.invalid:53".into()), ..check(server) };
    let result = look(&target(Check::Dns(check), PATIENCE), &around, Timestamp::EPOCH, false).await;
    assert_eq!((result.outcome, result.peer), (Outcome::Ok, Some(server.to_string())));
}

#[tokio::test]
async fn garbage_is_a_broken_protocol_and_a_trickle_a_timeout() {
    let garbage = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = garbage.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((_, from)) = garbage.recv_from(&mut buffer).await {
            garbage.send_to(b"HTTP/1.1 400 Bad Request\r\n\r\n", from).await.unwrap();
        }
    });
    let result = dns_look(check(address), BRIEF).await;
    assert_eq!(kind(&result), Some(ErrorKind::Protocol), "{}", detail(&result));
    // a huge answer over TCP that comes a byte at a time, and one that is no DNS at all
    for (bytes, timeout, expected) in [
        (&[0xff, 0xff, 1, 2, 3][..], BRIEF, ErrorKind::DnsTimeout),
        (&[0, 4, 1, 2, 3, 4][..], PATIENCE, ErrorKind::Protocol),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(bytes).await.unwrap();
            std::future::pending::<()>().await;
        });
        let check = DnsCheck { transport: DnsTransport::Tcp, ..check(address) };
        let result = dns_look(check, timeout).await;
        assert_eq!(kind(&result), Some(expected), "{}", detail(&result));
    }
}

#[tokio::test]
async fn the_largest_answer_there_can_be_is_read_and_counted() {
    let server = server(|question| {
        let mut answer = answer(question);
        let owner = answer.queries[0].name.clone();
        for n in 0..2000 {
            let data = RData::A(A(Ipv4Addr::from(0xc000_0200 + n)));
            answer.add_answer(Record::from_rdata(owner.clone(), 60, data));
        }
        vec![answer]
    })
    .await;
    let check = DnsCheck { transport: DnsTransport::Tcp, ..check(server) };
    let result = dns_look(check, PATIENCE).await;
    assert_eq!(result.outcome, Outcome::Ok, "{}", detail(&result));
    let Some(Seen::Dns(seen)) = result.seen.as_deref() else { panic!("{result:?}") };
    assert_eq!(seen.answers, 2001);
}
