//! DNS: a question, and what its answer must be.

use std::fmt;

/// Most records that an answer is compared with.
pub const ANSWERS_MAX: usize = 64;

/// A DNS query, and what its answer must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsCheck {
    /// The name asked for.
    pub name: String,
    /// The record type asked for.
    pub record: RecordType,
    /// The server to ask, as `host:port`; none: the agent's own resolver.
    pub server: Option<String>,
    /// Over what it is asked.
    pub transport: DnsTransport,
    /// True if the server shall ask others for what it does not know: off for a zone's own servers.
    pub recursion: bool,
    /// The response code that is fine. With [`Rcode::NO_ERROR`], at least one record of the type must
    /// come.
    pub rcode: Rcode,
    /// Text that one of the records of the type must contain.
    pub answer_contains: Option<String>,
    /// The records of the type, exactly these, in any order; empty: any.
    pub answers: Vec<String>,
    /// Text that one of the authority section's records must contain.
    pub authority_contains: Option<String>,
    /// Shortest and longest time to live of the records of the type, in seconds.
    pub ttl_s: Option<(u32, u32)>,
    /// True if the resolver must say that it validated the answer (the AD flag).
    pub authenticated: bool,
}

impl DnsCheck {
    /// A question to the agent's own resolver that must have an answer.
    pub fn new(name: impl Into<String>, record: RecordType) -> Self {
        Self {
            name: name.into(),
            record,
            server: None,
            transport: DnsTransport::default(),
            recursion: true,
            rcode: Rcode::NO_ERROR,
            answer_contains: None,
            answers: Vec::new(),
            authority_contains: None,
            ttl_s: None,
            authenticated: false,
        }
    }
}

/// What a question travels over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DnsTransport {
    /// UDP, and TCP if the answer does not fit.
    #[default]
    Udp,
    /// TCP alone.
    Tcp,
}

impl DnsTransport {
    /// The word used in configuration: `udp`, `tcp`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }

    /// What a word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Udp, Self::Tcp].into_iter().find(|t| t.as_str() == word)
    }
}

macro_rules! numbered {
    (
        $(#[$doc:meta])* $type:ident $other:literal:
        $($(#[$of:meta])* $name:ident $word:literal $number:literal;)*
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $type(pub u16);

        impl $type {
            $($(#[$of])* pub const $name: Self = Self($number);)*

            /// Those that have a word.
            pub const NAMED: &'static [(Self, &'static str)] = &[$((Self::$name, $word),)*];

            /// What a word stands for, in either case; any number can be written too.
            pub fn from_word(word: &str) -> Option<Self> {
                let named = Self::NAMED.iter().find(|(_, w)| w.eq_ignore_ascii_case(word));
                if let Some(&(this, _)) = named {
                    return Some(this);
                }
                let upper = word.to_ascii_uppercase();
                let digits = upper.strip_prefix($other)?;
                let plain = digits.bytes().all(|b| b.is_ascii_digit());
                digits.parse().ok().filter(|_| plain).map(Self)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match Self::NAMED.iter().find(|(this, _)| this == self) {
                    Some((_, word)) => f.pad(word),
                    None => f.pad(&format!(concat!($other, "{}"), self.0)),
                }
            }
        }
    };
}

numbered! {
    /// A DNS record type, by its number. Types without a word here are written `TYPE65280` (RFC 3597).
    RecordType "TYPE":
    /// An IPv4 address.
    A "A" 1;
    /// A name server of the zone.
    NS "NS" 2;
    /// Another name for this one.
    CNAME "CNAME" 5;
    /// The zone's start of authority.
    SOA "SOA" 6;
    /// The name of an address.
    PTR "PTR" 12;
    /// Who takes mail.
    MX "MX" 15;
    /// Text.
    TXT "TXT" 16;
    /// An IPv6 address.
    AAAA "AAAA" 28;
    /// Where a service listens.
    SRV "SRV" 33;
    /// A rule for rewriting names.
    NAPTR "NAPTR" 35;
    /// A key's digest, in the zone above.
    DS "DS" 43;
    /// A host's key fingerprint.
    SSHFP "SSHFP" 44;
    /// A signature.
    RRSIG "RRSIG" 46;
    /// A zone's key.
    DNSKEY "DNSKEY" 48;
    /// A certificate bound to a name.
    TLSA "TLSA" 52;
    /// How to reach a service.
    SVCB "SVCB" 64;
    /// How to reach an HTTPS service.
    HTTPS "HTTPS" 65;
    /// Who may issue certificates.
    CAA "CAA" 257;
}

impl RecordType {
    /// True for numbers that no question of ours can ask for: a message's own options, signatures of
    /// transactions, transfers of whole zones.
    pub const fn is_reserved(self) -> bool {
        matches!(self.0, 0 | 41 | 249..=252)
    }
}

numbered! {
    /// A DNS response code, by its number.
    Rcode "RCODE":
    /// The question was answered.
    NO_ERROR "NOERROR" 0;
    /// The server did not understand the question.
    FORM_ERR "FORMERR" 1;
    /// The server failed.
    SERV_FAIL "SERVFAIL" 2;
    /// There is no such name.
    NX_DOMAIN "NXDOMAIN" 3;
    /// The server knows no such question.
    NOT_IMP "NOTIMP" 4;
    /// The server refuses to answer.
    REFUSED "REFUSED" 5;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_are_one_to_one() {
        for n in 0..=u16::MAX {
            assert_eq!(RecordType::from_word(&RecordType(n).to_string()), Some(RecordType(n)));
        }
        assert_eq!(RecordType::from_word("aaaa"), Some(RecordType::AAAA));
        assert_eq!(RecordType::from_word("type28"), Some(RecordType::AAAA));
        assert_eq!(Rcode::from_word("nxdomain"), Some(Rcode::NX_DOMAIN));
        for wrong in ["", "TYPE", "TYPE65536", "TYPE+1", "AAA", "TYPEé"] {
            assert_eq!(RecordType::from_word(wrong), None, "{wrong}");
        }
    }
}
