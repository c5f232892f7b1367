//! Tells people who do not look: messages about faults, to receivers that the owner names.
//!
//! Contract: what is told of a fault is written into the store's outbox in the transaction of the
//! fault's change ([`Desk`]), and delivered from there at least once, in order for each fault, also
//! after a restart ([`Notifier`]). A message keeps its key over all tries. A receiver that is away is
//! asked again with growing pauses, and hears of each fault's beginning, latest state and end when it
//! is back. What is given up is counted and told.
//! Never: a decision about what is wrong; a message about something that is not stored; a wait of
//! those who judge.

mod courier;
mod desk;
mod message;
mod notifier;
mod pace;
mod sign;
mod template;
#[cfg(test)]
mod tests;
mod webhook;

pub use desk::Desk;
pub use message::{MessageJson, sample};
pub use notifier::{Notifier, Rounds};
pub use sign::Secret;
pub use template::{Template, Unfit};
pub use webhook::{About, Answer, Webhook, client, post};
