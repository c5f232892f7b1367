//! `grpc`: a service that must say of itself that it serves.

use parallax_model::GrpcCheck;
use parallax_model::target::grpc::SERVICE_BYTES_MAX;

use super::tcp::host_and_port;
use super::tls;
use crate::config::section::Field;

pub(super) const KEYS: &[&str] =
    &["address", "tls", "service", "server_name", "any_certificate", "ca", "client_certificate"];

/// A gRPC check. TLS is usual: an agent is seldom on the service's own network.
pub(super) fn read(field: Field<'_>) -> Option<GrpcCheck> {
    let section = field.section("grpc", KEYS)?;
    let over_tls = section.get("tls").and_then(|f| f.truth()).unwrap_or(true);
    let tls = over_tls.then(|| tls::options(section));
    let service = section.get("service").and_then(service).unwrap_or_default();
    let address = section.need("address", "\"example.com:443\"")?;
    Some(GrpcCheck { address: host_and_port(address)?, tls, service })
}

fn service(field: Field<'_>) -> Option<String> {
    let text = field.text()?;
    if text.len() > SERVICE_BYTES_MAX {
        field.wrong(format!("has over {SERVICE_BYTES_MAX} bytes; shorten it"));
        return None;
    }
    Some(text.to_owned())
}
