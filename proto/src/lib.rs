//! The contract between agent and collector.
//!
//! [`pb`] is the wire (generated from `parallax/v1/*.proto`, checked in). [`message`] are the same
//! messages as domain values. Between them stands one door: `TryFrom` inwards, with
//! [`InvalidMessage`] naming the field, and `From` outwards. [`encode_batch`] and [`decode_batch`]
//! are the same door for bytes: an agent's spool and a collector's journal keep batches so.
//!
//! Never: a decision, a clock, I/O; and no generated type leaves the rooms that speak gRPC.
#![forbid(unsafe_code)]

mod convert;
pub mod limits;
pub mod message;
mod token;

/// Generated from `parallax/v1/road.proto` and `parallax/v1/joining.proto`.
#[expect(missing_docs, clippy::all, clippy::pedantic, reason = "generated")]
#[allow(
    unreachable_pub,
    unused_qualifications,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]
pub mod pb {
    include!("gen/parallax.v1.rs");
}

pub use convert::InvalidMessage;
pub use convert::batch::{decode_batch, encode_batch};
pub use message::{Assignment, FromAgent, FromCollector, Heartbeat, Hello, SpoolState, Welcome};
pub use token::{COLLECTOR_NAME, InvalidToken, JoinToken};

/// The protocol versions this build speaks, both included. A collector takes agents one release
/// older.
pub const PROTOCOL: std::ops::RangeInclusive<u32> = 1..=1;
