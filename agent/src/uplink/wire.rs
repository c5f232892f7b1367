//! What is sent, such that a spooled batch need not be taken apart.

use bytes::Bytes;
use parallax_model::{Batch, Body, Gap};
use parallax_proto::{FromAgent, Heartbeat, Hello, encode_batch, pb};

use crate::spool::{Content, Record};

/// The same bytes on the wire as [`pb::AgentMessage`], with the batch as bytes: an embedded message
/// and its bytes look alike. One of the fields is set.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Outgoing {
    #[prost(message, optional, tag = "1")]
    hello: Option<pb::Hello>,
    #[prost(bytes = "bytes", optional, tag = "2")]
    batch: Option<Bytes>,
    #[prost(message, optional, tag = "3")]
    heartbeat: Option<pb::Heartbeat>,
}

impl From<Hello> for Outgoing {
    fn from(hello: Hello) -> Self {
        Self::of(&FromAgent::Hello(hello))
    }
}

impl From<Heartbeat> for Outgoing {
    fn from(heartbeat: Heartbeat) -> Self {
        Self::of(&FromAgent::Heartbeat(heartbeat))
    }
}

impl From<Record> for Outgoing {
    fn from(record: Record) -> Self {
        let batch = match record.content {
            Content::Bytes(bytes) => bytes,
            Content::Gap(reason) => {
                let body = Body::Gap(Gap { reason });
                encode_batch(&Batch { epoch: record.epoch, span: record.span, body }).into()
            }
        };
        Self { batch: Some(batch), ..Self::default() }
    }
}

impl Outgoing {
    fn of(message: &FromAgent) -> Self {
        use pb::agent_message::Body as Wire;
        let none = Self::default();
        match pb::AgentMessage::from(message).body {
            Some(Wire::Hello(hello)) => Self { hello: Some(hello), ..none },
            Some(Wire::Heartbeat(heartbeat)) => Self { heartbeat: Some(heartbeat), ..none },
            Some(Wire::Batch(_)) | None => none,
        }
    }
}

#[cfg(test)]
mod tests {
    use parallax_model::{Epoch, GapReason, Span};
    use prost::Message;

    use super::*;

    #[test]
    fn it_looks_like_the_contracts_message() {
        let span = Span::new(3, 9).unwrap();
        let content = Content::Gap(GapReason::Corrupt);
        let sent = Outgoing::from(Record { epoch: Epoch(7), span, content });
        let body = Body::Gap(Gap { reason: GapReason::Corrupt });
        let expected = FromAgent::Batch(Batch { epoch: Epoch(7), span, body });
        assert_eq!(sent.encode_to_vec(), pb::AgentMessage::from(&expected).encode_to_vec());
        let got = pb::AgentMessage::decode(sent.encode_to_vec().as_slice()).unwrap();
        assert_eq!(FromAgent::try_from(got).unwrap(), expected);
    }
}
