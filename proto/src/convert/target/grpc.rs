//! gRPC.

use parallax_model::GrpcCheck;
use parallax_model::target::grpc::SERVICE_BYTES_MAX;

use super::tls;
use crate::convert::InvalidMessage;
use crate::pb;

pub(super) fn to_wire(check: &GrpcCheck) -> pb::GrpcCheck {
    pb::GrpcCheck {
        address: check.address.clone(),
        tls: check.tls.is_some(),
        service: check.service.clone(),
        tls_options: check.tls.as_ref().map(tls::options_to_wire),
    }
}

pub(super) fn from_wire(check: pb::GrpcCheck) -> Result<GrpcCheck, InvalidMessage> {
    if check.service.len() > SERVICE_BYTES_MAX {
        return Err(InvalidMessage::new("target.grpc.service", "is too long"));
    }
    let tls = check.tls.then(|| tls::options_from_wire(check.tls_options));
    Ok(GrpcCheck { address: check.address, tls, service: check.service })
}
