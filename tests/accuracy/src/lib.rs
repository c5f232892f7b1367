//! Made-up worlds with known faults, and how right the engine is about them.
//!
//! Reading order: [`plan`] (which world), [`fleet`] (who looks, and what their labels say),
//! [`noise`] (what goes wrong all the time), [`fault`] and [`stage`] (what is staged), [`world`]
//! (a look at all of that), [`mod@run`] (the engine over it), [`baseline`] (the rules that most people use),
//! [`mod@score`] and [`table`] (what came of it); [`account`], [`goals`], [`document`] and [`plot`] make `docs/accuracy.md`;
//! [`trace`] writes a world down for `parallax replay`.
//!
//! Contract: a plan gives the same world, the same verdicts and the same score, always. No clock,
//! no I/O, no threads in here: the binary has those.
//! Never: a change to the engine to please one seed. Seeds below [`HELD_OUT`] are for work on the
//! engine, those from there on only for measuring it.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "made-up names are valid, and made-up numbers small"
)]

pub mod account;
pub mod baseline;
pub mod document;
pub mod fault;
pub mod fleet;
pub mod goals;
pub mod noise;
pub mod plan;
pub mod plot;
pub mod rng;
pub mod run;
pub mod score;
pub mod stage;
pub mod table;
pub mod trace;
pub mod world;

pub use plan::Plan;
pub use run::run;
pub use score::{Score, score};
pub use world::World;

/// The first seed that no work on the engine has seen.
pub const HELD_OUT: u64 = 1_000;
