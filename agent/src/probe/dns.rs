//! A DNS query: one server, one question, over UDP, and over TCP if the answer does not fit.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hickory_proto::op::{Edns, Message, MessageType, Query};
use hickory_proto::rr::{Name, RData, Record, RecordType as Type};
use parallax_model::{DnsCheck, DnsSeen, DnsTransport, ErrorKind, Rcode, Seen, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::Surroundings;
use super::connect::{addresses, host_and_port, may_look_at};
use super::failure::Failure;
use super::resolve;
use super::timing::Course;

/// Largest answer asked for over UDP: what fits into every path without fragments (DNS flag day 2020).
const UDP_BYTES_MAX: u16 = 1232;

/// Most servers of the system that are asked, one after the other.
const SERVERS_MAX: usize = 3;

pub(super) async fn look(
    check: &DnsCheck,
    around: &Surroundings,
    course: &mut Course<'_>,
) -> Result<(), Failure> {
    let question = question(check)?;
    let bytes = question
        .to_vec()
        .map_err(|e| Failure::new(ErrorKind::Internal, format!("the question: {e}")))?;
    let servers = servers(check, around, course).await?;
    let mut last = None;
    for (at, &server) in servers.iter().enumerate() {
        let asked = Asked { server, question: &question, bytes: &bytes, over: check.transport };
        match asked.within(servers.len() - at, course).await {
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
    message.metadata.recursion_desired = check.recursion;
    // asks to be told whether the answer was validated (RFC 6840 §5.7)
    message.metadata.authentic_data = check.authenticated;
    message.add_query(Query::query(name, Type::from(check.record.0)));
    message.set_edns(edns);
    Ok(message)
}

async fn servers(
    check: &DnsCheck,
    around: &Surroundings,
    course: &mut Course<'_>,
) -> Result<Vec<SocketAddr>, Failure> {
    let Some(server) = &check.server else {
        // the machine's own configuration is its owner's word: the policy is not asked
        let system = resolve::system_servers()?;
        return Ok(system.into_iter().map(|ip| (ip, 53).into()).take(SERVERS_MAX).collect());
    };
    let (host, port) = host_and_port(server)?;
    let mut servers = addresses(&host, port, around, course).await?;
    servers.truncate(SERVERS_MAX);
    for server in &servers {
        may_look_at(server.ip())?;
    }
    Ok(servers)
}

/// A question on its way to one server.
struct Asked<'a> {
    server: SocketAddr,
    question: &'a Message,
    bytes: &'a [u8],
    over: DnsTransport,
}

impl Asked<'_> {
    /// The answer, for which there is a fair share of the time that is left for this server and those
    /// after it.
    async fn within(&self, left: usize, course: &mut Course<'_>) -> Result<Message, Failure> {
        course.peer = Some(self.server);
        let now = tokio::time::Instant::now();
        let share = course.last_word().saturating_duration_since(now) / left as u32;
        let mut odd = false;
        let answer = tokio::time::timeout(share, async {
            if self.over == DnsTransport::Udp {
                let answer = self.over_udp(course, &mut odd).await?;
                if !answer.metadata.truncation {
                    return Ok(answer);
                }
            }
            self.over_tcp(course).await
        })
        .await;
        let server = self.server;
        answer.unwrap_or_else(|_| {
            Err(if odd {
                let why = format!("what {server} sends is no answer to the question");
                Failure::new(ErrorKind::Protocol, why)
            } else {
                Failure::new(ErrorKind::DnsTimeout, format!("no answer from {server}"))
            })
        })
    }

    /// `odd`: something came that is no answer.
    async fn over_udp(&self, course: &mut Course<'_>, odd: &mut bool) -> Result<Message, Failure> {
        let failed = |e: io::Error| Failure::connecting(&e, self.server);
        let from: IpAddr = match self.server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((from, 0)).await.map_err(failed)?;
        socket.connect(self.server).await.map_err(failed)?;
        course.begin(Stage::FirstByte);
        socket.send(self.bytes).await.map_err(failed)?;
        let mut buffer = [0; UDP_BYTES_MAX as usize];
        loop {
            let read = socket.recv(&mut buffer).await.map_err(failed)?;
            let answer = Message::from_vec(buffer.get(..read).unwrap_or_default());
            // anybody can send us a datagram: what does not answer our question is only noted
            match answer {
                Ok(answer) if answers(&answer, self.question) => return Ok(answer),
                Ok(_) | Err(_) => *odd = true,
            }
        }
    }

    async fn over_tcp(&self, course: &mut Course<'_>) -> Result<Message, Failure> {
        let server = self.server;
        let cut = |e: io::Error| Failure::cut_off(&e, "before it answered");
        let malformed =
            || Failure::new(ErrorKind::Protocol, format!("{server}: the answer is malformed"));
        let length = u16::try_from(self.bytes.len())
            .map_err(|_| Failure::new(ErrorKind::Internal, "the question is too long"))?;
        course.begin(Stage::Connect);
        let mut stream =
            TcpStream::connect(server).await.map_err(|e| Failure::connecting(&e, server))?;
        course.begin(Stage::FirstByte);
        let framed = [&length.to_be_bytes(), self.bytes].concat();
        stream.write_all(&framed).await.map_err(cut)?;
        // 64 KiB at most, by the protocol
        let length = stream.read_u16().await.map_err(cut)?;
        course.mark.hit();
        let mut buffer = vec![0; usize::from(length)];
        stream.read_exact(&mut buffer).await.map_err(cut)?;
        let answer = Message::from_vec(&buffer).map_err(|_| malformed())?;
        if answers(&answer, self.question) { Ok(answer) } else { Err(malformed()) }
    }
}

fn answers(answer: &Message, question: &Message) -> bool {
    answer.metadata.id == question.metadata.id
        && answer.metadata.message_type == MessageType::Response
        && answer.queries == question.queries
}

pub(super) fn judge(
    check: &DnsCheck,
    answer: &Message,
    course: &mut Course<'_>,
) -> Result<(), Failure> {
    let code = answer.metadata.response_code;
    course.status = Some(u16::from(code));
    course.seen = Some(Seen::Dns(seen(answer)));
    if u16::from(code) != check.rcode.0 {
        let (kind, what) = resolve::rcode(code);
        let expected = match check.rcode {
            Rcode::NO_ERROR => String::new(),
            other => format!(", expected {other}"),
        };
        let what = if kind.is_none() { "there is such a name" } else { &what };
        let kind = kind.unwrap_or(ErrorKind::Assertion);
        return Err(Failure::new(kind, format!("{}: {what}{expected}", check.name)));
    }
    if check.authenticated && !answer.metadata.authentic_data {
        return Err(wrong("the resolver did not validate the answer (no AD flag)"));
    }
    if let Some(text) = &check.authority_contains
        && !answer.authorities.iter().any(|record| record.data.to_string().contains(text))
    {
        return Err(wrong(format!("no record of the authority section contains {text:?}")));
    }
    if check.rcode == Rcode::NO_ERROR { records(check, answer) } else { Ok(()) }
}

/// The records of the type that was asked for.
fn records(check: &DnsCheck, answer: &Message) -> Result<(), Failure> {
    let wanted = Type::from(check.record.0);
    let of_type = |r: &&Record| wanted == Type::ANY || r.record_type() == wanted;
    let found: Vec<&Record> = answer.answers.iter().filter(of_type).collect();
    if found.is_empty() {
        return Err(wrong(format!("{} has no {} record", check.name, check.record)));
    }
    let texts: Vec<String> = found.iter().map(|record| record.data.to_string()).collect();
    if let Some(text) = &check.answer_contains
        && !texts.iter().any(|t| t.contains(text))
    {
        return Err(wrong(format!("no {} record contains {text:?}", check.record)));
    }
    if !check.answers.is_empty() {
        exactly(&check.answers, &texts)?;
    }
    let outside = |(min, max): (u32, u32)| found.iter().find(|r| r.ttl < min || r.ttl > max);
    match check.ttl_s.and_then(outside) {
        Some(record) => Err(wrong(format!("a time to live of {} s is out of bounds", record.ttl))),
        None => Ok(()),
    }
}

/// These records and no others, in any order.
fn exactly(expected: &[String], found: &[String]) -> Result<(), Failure> {
    let plain = |texts: &[String]| {
        let mut texts: Vec<String> = texts.iter().map(|t| plain(t)).collect();
        texts.sort();
        texts.dedup();
        texts
    };
    let (expected, found) = (plain(expected), plain(found));
    let lacks = expected.iter().find(|t| !found.contains(t)).map(|t| format!("{t} is missing"));
    let other =
        || found.iter().find(|t| !expected.contains(t)).map(|t| format!("{t} is not expected"));
    match lacks.or_else(other) {
        Some(why) => Err(wrong(format!("the records differ: {why}"))),
        None => Ok(()),
    }
}

/// A record's text without what makes no difference: an address in its usual form, a name in lower case
/// and without the root's dot, a text without quotes.
fn plain(text: &str) -> String {
    let bare = text.trim().trim_matches('"').trim_end_matches('.');
    bare.parse::<IpAddr>().map_or_else(|_| bare.to_ascii_lowercase(), |ip| ip.to_string())
}

fn seen(answer: &Message) -> DnsSeen {
    let count = |records: &[Record]| u16::try_from(records.len()).unwrap_or(u16::MAX);
    let serial = answer.answers.iter().chain(&answer.authorities).find_map(|r| {
        let RData::SOA(soa) = &r.data else { return None };
        Some(soa.serial)
    });
    DnsSeen {
        answers: count(&answer.answers),
        authority: count(&answer.authorities),
        additional: count(&answer.additionals),
        serial,
        authenticated: answer.metadata.authentic_data,
    }
}

fn wrong(why: impl AsRef<str>) -> Failure {
    Failure::new(ErrorKind::Assertion, why)
}
