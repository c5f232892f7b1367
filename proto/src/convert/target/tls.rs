//! TLS.

use parallax_model::{TlsCheck, TlsOptions};

use super::{assertion, icmp, tcp};
use crate::convert::InvalidMessage;
use crate::pb;

pub(super) fn to_wire(check: &TlsCheck) -> pb::TlsCheck {
    pb::TlsCheck {
        address: check.address.clone(),
        talk: tcp::talk_to_wire(&check.talk),
        tls: Some(options_to_wire(&check.tls)),
        family: icmp::family_to_wire(check.family),
        assertions: assertion::to_wire(&check.assertions),
    }
}

pub(super) fn from_wire(check: pb::TlsCheck) -> Result<TlsCheck, InvalidMessage> {
    Ok(TlsCheck {
        family: icmp::family_from_wire(check.family, "target.tls.family")?,
        address: check.address,
        talk: tcp::talk_from_wire(check.talk, "target.tls.talk")?,
        tls: options_from_wire(check.tls),
        assertions: assertion::from_wire(check.assertions)?,
    })
}

pub(super) fn options_to_wire(options: &TlsOptions) -> pb::TlsOptions {
    pb::TlsOptions {
        server_name: options.server_name.clone(),
        any_certificate: options.any_certificate,
        authority: options.authority.clone(),
        certificate: options.certificate.clone(),
    }
}

pub(super) fn options_from_wire(wire: Option<pb::TlsOptions>) -> TlsOptions {
    let pb::TlsOptions { server_name, any_certificate, authority, certificate } =
        wire.unwrap_or_default();
    TlsOptions { server_name, any_certificate, authority, certificate }
}
