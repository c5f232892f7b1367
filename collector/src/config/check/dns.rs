//! `dns`: a question, and what its answer must be.

use std::net::{IpAddr, SocketAddr};

use parallax_model::{DnsCheck, RecordType};

use super::contains;
use crate::config::section::Field;

const KEYS: &[&str] = &["name", "record", "server", "answer_contains"];

/// Longest DNS name, in bytes (RFC 1035 §2.3.4), and the dot at its end.
const DNS_NAME_BYTES_MAX: usize = 254;

/// A DNS check.
pub(super) fn read(field: Field<'_>) -> Option<DnsCheck> {
    let section = field.section("dns", KEYS)?;
    let record = section.get("record").and_then(record);
    let server = section.get("server").and_then(server);
    let answer_contains = section.get("answer_contains").and_then(contains);
    let name = section.need("name", "\"example.com\"")?;
    let text = name.text()?;
    if text.is_empty() || text.len() > DNS_NAME_BYTES_MAX || text.contains(char::is_whitespace) {
        name.wrong(format!("{text:?} is no DNS name; write \"example.com\""));
        return None;
    }
    let record = record.unwrap_or(RecordType::A);
    Some(DnsCheck { name: text.to_owned(), record, server, answer_contains })
}

fn record(field: Field<'_>) -> Option<RecordType> {
    let text = field.text()?;
    let record = RecordType::from_word(text);
    if record.is_none() {
        let words: Vec<&str> = RecordType::ALL.iter().map(|r| r.as_str()).collect();
        field.wrong(format!("unknown record type {text:?}; use one of {}", words.join(", ")));
    }
    record
}

fn server(field: Field<'_>) -> Option<SocketAddr> {
    let text = field.text()?;
    let plain = text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 53));
    let server = plain.or_else(|| text.parse().ok());
    if server.is_none() {
        field.wrong(format!("{text:?} is no address; write \"9.9.9.9\" or \"[2620:fe::fe]:53\""));
    }
    server
}
