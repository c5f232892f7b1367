//! What a look measured beside its stages, in the words of its kind.

use std::time::Duration;

/// One variant a kind of probe that has something to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// A DNS answer.
    Dns(DnsSeen),
    /// Echoes.
    Icmp(IcmpSeen),
    /// A health answer.
    Grpc(GrpcSeen),
    /// A streamed inference.
    Llm(LlmSeen),
}

/// A DNS answer's sections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DnsSeen {
    /// Records in the answer section.
    pub answers: u16,
    /// Records in the authority section.
    pub authority: u16,
    /// Records in the additional section.
    pub additional: u16,
    /// The zone's serial, where a SOA record came.
    pub serial: Option<u32>,
    /// The server says that it validated the answer.
    pub authenticated: bool,
}

/// Echoes of one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IcmpSeen {
    /// Requests sent.
    pub sent: u16,
    /// Echoes that came back, each counted once.
    pub received: u16,
    /// Shortest round trip; nothing if none came back, as all below.
    pub rtt_min: Duration,
    /// Mean round trip.
    pub rtt_mean: Duration,
    /// Longest round trip.
    pub rtt_max: Duration,
    /// Their standard deviation.
    pub rtt_stddev: Duration,
    /// Hop limit (TTL) with which the last one came, where the system tells it.
    pub hop_limit: Option<u8>,
}

impl IcmpSeen {
    /// Per cent of the requests that were lost.
    pub fn loss_percent(&self) -> f64 {
        let lost = self.sent.saturating_sub(self.received);
        if self.sent == 0 { 0.0 } else { f64::from(lost) * 100.0 / f64::from(self.sent) }
    }
}

/// What a gRPC server said of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrpcSeen {
    /// Its word.
    pub serving: Serving,
}

/// The words of `grpc.health.v1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serving {
    /// It does not know.
    Unknown,
    /// It serves.
    Serving,
    /// It does not.
    NotServing,
    /// It knows no such service.
    ServiceUnknown,
}

impl Serving {
    /// Every word, in the order of the protocol's numbers.
    pub const ALL: [Self; 4] =
        [Self::Unknown, Self::Serving, Self::NotServing, Self::ServiceUnknown];

    /// The protocol's own word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Serving => "SERVING",
            Self::NotServing => "NOT_SERVING",
            Self::ServiceUnknown => "SERVICE_UNKNOWN",
        }
    }
}

/// How a streamed inference went, as far as it got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LlmSeen {
    /// Request sent to first token.
    pub first_token: Option<Duration>,
    /// Longest silence after the first token.
    pub longest_gap: Option<Duration>,
    /// First token to last.
    pub streamed: Duration,
    /// Tokens of the answer: as the service counts them, else the pieces that came.
    pub tokens: u32,
    /// Tokens of the question, as the service counts them.
    pub prompt_tokens: u32,
    /// The stream came to its own end.
    pub finished: bool,
}

impl LlmSeen {
    /// Tokens a second after the first one; none for fewer than two.
    pub fn tokens_per_second(&self) -> Option<f64> {
        let more = self.tokens.checked_sub(1).filter(|&n| n > 0)?;
        let seconds = self.streamed.as_secs_f64();
        (seconds > 0.0).then(|| f64::from(more) / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_and_speed_count_what_came() {
        let echoes = IcmpSeen { sent: 4, received: 3, ..IcmpSeen::default() };
        assert!((echoes.loss_percent() - 25.0).abs() < 1e-9);
        let stream =
            LlmSeen { tokens: 11, streamed: Duration::from_millis(500), ..LlmSeen::default() };
        assert_eq!(stream.tokens_per_second(), Some(20.0));
        assert_eq!(LlmSeen { tokens: 1, ..stream }.tokens_per_second(), None);
    }
}
