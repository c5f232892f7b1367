//! DNS: a question, and what its answer must be.

use std::net::SocketAddr;

/// A DNS query that must be answered with at least one record of the type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsCheck {
    /// The name asked for.
    pub name: String,
    /// The record type asked for.
    pub record: RecordType,
    /// The server to ask; none: the agent's own resolver.
    pub server: Option<SocketAddr>,
    /// Text that one of the answers must contain.
    pub answer_contains: Option<String>,
}

macro_rules! record_types {
    ($($name:ident $word:literal;)*) => {
        /// DNS record types a probe can ask for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the names are DNS's own")]
        pub enum RecordType { $($name,)* }

        impl RecordType {
            /// Every type.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            /// The type's word: `AAAA`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
            /// The type a word stands for, in either case.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|t| t.as_str().eq_ignore_ascii_case(word))
            }
        }
    };
}

record_types! {
    A "A";
    Aaaa "AAAA";
    Cname "CNAME";
    Mx "MX";
    Ns "NS";
    Txt "TXT";
    Soa "SOA";
    Srv "SRV";
    Caa "CAA";
    Ptr "PTR";
}
