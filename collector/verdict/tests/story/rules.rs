//! Rules that count votes, held beside the engine over the same looks.

use std::collections::BTreeMap;

use parallax_model::Rule;
use parallax_verdict::policy::Polls;

use super::tell::{seconds, within};
use super::{Rules, Story};

impl Story {
    /// What rules say of a story other than it tells.
    pub fn check_rules(&self, seed: u64) -> Result<(), String> {
        let fleet = self.fleet();
        let named = |wanted: &Rules| wanted.rule.parse::<Rule>().unwrap();
        let rules: Vec<Rule> = self.rule.iter().map(named).collect();
        let mut polls = Polls::new(rules, &fleet);
        let mut said: BTreeMap<(String, String), Vec<(f64, &str)>> = BTreeMap::new();
        for look in self.looks(&fleet, seed) {
            for turn in polls.observe(&look) {
                let state = if turn.down { "down" } else { "up" };
                let of = (turn.target.to_string(), turn.rule.to_string());
                said.entry(of).or_default().push((seconds(look.received), state));
            }
        }
        for wanted in &self.rule {
            for target in &wanted.targets {
                let got = said.remove(&(target.clone(), wanted.rule.clone())).unwrap_or_default();
                let wanted = [("down", wanted.down), ("up", wanted.up)];
                let wanted: Vec<_> =
                    wanted.into_iter().filter_map(|(state, span)| Some((state, span?))).collect();
                let met = |((word, span), (at, state)): (&(&str, [f64; 2]), &(f64, &str))| {
                    word == state && within(*span, *at)
                };
                if got.len() != wanted.len() || !wanted.iter().zip(&got).all(met) {
                    return Err(format!("of {target} a rule said {got:?}, wanted {wanted:?}"));
                }
            }
        }
        // of all other services none of the rules says a word
        if said.is_empty() { Ok(()) } else { Err(format!("rules said falsely {said:?}")) }
    }
}
