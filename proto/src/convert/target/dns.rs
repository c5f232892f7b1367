//! DNS.

use parallax_model::{DnsCheck, RecordType};

use crate::convert::InvalidMessage;
use crate::pb;

pub(super) fn to_wire(check: &DnsCheck) -> pb::DnsCheck {
    pb::DnsCheck {
        name: check.name.clone(),
        record: check.record.as_str().to_owned(),
        server: check.server.map(|s| s.to_string()),
        answer_contains: check.answer_contains.clone(),
    }
}

pub(super) fn from_wire(check: pb::DnsCheck) -> Result<DnsCheck, InvalidMessage> {
    let record = RecordType::from_word(&check.record)
        .ok_or_else(|| InvalidMessage::new("target.dns.record", "unknown record type"))?;
    let server = check
        .server
        .map(|server| server.parse())
        .transpose()
        .map_err(|_| InvalidMessage::new("target.dns.server", "must be ip:port"))?;
    Ok(DnsCheck { name: check.name, record, server, answer_contains: check.answer_contains })
}
