//! What the engine is to reach, as numbers that a run can be held against.

use crate::account::{Cell, Outcome};
use crate::score::Score;
use crate::table::{per, typical};

/// What a goal's value is made of.
type Value = fn(&Cell, bool) -> Option<f64>;
/// The limit for a cell, with second opinion or without; none where nothing was promised.
type Limit = fn(&Cell, bool) -> Option<f64>;

/// One goal.
pub struct Goal {
    /// In words.
    pub name: &'static str,
    value: Value,
    limit: Limit,
    /// True if more is better.
    more: bool,
    decimals: usize,
}

impl Goal {
    /// What was reached, where there is data.
    pub fn value(&self, cell: &Cell, opinion: bool) -> Option<f64> {
        (self.value)(cell, opinion).filter(|v| !v.is_nan())
    }

    /// What was to be reached.
    pub fn limit(&self, cell: &Cell, opinion: bool) -> Option<f64> {
        (self.limit)(cell, opinion)
    }

    /// True if it was reached.
    pub fn is_met(&self, value: f64, limit: f64) -> bool {
        if self.more { value >= limit } else { value <= limit }
    }

    /// A value of it, for people.
    pub fn show(&self, value: f64) -> String {
        if value.is_finite() { format!("{value:.*}", self.decimals) } else { "never".to_owned() }
    }

    /// A limit of it, for people.
    pub fn wanted(&self, limit: f64) -> String {
        format!("{} {limit}", if self.more { "≥" } else { "≤" })
    }
}

const fn at_least(name: &'static str, decimals: usize, value: Value, limit: Limit) -> Goal {
    Goal { name, value, limit, more: true, decimals }
}

const fn at_most(name: &'static str, decimals: usize, value: Value, limit: Limit) -> Goal {
    Goal { name, value, limit, more: false, decimals }
}

/// All goals, in the order of the tables.
pub const GOALS: &[Goal] = &[
    at_least(
        "recall",
        4,
        |c, o| all(c, o, |s| per(s.found, s.faults)),
        |c, _| Some(if is_small(c) || is_noisy(c) { 0.99 } else { 0.995 }),
    ),
    at_least("exact locus", 4, |c, o| all(c, o, |s| per(s.exact, s.faults)), |c, _| large(c, 0.99)),
    at_least("state", 4, |c, o| all(c, o, |s| per(s.state_ok, s.faults)), |c, _| large(c, 0.97)),
    at_most(
        "false global outages",
        0,
        |c, o| all(c, o, |s| s.false_global as f64),
        |_, _| Some(0.0),
    ),
    at_least(
        "dependants attributed",
        4,
        |c, o| {
            all(
                c,
                o,
                |s| {
                    if s.dependants == 0 { f64::NAN } else { per(s.attributed, s.dependants) }
                },
            )
        },
        |c, _| Some(if is_small(c) { 0.95 } else { 0.99 }),
    ),
    at_most(
        "dependants wrongly listed, share",
        4,
        |c, o| all(c, o, |s| per(s.wrongly_listed, s.attributed + s.wrongly_listed)),
        |c, _| large(c, 0.01),
    ),
    at_most(
        "misplaced and invented in 100 target-hours",
        3,
        |c, o| all(c, o, |s| 100.0 * (s.misplaced + s.invented) as f64 / s.target_hours),
        |c, _| large(c, 0.05),
    ),
    at_most(
        "full outage told after, median s",
        1,
        |c, o| full(c, o, 0.5),
        |c, o| without(c, o, 8.0),
    ),
    at_most("… p95 s", 1, |c, o| full(c, o, 0.95), |c, o| without(c, o, 15.0)),
    at_most("5xx outage, median s", 1, |c, o| of(c, o, "down_5xx"), |c, o| with(c, o, 3.0)),
    at_most("timeouts, median s", 1, |c, o| of(c, o, "down_timeout"), |c, o| with(c, o, 9.0)),
    at_most(
        "5xx outage, from the first failing look, median s",
        1,
        |c, o| first(c, o, "down_5xx"),
        |c, o| with(c, o, 1.5),
    ),
    at_most(
        "timeouts, from the first failing look, median s",
        1,
        |c, o| first(c, o, "down_timeout"),
        |c, o| with(c, o, 4.5),
    ),
    at_most("20–60 % partial, median s", 1, |c, o| of(c, o, "partial"), |c, _| large(c, 12.0)),
    at_most("8–15 % partial, median s", 1, |c, o| of(c, o, "low"), |c, _| large(c, 75.0)),
    at_most("ramp, median s", 1, |c, o| of(c, o, "ramp"), |c, _| large(c, 38.0)),
    at_most("slow, median s", 1, |c, o| of(c, o, "slow"), |c, _| large(c, 7.0)),
    at_most(
        "flaps per fault",
        4,
        |c, o| all(c, o, |s| per(s.flaps, s.faults)),
        |c, _| large(c, 0.01),
    ),
    at_most(
        "extra per fault",
        4,
        |c, o| all(c, o, |s| per(s.extra, s.faults)),
        |c, _| large(c, 0.02),
    ),
    at_most("close, median s", 0, |c, o| all(c, o, |s| closed(s, 0.5)), |c, _| large(c, 50.0)),
    at_most("close, p95 s", 0, |c, o| all(c, o, |s| closed(s, 0.95)), |c, _| large(c, 120.0)),
    at_most("Brier score", 4, |c, o| all(c, o, Score::brier), |c, _| large(c, 0.01)),
    at_most("ECE", 4, |c, o| all(c, o, Score::ece), |c, _| large(c, 0.01)),
];

fn is_small(cell: &Cell) -> bool {
    cell.agents <= 5
}

fn is_noisy(cell: &Cell) -> bool {
    cell.noise > 1.5
}

/// A goal that was not set for three agents.
fn large(cell: &Cell, limit: f64) -> Option<f64> {
    (!is_small(cell)).then_some(limit)
}

fn without(cell: &Cell, opinion: bool, limit: f64) -> Option<f64> {
    large(cell, limit).filter(|_| !opinion)
}

fn with(cell: &Cell, opinion: bool, limit: f64) -> Option<f64> {
    large(cell, limit).filter(|_| opinion)
}

#[expect(clippy::unnecessary_wraps, reason = "what all goals answer with")]
fn all(cell: &Cell, opinion: bool, value: impl Fn(&Score) -> f64) -> Option<f64> {
    Some(value(&cell.sum(opinion, |_| true).engine))
}

fn engine(cell: &Cell, opinion: bool, of: impl Fn(&str) -> bool) -> Option<Score> {
    let Outcome { engine, .. } = cell.sum(opinion, of);
    (engine.faults > 0).then_some(engine)
}

fn full(cell: &Cell, opinion: bool, share: f64) -> Option<f64> {
    let s = engine(cell, opinion, |f| f.starts_with("down_"))?;
    Some(typical(&s.detect_s, s.faults, share))
}

fn of(cell: &Cell, opinion: bool, family: &str) -> Option<f64> {
    let s = engine(cell, opinion, |f| f == family)?;
    Some(typical(&s.detect_s, s.faults, 0.5))
}

fn first(cell: &Cell, opinion: bool, family: &str) -> Option<f64> {
    let s = engine(cell, opinion, |f| f == family)?;
    Some(typical(&s.from_first_s, s.faults, 0.5))
}

fn closed(s: &Score, share: f64) -> f64 {
    typical(&s.close_s, s.close_s.len() + s.never_closed, share)
}
