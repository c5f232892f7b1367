//! A scenario as data: what happens to the lab, and what must be said of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

/// A file of `tests/lab`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The file's name.
    #[serde(skip)]
    pub name: String,
    /// What it is about, for people.
    pub about: String,
    /// One after the other; all is well before the first and after the last.
    pub step: Vec<Step>,
    /// What may be said at any time without being wrong.
    #[serde(default)]
    pub may: Vec<String>,
    /// Messages that each webhook is sent, where that is asserted: of faults opened and closed. Updates
    /// are counted in the table alone; on a busy machine the last looks of a fault may really be slow.
    pub told: Option<Told>,
}

/// How many messages went to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// To those who use the services.
    pub users: usize,
    /// To those who own the agents.
    pub owner: usize,
}

/// The state of the lab from one moment on, and what must be said of it. What is not mentioned is well.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// How each service does: see [`Condition`].
    #[serde(default)]
    pub services: BTreeMap<String, Condition>,
    /// Packets that are lost.
    #[serde(default)]
    pub cut: Vec<Cut>,
    /// Agents that do not run.
    #[serde(default)]
    pub killed: Vec<String>,
    /// Every fault that is open in the end: `service shop down`, `path eu-west-aws search`. Without a
    /// state any will do.
    pub say: Vec<String>,
    /// How soon that must be so.
    #[serde(default = "half_a_minute")]
    pub within_s: u64,
    /// How long the step lasts at least. While it does, nothing is said that is not in `say` or `may`
    /// of it or in `say` of the step before.
    #[serde(default)]
    pub lasts_s: u64,
}

/// How a service does.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Condition {
    /// It answers this status.
    Answers(u16),
    /// Nothing listens.
    Stopped,
    /// It answers 403 to these: `provider aws`.
    Refuses(String),
    /// It answers 500 and 200 in turn, for so many seconds each.
    Flaps(u64, u64),
}

/// Packets that are lost between two places: `region eu-west`, `provider aws`, an agent, a service,
/// `targets`, `dns`, `collector`, `anywhere`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// From here …
    pub from: String,
    /// … to there.
    pub to: String,
    /// There and back, unless this is true: then only there.
    #[serde(default)]
    pub one_way: bool,
    /// So many of a hundred, at random.
    #[serde(default = "all")]
    pub percent: u8,
}

const fn half_a_minute() -> u64 {
    30
}

const fn all() -> u8 {
    100
}

impl Step {
    /// How soon the word must be there.
    pub const fn within(&self) -> Duration {
        Duration::from_secs(self.within_s)
    }

    /// How long the step lasts at least.
    pub const fn lasts(&self) -> Duration {
        Duration::from_secs(self.lasts_s)
    }
}

/// All scenarios, in the order of their files' names; `only` names the ones wanted, if any are named.
pub fn read(only: &[&str]) -> Vec<Scenario> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("lab");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let name = |file: &Path| file.file_stem().unwrap().to_str().unwrap().to_owned();
    let known: Vec<String> = files.iter().map(|file| name(file)).collect();
    for asked in only {
        assert!(known.iter().any(|k| k == asked), "no scenario {asked:?}; there are {known:?}");
    }
    let wanted = |file: &PathBuf| only.is_empty() || only.contains(&name(file).as_str());
    files.iter().filter(|file| wanted(file)).map(|file| parse(name(file), file)).collect()
}

fn parse(name: String, file: &Path) -> Scenario {
    let text = std::fs::read_to_string(file).unwrap();
    let read: Result<Scenario, _> = toml::from_str(&text);
    let scenario = read.unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    assert!(!scenario.step.is_empty(), "{}: no step", file.display());
    Scenario { name, ..scenario }
}
