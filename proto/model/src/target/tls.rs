//! TLS: how a handshake is made, and a check of nothing but that.

use super::{Assertion, Family};

/// How to shake hands. Files are the agent's own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsOptions {
    /// The name asked for (SNI) and looked for in the certificate; none: the host's.
    pub server_name: Option<String>,
    /// Take any certificate. What was presented is recorded all the same.
    pub any_certificate: bool,
    /// Name of an authority in the agent's own configuration, which alone is trusted; none: the agent's
    /// usual roots.
    pub authority: Option<String>,
    /// Name of a certificate in the agent's own configuration, shown to a server that asks for one.
    pub certificate: Option<String>,
}

/// A TLS handshake that must come to its end with a valid certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsCheck {
    /// `host:port`, an IPv6 host in brackets.
    pub address: String,
    /// How to shake hands.
    pub tls: TlsOptions,
    /// Which addresses are tried.
    pub family: Family,
    /// What else must hold.
    pub assertions: Vec<Assertion>,
}
