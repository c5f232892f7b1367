//! What is shipped for Prometheus and Grafana, against a real Prometheus and a real collector.
//!
//! Grafana itself is in no Debian: its files are held to what can be checked without it, and every
//! question the dashboard asks is asked of Prometheus as Grafana would.

use std::collections::BTreeSet;
use std::time::Duration;

use parallax_tests::http::{get, post};
use parallax_tests::process::free_port;
use parallax_tests::prometheus::{self, Prometheus, deployed, promtool};
use parallax_tests::{Parallax, World, until};
use serde_json::{Value, json};

/// How long a story may take on a busy machine.
const STORY: Duration = Duration::from_mins(5);

/// How long a word may take on a busy machine.
const WORD: Duration = Duration::from_mins(1);

fn is_skipped(test: &str) -> bool {
    let skipped = !prometheus::is_there();
    if skipped {
        eprintln!("skipped: {test} (no prometheus and promtool)");
    }
    skipped
}

pub(super) fn must(args: &[&str], input: &str) {
    let out = promtool(args, input);
    let said = [out.stdout, out.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(out.status.success(), "promtool {args:?}: {}", said.join("\n"));
}

#[test]
fn the_rules_say_what_their_tests_say() {
    if is_skipped("the_rules_say_what_their_tests_say") {
        return;
    }
    let file = |name: &str| deployed(name).to_str().unwrap().to_owned();
    must(&["check", "config", &file("prometheus/prometheus.yml")], "");
    must(&["test", "rules", &file("prometheus/rules.test.yml")], "");
    let (rules, tests) = (text("prometheus/rules.yml"), text("prometheus/rules.test.yml"));
    let alerts: Vec<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert_eq!(alerts.len(), 19);
    for alert in alerts {
        let named = |line: &str| {
            let name = line.split("alertname: ").nth(1);
            name.is_some_and(|rest| rest.split(',').next() == Some(alert))
        };
        let (silent, firing): (Vec<&str>, Vec<&str>) =
            tests.lines().filter(|l| named(l)).partition(|l| l.contains("exp_alerts: []"));
        assert!(!firing.is_empty() && !silent.is_empty(), "{alert} is not seen firing and silent");
    }
}

fn text(file: &str) -> String {
    std::fs::read_to_string(deployed(file)).unwrap()
}

fn dashboard() -> Value {
    serde_json::from_str(&text("grafana/provisioning/dashboards/parallax.json")).unwrap()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// What the dashboard asks: where it stands, and the question with its variables filled in.
fn questions(dashboard: &Value) -> Vec<(String, String)> {
    let filled = |expr: &Value| {
        let expr = expr.as_str().unwrap();
        let filled = expr
            .replace("$target", ".*")
            .replace("$region", ".*")
            .replace("$__rate_interval", "30s")
            .replace("$__range", "5m");
        assert!(!filled.replace("$1", "").contains('$'), "an unknown variable: {expr}");
        filled
    };
    let mut all = Vec::new();
    for panel in list(dashboard, "panels") {
        for target in list(panel, "targets") {
            let place = format!("{} ({})", panel["title"], target["refId"]);
            all.push((place, filled(&target["expr"])));
        }
    }
    for annotation in list(&dashboard["annotations"], "list") {
        all.push((annotation["name"].to_string(), filled(&annotation["expr"])));
    }
    all
}

#[test]
fn the_dashboard_is_in_order() {
    let dashboard = dashboard();
    assert_eq!(dashboard["uid"], "parallax");
    assert!(dashboard["schemaVersion"].as_u64() >= Some(39));
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in list(&dashboard, "panels") {
        let title = &panel["title"];
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: the id is taken");
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
        assert!(x + w <= 24, "{title} is wider than the page");
        let fields = (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y)));
        assert!(fields.into_iter().all(|field| taken.insert(field)), "{title} lies on another");
        let targets = list(panel, "targets");
        assert_eq!(targets.is_empty(), panel["type"] == "row", "{title}");
        let names: BTreeSet<_> = targets.iter().map(|t| t["refId"].to_string()).collect();
        assert_eq!(names.len(), targets.len(), "{title}: two questions of one name");
        for asked in targets.iter().chain((panel["type"] != "row").then_some(panel)) {
            assert_eq!(asked["datasource"], json!({"type": "prometheus", "uid": "${datasource}"}));
        }
    }
    for annotation in list(&dashboard["annotations"], "list") {
        // Grafana takes the text "false" for true, and would put faults at the epoch
        assert_eq!(annotation["useValueForTime"], false, "{annotation}");
    }
    let variables = list(&dashboard["templating"], "list");
    let names: Vec<_> = variables.iter().map(|v| v["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["datasource", "target", "region"]);
    assert!(questions(&dashboard).len() > 20);

    // each provisioning file points at something that is there
    let provider = text("grafana/provisioning/dashboards/parallax.yml");
    assert!(provider.contains("path: /etc/grafana/provisioning/dashboards\n"), "{provider}");
    let source = text("grafana/provisioning/datasources/prometheus.yml");
    assert!(source.contains("timeInterval: 15s\n"), "the scrape interval: {source}");
}

/// How dashboards and rules that are not ours ask: of `blackbox_exporter`, then of Synthetic Monitoring.
/// In an outage each has an answer.
const USUAL: &[&str] = &[
    "probe_success == 0",
    "avg_over_time(probe_success{instance=~\"http.*\"}[1m]) * 100",
    "sum by (phase) (probe_http_duration_seconds{job=\"search\"})",
    "probe_http_status_code <= 199 or probe_http_status_code >= 400",
    "probe_http_ssl == 0",
    "avg by (instance) (probe_dns_lookup_time_seconds)",
    "sum(rate(probe_all_success_sum{job=\"shop\"}[1m]) * on (instance, job, probe, config_version) \
     group_left max by (instance, job, probe, config_version) (sm_check_info{check_name=\"http\"})) \
     / sum(rate(probe_all_success_count{job=\"shop\"}[1m]))",
    "sum by (probe) (increase(probe_all_duration_seconds_sum[1m])) * on (probe) group_right \
     count by (probe, region, job) (sm_check_info{region!=\"\", sm_region!=\"\", frequency=\"1000\"})",
    "histogram_quantile(0.9, sum by (le, job) (rate(probe_all_duration_seconds_bucket[1m])))",
];

/// Waits until Prometheus has data for everything the dashboard asks, and for these, too.
pub(super) fn until_answered(
    prometheus: &Prometheus,
    more: impl IntoIterator<Item = (String, String)>,
) {
    for (place, question) in questions(&dashboard()).into_iter().chain(more) {
        until(&format!("data for {place}"), WORD, || {
            let rows = prometheus.query(&question)?;
            let told = rows.iter().any(|(_, value)| value.is_finite());
            if told { Ok(()) } else { Err(format!("{question}: {rows:?}")) }
        });
    }
}

/// A practice world that has told its story.
fn practice(folder: &std::path::Path) -> (Parallax, u16) {
    let port = free_port();
    let (http, data) = (format!("127.0.0.1:{port}"), folder.join("try"));
    let args = ["try", "--http", &http, "--data", data.to_str().unwrap()];
    let world = Parallax::start("parallax", args, &folder.join("try.log"));
    until("the practice world answers", WORD, || get(port, "/readyz"));
    (world, port)
}

fn order(port: u16, path: &str, body: &Value) {
    let (status, answer) = post(port, path, body).unwrap();
    assert_eq!(status, 200, "{path}: {answer}");
}

#[test]
fn a_practice_world_is_seen_in_prometheus() {
    if is_skipped("a_practice_world_is_seen_in_prometheus") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (world, port) = practice(folder.path());
    let prometheus = Prometheus::start(folder.path(), port);
    prometheus.until_series("up == 1", 2);
    until("the story is over", STORY, || {
        let said = world.said();
        if said.contains("concluded") { Ok(()) } else { Err(said) }
    });
    order(port, "/practice/heal", &json!({}));
    prometheus.until_fires("ParallaxServiceDown", "", false);
    prometheus.until_fires("ParallaxNetworkFault", "", false);
    for path in ["/metrics", "/metrics/probes"] {
        must(&["check", "metrics"], &get(port, path).unwrap().1);
    }

    order(port, "/practice/services/shop", &json!({"mode": "error"}));
    prometheus.until_fires("ParallaxServiceDown", "target=\"shop\"", true);
    prometheus.until_fires("ParallaxBudgetBurnsFast", "target=\"shop\"", true);
    order(port, "/practice/regions/eu-west", &json!({"state": "cut"}));
    prometheus.until_fires("ParallaxNetworkFault", "region=\"eu-west\"", true);
    // both annotations have something to tell now
    until_answered(&prometheus, USUAL.iter().map(|q| ("others".to_owned(), (*q).to_owned())));
    let targets = ["assistant", "ref-a", "ref-b", "search", "shop"];
    assert_eq!(prometheus.label_values("sm_check_info", "job").unwrap(), targets);
    assert_eq!(prometheus.label_values("sm_check_info", "region").unwrap().len(), 5);
    assert_eq!(prometheus.query("{exported_job!=\"\"}").unwrap(), []);

    order(port, "/practice/heal", &json!({}));
    prometheus.until_fires("ParallaxServiceDown", "", false);
    prometheus.until_fires("ParallaxNetworkFault", "", false);
}

#[test]
fn lost_agents_and_a_lost_collector_are_seen_in_prometheus() {
    if is_skipped("lost_agents_and_a_lost_collector_are_seen_in_prometheus") {
        return;
    }
    let world = World::new(3, 2);
    let collector = world.start_collector();
    world.until_ready();
    let mut agents: Vec<_> = world.agents.iter().map(|name| world.start_agent(name)).collect();
    let prometheus = Prometheus::start(world.folder(), world.http);
    prometheus.until_series("parallax_target_state{state=\"up\"} == 1", 2);
    prometheus.until_series("probe_success == 1", 6);

    for agent in agents.drain(1..) {
        agent.kill();
    }
    for agent in ["agent-2", "agent-3"] {
        prometheus.until_fires("ParallaxAgentMissing", &format!("agent=\"{agent}\""), true);
    }
    prometheus.until_fires("ParallaxCoverageLow", "target=\"svc-1\"", true);
    prometheus.until_fires("ParallaxTargetUnknown", "target=\"svc-1\"", true);
    // what is silent looks silent
    prometheus.until_series("probe_success", 2);
    prometheus.until_series("parallax_last_result_timestamp_seconds", 6);
    agents.extend(world.agents.iter().skip(1).map(|name| world.start_agent(name)));
    for alert in ["ParallaxAgentMissing", "ParallaxCoverageLow", "ParallaxTargetUnknown"] {
        prometheus.until_fires(alert, "", false);
    }
    prometheus.until_series("probe_success == 1", 6);

    collector.stop(WORD);
    for job in ["parallax", "parallax-probes"] {
        prometheus.until_fires("ParallaxCollectorGone", &format!("job=\"{job}\""), true);
    }
    prometheus.until_series("probe_success", 0);
    let _collector = world.start_collector();
    prometheus.until_fires("ParallaxCollectorGone", "", false);
    prometheus.until_series("probe_success == 1", 6);
    // what is counted per path goes on where it was
    for (counter, series) in [
        ("probe_all_success_sum", 6),
        ("probe_all_duration_seconds_bucket", 6 * 12),
        ("parallax_results_total", 1),
    ] {
        let resets = prometheus.query(&format!("resets({counter}[10m])")).unwrap();
        assert_eq!(resets.len(), series, "{resets:?}");
        assert!(resets.iter().all(|(_, times)| *times == 0.0), "{resets:?}");
    }
}
