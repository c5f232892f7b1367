//! Everything that needs the whole: both binaries, real files, real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
#![expect(clippy::print_stderr, reason = "figures of a run belong beside its result")]

mod assistant;
mod chaos;
mod containers;
mod deploy;
mod export;
mod grafana;
mod hostile;
mod joining;
mod lab;
mod machine;
mod mistakes;
mod package;
mod page;
mod policy;
mod reload;
mod replay;
mod road;
mod samples;
mod story;
mod systemd;
mod told;
mod walls;
