//! TCP.

use parallax_model::TcpCheck;

use crate::pb;

pub(super) fn to_wire(check: &TcpCheck) -> pb::TcpCheck {
    pb::TcpCheck { address: check.address.clone() }
}

pub(super) fn from_wire(check: pb::TcpCheck) -> TcpCheck {
    TcpCheck { address: check.address }
}
