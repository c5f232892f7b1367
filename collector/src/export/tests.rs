use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use parallax_model::{
    AgentSpec, Check, DnsCheck, DnsSeen, ErrorKind, Fitness, GrpcCheck, GrpcSeen, IcmpCheck,
    IcmpSeen, LlmApi, LlmCheck, LlmSeen, Outcome, ProbeResult, RecordType, Role, Seen, Serving,
    Stages, TcpCheck, TlsOptions, Unfit,
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::view::made_up::{self, NOW, agent, heard, look, name, past_cut, results, target};
use crate::view::made_up_store::Faults;
use crate::view::{AgentNews, Health, News, PathTally, Tally, Traffic};

fn edge() -> Edge {
    let view = Arc::new(View::new(Arc::new(Faults(vec![past_cut(1)]))));
    let health = Arc::new(Health::new(NOW, &["store"]));
    Edge { view, health, now: || NOW, closing: CancellationToken::new(), practice: false }
}

/// Two agents, one target a kind.
fn configured() -> Edge {
    let edge = edge();
    let mut tcp = target("tcp", Role::Reference);
    tcp.check = Check::Tcp(TcpCheck::to("db.test:5432"));
    let mut dns = target("dns", Role::Service);
    dns.check = Check::Dns(DnsCheck::new("a.test", RecordType::A));
    let agents = vec![agent("eu-west"), AgentSpec::unlabelled(name("lone"))];
    let targets = vec![target("shop", Role::Service), tcp, dns];
    edge.view.take(News::Config { agents, targets });
    edge
}

fn staged(target: &str, ms: [u64; 5]) -> ProbeResult {
    let [resolve, connect, tls, first_byte, transfer] =
        ms.map(|ms| (ms > 0).then(|| Duration::from_millis(ms)));
    ProbeResult {
        stages: Stages { resolve, connect, tls, first_byte, transfer },
        status: Some(200),
        peer: Some("127.0.0.1:443".into()),
        ..look(target, NOW, ms.iter().sum(), Outcome::Ok)
    }
}

async fn serve(edge: &Edge) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bound = listener.local_addr().unwrap();
    let router = router(edge);
    tokio::spawn(async move { axum::serve(listener, router).await });
    bound
}

async fn scrape(edge: &Edge, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("http://{}{path}", serve(edge).await)).await.unwrap();
    let status = answer.status().as_u16();
    if status == 200 {
        assert_eq!(answer.headers()["content-type"], CONTENT_TYPE);
    }
    (status, answer.text().await.unwrap())
}

/// The series whose line begins so, without what is before the value's label.
fn series<'a>(text: &'a str, begin: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.starts_with(begin)).collect()
}

