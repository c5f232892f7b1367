//! How a connection ended, in one line.

use std::error::Error;
use std::time::Duration;

use tonic::{Code, Status};

use super::dial::NoRoad;
use crate::identity::Untrusted;

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The collector goes away on purpose.
    Drain(Duration),
    /// The connection broke, or never came about.
    Cut(String),
    /// The collector does not want us now, in its own words.
    Refused(String),
    /// The collector does not know us, or no more, in its own words: somebody must do something first.
    Dismissed(String),
    /// Somebody answers there who is no collector.
    Stranger(String),
    /// Somebody answers there who is not the collector that this agent joined.
    Impostor(String),
    /// The certificate is a new one; so must be the connection.
    Renewed,
    /// Everything is sent and acked, and the end was asked for.
    Finished,
}

impl Ending {
    /// No connection came about.
    pub(super) fn without(road: NoRoad) -> Self {
        match road {
            NoRoad::Away(why) => Self::Cut(why),
            NoRoad::Foreign(why) | NoRoad::Untrusted(Untrusted::Speech(why)) => Self::Stranger(why),
            NoRoad::Untrusted(Untrusted::Stranger) => {
                Self::Impostor(Untrusted::Stranger.to_string())
            }
            NoRoad::Untrusted(clocks @ (Untrusted::Over { .. } | Untrusted::Early { .. })) => {
                Self::Cut(clocks.to_string())
            }
        }
    }

    /// The call ended. `welcomed`: the other side has shown that it is a collector.
    pub(super) fn of(status: &Status, welcomed: bool) -> Self {
        let said = said(status);
        match status.code() {
            Code::Unauthenticated => Self::Dismissed(said),
            Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::AlreadyExists
            | Code::InvalidArgument
            | Code::OutOfRange => Self::Refused(said),
            Code::Unimplemented if !welcomed => Self::Stranger(said),
            Code::Unknown | Code::Internal if !welcomed && is_foreign(status) => {
                Self::Stranger(said)
            }
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::NotFound
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss => Self::Cut(said),
        }
    }
}

/// An HTTP answer without gRPC in it, or no HTTP/2 at all.
fn is_foreign(status: &Status) -> bool {
    let mut text = status.message().to_owned();
    let mut source = status.source();
    while let Some(inner) = source {
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    ["grpc-status header missing", "frame with invalid size", "PROTOCOL_ERROR", "protocol error"]
        .iter()
        .any(|sign| text.contains(sign))
}

/// The words of a status, or what is behind it if it has none of its own.
pub(super) fn said(status: &Status) -> String {
    if !status.message().is_empty() && !is_generic(status.message()) {
        return status.message().to_owned();
    }
    status.source().map_or_else(|| status.code().description().to_owned(), innermost)
}

/// Words of the library that say less than what is inside.
fn is_generic(message: &str) -> bool {
    message == "transport error" || message == "h2 protocol error: http2 error"
}

pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
