//! One real agent, and servers that mean it no good: bounded time and memory, the right kind, no crash.
//!
//! `cargo test --test suite -- hostile:: --nocapture` prints what each is told as.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use parallax_tests::{Parallax, World, until};

mod servers;

const DEADLINE: Duration = Duration::from_mins(2);

/// What an agent may take while it looks at all of them, a debug build's own size included. Less than
/// a hundredth of what the bombs unpack to.
const RSS_MAX_KB: u64 = 80 << 10;

/// How often each is looked at before the memory is read.
const LOOKS: usize = 3;

/// A server, how it is looked at, the kind it must be told as ("" for none), and a part of the detail.
struct Case {
    name: &'static str,
    look: String,
    kind: &'static str,
    says: &'static str,
}

fn cases(servers: &servers::Servers) -> Vec<Case> {
    let case = |name, look: String, kind, says| Case { name, look, kind, says };
    let http = |name, path: &str, more: &str, kind, says| {
        let url = format!("http://{}/{path}", servers.web);
        case(name, format!("http = {{ url = \"{url}\"{more} }}"), kind, says)
    };
    let wanting = ", body_contains = \"never\"";
    let llm = |name, path: &str, kind, says| {
        let url = format!("http://{}/{path}", servers.web);
        case(name, format!("llm = {{ url = \"{url}\", model = \"m\" }}"), kind, says)
    };
    let tls = |name, port: u16, kind, says| {
        case(name, format!("tls = {{ address = \"127.0.0.1:{port}\" }}"), kind, says)
    };
    let grpc = |name, port: u16, kind, says| {
        let look = format!("grpc = {{ address = \"127.0.0.1:{port}\", tls = false }}");
        case(name, look, kind, says)
    };
    let dns = |name, port: u16, transport, kind, says| {
        let more = format!("server = \"127.0.0.1:{port}\", transport = \"{transport}\"");
        case(name, format!("dns = {{ name = \"shop.example\", {more} }}"), kind, says)
    };
    let tcp = |name, port: u16, kind, says| {
        let look = format!("tcp = {{ address = \"127.0.0.1:{port}\", expect = \"^220 \" }}");
        case(name, look, kind, says)
    };
    let s = servers;
    vec![
        http("10-gb", "10-gb", "", "", ""),
        http("10-gb-searched", "10-gb", wanting, "assertion", "(1048576 bytes"),
        http("endless-chunks", "endless-chunks", wanting, "assertion", "does not contain"),
        http("endless-headers", "endless-headers", "", "protocol", "headers are too large"),
        http("endless-header", "endless-header", "", "protocol", "headers are too large"),
        http("endless-hints", "endless-hints", "", "timeout", ""),
        http("endless-chunk-size", "endless-chunk-size", "", "protocol", "malformed"),
        http("gzip-bomb", "gzip-bomb", wanting, "assertion", "(1048576 bytes"),
        http("zstd-bomb", "zstd-bomb", wanting, "protocol", "zstd window"),
        http("byte-a-time", "byte-a-time", "", "timeout", "answer not complete"),
        http("redirect-circle", "redirect-circle", "", "status_4xx", "status 302"),
        http("redirect-to-file", "redirect-to-file", "", "protocol", "an address of scheme"),
        http("garbage-for-http", "garbage", "", "protocol", "is not HTTP"),
        case(
            "http2-flood",
            format!(
                "http = {{ url = \"https://127.0.0.1:{}/\", http2 = true, any_certificate = true }}",
                s.http2_flood
            ),
            "protocol",
            "HTTP/2",
        ),
        tls("10-mb-chain", s.chain, "tls_handshake", ""),
        tls("garbage-for-tls", s.garbage, "tls_handshake", ""),
        tls("tls-byte-a-time", s.drip, "timeout", ""),
        tcp("endless-banner", s.endless, "assertion", "no line no line"),
        tcp("banner-byte-a-time", s.drip, "assertion", ""),
        dns("garbage-for-dns", s.dns_garbage, "udp", "protocol", ""),
        dns("endless-for-dns", s.endless, "tcp", "protocol", "malformed"),
        dns("dns-byte-a-time", s.drip, "tcp", "dns_timeout", ""),
        grpc("garbage-for-grpc", s.garbage, "protocol", ""),
        grpc("grpc-flood", s.grpc_flood, "protocol", ""),
        llm("garbage-for-sse", "garbage-stream", "protocol", ""),
        llm(
            "endless-event",
            "endless-event",
            "protocol",
            "the answer is no event stream: an event larger",
        ),
        llm("endless-answer", "endless-answer", "protocol", ""),
        llm("event-byte-a-time", "event-byte-a-time", "timeout", ""),
    ]
}

#[test]
fn what_means_no_good_is_told_and_costs_nothing() {
    let world = World::new(1, 0);
    let servers = servers::Servers::start();
    let cases = cases(&servers);
    let mut config = world.config();
    for Case { name, look, .. } in &cases {
        write!(config, "\n[[targets]]\nname = \"{name}\"\n{look}\n").unwrap();
    }
    config.push_str("\n[defaults]\ninterval = \"4s\"\ntimeout = \"3s\"\n");
    world.write_config(&config);
    let _collector = world.start_collector();
    world.until_ready();
    let mut agent = world.start_agent(&world.agents[0]);
    let mut right = BTreeMap::new();
    until("each is told as what it is", DEADLINE, || told(&world, &cases, &mut right));
    let kb = peak_kb(&agent);
    let table: Vec<_> = right.into_values().collect();
    eprintln!("\n{}\npeak of the agent: {:.1} MB\n", table.join("\n"), kb as f64 / 1024.0);
    assert!(kb < RSS_MAX_KB, "{kb} KiB");
    assert!(agent.is_running() && !agent.said().contains("broke down"), "{}", agent.said());
}

/// Notes the details of those of which the last look said what is expected, once they were looked at a few
/// times; or tells what the others said. On a busy machine any look may be late.
fn told(
    world: &World,
    cases: &[Case],
    right: &mut BTreeMap<&'static str, String>,
) -> Result<(), String> {
    let answer = world.api("/api/v1/targets")?;
    let targets = answer["targets"].as_array().ok_or_else(|| answer.to_string())?;
    let mut wrong = String::new();
    for Case { name, kind, says, .. } in cases {
        if right.contains_key(name) {
            continue;
        }
        let target = targets.iter().find(|target| target["name"] == *name);
        let cell = &target.ok_or_else(|| answer.to_string())?["regions"][0];
        let looks = cell["looks_ms"].as_array().map_or(0, Vec::len);
        let [error, detail] = ["error", "detail"].map(|key| cell[key].as_str().unwrap_or_default());
        if looks >= LOOKS && error == *kind && detail.contains(says) {
            right.insert(name, format!("{name:<20} {error:<14} {detail}"));
        } else {
            let expected = format!("{looks} looks, {kind} {says:?} is expected");
            writeln!(wrong, "{name}: {expected}: {error} {detail:?}").unwrap();
        }
    }
    if right.len() == cases.len() { Ok(()) } else { Err(wrong) }
}

/// The most memory that the process ever had.
fn peak_kb(process: &Parallax) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
