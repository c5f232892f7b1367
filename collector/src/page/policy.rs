//! A service's own rule, beside what the engine says.

use parallax_model::fault::TargetState;

use crate::view::Ruled;

/// What a service's own rule says.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) rule: String,
    pub(super) state: &'static str,
    pub(super) down: bool,
    pub(super) words: String,
}

impl Policy {
    pub(super) fn new(ruled: &Ruled) -> Self {
        let state = ruled.ruling.state();
        Self {
            rule: ruled.ruling.rule.to_string(),
            state: state.as_str(),
            down: state == TargetState::Down,
            words: ruled.words.clone(),
        }
    }
}
