//! How a look fails: the vocabulary of results, metrics, traces and the API.

use std::fmt;

/// How far a look came. Later stages prove the earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The name was turned into addresses.
    Resolve,
    /// A TCP connection was made.
    Connect,
    /// TLS was agreed on and the certificate checked.
    Tls,
    /// The request was sent and the first byte of an answer awaited.
    FirstByte,
    /// The answer was read.
    Transfer,
    /// The answer was judged.
    Assert,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: &'static [Self] =
        &[Self::Resolve, Self::Connect, Self::Tls, Self::FirstByte, Self::Transfer, Self::Assert];

    /// The stage a word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|stage| stage.as_str() == word)
    }

    /// The word used in JSON, metrics and on pages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::FirstByte => "first_byte",
            Self::Transfer => "transfer",
            Self::Assert => "assert",
        }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $word:literal $stage:ident;)*) => {
        /// Why a look failed. The kind is evidence: a `status_5xx` over valid TLS proves DNS,
        /// route and TLS; `unreachable` points at the vantage.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ErrorKind {
            $($(#[$doc])* $name,)*
        }

        impl ErrorKind {
            /// Every kind, in the order of the stages.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word used on the wire of traces, in JSON, metrics and on pages.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The kind a word stands for.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$name),)* _ => None }
            }

            /// The stage in which the look ended.
            pub const fn stage(self) -> Stage {
                match self { $(Self::$name => Stage::$stage,)* }
            }
        }
    };
}

kinds! {
    /// The resolver says that the name does not exist, or has no address.
    DnsNxdomain "dns_nxdomain" Resolve;
    /// The resolver failed.
    DnsServfail "dns_servfail" Resolve;
    /// The resolver did not answer in time.
    DnsTimeout "dns_timeout" Resolve;
    /// The resolver refused to answer.
    DnsRefused "dns_refused" Resolve;
    /// No route, or the network said so.
    Unreachable "unreachable" Connect;
    /// Nobody listens there.
    ConnectRefused "connect_refused" Connect;
    /// No answer to the connection attempt.
    ConnectTimeout "connect_timeout" Connect;
    /// The peer (or something on the way) reset the connection.
    Reset "reset" Connect;
    /// TLS could not be agreed on.
    TlsHandshake "tls_handshake" Tls;
    /// The certificate is out of its dates.
    CertExpired "cert_expired" Tls;
    /// The certificate's chain leads to no trusted root.
    CertUntrusted "cert_untrusted" Tls;
    /// The certificate is for another name.
    CertName "cert_name" Tls;
    /// No (complete) answer in time, once connected.
    Timeout "timeout" FirstByte;
    /// The peer closed before it answered.
    Closed "closed" FirstByte;
    /// The answer breaks its protocol.
    Protocol "protocol" FirstByte;
    /// An unexpected 4xx (other than the refusals under `blocked`), or another unexpected status below 500.
    Status4xx "status_4xx" Assert;
    /// An unexpected 5xx.
    Status5xx "status_5xx" Assert;
    /// 401, 403, 407, 429 or 451 where not expected: the service answered, and refused *us*.
    Blocked "blocked" Assert;
    /// Body, header, JSON, record or certificate age is not as asserted.
    Assertion "assertion" Assert;
    /// The answer began well and was cut off.
    CutStream "cut_stream" Transfer;
    /// The agent's own policy forbids this look.
    PolicyDenied "policy_denied" Resolve;
    /// The measuring side failed.
    Internal "internal" Resolve;
    /// A failure of a kind this version does not know (a newer agent, a foreign trace): it counts,
    /// and says nothing of where.
    Unspecified "unspecified" Resolve;
}

impl ErrorKind {
    /// True for the kinds that speak of the measuring side and are never evidence against a target.
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::PolicyDenied | Self::Internal)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_kinds_are_one_to_one() {
        for &kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::from_word(kind.as_str()), Some(kind));
        }
        assert_eq!(ErrorKind::ALL.len(), 23);
        assert_eq!(ErrorKind::from_word("slow"), None);
    }
}
