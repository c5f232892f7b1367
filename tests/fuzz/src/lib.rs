//! Everything in Parallax that takes bytes from somebody else, behind one list of doors.
//!
//! Contract: a door takes any bytes and comes back: no panic, no memory beyond its bounds; what it accepts it
//! can write and read again. `tests/fuzz/run` drives the doors by coverage; an ordinary test takes every seed
//! of `seeds/` and its mutilations through them. What was ever found is a seed.
//!
//! What has no door here is parsed by others: HTTP by hyper and h2, TLS by rustls, gRPC by tonic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a door tells of what is broken by breaking down"
)]

mod agent;
mod collector;
mod disk;
mod road;

use parallax_agent::probe::fuzz;

/// A way in for bytes.
#[derive(Debug, Clone, Copy)]
pub struct Door {
    /// Its name, and its folder of seeds.
    pub name: &'static str,
    /// What takes the bytes.
    pub take: fn(&[u8]),
}

/// All of them.
pub const DOORS: &[Door] = &[
    Door { name: "addresses", take: fuzz::addresses },
    Door { name: "agent-config", take: agent::configuration },
    Door { name: "api", take: collector::requests },
    Door { name: "assertions", take: fuzz::assertions },
    Door { name: "bodies", take: fuzz::bodies },
    Door { name: "certificates", take: fuzz::certificates },
    Door { name: "collector-config", take: collector::configuration },
    Door { name: "commands", take: collector::commands },
    Door { name: "dns", take: fuzz::dns_answers },
    Door { name: "echoes", take: fuzz::echoes },
    Door { name: "events", take: fuzz::events },
    Door { name: "from-agent", take: road::from_agent },
    Door { name: "from-collector", take: road::from_collector },
    Door { name: "results", take: road::batches },
    Door { name: "spool-damage", take: agent::damaged_spool },
    Door { name: "spool-files", take: agent::foreign_spool },
    Door { name: "tokens", take: road::tokens },
    Door { name: "traces", take: collector::traces },
];
