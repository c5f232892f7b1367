//! What the last look of a path measured beside its stages, as JSON.

use std::time::Duration;

use parallax_model::{DnsSeen, GrpcSeen, IcmpSeen, LlmSeen, Seen};
use serde::{Deserialize, Serialize};

/// One shape a kind of probe; times in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SeenJson {
    /// A DNS answer's sections.
    Dns {
        /// Records in the answer section.
        answers: u16,
        /// Records in the authority section.
        authority: u16,
        /// Records in the additional section.
        additional: u16,
        /// The zone's serial, where a SOA record came.
        serial: Option<u32>,
        /// The server validated the answer.
        authenticated: bool,
    },
    /// Echoes.
    Icmp {
        /// Requests sent.
        sent: u16,
        /// Echoes that came back.
        received: u16,
        /// Shortest round trip.
        rtt_min_ms: f64,
        /// Mean round trip.
        rtt_mean_ms: f64,
        /// Longest round trip.
        rtt_max_ms: f64,
        /// Their standard deviation.
        rtt_stddev_ms: f64,
        /// TTL with which the last one came, where the system tells it.
        hop_limit: Option<u8>,
    },
    /// A gRPC server's word on a service.
    Grpc {
        /// `SERVING`, `NOT_SERVING`, `UNKNOWN` or `SERVICE_UNKNOWN`.
        serving: String,
    },
    /// A streamed inference.
    Llm {
        /// Request sent to first token.
        first_token_ms: Option<f64>,
        /// Longest silence after the first token.
        longest_gap_ms: Option<f64>,
        /// Tokens of the answer.
        tokens: u32,
        /// Tokens of the question.
        prompt_tokens: u32,
        /// Tokens a second after the first one.
        tokens_per_second: Option<f64>,
        /// The stream came to its own end.
        finished: bool,
    },
}

impl From<&Seen> for SeenJson {
    fn from(seen: &Seen) -> Self {
        match seen {
            Seen::Dns(DnsSeen { answers, authority, additional, serial, authenticated }) => {
                Self::Dns {
                    answers: *answers,
                    authority: *authority,
                    additional: *additional,
                    serial: *serial,
                    authenticated: *authenticated,
                }
            }
            Seen::Icmp(icmp) => Self::of_echoes(icmp),
            Seen::Grpc(GrpcSeen { serving }) => Self::Grpc { serving: serving.as_str().to_owned() },
            Seen::Llm(llm) => Self::of_stream(llm),
        }
    }
}

impl SeenJson {
    fn of_echoes(icmp: &IcmpSeen) -> Self {
        Self::Icmp {
            sent: icmp.sent,
            received: icmp.received,
            rtt_min_ms: ms(icmp.rtt_min),
            rtt_mean_ms: ms(icmp.rtt_mean),
            rtt_max_ms: ms(icmp.rtt_max),
            rtt_stddev_ms: ms(icmp.rtt_stddev),
            hop_limit: icmp.hop_limit,
        }
    }

    fn of_stream(llm: &LlmSeen) -> Self {
        Self::Llm {
            first_token_ms: llm.first_token.map(ms),
            longest_gap_ms: llm.longest_gap.map(ms),
            tokens: llm.tokens,
            prompt_tokens: llm.prompt_tokens,
            tokens_per_second: llm.tokens_per_second().map(|n| (n * 10.0).round() / 10.0),
            finished: llm.finished,
        }
    }
}

/// Milliseconds with two digits after the point: 10 µs.
fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e5).round() / 1e2
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_inference_is_told_in_milliseconds() {
        let seen = LlmSeen {
            first_token: Some(Duration::from_micros(250_500)),
            longest_gap: None,
            streamed: Duration::from_millis(300),
            tokens: 4,
            prompt_tokens: 12,
            finished: true,
        };
        let shown = serde_json::to_value(SeenJson::from(&Seen::Llm(seen))).unwrap();
        let expected = json!({
            "kind": "llm", "first_token_ms": 250.5, "longest_gap_ms": null, "tokens": 4,
            "prompt_tokens": 12, "tokens_per_second": 10.0, "finished": true,
        });
        assert_eq!(shown, expected);
    }
}