#[tokio::test]
async fn a_path_has_the_names_and_labels_that_dashboards_know() {
    let edge = configured();
    edge.view.take(results("eu-west", NOW, vec![staged("shop", [1, 2, 3, 4, 5])]));
    let (status, text) = scrape(&edge, "/metrics/probes").await;
    assert_eq!(status, 200);
    let version = text.split("config_version=\"").nth(1).unwrap().split('"').next().unwrap();
    let labels = format!(
        "job=\"shop\",instance=\"https://example.test/health\",probe=\"eu-west-1\",\
         region=\"eu-west\",config_version=\"{version}\""
    );
    for (name, own, value) in [
        ("probe_success", "", "1"),
        ("probe_duration_seconds", "", "0.015"),
        ("probe_timeout_seconds", "", "0.9"),
        ("probe_ip_protocol", "", "4"),
        ("probe_ip_addr_hash", "", "3668918509"),
        ("probe_dns_lookup_time_seconds", "", "0.001"),
        ("probe_failed_due_to_regex", "", "0"),
        ("probe_http_duration_seconds", ",phase=\"resolve\"", "0.001"),
        ("probe_http_duration_seconds", ",phase=\"connect\"", "0.002"),
        ("probe_http_duration_seconds", ",phase=\"tls\"", "0.003"),
        ("probe_http_duration_seconds", ",phase=\"processing\"", "0.004"),
        ("probe_http_duration_seconds", ",phase=\"transfer\"", "0.005"),
        ("probe_http_ssl", "", "1"),
        ("probe_http_status_code", "", "200"),
        ("probe_all_success_sum", "", "25"),
        ("probe_all_success_count", "", "40"),
        ("probe_all_duration_seconds_bucket", ",le=\"0.005\"", "0"),
        ("probe_all_duration_seconds_bucket", ",le=\"0.025\"", "30"),
        ("probe_all_duration_seconds_bucket", ",le=\"10\"", "39"),
        ("probe_all_duration_seconds_bucket", ",le=\"+Inf\"", "40"),
        ("probe_all_duration_seconds_sum", "", "1.234567"),
        ("probe_all_duration_seconds_count", "", "40"),
        ("parallax_last_result_timestamp_seconds", "", "1795467600"),
    ] {
        let line = format!("{name}{{{labels}{own}}} {value}");
        assert!(text.lines().any(|l| l == line), "no {line} in\n{text}");
    }
    let info = format!(
        "sm_check_info{{{labels},check_name=\"http\",frequency=\"1000\",sm_region=\"eu-west\",\
         provider=\"hetzner\",role=\"service\"}} 1"
    );
    assert_eq!(series(&text, "sm_check_info"), [info]);
    assert!(series(&text, "probe_dns_duration").is_empty() && !text.contains("probe_dns_query"));
}

#[tokio::test]
async fn each_kind_has_its_own_families_and_an_unlabelled_agent_a_region() {
    let edge = configured();
    let looks = vec![staged("dns", [0, 2, 0, 4, 0]), staged("tcp", [1, 2, 0, 0, 0])];
    let News::Results { batch, .. } = results("eu-west", NOW, looks) else { panic!("no results") };
    edge.view.take(News::Results { agent: name("lone"), received: NOW, batch });
    let (_, text) = scrape(&edge, "/metrics/probes").await;
    let phases: Vec<_> = series(&text, "probe_dns_duration_seconds{")
        .iter()
        .map(|line| line.split("phase=").nth(1).unwrap())
        .collect();
    assert_eq!(phases, ["\"resolve\"} 0", "\"connect\"} 0.002", "\"request\"} 0.004"]);
    assert_eq!(series(&text, "probe_dns_query_succeeded").len(), 1);
    assert_eq!(series(&text, "probe_success{").len(), 2);
    assert_eq!(series(&text, "probe_http"), Vec::<&str>::new());
    assert!(text.contains("region=\"unset\"") && text.contains("sm_region=\"unset\""));
    assert!(text.contains("role=\"reference\"") && text.contains("instance=\"db.test:5432\""));
}

#[tokio::test]
async fn a_silent_path_has_no_series_but_the_time_of_its_last_result() {
    // three intervals and a timeout are 3.9 s
    for (ago, fresh) in [(3_900, true), (3_901, false)] {
        let edge = configured();
        let at = NOW - Duration::from_millis(ago);
        edge.view.take(results("eu-west", at, vec![look("shop", at, 1, Outcome::Ok)]));
        let (_, text) = scrape(&edge, "/metrics/probes").await;
        assert_eq!(text.contains("probe_"), fresh, "{text}");
        assert_eq!(text.contains("sm_check_info"), fresh);
        assert_eq!(series(&text, "parallax_last_result_timestamp_seconds{").len(), 1);
    }
}

#[tokio::test]
async fn what_the_agent_could_not_look_at_is_neither_up_nor_down() {
    let edge = configured();
    let looks = vec![look("shop", NOW, 1, Outcome::Fail(ErrorKind::PolicyDenied))];
    edge.view.take(results("eu-west", NOW, looks));
    let (_, text) = scrape(&edge, "/metrics/probes").await;
    assert!(!text.contains("probe_success{") && text.contains("sm_check_info{"), "{text}");
}

