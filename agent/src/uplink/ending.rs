//! How a connection ended, in one line.

use std::error::Error;
use std::time::Duration;

use tonic::{Code, Status};

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The collector goes away on purpose.
    Drain(Duration),
    /// The connection broke, or never came about.
    Cut(String),
    /// The collector does not want us, in its own words.
    Refused(String),
    /// Somebody answers there who is no collector.
    Stranger(String),
    /// Everything is sent and acked, and the end was asked for.
    Finished,
}

impl Ending {
    /// No connection came about.
    pub(super) fn unreachable(error: &tonic::transport::Error) -> Self {
        let why = innermost(error);
        // a server that speaks another protocol fails the very first exchange
        if why.contains("frame") || why.contains("preface") || why.contains("http2 error") {
            return Self::Stranger(why);
        }
        Self::Cut(why)
    }

    /// The call ended. `welcomed`: the other side has shown that it is a collector.
    pub(super) fn of(status: &Status, welcomed: bool) -> Self {
        let said = said(status);
        match status.code() {
            Code::Unauthenticated
            | Code::PermissionDenied
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

fn said(status: &Status) -> String {
    if !status.message().is_empty() && !is_generic(status.message()) {
        return status.message().to_owned();
    }
    status.source().map_or_else(|| status.code().description().to_owned(), innermost)
}

/// Words of the library that say less than what is inside.
fn is_generic(message: &str) -> bool {
    message == "transport error" || message == "h2 protocol error: http2 error"
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
