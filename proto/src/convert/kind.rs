//! Error kinds on the wire.

use parallax_model::{ErrorKind, Outcome};

use crate::pb;

pub(crate) fn to_wire(outcome: Outcome) -> pb::ErrorKind {
    let Some(kind) = outcome.error() else { return pb::ErrorKind::None };
    match kind {
        ErrorKind::DnsNxdomain => pb::ErrorKind::DnsNxdomain,
        ErrorKind::DnsServfail => pb::ErrorKind::DnsServfail,
        ErrorKind::DnsTimeout => pb::ErrorKind::DnsTimeout,
        ErrorKind::DnsRefused => pb::ErrorKind::DnsRefused,
        ErrorKind::Unreachable => pb::ErrorKind::Unreachable,
        ErrorKind::ConnectRefused => pb::ErrorKind::ConnectRefused,
        ErrorKind::ConnectTimeout => pb::ErrorKind::ConnectTimeout,
        ErrorKind::Reset => pb::ErrorKind::Reset,
        ErrorKind::TlsHandshake => pb::ErrorKind::TlsHandshake,
        ErrorKind::CertExpired => pb::ErrorKind::CertExpired,
        ErrorKind::CertUntrusted => pb::ErrorKind::CertUntrusted,
        ErrorKind::CertName => pb::ErrorKind::CertName,
        ErrorKind::Timeout => pb::ErrorKind::Timeout,
        ErrorKind::Closed => pb::ErrorKind::Closed,
        ErrorKind::Protocol => pb::ErrorKind::Protocol,
        ErrorKind::Status4xx => pb::ErrorKind::Status4xx,
        ErrorKind::Status5xx => pb::ErrorKind::Status5xx,
        ErrorKind::Blocked => pb::ErrorKind::Blocked,
        ErrorKind::Assertion => pb::ErrorKind::Assertion,
        ErrorKind::CutStream => pb::ErrorKind::CutStream,
        ErrorKind::PolicyDenied => pb::ErrorKind::PolicyDenied,
        ErrorKind::Internal => pb::ErrorKind::Internal,
        ErrorKind::Unspecified => pb::ErrorKind::Unspecified,
    }
}

/// A number this build does not know is a kind of a newer agent: a failure all the same.
pub(crate) fn from_wire(number: i32) -> Outcome {
    let kind = match pb::ErrorKind::try_from(number) {
        Ok(pb::ErrorKind::None) => return Outcome::Ok,
        Ok(pb::ErrorKind::DnsNxdomain) => ErrorKind::DnsNxdomain,
        Ok(pb::ErrorKind::DnsServfail) => ErrorKind::DnsServfail,
        Ok(pb::ErrorKind::DnsTimeout) => ErrorKind::DnsTimeout,
        Ok(pb::ErrorKind::DnsRefused) => ErrorKind::DnsRefused,
        Ok(pb::ErrorKind::Unreachable) => ErrorKind::Unreachable,
        Ok(pb::ErrorKind::ConnectRefused) => ErrorKind::ConnectRefused,
        Ok(pb::ErrorKind::ConnectTimeout) => ErrorKind::ConnectTimeout,
        Ok(pb::ErrorKind::Reset) => ErrorKind::Reset,
        Ok(pb::ErrorKind::TlsHandshake) => ErrorKind::TlsHandshake,
        Ok(pb::ErrorKind::CertExpired) => ErrorKind::CertExpired,
        Ok(pb::ErrorKind::CertUntrusted) => ErrorKind::CertUntrusted,
        Ok(pb::ErrorKind::CertName) => ErrorKind::CertName,
        Ok(pb::ErrorKind::Timeout) => ErrorKind::Timeout,
        Ok(pb::ErrorKind::Closed) => ErrorKind::Closed,
        Ok(pb::ErrorKind::Protocol) => ErrorKind::Protocol,
        Ok(pb::ErrorKind::Status4xx) => ErrorKind::Status4xx,
        Ok(pb::ErrorKind::Status5xx) => ErrorKind::Status5xx,
        Ok(pb::ErrorKind::Blocked) => ErrorKind::Blocked,
        Ok(pb::ErrorKind::Assertion) => ErrorKind::Assertion,
        Ok(pb::ErrorKind::CutStream) => ErrorKind::CutStream,
        Ok(pb::ErrorKind::PolicyDenied) => ErrorKind::PolicyDenied,
        Ok(pb::ErrorKind::Internal) => ErrorKind::Internal,
        Ok(pb::ErrorKind::Unspecified) | Err(_) => ErrorKind::Unspecified,
    };
    Outcome::Fail(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_back() {
        for &kind in ErrorKind::ALL {
            assert_eq!(from_wire(to_wire(Outcome::Fail(kind)) as i32), Outcome::Fail(kind));
        }
        assert_eq!(from_wire(to_wire(Outcome::Ok) as i32), Outcome::Ok);
    }

    #[test]
    fn an_unknown_kind_is_still_a_failure() {
        assert_eq!(from_wire(4711), Outcome::Fail(ErrorKind::Unspecified));
    }
}
