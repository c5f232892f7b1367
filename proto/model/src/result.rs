//! What one look saw, as a value.

use std::sync::Arc;
use std::time::Duration;

use crate::{Clues, ErrorKind, Seen, Stage, TargetName, Timestamp};

/// Longest detail kept of one look, in bytes.
pub const DETAIL_BYTES_MAX: usize = 256;

/// Longest time a look can claim to have taken: more is a lie or a broken clock.
pub const LATENCY_MAX: Duration = Duration::from_hours(1);

/// One look at one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeResult {
    /// What was looked at.
    pub target: TargetName,
    /// When the look began, by the agent's own wall clock (which may be wrong).
    pub started: Timestamp,
    /// How long the whole look took.
    pub latency: Duration,
    /// How it ended.
    pub outcome: Outcome,
    /// How long each stage took, as far as the look got; summed over redirects.
    pub stages: Stages,
    /// The protocol's own status (HTTP status, DNS rcode), where one was received.
    pub status: Option<u16>,
    /// The address that was connected to.
    pub peer: Option<String>,
    /// What helps to find the cause. Shared: looks at one target mostly see the same.
    pub clues: Option<Arc<Clues>>,
    /// What a person should know of a failure, at most [`DETAIL_BYTES_MAX`] bytes.
    pub detail: Option<String>,
    /// What was measured beside the stages, also of a look that failed.
    pub seen: Option<Box<Seen>>,
    /// True if this look was asked for by the collector, outside the schedule.
    pub asked: bool,
}

/// How a look ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// Not as it should be.
    Fail(ErrorKind),
}

impl Outcome {
    /// The kind of a failure.
    pub const fn error(self) -> Option<ErrorKind> {
        match self {
            Self::Ok => None,
            Self::Fail(kind) => Some(kind),
        }
    }

    /// True if the look was as it should be.
    pub const fn is_ok(self) -> bool {
        matches!(self, Self::Ok)
    }
}

/// Time spent in each stage. A stage that was begun has a time, also when it failed; one that was
/// not reached (or that the kind of probe does not have) has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stages {
    /// Name to addresses.
    pub resolve: Option<Duration>,
    /// TCP connection.
    pub connect: Option<Duration>,
    /// TLS handshake.
    pub tls: Option<Duration>,
    /// Request sent to first byte of the answer.
    pub first_byte: Option<Duration>,
    /// First byte to last.
    pub transfer: Option<Duration>,
}

impl Stages {
    /// The stages that have a time, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Stage, Duration)> {
        [
            (Stage::Resolve, self.resolve),
            (Stage::Connect, self.connect),
            (Stage::Tls, self.tls),
            (Stage::FirstByte, self.first_byte),
            (Stage::Transfer, self.transfer),
        ]
        .into_iter()
        .filter_map(|(stage, time)| time.map(|t| (stage, t)))
    }
}

/// Cuts `text` to at most [`DETAIL_BYTES_MAX`] bytes at a character's edge, with control
/// characters turned into spaces.
pub fn detail(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(DETAIL_BYTES_MAX));
    for c in text.chars() {
        let c = if c.is_control() { ' ' } else { c };
        if out.len() + c.len_utf8() > DETAIL_BYTES_MAX {
            break;
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_is_cut_at_a_characters_edge() {
        let cut = detail(&"é".repeat(200));
        assert_eq!(cut.len(), 256);
        assert_eq!(detail("a\nb"), "a b");
    }
}
