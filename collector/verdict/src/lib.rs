//! The judgement: which set of faults best explains what the witnesses say.
//!
//! Reading order: [`fleet`] (what goes in), [`engine`] (the door); then how a sitting goes:
//! `path` with `noise`, `latency` and `clock` (what is remembered), `heat`, `trouble` and `warm` (what deserves a look),
//! `case`, `suspect`, `accuse`, `order` and `ledger` (everything suspicious, laid out), `gain` and `explain` (the weighing),
//! `witnesses`, `ready`, `docket`, `open`, `recover` and `speak` (what is told, and when it is over),
//! `evidence`, `confidence`, `standing`, `silence`, `ask`; `absent` is who left. Beside it stands [`policy`]: how people count votes.
//!
//! Contract: the same calls give the same changes, byte for byte; memory is bounded by the fleet.
//! Never: a clock, I/O, async, or any dependency but the model.
#![forbid(unsafe_code)]

mod absent;
mod accuse;
mod ask;
mod case;
mod clock;
mod confidence;
mod docket;
pub mod engine;
mod evidence;
mod explain;
pub mod fleet;
mod gain;
mod heat;
mod latency;
mod ledger;
mod names;
mod noise;
mod open;
mod order;
mod path;
pub mod policy;
mod ready;
mod recover;
mod silence;
mod speak;
mod standing;
mod suspect;
mod trouble;
mod warm;
mod witnesses;
mod world;

pub use engine::Engine;
pub use fleet::{Fleet, Observation, TargetSpec};
