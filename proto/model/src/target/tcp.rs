//! TCP: a connection that must be made, and perhaps a talk over it.

/// Most steps of a talk.
pub const STEPS_MAX: usize = 16;

/// Longest text of one step, in bytes.
pub const STEP_BYTES_MAX: usize = 4096;

/// A TCP connection that must be made, and what must then be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpCheck {
    /// `host:port`, an IPv6 host in brackets.
    pub address: String,
    /// What is said and heard, in order; empty: a connection is enough.
    pub talk: Vec<TcpStep>,
}

/// One step of a talk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TcpStep {
    /// This text is sent.
    Send(String),
    /// What comes must match this regular expression; it is read until it does.
    Expect(String),
}

impl TcpCheck {
    /// A connection, and no more.
    pub fn to(address: impl Into<String>) -> Self {
        Self { address: address.into(), talk: Vec::new() }
    }
}
