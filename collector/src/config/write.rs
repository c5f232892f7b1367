//! The other way round: agents and targets as a file that [`super::load`] takes.

use std::fmt::Display;
use std::time::Duration;

use parallax_model::{AgentSpec, Role, Selector, Sensitivity, Target};
use toml::{Table, Value};

/// Stands for every check: what a look is made of is of no use to who judges its results.
const CHECK: &str = "not-kept.invalid:1";

/// What a trace needs of agents and targets: all but the checks.
pub fn fleet_of(agents: &[AgentSpec], targets: &[Target]) -> String {
    let mut fleet = Table::new();
    fleet.insert("agents".to_owned(), Value::Array(agents.iter().map(agent).collect()));
    fleet.insert("targets".to_owned(), Value::Array(targets.iter().map(target).collect()));
    format!(
        "# Who looked at what, as it was last in force here; checks are not kept. Made anew at each start\n\
         # and reload, for `parallax export results` where there is no other configuration.\n{fleet}"
    )
}

fn text(value: impl Display) -> Value {
    Value::String(value.to_string())
}

fn texts<T: Display>(values: &[T]) -> Value {
    Value::Array(values.iter().map(text).collect())
}

fn time(time: Duration) -> Value {
    text(humantime::format_duration(time))
}

/// A table of those keys that have a value.
fn table<const N: usize>(keys: [(&str, Option<Value>); N]) -> Value {
    let there = keys.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Table(there.collect())
}

fn agent(agent: &AgentSpec) -> Value {
    let labels: Table =
        agent.labels.iter().map(|(key, value)| (key.clone(), text(value))).collect();
    table([
        ("name", Some(text(&agent.name))),
        ("region", agent.region.as_ref().map(text)),
        ("provider", agent.provider.as_ref().map(text)),
        ("site", agent.site.as_ref().map(text)),
        ("asn", agent.asn.map(|asn| Value::Integer(asn.into()))),
        ("labels", (!labels.is_empty()).then_some(Value::Table(labels))),
    ])
}

fn target(target: &Target) -> Value {
    let Target { sensitivity, depends_on, agents, .. } = target;
    table([
        ("name", Some(text(&target.name))),
        ("role", (target.role == Role::Reference).then(|| text(target.role.as_str()))),
        ("interval", Some(time(target.interval))),
        ("timeout", Some(time(target.timeout))),
        ("depends_on", (!depends_on.is_empty()).then(|| texts(depends_on))),
        ("agents", (*agents != Selector::default()).then(|| selector(agents))),
        (
            "sensitivity",
            (*sensitivity != Sensitivity::default()).then(|| text(sensitivity.as_str())),
        ),
        ("policy", target.policy.map(text)),
        ("tcp", Some(table([("address", Some(text(CHECK)))]))),
    ])
}

fn selector(selector: &Selector) -> Value {
    let labels: Table =
        selector.labels.iter().map(|(key, values)| (key.clone(), texts(values))).collect();
    let some = |values: Value| values.as_array().is_some_and(|v| !v.is_empty()).then_some(values);
    table([
        ("name", some(texts(&selector.names))),
        ("region", some(texts(&selector.regions))),
        ("provider", some(texts(&selector.providers))),
        ("site", some(texts(&selector.sites))),
        ("labels", (!labels.is_empty()).then_some(Value::Table(labels))),
    ])
}
