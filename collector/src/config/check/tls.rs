//! `tls`: a handshake that must come to its end with a valid certificate; and how any handshake is made.

use parallax_model::{TcpStep, TlsCheck, TlsOptions};

use super::{assertion, icmp, tcp};
use crate::config::section::{Field, Section};

pub(super) const KEYS: &[&str] = &[
    "address",
    "starttls",
    "family",
    "server_name",
    "any_certificate",
    "ca",
    "client_certificate",
    "assert",
];

/// Longest name of what the agents' own configuration explains, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// A TLS check.
pub(super) fn read(field: Field<'_>) -> Option<TlsCheck> {
    let section = field.section("tls", KEYS)?;
    let tls = options(section);
    let family = section.get("family").and_then(icmp::family).unwrap_or_default();
    let assertions = section.get("assert").map(assertion::without_answer).unwrap_or_default();
    let talk = section.get("starttls").and_then(starttls).unwrap_or_default();
    let address = tcp::host_and_port(section.need("address", "\"example.com:443\"")?)?;
    Some(TlsCheck { address, talk, tls, family, assertions })
}

/// The talk of a protocol that begins in the clear.
fn starttls(field: Field<'_>) -> Option<Vec<TcpStep>> {
    let protocol = field.text()?;
    let talk = TlsCheck::starttls(protocol);
    if talk.is_none() {
        let known = TlsCheck::STARTTLS.join("\", \"");
        field.wrong(format!("unknown protocol {protocol:?}; known are \"{known}\""));
    }
    talk
}

/// `server_name`, `any_certificate`, `ca` and `client_certificate` of a section that has them.
pub(super) fn options(section: Section<'_>) -> TlsOptions {
    let server_name = section.get("server_name").and_then(|f| {
        let name = f.text()?;
        let plain = !name.is_empty() && !name.contains([' ', '/', ':']);
        if !plain {
            f.wrong(format!("{name:?} is no host name; write \"example.com\""));
        }
        plain.then(|| name.to_owned())
    });
    let any_certificate =
        section.get("any_certificate").and_then(|f| f.truth()).unwrap_or_default();
    let authority = section.get("ca").and_then(|f| of_agents(f, "authorities"));
    let certificate = section.get("client_certificate").and_then(|f| of_agents(f, "certificates"));
    TlsOptions { server_name, any_certificate, authority, certificate }
}

/// A name that the configuration of the agents explains, in a section `[table.NAME]`.
pub(super) fn of_agents(field: Field<'_>, table: &str) -> Option<String> {
    let name = field.text()?;
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains(['/', '.']) {
        field.wrong(format!(
            "{name:?} is no name; write that of a [{table}.NAME] in the configuration of the agents"
        ));
        return None;
    }
    Some(name.to_owned())
}
