//! A DNS query: one server, one question, over UDP, and over TCP if the answer does not fit.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Instant;

use hickory_proto::op::{Edns, Message, MessageType, Query};
use hickory_proto::rr::{Name, RecordType as Type};
use parallax_model::{DnsCheck, ErrorKind, RecordType, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::Surroundings;
use super::failure::Failure;
use super::timing::Course;
use super::{policy, resolve};

/// Largest answer asked for over UDP: what fits into every path without fragments (DNS flag day 2020).
const UDP_BYTES_MAX: u16 = 1232;

/// Most servers of the system that are asked, one after the other.
const SERVERS_MAX: usize = 3;

pub(super) async fn look(
    check: &DnsCheck,
    _around: &Surroundings,
    course: &mut Course<'_>,
) -> Result<(), Failure> {
    let question = question(check)?;
    let bytes = question
        .to_vec()
        .map_err(|e| Failure::new(ErrorKind::Internal, format!("the question: {e}")))?;
    let servers = servers(check)?;
    let mut last = None;
    for (at, &server) in servers.iter().enumerate() {
        match ask(server, servers.len() - at, &question, &bytes, course).await {
            Ok(answer) => return judge(check, &answer, course),
            Err(failure) => last = Some(failure),
        }
    }
    Err(last.unwrap_or_else(|| Failure::new(ErrorKind::Internal, "the system knows no resolver")))
}

fn question(check: &DnsCheck) -> Result<Message, Failure> {
    let mut name = Name::from_utf8(&check.name)
        .map_err(|e| Failure::new(ErrorKind::Internal, format!("the target's name: {e}")))?;
    name.set_fqdn(true);
    let mut edns = Edns::new();
    edns.set_max_payload(UDP_BYTES_MAX);
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name, wire_type(check.record)));
    message.set_edns(edns);
    Ok(message)
}

fn servers(check: &DnsCheck) -> Result<Vec<SocketAddr>, Failure> {
    let Some(server) = check.server else {
        // the machine's own configuration is its owner's word: the policy is not asked
        let system = resolve::system_servers()?;
        return Ok(system.into_iter().map(|ip| (ip, 53).into()).take(SERVERS_MAX).collect());
    };
    match policy::denied(server.ip()) {
        Some(what) => {
            let why = format!("{} is {what}: an agent does not look there", server.ip());
            Err(Failure::new(ErrorKind::PolicyDenied, why))
        }
        None => Ok(vec![server]),
    }
}

/// One server, which gets a fair share of the time that is left for it and those after it.
async fn ask(
    server: SocketAddr,
    left: usize,
    question: &Message,
    bytes: &[u8],
    course: &mut Course<'_>,
) -> Result<Message, Failure> {
    course.peer = Some(server);
    let share = course.deadline.saturating_duration_since(Instant::now()) / left as u32;
    let silent = || {
        let why = format!("no answer from {server}");
        Failure::new(ErrorKind::DnsTimeout, why)
    };
    tokio::time::timeout(share, async {
        let answer = over_udp(server, question, bytes, course).await?;
        if answer.metadata.truncation {
            over_tcp(server, question, bytes, course).await
        } else {
            Ok(answer)
        }
    })
    .await
    .unwrap_or_else(|_| Err(silent()))
}

async fn over_udp(
    server: SocketAddr,
    question: &Message,
    bytes: &[u8],
    course: &mut Course<'_>,
) -> Result<Message, Failure> {
    let failed = |e: io::Error| Failure::connecting(&e, server);
    let from: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((from, 0)).await.map_err(failed)?;
    socket.connect(server).await.map_err(failed)?;
    course.begin(Stage::FirstByte);
    socket.send(bytes).await.map_err(failed)?;
    let mut buffer = [0; UDP_BYTES_MAX as usize];
    loop {
        let read = socket.recv(&mut buffer).await.map_err(failed)?;
        let answer = Message::from_vec(buffer.get(..read).unwrap_or_default());
        // anybody can send us a datagram: what does not answer our question is not there
        if let Ok(answer) = answer
            && answers(&answer, question)
        {
            return Ok(answer);
        }
    }
}

async fn over_tcp(
    server: SocketAddr,
    question: &Message,
    bytes: &[u8],
    course: &mut Course<'_>,
) -> Result<Message, Failure> {
    let cut = |_| Failure::new(ErrorKind::Closed, format!("{server} closed before it answered"));
    let malformed =
        || Failure::new(ErrorKind::Protocol, format!("{server}: the answer is malformed"));
    let length = u16::try_from(bytes.len())
        .map_err(|_| Failure::new(ErrorKind::Internal, "the question is too long"))?;
    course.begin(Stage::Connect);
    let mut stream =
        TcpStream::connect(server).await.map_err(|e| Failure::connecting(&e, server))?;
    course.begin(Stage::FirstByte);
    let framed = [&length.to_be_bytes(), bytes].concat();
    stream.write_all(&framed).await.map_err(cut)?;
    let length = stream.read_u16().await.map_err(cut)?;
    let mut buffer = vec![0; usize::from(length)];
    stream.read_exact(&mut buffer).await.map_err(cut)?;
    let answer = Message::from_vec(&buffer).map_err(|_| malformed())?;
    if answers(&answer, question) { Ok(answer) } else { Err(malformed()) }
}

fn answers(answer: &Message, question: &Message) -> bool {
    answer.metadata.id == question.metadata.id
        && answer.metadata.message_type == MessageType::Response
        && answer.queries == question.queries
}

fn judge(check: &DnsCheck, answer: &Message, course: &mut Course<'_>) -> Result<(), Failure> {
    let code = answer.metadata.response_code;
    course.status = Some(u16::from(code));
    let (kind, what) = resolve::rcode(code);
    if let Some(kind) = kind {
        return Err(Failure::new(kind, format!("{}: {what}", check.name)));
    }
    let wanted = wire_type(check.record);
    let mut found = answer.answers.iter().filter(|r| r.record_type() == wanted).peekable();
    if found.peek().is_none() {
        let why = format!("{} has no {} record", check.name, check.record.as_str());
        return Err(Failure::new(ErrorKind::Assertion, why));
    }
    match &check.answer_contains {
        Some(text) if !found.any(|record| record.data.to_string().contains(text)) => {
            let why = format!("no {} record contains {text:?}", check.record.as_str());
            Err(Failure::new(ErrorKind::Assertion, why))
        }
        _ => Ok(()),
    }
}

fn wire_type(record: RecordType) -> Type {
    match record {
        RecordType::A => Type::A,
        RecordType::Aaaa => Type::AAAA,
        RecordType::Cname => Type::CNAME,
        RecordType::Mx => Type::MX,
        RecordType::Ns => Type::NS,
        RecordType::Txt => Type::TXT,
        RecordType::Soa => Type::SOA,
        RecordType::Srv => Type::SRV,
        RecordType::Caa => Type::CAA,
        RecordType::Ptr => Type::PTR,
    }
}
