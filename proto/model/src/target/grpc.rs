//! gRPC: a service that must say of itself that it serves.

use super::TlsOptions;

/// Longest name of a service, in bytes.
pub const SERVICE_BYTES_MAX: usize = 256;

/// A call of `grpc.health.v1.Health/Check`, which must be answered SERVING.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrpcCheck {
    /// `host:port`, an IPv6 host in brackets.
    pub address: String,
    /// How to shake hands; none: in the clear.
    pub tls: Option<TlsOptions>,
    /// The service asked about; empty: the server as a whole.
    pub service: String,
}
