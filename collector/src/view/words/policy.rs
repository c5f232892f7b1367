//! What a service's own rule says, beside the engine.

use parallax_model::fault::TargetState;
use parallax_model::{Fault, Ruling};

use super::{place, say};

/// Places of faults that are named; more are counted.
const PLACES_MAX: usize = 2;

/// Both in one sentence. `faults` are the open ones that touch the service.
pub fn policy(ruling: &Ruling, engine: TargetState, faults: &[&Fault]) -> String {
    let Ruling { rule, word, votes, assigned } = ruling;
    let says = match (word, ruling.state()) {
        (None, _) | (Some(_), TargetState::Unknown) => "says nothing, as nobody votes".to_owned(),
        (Some(word), state) => format!(
            "says {} since {} ({} of {} down)",
            state.as_str(),
            say::instant(word.since),
            votes.down,
            say::plural(u64::from(votes.voting), "place")
        ),
    };
    let never = match (ruling.is_out_of_reach(), assigned) {
        (false, _) => String::new(),
        (true, 0) => ", and cannot say down, as nobody is to look".to_owned(),
        (true, &some) => format!(", and cannot say down, as only {}", say::looks(some)),
    };
    let places: Vec<String> = faults.iter().map(|fault| place(&fault.locus)).collect();
    let places = match say::list(&places, PLACES_MAX) {
        none if none.is_empty() => none,
        some => format!(": {some}"),
    };
    format!("Your rule {rule} {says}{never}; the engine says {}{places}.", engine.as_str())
}
