//! `[[targets]]`: what is looked at.

use std::time::Duration;

use parallax_model::{NoRule, Role, Rule, Sensitivity, Target, TargetName};

use super::check;
use super::mistake::hint;
use super::section::{Field, Section};
use super::selector;
use super::source::Place;

/// Keys of a target.
pub(super) const KEYS: &[&str] = &[
    "name",
    "role",
    "interval",
    "timeout",
    "depends_on",
    "agents",
    "sensitivity",
    "policy",
    "http",
    "tcp",
    "dns",
    "tls",
    "icmp",
    "grpc",
    "llm",
];

/// Keys of `[defaults]`.
pub(super) const DEFAULT_KEYS: &[&str] = &["interval", "timeout"];

/// Shortest and longest time between two looks. More than ten looks a second is an attack; a target
/// seen less than once a day is not watched.
const INTERVAL: (Duration, Duration) = (Duration::from_millis(100), Duration::from_hours(24));

/// Longest time one look may take.
const TIMEOUT_MAX: Duration = Duration::from_mins(5);

/// Most targets that one may depend on.
const DEPENDENCIES_MAX: usize = 64;

/// What holds for targets that do not say it themselves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Defaults {
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { interval: Duration::from_secs(30), timeout: Duration::from_secs(5) }
    }
}

impl Defaults {
    /// `[defaults]`.
    pub(super) fn read(section: Section<'_>) -> Self {
        let usual = Self::default();
        Self {
            interval: section.get("interval").and_then(interval).unwrap_or(usual.interval),
            timeout: section.get("timeout").and_then(timeout).unwrap_or(usual.timeout),
        }
    }
}

/// A target as it is declared, with the places that checks over all targets speak of.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) place: Place,
    pub(super) target: Target,
    /// Where each entry of `depends_on` stands.
    pub(super) depends_at: Vec<Place>,
    /// Where `policy` stands.
    pub(super) policy_at: Option<Place>,
}

/// A target; none if it has no name or no check that can be used.
pub(super) fn read(section: Section<'_>, defaults: Defaults) -> Option<Declared> {
    let name = section.need("name", "\"my-service\"");
    let role = section.get("role").and_then(role).unwrap_or_default();
    let (interval, timeout) = times(section, defaults);
    let (depends_on, depends_at) = section.get("depends_on").map(dependencies).unwrap_or_default();
    let check = check::read(section);
    let name_at = name?;
    let name: TargetName = name_at.parsed("use a plain name: \"my-service\"")?;
    // a target whose check is wrong is still there for those that depend on it
    let check = check.unwrap_or_else(check::placeholder);
    let agents = section.get("agents").map(selector::read).unwrap_or_default();
    let sensitivity = sensitivity(section, role);
    let policy = policy(section, role);
    let policy_at = section.get("policy").map(|field| field.place());
    let target =
        Target { name, role, interval, timeout, depends_on, agents, sensitivity, policy, check };
    Some(Declared { place: name_at.place(), target, depends_at, policy_at })
}

fn role(field: Field<'_>) -> Option<Role> {
    match field.text()? {
        "service" => Some(Role::Service),
        "reference" => Some(Role::Reference),
        other => {
            let words = ["service", "reference"];
            let hint = hint(other, words, || "use \"service\" or \"reference\"".to_owned());
            field.wrong(format!("unknown role {other:?}; {hint}"));
            None
        }
    }
}

/// What is said of references is never told, so that there is nothing to be sure of.
fn sensitivity(section: Section<'_>, role: Role) -> Sensitivity {
    let Some(field) = section.get("sensitivity") else { return Sensitivity::default() };
    let Some(text) = field.text() else { return Sensitivity::default() };
    let known = Sensitivity::ALL.into_iter().find(|s| s.as_str() == text);
    if known.is_none() {
        let words = Sensitivity::ALL.map(Sensitivity::as_str);
        let hint = hint(text, words, || "use \"low\", \"normal\" or \"high\"".to_owned());
        field.wrong(format!("unknown level {text:?}; {hint}"));
    } else if role == Role::Reference {
        field.wrong("a reference is never told of; remove the line");
    }
    known.unwrap_or_default()
}

/// A rule beside the engine, which does not judge references.
fn policy(section: Section<'_>, role: Role) -> Option<Rule> {
    let field = section.get("policy")?;
    let rule = field.text()?.parse().map_err(|why: NoRule| field.wrong(why.to_string())).ok()?;
    if role == Role::Reference {
        field.wrong("a reference is not voted on; remove the line");
        return None;
    }
    Some(rule)
}

fn times(section: Section<'_>, defaults: Defaults) -> (Duration, Duration) {
    let interval = section.get("interval").and_then(interval).unwrap_or(defaults.interval);
    let Some(field) = section.get("timeout") else {
        return (interval, defaults.timeout.min(interval));
    };
    let timeout = timeout(field).unwrap_or(defaults.timeout);
    if timeout > interval {
        field.wrong(format!(
            "{} is longer than the interval of {}; looks would overlap: shorten it",
            humantime::format_duration(timeout),
            humantime::format_duration(interval)
        ));
    }
    (interval, timeout)
}

fn interval(field: Field<'_>) -> Option<Duration> {
    let interval = field.duration()?;
    if interval < INTERVAL.0 || interval > INTERVAL.1 {
        field.wrong(format!(
            "{} is not within 100ms and 24h; 30s is usual",
            humantime::format_duration(interval)
        ));
        return None;
    }
    Some(interval)
}

fn timeout(field: Field<'_>) -> Option<Duration> {
    let timeout = field.duration()?;
    if timeout.is_zero() || timeout > TIMEOUT_MAX {
        let text = humantime::format_duration(timeout);
        field.wrong(format!("{text} is not within 1ms and 5m; 5s is usual"));
        return None;
    }
    Some(timeout)
}

fn dependencies(field: Field<'_>) -> (Vec<TargetName>, Vec<Place>) {
    let entries = field.list("names of targets, such as [\"database\"]");
    if entries.len() > DEPENDENCIES_MAX {
        field.wrong(format!("{} entries, at most {DEPENDENCIES_MAX}; remove some", entries.len()));
    }
    let named = |entry: &Field<'_>| Some((entry.parsed("name a target")?, entry.place()));
    entries.iter().filter_map(named).unzip()
}
