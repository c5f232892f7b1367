//! gRPC.

use parallax_model::GrpcCheck;
use parallax_model::target::grpc::SERVICE_BYTES_MAX;

use crate::convert::InvalidMessage;
use crate::pb;

pub(super) fn to_wire(check: &GrpcCheck) -> pb::GrpcCheck {
    pb::GrpcCheck { address: check.address.clone(), tls: check.tls, service: check.service.clone() }
}

pub(super) fn from_wire(check: pb::GrpcCheck) -> Result<GrpcCheck, InvalidMessage> {
    if check.service.len() > SERVICE_BYTES_MAX {
        return Err(InvalidMessage::new("target.grpc.service", "is too long"));
    }
    Ok(GrpcCheck { address: check.address, tls: check.tls, service: check.service })
}
