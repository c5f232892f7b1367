//! A story: what the world does, and what must be said of it.

mod law;
mod rng;
mod rules;
pub mod table;
mod tell;
mod world;

use serde::Deserialize;

pub const START_MS: i64 = 1_900_000_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Story {
    about: String,
    /// `name region provider`, each but the name optional.
    agents: Vec<String>,
    /// `name`, `name reference`, or `name needs other`.
    targets: Vec<String>,
    interval_ms: i64,
    timeout_ms: i64,
    /// What a healthy look takes.
    #[serde(default = "usual_ms")]
    latency_ms: f64,
    /// Looks begin, and are heard, up to so much later than planned.
    #[serde(default)]
    jitter_ms: i64,
    /// Under how many schedules it is played.
    #[serde(default = "one")]
    pub seeds: u64,
    seconds: i64,
    #[serde(default)]
    trouble: Vec<Trouble>,
    #[serde(default)]
    say: Vec<Say>,
    /// Loci that may be told of as well: real, and small beside the story's own.
    #[serde(default)]
    may_say: Vec<String>,
    #[serde(default)]
    standing: Vec<Stands>,
    /// What rules that count votes say meanwhile; of each that is named, nothing else.
    #[serde(default)]
    rule: Vec<Rules>,
    /// Every look fails with this chance, for no reason.
    #[serde(default)]
    noise: f64,
    /// Of an outage that happened: its name, the clock at second 0 (`HH:MM`, UTC), what was known then.
    title: Option<String>,
    starts_utc: Option<String>,
    #[serde(default)]
    known: Vec<Known>,
    /// All that must be open at an instant, and nothing else: `locus state`, and `in` regions; or the
    /// locus alone, where either state is true.
    #[serde(default)]
    then: Vec<Then>,
}

/// What people knew at an instant, by the published reports.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    at: f64,
    what: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Then {
    at: f64,
    open: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Trouble {
    /// Agents whose looks suffer; none: all.
    #[serde(default)]
    agents: Vec<String>,
    /// Targets; none: all.
    #[serde(default)]
    targets: Vec<String>,
    from: f64,
    to: f64,
    /// An error kind, `slow`, `silent` or `late` (kept back, and delivered after).
    what: String,
    /// One look in so many suffers.
    #[serde(default = "one")]
    every: u64,
    /// Each look suffers with this chance …
    chance: Option<f64>,
    /// … which goes evenly to this one until the end.
    chance_to: Option<f64>,
    /// It is there for the second number of seconds of each first number of seconds.
    period: Option<[f64; 2]>,
    /// How much slower.
    #[serde(default = "six")]
    factor: f64,
}

const fn one() -> u64 {
    1
}

const fn six() -> f64 {
    6.0
}

const fn usual_ms() -> f64 {
    40.0
}

/// One fault that must be told. Of a locus that fails twice, the first is the earlier.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Say {
    locus: String,
    /// The last state before it is over; `either` where both are true.
    state: String,
    opened: [f64; 2],
    closed: Option<[f64; 2]>,
    #[serde(default)]
    affected: Vec<String>,
    #[serde(default)]
    regions: Vec<String>,
    /// `either` where a stray look decides.
    reason: Option<String>,
    /// Whether it is told is left to chance.
    #[serde(default)]
    maybe: bool,
}

/// What must be said of a target all the while.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stands {
    target: String,
    from: f64,
    to: f64,
    state: String,
}

/// What a rule says of these services, each: when it turns down, and up again.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    rule: String,
    targets: Vec<String>,
    down: Option<[f64; 2]>,
    up: Option<[f64; 2]>,
}
