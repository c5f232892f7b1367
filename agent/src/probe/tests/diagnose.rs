//! What is found out about a failure; and names that resolve oddly.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};

use parallax_model::Family;

use super::super::Doctor;
use super::super::resolve::{ADDRESSES_MAX, Resolver};
use super::dns::server;
use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

type Addresses = Arc<Mutex<Vec<Ipv4Addr>>>;

/// A server that knows every name at these addresses, and no name where there are none.
async fn naming(addresses: Vec<Ipv4Addr>) -> (SocketAddr, Addresses) {
    let addresses = Arc::new(Mutex::new(addresses));
    let known = Arc::clone(&addresses);
    let server = server(move |question: &Message| {
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        let query = question.queries[0].clone();
        let known = known.lock().unwrap();
        if known.is_empty() {
            answer.metadata.response_code = ResponseCode::NXDomain;
        }
        for &address in known.iter().filter(|_| query.query_type() == RecordType::A) {
            let data = RData::A(A(address));
            answer.add_answer(Record::from_rdata(query.name.clone(), 60, data));
        }
        answer.metadata.truncation = answer.answers.len() > 50;
        answer.add_query(query);
        vec![answer]
    });
    (server.await, addresses)
}

fn resolving(server: SocketAddr) -> Surroundings {
    Surroundings { resolver: Resolver::at(server), second: None, ..plain() }
}

async fn look_by(target: &Target, around: &Surroundings) -> ProbeResult {
    look(target, around, Timestamp::EPOCH, false).await
}

/// Looks until a failing look carries a finding.
async fn finding(target: &Arc<Target>, around: &Surroundings, doctor: &Arc<Doctor>) -> String {
    let found = async {
        loop {
            let mut result = look_by(target, around).await;
            doctor.saw(target, &mut result);
            assert!(!result.outcome.is_ok());
            if let Some(found) = result.clues.as_ref().and_then(|clues| clues.diagnosis.clone()) {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap()
}

fn reference(name: &str, address: SocketAddr) -> Arc<Target> {
    let name = TargetName::new(name).unwrap();
    let check = Check::Tcp(TcpCheck::to(address.to_string()));
    Arc::new(Target { name, role: Role::Reference, ..target(check, PATIENCE) })
}

#[tokio::test]
async fn a_name_that_is_gone_is_looked_for_elsewhere() {
    let (first, names) = naming(vec![Ipv4Addr::LOCALHOST]).await;
    let (second, _) = naming(vec![Ipv4Addr::LOCALHOST, Ipv4Addr::new(192, 0, 2, 7)]).await;
    let around = Arc::new(resolving(first).asking_second(second));
    let doctor = Doctor::new(Arc::clone(&around));
    let at = saying(OK).await;
    let shop = get(&format!("http://shop.test:{}/", at.port()));
    let shop = Arc::new(target(Check::Http(shop), PATIENCE));
    for reference in [reference("up", saying("").await), reference("down", nobody().await)] {
        doctor.saw(&reference, &mut look_by(&reference, &around).await);
    }
    let mut good = look_by(&shop, &around).await;
    doctor.saw(&shop, &mut good);
    assert_eq!(good.outcome, Outcome::Ok, "{}", detail(&good));
    names.lock().unwrap().clear();
    let found = finding(&shop, &around, &doctor).await;
    assert_eq!(
        found,
        format!(
            "resolver {second} names 127.0.0.1, 192.0.2.7; at {at}, where it last was well: ok; \
             1 of 2 references answer (connect_refused)"
        )
    );
    // it is well again: nothing of that is said any more
    names.lock().unwrap().push(Ipv4Addr::LOCALHOST);
    let mut good = look_by(&shop, &around).await;
    doctor.saw(&shop, &mut good);
    assert_eq!(good.clues.and_then(|clues| clues.diagnosis.clone()), None);
}

#[tokio::test]
async fn an_address_that_moved_is_told_from_one_that_broke() {
    let (first, names) = naming(vec![Ipv4Addr::new(127, 0, 0, 2)]).await;
    let (second, _) = naming(vec![Ipv4Addr::LOCALHOST]).await;
    let around = Arc::new(resolving(first).asking_second(second));
    let doctor = Doctor::new(Arc::clone(&around));
    let old = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let at = old.local_addr().unwrap();
    let shop = Check::Tcp(TcpCheck::to(format!("shop.test:{}", at.port())));
    let shop = Arc::new(target(shop, PATIENCE));
    let mut good = look_by(&shop, &around).await;
    doctor.saw(&shop, &mut good);
    assert_eq!(good.outcome, Outcome::Ok, "{}", detail(&good));
    // the name leads to where nobody listens
    *names.lock().unwrap() = vec![Ipv4Addr::LOCALHOST];
    let found = finding(&shop, &around, &doctor).await;
    let expected =
        format!("resolver {second} names the same address; at {at}, where it last was well: ok");
    assert_eq!(found, expected);
}

#[tokio::test]
async fn where_there_is_nothing_to_find_nothing_is_said() {
    let around = Arc::new(plain());
    let doctor = Doctor::new(Arc::clone(&around));
    let gone = target(Check::Tcp(TcpCheck::to(nobody().await.to_string())), PATIENCE);
    let ours = target(Check::Tcp(TcpCheck::to("169.254.169.254:80")), PATIENCE);
    for target in [Arc::new(gone), Arc::new(ours)] {
        for _ in 0..3 {
            let mut result = look_by(&target, &around).await;
            doctor.saw(&target, &mut result);
            assert_eq!(result.clues, None);
        }
    }
}

#[tokio::test]
async fn a_name_with_a_hundred_addresses_is_tried_at_a_few() {
    let hundred = (0..100).map(|n| Ipv4Addr::new(127, 0, 1, n)).collect();
    let (server, _) = naming(hundred).await;
    let found = Resolver::at(server).addresses("shop.test", Family::Any).await.unwrap();
    assert_eq!(found.len(), ADDRESSES_MAX);
    let port = nobody().await.port();
    let shop = target(Check::Tcp(TcpCheck::to(format!("shop.test:{port}"))), PATIENCE);
    let result = look_by(&shop, &resolving(server)).await;
    assert_eq!(kind(&result), Some(ErrorKind::ConnectRefused), "{}", detail(&result));
    assert!(result.stages.resolve.is_some() && result.stages.connect.is_some());
}

#[tokio::test]
async fn a_name_that_leads_nowhere_is_told_by_why() {
    let shop = |port| target(Check::Tcp(TcpCheck::to(format!("shop.test:{port}"))), PATIENCE);
    // no such name; a name without addresses
    let (nowhere, _) = naming(vec![]).await;
    let empty = server(|question| {
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        answer.add_query(question.queries[0].clone());
        vec![answer]
    });
    for server in [nowhere, empty.await] {
        let result = look_by(&shop(1), &resolving(server)).await;
        assert_eq!(kind(&result), Some(ErrorKind::DnsNxdomain), "{}", detail(&result));
        assert!(result.stages.connect.is_none());
    }
    // a resolver that is silent
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let brief = Target { timeout: BRIEF, ..shop(1) };
    let result = look_by(&brief, &resolving(silent.local_addr().unwrap())).await;
    assert_eq!(kind(&result), Some(ErrorKind::DnsTimeout), "{}", detail(&result));
}
