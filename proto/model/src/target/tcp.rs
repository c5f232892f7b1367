//! TCP: a connection that must be made.

/// A TCP connection that must be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpCheck {
    /// `host:port`, an IPv6 host in brackets.
    pub address: String,
}
