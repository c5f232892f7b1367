//! TLS: how a handshake is made, and a check of nothing but that.

use super::{Assertion, Family, TcpStep};

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
    /// What is said in the clear before the handshake, as servers want it that begin so (`STARTTLS`).
    pub talk: Vec<TcpStep>,
    /// How to shake hands.
    pub tls: TlsOptions,
    /// Which addresses are tried.
    pub family: Family,
    /// What else must hold.
    pub assertions: Vec<Assertion>,
}

impl TlsCheck {
    /// Names of protocols that begin in the clear and go over to TLS when they are asked to.
    pub const STARTTLS: &[&str] = &["smtp", "imap", "pop3"];

    /// The talk by which such a protocol goes over to TLS.
    pub fn starttls(protocol: &str) -> Option<Vec<TcpStep>> {
        let (greeted, asks): (&str, &[(&str, &str)]) = match protocol {
            "smtp" => ("^220 ", &[("EHLO parallax\r\n", "^250 "), ("STARTTLS\r\n", "^220 ")]),
            "imap" => ("^[*] OK", &[("a STARTTLS\r\n", "^a OK")]),
            "pop3" => ("^[+]OK", &[("STLS\r\n", "^[+]OK")]),
            _ => return None,
        };
        let mut talk = vec![TcpStep::Expect(greeted.to_owned())];
        for (ask, answer) in asks {
            talk.push(TcpStep::Send((*ask).to_owned()));
            talk.push(TcpStep::Expect((*answer).to_owned()));
        }
        Some(talk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_that_is_named_has_a_talk() {
        for protocol in TlsCheck::STARTTLS {
            let talk = TlsCheck::starttls(protocol).unwrap();
            assert!(matches!(talk.last(), Some(TcpStep::Expect(_))), "{talk:?}");
        }
        assert_eq!(TlsCheck::starttls("http"), None);
    }
}
