//! What travels between agent and collector.

use parallax_proto::{FromAgent, FromCollector, JoinToken, decode_batch, encode_batch, pb};
use prost::Message;

/// A batch as it lies in spool and journal.
pub(super) fn batches(bytes: &[u8]) {
    if let Ok(batch) = decode_batch(bytes) {
        let again = encode_batch(&batch);
        assert_eq!(decode_batch(&again).expect("what was taken is written"), batch);
    }
}

/// A message on the stream, by an agent.
pub(super) fn from_agent(bytes: &[u8]) {
    let Ok(wire) = pb::AgentMessage::decode(bytes) else { return };
    if let Ok(message) = FromAgent::try_from(wire) {
        let again = FromAgent::try_from(pb::AgentMessage::from(&message));
        assert_eq!(again.expect("what was taken is written"), message);
    }
}

/// A message on the stream, by a collector; an agent keeps assignments in the same form.
pub(super) fn from_collector(bytes: &[u8]) {
    let Ok(wire) = pb::CollectorMessage::decode(bytes) else { return };
    if let Ok(message) = FromCollector::try_from(wire) {
        let again = FromCollector::try_from(pb::CollectorMessage::from(&message));
        assert_eq!(again.expect("what was taken is written"), message);
    }
}

/// What somebody pastes.
pub(super) fn tokens(bytes: &[u8]) {
    if let Ok(token) = String::from_utf8_lossy(bytes).parse::<JoinToken>() {
        assert!(token.to_string().parse() == Ok(token));
    }
}
