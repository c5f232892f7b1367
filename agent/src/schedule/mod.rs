//! When to look at what.
//!
//! Contract: every target has a slot each interval, spread over it by a hash of agent and target, so
//! that neither a restart nor a fleet makes a herd. [`Plan`] is pure: instants come in, what is due
//! comes out. [`Runner`] serves it with one timer and a bounded number of looks at once. A slot that
//! passes unserved is counted as missed, never made up for: two looks in a row say no more than one.
//!
//! Time is the monotonic clock's; the wall clock may jump as it likes. The loop that serves the plan
//! beats ([`Beat`]): when it hangs, and looking with it, the beat stops.
//!
//! Never: what a look is. It comes in as a function.

mod plan;
mod runner;

pub use plan::{Due, Plan};
pub use runner::{BEAT_EVERY, Beat, Order, Runner};
