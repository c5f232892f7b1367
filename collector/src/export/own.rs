//! `/metrics`: the collector's own numbers.

use std::fmt::Display;

use parallax_model::Timestamp;

use super::exposition::{Labels, Lines, Metric};
use crate::view::{Counts, Edge, WebhookNews};

macro_rules! metrics {
    ($($id:ident $kind:literal $name:literal $help:literal;)*) => {
        $(const $id: Metric = Metric { name: $name, kind: $kind, help: $help };)*
    };
}

metrics! {
    RESULTS "counter" "parallax_results_total" "Results ever stored, across restarts.";
    DUPLICATES "counter" "parallax_results_duplicate_total" "Results that arrived again and were not stored again, across restarts.";
    LOST "counter" "parallax_results_lost_total" "Results that agents declared lost, across restarts.";
    BATCHES "counter" "parallax_batches_total" "Batches ever stored, across restarts.";
    RECEIVED "counter" "parallax_batches_received_total" "Batches that agents sent since the start, repeats too.";
    REFUSED "counter" "parallax_batches_refused_total" "Batches that were refused since the start: too many holes before them, or too large.";
    ACKED "counter" "parallax_results_acked_total" "Results and declared losses acknowledged since the start.";
    FUTURE "counter" "parallax_results_from_the_future_total" "Results of agents whose clock is ahead, since the start.";
    STREAMS "counter" "parallax_streams_total" "Streams of agents taken since the start.";
    STREAMS_REFUSED "counter" "parallax_streams_refused_total" "Streams refused since the start: strangers, versions that are not spoken.";
    CLOSED "counter" "parallax_connections_closed_total" "Connections to the agents' port closed before they could say anything, since the start: no TLS 1.3, or in the clear from elsewhere.";
    JOINED "counter" "parallax_agents_joined_total" "Agents that joined since the start.";
    RENEWED "counter" "parallax_certificates_renewed_total" "Certificates of agents renewed since the start.";
    INVALID "counter" "parallax_messages_invalid_total" "Messages of agents that break the contract, since the start.";
    WAITING "gauge" "parallax_store_waiting_batches" "Batches that wait to be stored.";
    AGENTS "gauge" "parallax_agents" "Agents by state of their stream.";
    TARGETS "gauge" "parallax_targets" "Targets by role.";
    FAULTS "gauge" "parallax_faults_open" "Open faults by locus.";
    STORE_ERRORS "counter" "parallax_store_errors_total" "Times the store did not do what it was asked.";
    RELOAD_OK "gauge" "parallax_config_last_reload_successful" "1 if the last load of the configuration took effect.";
    RELOAD_AT "gauge" "parallax_config_last_reload_timestamp_seconds" "When the configuration was last loaded or refused.";
    OUTBOX "gauge" "parallax_webhook_waiting" "Messages that wait for a webhook.";
    DELIVERED "counter" "parallax_webhook_delivered_total" "Messages a webhook took, since the start.";
    FAILED "counter" "parallax_webhook_failures_total" "Tries that a webhook did not take, since the start.";
    UNDELIVERED "counter" "parallax_webhook_lost_total" "Messages a webhook will never have: too many waited, or for too long.";
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
    let out = &mut String::new();
    if let Some(counts) = counts {
        one(out, RESULTS, counts.results);
        one(out, DUPLICATES, counts.duplicates);
        one(out, LOST, counts.gaps);
        one(out, BATCHES, counts.batches);
    }
    traffic(out, edge);
    fleet(out, edge);
    let health = &edge.health;
    one(out, STORE_ERRORS, health.store_errors());
    if let Some(reload) = health.reload() {
        one(out, RELOAD_OK, u8::from(reload.ok));
        one(out, RELOAD_AT, seconds(reload.at));
    }
    webhooks(out, edge);
    one(out, LISTENERS, health.listeners());
    one(out, READY, u8::from(health.reasons().is_empty()));
    one(out, STARTED, seconds(health.started()));
    one(out, UPTIME, (edge.now)().since(health.started()).as_secs_f64());
    many(out, BUILD, "version", [(env!("CARGO_PKG_VERSION"), 1)]);
    std::mem::take(out)
}

fn traffic(out: &mut String, edge: &Edge) {
    if let Some(traffic) = edge.health.traffic() {
        one(out, RECEIVED, traffic.batches);
        one(out, REFUSED, traffic.batches_refused);
        one(out, ACKED, traffic.acked);
        one(out, FUTURE, traffic.from_the_future);
        one(out, STREAMS, traffic.streams);
        one(out, STREAMS_REFUSED, traffic.streams_refused);
        one(out, CLOSED, traffic.connections_closed);
        one(out, JOINED, traffic.joined);
        one(out, RENEWED, traffic.renewed);
        one(out, INVALID, traffic.messages_invalid);
        one(out, WAITING, traffic.waiting);
    }
}

fn fleet(out: &mut String, edge: &Edge) {
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

fn webhooks(out: &mut String, edge: &Edge) {
    let webhooks = edge.health.webhooks();
    let mut each = |metric, of: fn(&WebhookNews) -> u64| {
        many(out, metric, "webhook", webhooks.iter().map(|(name, w)| (name.as_str(), of(w))));
    };
    each(OUTBOX, |w| w.waiting);
    each(DELIVERED, |w| w.delivered);
    each(FAILED, |w| w.failed);
    each(UNDELIVERED, WebhookNews::lost);
}

/// Seconds of the epoch, as Prometheus tells time.
pub(super) fn seconds(at: Timestamp) -> f64 {
    at.millis() as f64 / 1e3
}

fn one(out: &mut String, metric: Metric, value: impl Display) {
    Lines::new(metric, false, out).put(&Labels::default(), value);
}

/// Label values are our own words, or plain names of the configuration: none needs escaping.
fn many<'a, V: Display>(
    out: &mut String,
    metric: Metric,
    label: &str,
    values: impl IntoIterator<Item = (&'a str, V)>,
) {
    let mut lines = Lines::new(metric, false, out);
    for (word, value) in values {
        lines.put_with(&Labels::default(), (label, word), value);
    }
}