#[tokio::test]
async fn verdicts_are_metrics_and_one_target_can_be_asked_for() {
    let edge = edge();
    for news in made_up::story() {
        edge.view.take(news);
    }
    edge.view.take(heard("us-east", NOW, false));
    let (_, text) = scrape(&edge, "/metrics/probes").await;
    let fault = "{fault=\"f-2\",locus=\"service\",state=\"down\",target=\"shop\"}";
    for line in [
        format!("parallax_fault_active{fault} 1"),
        format!("parallax_fault_onset_timestamp_seconds{fault} 1795467558"),
        format!("parallax_fault_confidence{fault} 0.992"),
        "parallax_target_state{target=\"shop\",state=\"down\"} 1".into(),
        "parallax_target_state{target=\"shop\",state=\"up\"} 0".into(),
        "parallax_target_policy_down{target=\"shop\",rule=\"count:2\"} 1".into(),
        "parallax_target_state{target=\"mail\",state=\"up\"} 1".into(),
        "parallax_coverage_ratio{target=\"mail\"} 1".into(),
        "parallax_agent_connected{agent=\"eu-west-1\",region=\"eu-west\",provider=\"hetzner\"} 1"
            .into(),
        "parallax_agent_connected{agent=\"us-east-1\",region=\"us-east\",provider=\"aws\"} 0"
            .into(),
        "parallax_agent_spool_records{agent=\"us-east-1\",region=\"us-east\",provider=\"aws\"} 412"
            .into(),
    ] {
        assert!(text.lines().any(|l| l == line), "no {line} in\n{text}");
    }
    let (_, shop) = scrape(&edge, "/metrics/probes?target=shop").await;
    assert_eq!(series(&shop, "probe_success{").len(), 5);
    assert_eq!(series(&shop, "parallax_fault_active{").len(), 1);
    assert!(!shop.contains("mail") && !shop.contains("parallax_agent"), "{shop}");
    let (_, mail) = scrape(&edge, "/metrics/probes?target=mail").await;
    assert!(!mail.contains("parallax_fault") && mail.contains("parallax_coverage_ratio"), "{mail}");
    assert_eq!(scrape(&edge, "/metrics/probes?target=nope").await.0, 404);
    assert_eq!(scrape(&edge, "/metrics/probes?tarpet=shop").await.0, 400);
}

#[tokio::test]
async fn an_agent_that_told_nothing_yet_has_no_counters() {
    let edge = configured();
    let entered = AgentNews { connected: true, ..AgentNews::unheard(name("eu-west-1")) };
    edge.view.take(News::Agent(entered));
    let (_, before) = scrape(&edge, "/metrics/probes").await;
    assert_eq!(series(&before, "parallax_agent_connected{").len(), 2);
    assert_eq!(series(&before, "parallax_agent_missed_slots_total"), [""; 0]);
    assert_eq!(series(&before, "parallax_agent_spool_records"), [""; 0]);
    edge.view.take(heard("eu-west", NOW, true));
    let (_, after) = scrape(&edge, "/metrics/probes").await;
    let labels = "{agent=\"eu-west-1\",region=\"eu-west\",provider=\"hetzner\"}";
    let missed = format!("parallax_agent_missed_slots_total{labels} 2");
    assert_eq!(series(&after, "parallax_agent_missed_slots_total"), [missed]);
}

