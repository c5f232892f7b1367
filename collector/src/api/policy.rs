//! The shape of what a target's own rule says.

use parallax_model::{Ruling, Timestamp};
use serde::{Deserialize, Serialize};

use crate::view::{Ruled, words};

/// What a target's own rule says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyJson {
    /// `any`, `majority`, `all` or `count:N`
    pub rule: String,
    /// `up`, `down`, or `unknown` while nobody votes
    pub state: String,
    /// Since when its last word stands; absent before the first vote.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since: Option<String>,
    /// The same.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since_ms: Option<i64>,
    /// Failure domains that vote "down".
    pub domains_down: u32,
    /// All that vote.
    pub domains_voting: u32,
    /// All that are to look; fewer than `count:N` takes, and it can never say "down".
    #[serde(default)]
    pub domains_assigned: u32,
    /// Rule and engine in one sentence; absent in events.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub words: Option<String>,
}

impl From<&Ruling> for PolicyJson {
    fn from(ruling: &Ruling) -> Self {
        let since = ruling.word.map(|word| word.since);
        Self {
            rule: ruling.rule.to_string(),
            state: ruling.state().as_str().to_owned(),
            since: since.map(words::rfc3339),
            since_ms: since.map(Timestamp::millis),
            domains_down: ruling.votes.down,
            domains_voting: ruling.votes.voting,
            domains_assigned: ruling.assigned,
            words: None,
        }
    }
}

impl From<&Ruled> for PolicyJson {
    fn from(ruled: &Ruled) -> Self {
        Self { words: Some(ruled.words.clone()), ..Self::from(&ruled.ruling) }
    }
}
