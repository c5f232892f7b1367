//! What commands on this machine ask of a collector: tokens, and who is put out.
//!
//! ```text
//! parallax token create ─▶ ask ─▶ DATA/control.sock ─▶ running collector ─▶ identity
//!                              └▶ DATA/identity, if no collector runs there
//! ```
//!
//! Contract: one line of JSON each way, at most [`LINE_BYTES_MAX`] long; whoever does not speak within [`ANSWER_WITHIN`] is left; the socket is
//! its owner's alone (0600), which is all that says who may ask. Without a running collector the same is
//! done to the folder itself, under its lock, by its owner. What was begun is carried through, whether or not
//! the command still waits.
//! Never: anything that results or verdicts depend on.

mod ask;
mod client;
mod server;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

pub use ask::{Answer, Ask, Reach};
pub use client::{NoAnswer, ask, may_work_offline, offline};
pub use server::Control;

use crate::identity::IdentityError;

/// Longest line either way: 10,000 agents take about 2 MB.
pub const LINE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How long either side waits for the other.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The socket, in the data folder.
pub const SOCKET: &str = "control.sock";

/// Why the socket is not there.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {}: {why}; `parallax token` works only while this collector is stopped", file.display())]
pub struct NoSocket {
    file: PathBuf,
    why: std::io::Error,
}
