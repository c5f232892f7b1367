//! ICMP: echoes that must come back.

use std::time::Duration;

/// Most echoes of one look.
pub const ECHOES_MAX: u16 = 100;

/// Most bytes of an echo's payload: with the headers still one unfragmented packet.
pub const PAYLOAD_BYTES_MAX: u16 = 1400;

/// Least bytes of an echo's payload: what tells an echo of ours from those of others.
pub const PAYLOAD_BYTES_MIN: u16 = 16;

/// Echo requests, and how many must come back how fast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IcmpCheck {
    /// A host name or an address.
    pub host: String,
    /// Echoes sent, at least 1.
    pub count: u16,
    /// Time from one to the next.
    pub spacing: Duration,
    /// Bytes of payload.
    pub payload_bytes: u16,
    /// Largest part of them that may be lost, in per cent, below 100: at least one
    /// must come back.
    pub loss_percent_max: u8,
    /// Longest mean round trip.
    pub rtt_max: Option<Duration>,
    /// Which kind of address is looked at.
    pub family: Family,
}

impl IcmpCheck {
    /// Three echoes within half a second, at least one of which comes back.
    pub fn to(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            count: 3,
            spacing: Duration::from_millis(200),
            payload_bytes: 56,
            loss_percent_max: 99,
            rtt_max: None,
            family: Family::default(),
        }
    }
}

/// Which addresses of a name are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Family {
    /// The first one.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

impl Family {
    /// The word used in configuration: `any`, `ipv4`, `ipv6`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        }
    }

    /// What a word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Any, Self::V4, Self::V6].into_iter().find(|f| f.as_str() == word)
    }
}
