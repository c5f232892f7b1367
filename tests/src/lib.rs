//! The harness: real processes of both binaries, in folders of their own, on ports of their own.
//!
//! Contract: what a test starts, it ends, by pid, also when it panics. Nothing here sleeps for a
//! fixed time: [`until`] polls with a deadline. Randomness comes from a seed that is printed.
//! Never: traffic that leaves loopback, or the network namespaces of [`lab`].
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test harness fails by panicking"
)]

pub mod browser;
pub mod http;
pub mod joining;
pub mod journal;
pub mod lab;
pub mod machine;
mod namespace;
pub mod package;
pub mod process;
pub mod prometheus;
pub mod receiver;
pub mod relay;
pub mod wait;
pub mod world;

pub use process::{Parallax, binary, free_port, run, run_with_deadline};
pub use receiver::Receiver;
pub use wait::until;
pub use world::World;

/// Chooses the seed of a randomised test: `PARALLAX_SEED`, or a new one. It is printed, so that a
/// failure can be run again.
pub fn seed() -> u64 {
    let seed = std::env::var("PARALLAX_SEED")
        .ok()
        .map_or_else(|| fastrand::u64(..1 << 32), |text| text.parse().unwrap());
    #[expect(clippy::print_stderr, reason = "the seed is what a failing run is repeated with")]
    {
        eprintln!("seed: PARALLAX_SEED={seed}");
    }
    seed
}

/// True if the long forms of the tests were asked for (`tests/run --long`).
pub fn long() -> bool {
    std::env::var_os("PARALLAX_LONG").is_some()
}
