//! Every metric name, and the text.

use std::fmt::Display;

use parallax_model::Timestamp;

use crate::view::{Counts, Edge};

/// A metric's name, type and help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// The name.
    pub name: &'static str,
    /// `counter` or `gauge`
    pub kind: &'static str,
    /// What it counts, for people.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($id:ident $kind:literal $name:literal $help:literal;)*) => {
        $(const $id: Metric = Metric { name: $name, kind: $kind, help: $help };)*
        /// Every metric of this process.
        pub const NAMES: &[Metric] = &[$($id,)*];
    };
}

metrics! {
    RESULTS "counter" "parallax_results_total" "Results ever stored, across restarts.";
    DUPLICATES "counter" "parallax_results_duplicate_total" "Results that arrived again and were not stored again.";
    LOST "counter" "parallax_results_lost_total" "Results that agents declared lost.";
    BATCHES "counter" "parallax_batches_total" "Batches ever stored, across restarts.";
    AGENTS "gauge" "parallax_agents" "Agents by state of their stream.";
    TARGETS "gauge" "parallax_targets" "Targets by role.";
    FAULTS "gauge" "parallax_faults_open" "Open faults by locus.";
    STORE_ERRORS "counter" "parallax_store_errors_total" "Times the store did not do what it was asked.";
    RELOAD_OK "gauge" "parallax_config_last_reload_successful" "1 if the last load of the configuration took effect.";
    RELOAD_AT "gauge" "parallax_config_last_reload_timestamp_seconds" "When the configuration was last loaded or refused.";
    LISTENERS "gauge" "parallax_event_listeners" "Listeners on the event stream.";
    READY "gauge" "parallax_ready" "1 if every part of the collector is ready.";
    STARTED "gauge" "parallax_start_time_seconds" "When the collector started.";
    UPTIME "gauge" "parallax_uptime_seconds" "Seconds since the collector started.";
    BUILD "gauge" "parallax_build_info" "1, with the version as a label.";
}

/// The loci by which faults are counted: all of them, so that a series never comes out of nothing.
const LOCI: [&str; 9] = [
    "service",
    "service_region",
    "service_provider",
    "dependency",
    "region",
    "provider",
    "agent",
    "path",
    "collector",
];

/// The whole exposition. Without `counts` (the store does not answer) their metrics are absent: a
/// zero would look like a reset.
pub(super) fn write(edge: &Edge, counts: Option<Counts>) -> String {
    let mut out = Vec::new();
    if let Some(counts) = counts {
        one(&mut out, RESULTS, counts.results);
        one(&mut out, DUPLICATES, counts.duplicates);
        one(&mut out, LOST, counts.gaps);
        one(&mut out, BATCHES, counts.batches);
    }
    fleet(&mut out, edge);
    let health = &edge.health;
    one(&mut out, STORE_ERRORS, health.store_errors());
    if let Some(reload) = health.reload() {
        one(&mut out, RELOAD_OK, u8::from(reload.ok));
        one(&mut out, RELOAD_AT, seconds(reload.at));
    }
    one(&mut out, LISTENERS, health.listeners());
    one(&mut out, READY, u8::from(health.reasons().is_empty()));
    one(&mut out, STARTED, seconds(health.started()));
    one(&mut out, UPTIME, (edge.now)().since(health.started()).as_secs_f64());
    many(&mut out, BUILD, "version", [(env!("CARGO_PKG_VERSION"), 1)]);
    out.concat()
}

fn fleet(out: &mut Vec<String>, edge: &Edge) {
    let agents = edge.view.agents();
    let connected = agents.iter().filter(|a| a.now.connected).count();
    let states = [("connected", connected), ("away", agents.len() - connected)];
    many(out, AGENTS, "state", states);
    let fleet = edge.view.fleet();
    let references = fleet.targets.keys().filter(|t| fleet.is_reference(t)).count();
    let roles = [("service", fleet.targets.len() - references), ("reference", references)];
    many(out, TARGETS, "role", roles);
    let open = edge.view.open_faults();
    let of = |locus: &&'static str| open.iter().filter(|f| f.locus.kind() == *locus).count();
    many(out, FAULTS, "locus", LOCI.iter().map(|locus| (*locus, of(locus))));
}

fn seconds(at: Timestamp) -> f64 {
    at.millis() as f64 / 1e3
}

fn head(out: &mut Vec<String>, metric: Metric) {
    let Metric { name, kind, help } = metric;
    out.push(format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
}

fn one(out: &mut Vec<String>, metric: Metric, value: impl Display) {
    head(out, metric);
    out.push(format!("{} {value}\n", metric.name));
}

/// Label values are our own words: none needs escaping.
fn many<V: Display>(
    out: &mut Vec<String>,
    metric: Metric,
    label: &str,
    values: impl IntoIterator<Item = (&'static str, V)>,
) {
    head(out, metric);
    for (word, value) in values {
        out.push(format!("{}{{{label}=\"{word}\"}} {value}\n", metric.name));
    }
}
