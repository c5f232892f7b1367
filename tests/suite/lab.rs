//! The network lab: what loopback cannot show. `PARALLAX_SCENARIOS=name,name` plays only some.

use parallax_tests::lab::{self, Lab, play, scenario};
use parallax_tests::long;

/// `tests/run --long` plays everything so often.
const ROUNDS_LONG: usize = 10;

#[test]
fn every_scenario_is_judged_rightly() {
    if let Some(why) = lab::missing() {
        eprintln!("skipped: every_scenario_is_judged_rightly ({why})");
        return;
    }
    let only = std::env::var("PARALLAX_SCENARIOS").unwrap_or_default();
    let only: Vec<&str> = only.split(',').filter(|name| !name.is_empty()).collect();
    let scenarios = scenario::read(&only);
    let (rounds, mut wrong) = (if long() { ROUNDS_LONG } else { 1 }, 0);
    for round in 1..=rounds {
        let mut lab = Lab::start();
        play::until_calm(&lab);
        eprintln!("\nround {round} of {rounds}\n{}", play::head());
        for scenario in &scenarios {
            let outcome = play::play(&mut lab, scenario);
            eprint!("{outcome}");
            wrong += usize::from(!outcome.wrong.is_empty());
        }
    }
    assert_eq!(wrong, 0, "scenarios judged wrongly");
}
