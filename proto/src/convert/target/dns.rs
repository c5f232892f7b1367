//! DNS.

use parallax_model::target::dns::ANSWERS_MAX;
use parallax_model::{DnsCheck, DnsTransport, Rcode, RecordType};

use crate::convert::{InvalidMessage, bounded};
use crate::pb;

pub(super) fn to_wire(check: &DnsCheck) -> pb::DnsCheck {
    pb::DnsCheck {
        name: check.name.clone(),
        record: check.record.to_string(),
        server: check.server.clone(),
        answer_contains: check.answer_contains.clone(),
        tcp: match check.transport {
            DnsTransport::Udp => false,
            DnsTransport::Tcp => true,
        },
        no_recursion: !check.recursion,
        rcode: check.rcode.0.into(),
        answers: check.answers.clone(),
        authority_contains: check.authority_contains.clone(),
        ttl_min_s: check.ttl_s.map(|(min, _)| min),
        ttl_max_s: check.ttl_s.map(|(_, max)| max),
        authenticated: check.authenticated,
    }
}

pub(super) fn from_wire(check: pb::DnsCheck) -> Result<DnsCheck, InvalidMessage> {
    let record = RecordType::from_word(&check.record)
        .ok_or_else(|| InvalidMessage::new("target.dns.record", "unknown record type"))?;
    let rcode = u16::try_from(check.rcode)
        .map_err(|_| InvalidMessage::new("target.dns.rcode", "over 65535"))?;
    bounded("target.dns.answers", check.answers.len(), ANSWERS_MAX)?;
    let ttl_s = match (check.ttl_min_s, check.ttl_max_s) {
        (None, None) => None,
        (min, max) => Some((min.unwrap_or(0), max.unwrap_or(u32::MAX))),
    };
    Ok(DnsCheck {
        name: check.name,
        record,
        server: check.server,
        transport: if check.tcp { DnsTransport::Tcp } else { DnsTransport::Udp },
        recursion: !check.no_recursion,
        rcode: Rcode(rcode),
        answer_contains: check.answer_contains,
        answers: check.answers,
        authority_contains: check.authority_contains,
        ttl_s,
        authenticated: check.authenticated,
    })
}