#[tokio::test]
async fn an_agent_says_how_fit_it_is() {
    let edge = configured();
    let with = |fitness| AgentNews { fitness, ..AgentNews::unheard(name("eu-west-1")) };
    edge.view.take(News::Agent(with(None)));
    let (_, before) = scrape(&edge, "/metrics/probes").await;
    assert!(!before.contains("parallax_agent_fit") && !before.contains("parallax_agent_delay"));
    let unfit = vec![Unfit::Late, Unfit::Cpu];
    let late = Fitness { unfit, delay_p99: Duration::from_millis(250), ..Fitness::default() };
    edge.view.take(News::Agent(with(Some(late))));
    let (_, after) = scrape(&edge, "/metrics/probes").await;
    let labels = "agent=\"eu-west-1\",region=\"eu-west\",provider=\"hetzner\"";
    assert_eq!(series(&after, "parallax_agent_fit"), [format!("parallax_agent_fit{{{labels}}} 0")]);
    let reason = |why| format!("parallax_agent_unfit{{{labels},reason=\"{why}\"}} 1");
    assert_eq!(series(&after, "parallax_agent_unfit"), [reason("late"), reason("cpu")]);
    let delay = format!("parallax_agent_delay_seconds{{{labels}}} 0.25");
    assert_eq!(series(&after, "parallax_agent_delay_seconds"), [delay]);
}

#[tokio::test]
async fn the_collectors_own_metrics_tell_what_passes_and_what_waits() {
    let edge = configured();
    let before = scrape(&edge, "/metrics").await.1;
    assert!(before.contains("parallax_results_total 800\n"), "{before}");
    assert!(!before.contains("parallax_streams"), "nobody counts yet: {before}");
    let traffic = Traffic { streams: 3, streams_refused: 1, waiting: 7, ..Traffic::default() };
    edge.health.metered_by(move || traffic);
    let after = scrape(&edge, "/metrics").await.1;
    for line in [
        "# TYPE parallax_streams_total counter",
        "parallax_streams_total 3",
        "parallax_streams_refused_total 1",
        "parallax_store_waiting_batches 7",
        "parallax_targets{role=\"reference\"} 1",
        "parallax_faults_open{locus=\"path\"} 0",
    ] {
        assert!(after.lines().any(|l| l == line), "no {line} in\n{after}");
    }
}

#[test]
fn a_large_fleet_is_told_in_small_pieces_each_family_in_one() {
    let edge = edge();
    let spec = |n: String| AgentSpec { region: Some(name("r")), ..AgentSpec::unlabelled(name(&n)) };
    let agents: Vec<_> = (0..20).map(|n| spec(format!("agent-{n:02}"))).collect();
    let targets: Vec<_> = (0..500).map(|n| target(&format!("t-{n:03}"), Role::Service)).collect();
    edge.view.take(News::Config { agents: agents.clone(), targets: targets.clone() });
    let mut tallies = Vec::new();
    for agent in &agents {
        let looks: Vec<_> =
            targets.iter().map(|t| staged(t.name.as_str(), [1, 2, 3, 4, 5])).collect();
        let News::Results { batch, .. } = results("eu-west", NOW, looks) else { panic!() };
        edge.view.take(News::Results { agent: agent.name.clone(), received: NOW, batch });
        tallies.extend(targets.iter().map(|target| PathTally {
            agent: agent.name.clone(),
            target: target.name.clone(),
            tally: Tally { looks: 9, ok: 9, took_us: 9, ..Tally::default() },
        }));
    }
    let began = Instant::now();
    let rows = probes::rows(&edge.view.fleet(), edge.view.paths(None, NOW), Some(&tallies));
    let (mut bytes, mut largest, mut lines, mut heads) = (0, 0, 0, BTreeSet::new());
    for chunk in Chunks::new(verdicts::write(&edge.view, None), rows) {
        (bytes, largest) = (bytes + chunk.len(), largest.max(chunk.len()));
        for line in std::str::from_utf8(&chunk).unwrap().lines() {
            lines += 1;
            if let Some(head) = line.strip_prefix("# TYPE ") {
                assert!(heads.insert(head.to_owned()), "{head} is in two pieces");
            }
        }
    }
    let took = began.elapsed();
    #[expect(clippy::print_stderr, reason = "the figure of a run belongs beside its result")]
    {
        eprintln!("20 x 500 paths: {lines} lines, {bytes} bytes in {took:?}");
    }
    assert!(largest < 80 * 1024, "a piece of {largest} bytes");
    // 16 of gauges, of which phases are five; 2 of the summary, 14 of the histogram
    let heads = heads.len() * 2;
    assert_eq!(lines - heads, 10_000 * (9 + 5 + 2 + 2 + 14) + 20);
}

