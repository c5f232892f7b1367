//! When to look at what.
//!
//! Contract: every target has a slot each interval, spread over it by a hash of agent and target, so
//! that neither a restart nor a fleet makes a herd; slots that come within some 40 ms come together, so
//! that one wake-up serves them. [`Plan`] is pure: instants come in, what is due comes out. [`Runner`]
//! serves it with one timer and a bounded number of looks at once; of many that are due together it
//! begins a few a millisecond, so that they do not wait for one another. A slot that passes unserved is
//! counted as missed, never made up for: two looks in a row say no more than one. [`Punctual`] counts
//! what is our own doing, and never the targets'.
//!
//! A look in its slot may take as long as its target allows. One that was asked for may take less where the
//! last good look was quick ([`second_look_timeout`](parallax_model::second_look_timeout)); how long that
//! took is known until the target's check changes.
//!
//! Time is the monotonic clock's; the wall clock may jump as it likes. The loop that serves the plan
//! beats ([`Beat`]): when it hangs, and looking with it, the beat stops.
//!
//! Never: what a look is. It comes in as a function.

mod plan;
mod punctual;
mod runner;
#[cfg(test)]
mod tests;

pub use plan::{Due, Plan};
pub use punctual::{Minute, Punctual};
pub use runner::{BEAT_EVERY, Beat, Order, Runner};
