//! `dns`: a question, and what its answer must be.

use std::net::{IpAddr, SocketAddr};

use parallax_model::target::dns::ANSWERS_MAX;
use parallax_model::{DnsCheck, DnsTransport, Rcode, RecordType};
use url::Url;

use super::contains;
use crate::config::section::Field;

pub(super) const KEYS: &[&str] = &[
    "name",
    "record",
    "server",
    "transport",
    "recursion",
    "rcode",
    "answers",
    "answer_contains",
    "authority_contains",
    "ttl_min",
    "ttl_max",
    "authenticated",
];

/// Longest DNS name, in bytes (RFC 1035 §2.3.4), and the dot at its end.
const NAME_BYTES_MAX: usize = 254;

/// Longest time to live, in seconds (RFC 2181 §8).
const TTL_MAX_S: u32 = i32::MAX as u32;

/// A DNS check.
pub(super) fn read(field: Field<'_>) -> Option<DnsCheck> {
    let section = field.section("dns", KEYS)?;
    let usual = DnsCheck::new("", RecordType::A);
    let ttl = |key| section.get(key).and_then(|f| f.number(0, TTL_MAX_S));
    let check = DnsCheck {
        record: section.get("record").and_then(record).unwrap_or(usual.record),
        server: section.get("server").and_then(server),
        transport: section.get("transport").and_then(transport).unwrap_or_default(),
        recursion: section.get("recursion").and_then(|f| f.truth()).unwrap_or(usual.recursion),
        rcode: section.get("rcode").and_then(rcode).unwrap_or(usual.rcode),
        answers: section.get("answers").map(answers).unwrap_or_default(),
        answer_contains: section.get("answer_contains").and_then(contains),
        authority_contains: section.get("authority_contains").and_then(contains),
        ttl_s: match (ttl("ttl_min"), ttl("ttl_max")) {
            (None, None) => None,
            (min, max) => Some((min.unwrap_or(0), max.unwrap_or(u32::MAX))),
        },
        authenticated: section.get("authenticated").and_then(|f| f.truth()).unwrap_or_default(),
        ..usual
    };
    let name = section.need("name", "\"example.com\"")?;
    let text = name.text()?;
    if text.is_empty() || text.len() > NAME_BYTES_MAX || text.contains(char::is_whitespace) {
        name.wrong(format!("{text:?} is no DNS name; write \"example.com\""));
        return None;
    }
    if check.ttl_s.is_some_and(|(min, max)| min > max) {
        field.wrong("ttl_min is more than ttl_max; no answer could be right");
    }
    Some(DnsCheck { name: text.to_owned(), ..check })
}

fn record(field: Field<'_>) -> Option<RecordType> {
    let text = field.text()?;
    let record = RecordType::from_word(text).filter(|record| !record.is_reserved());
    if record.is_none() {
        let words: Vec<&str> = RecordType::NAMED.iter().map(|&(_, word)| word).collect();
        let words = words.join(", ");
        field.wrong(format!("unknown record type {text:?}; use one of {words}, or TYPE65280"));
    }
    record
}

fn transport(field: Field<'_>) -> Option<DnsTransport> {
    let text = field.text()?;
    let transport = DnsTransport::from_word(text);
    if transport.is_none() {
        field.wrong(format!("unknown transport {text:?}; use \"udp\" or \"tcp\""));
    }
    transport
}

fn rcode(field: Field<'_>) -> Option<Rcode> {
    let text = field.text()?;
    let rcode = Rcode::from_word(text);
    if rcode.is_none() {
        let words: Vec<&str> = Rcode::NAMED.iter().map(|&(_, word)| word).collect();
        field.wrong(format!("unknown response code {text:?}; use one of {}", words.join(", ")));
    }
    rcode
}

fn answers(field: Field<'_>) -> Vec<String> {
    let entries = field.list("the records, such as [\"192.0.2.1\"]");
    if entries.len() > ANSWERS_MAX {
        field.wrong(format!("{} records, at most {ANSWERS_MAX}; remove some", entries.len()));
    }
    entries.iter().filter_map(|entry| contains(*entry)).collect()
}

/// A host or an address, and a port where it is not 53.
fn server(field: Field<'_>) -> Option<String> {
    let text = field.text()?;
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, 53).to_string());
    }
    let url = Url::parse(&format!("dns://{text}")).ok();
    let bare = url.filter(|url| url.path().is_empty() && url.username().is_empty());
    let host = bare.as_ref().and_then(|url| Some((url.host_str()?, url.port().unwrap_or(53))));
    let Some((host, port)) = host.filter(|(host, port)| !host.is_empty() && *port > 0) else {
        field.wrong(format!(
            "{text:?} is no server; write \"9.9.9.9\", \"[2620:fe::fe]:53\" or \"ns1.example.com\""
        ));
        return None;
    };
    Some(format!("{host}:{port}"))
}