#[tokio::test]
async fn what_a_kind_measures_has_the_names_that_dashboards_know() {
    let edge = edge();
    let ms = Duration::from_millis;
    let grpc = GrpcCheck {
        address: "g.test:443".into(),
        tls: Some(TlsOptions::default()),
        service: String::new(),
    };
    let icmp = IcmpSeen {
        sent: 4,
        received: 3,
        rtt_min: ms(1),
        rtt_mean: ms(2),
        rtt_max: ms(4),
        rtt_stddev: ms(1),
        hop_limit: Some(61),
    };
    let llm = LlmSeen {
        first_token: Some(ms(250)),
        longest_gap: Some(ms(40)),
        streamed: ms(500),
        tokens: 11,
        prompt_tokens: 9,
        finished: true,
    };
    let dns =
        DnsSeen { answers: 2, authority: 1, additional: 0, serial: Some(7), authenticated: true };
    let kinds = [
        ("a", Check::Dns(DnsCheck::new("a.test", RecordType::SOA)), Seen::Dns(dns)),
        ("b", Check::Icmp(IcmpCheck::to("b.test")), Seen::Icmp(icmp)),
        ("c", Check::Grpc(grpc), Seen::Grpc(GrpcSeen { serving: Serving::NotServing })),
        ("d", Check::Llm(LlmCheck::new(LlmApi::OpenAi, "https://d.test/", "m")), Seen::Llm(llm)),
    ];
    let (mut targets, mut looks) = (Vec::new(), Vec::new());
    for (name, check, seen) in kinds {
        let mut of_kind = target(name, Role::Service);
        of_kind.check = check;
        targets.push(of_kind);
        looks.push(ProbeResult { seen: Some(Box::new(seen)), ..staged(name, [1, 2, 3, 4, 5]) });
    }
    edge.view.take(News::Config { agents: vec![agent("eu-west")], targets });
    edge.view.take(results("eu-west", NOW, looks));
    let (_, text) = scrape(&edge, "/metrics/probes").await;
    for (name, label, value) in [
        ("probe_dns_answer_rrs", "", "2"),
        ("probe_dns_serial", "", "7"),
        ("probe_icmp_duration_seconds", "phase=\"rtt\"", "0.002"),
        ("probe_icmp_duration_rtt_max_seconds", "", "0.004"),
        ("probe_icmp_packets_sent_count", "", "4"),
        ("probe_icmp_packets_received_count", "", "3"),
        ("probe_icmp_reply_hop_limit", "", "61"),
        ("probe_grpc_duration_seconds", "phase=\"check\"", "0.004"),
        ("probe_grpc_status_code", "", "200"),
        ("probe_grpc_ssl", "", "1"),
        ("probe_grpc_healthcheck_response", "serving_status=\"NOT_SERVING\"", "1"),
        ("probe_grpc_healthcheck_response", "serving_status=\"SERVING\"", "0"),
        ("probe_llm_time_to_first_token_seconds", "", "0.25"),
        ("probe_llm_longest_gap_seconds", "", "0.04"),
        ("probe_llm_output_tokens", "", "11"),
        ("probe_llm_tokens_per_second", "", "20"),
        ("probe_llm_stream_completed", "", "1"),
    ] {
        let begin = format!("{name}{{");
        let found = series(&text, &begin);
        let one = found.iter().filter(|l| l.contains(label)).collect::<Vec<_>>();
        assert_eq!(one.len(), 1, "{name} {label}: {found:?}");
        assert!(one[0].ends_with(&format!("}} {value}")), "{}", one[0]);
    }
    assert!(text.contains("check_name=\"ping\""), "{text}");
}
