//! The samples in `deploy/samples`: each loaded as it is, and run against real servers to which its host
//! names are pinned. Only their pace is quickened.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parallax_tests::http::get;
use parallax_tests::{World, run, until};

mod servers;

const DEADLINE: Duration = Duration::from_mins(1);

/// Every sample, and the targets in it.
const SAMPLES: &[(&str, &[&str])] = &[
    ("api-key", &["api"]),
    ("dns-zone", &["dns-zone"]),
    ("gateway-ping", &["gateway"]),
    ("grpc", &["grpc"]),
    ("llm-anthropic", &["llm-anthropic"]),
    ("llm-openai", &["llm-openai"]),
    ("mail-tls", &["mail-tls"]),
    ("mail", &["mail"]),
    ("references", &["reference-dns", "reference-web"]),
    ("tcp-expect", &["redis"]),
    ("website", &["website"]),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("deploy/samples")
}

fn sample(name: &str) -> String {
    std::fs::read_to_string(folder().join(format!("{name}.toml"))).unwrap()
}

#[test]
fn every_sample_is_a_configuration() {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.collect();
    files.sort();
    let names: Vec<&str> =
        files.iter().map(|file| file.file_stem().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, SAMPLES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for file in &files {
        let out = run("parallax", ["check-config", file.to_str().unwrap()]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
}

/// This user may not ping: then the one sample that does is left out, by name.
fn may_ping() -> bool {
    let out = run("parallax-agent", ["probe", "icmp://127.0.0.1?count=1", "--output", "json"]);
    !String::from_utf8_lossy(&out.stdout).contains("may not ping")
}

#[test]
fn every_sample_looks_well_at_a_real_server() {
    let world = World::new(1, 0);
    let servers = servers::Servers::start(world.folder());
    let parts = world.folder().join("conf.d");
    std::fs::create_dir(&parts).unwrap();
    let mut expected: Vec<&str> = Vec::new();
    let pings = may_ping();
    for (name, targets) in SAMPLES {
        if *name == "gateway-ping" && !pings {
            eprintln!("skipped: the sample gateway-ping (this user may not ping)");
            continue;
        }
        let pace = |line: &&str| !line.starts_with("interval") && !line.starts_with("timeout");
        let text: Vec<String> = sample(name).lines().filter(pace).map(str::to_owned).collect();
        // an address cannot be pinned
        let text = text.join("\n").replace("9.9.9.9:53", &servers.dns.to_string());
        std::fs::write(parts.join(format!("{name}.toml")), text).unwrap();
        expected.extend(*targets);
    }
    let pace = "[defaults]\ninterval = \"2s\"\ntimeout = \"2s\"\n";
    world.write_config(&format!("{}{pace}", world.config()));
    let _collector = world.start_collector();
    world.until_ready();
    let _agent = start_agent(&world, &servers);
    for target in expected {
        let good = format!("probe_success{{job=\"{target}\"");
        until(&format!("{target} is seen well"), DEADLINE, || {
            let (_, text) = get(world.http, &format!("/metrics/probes?target={target}"))?;
            let line = text.lines().find(|line| line.starts_with(&good)).unwrap_or_default();
            let why = || world.api(&format!("/api/v1/targets/{target}"));
            if line.ends_with(" 1") { Ok(()) } else { Err(format!("{line:?} {:?}", why())) }
        });
    }
}

#[test]
fn every_kind_can_be_watched_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let servers = servers::Servers::start(folder.path());
    let ca = servers.ca.to_str().unwrap();
    let secure = &["--ca", ca][..];
    let key = folder.path().join("key");
    std::fs::write(&key, "sk-practice\n").unwrap();
    let keyed = &["--key-file", key.to_str().unwrap()][..];
    let mut looks = vec![
        ("http", format!("https://{}/", servers.page), secure),
        ("tls", format!("tls://{}", servers.smtp), secure),
        ("tcp", format!("tcp://{}?expect=^220", servers.mail), &[][..]),
        ("dns", format!("dns://shop.example?server={}", servers.dns), &[]),
        ("grpc", format!("grpcs://{}/shop.Cart", servers.grpc), secure),
        ("llm", format!("openai+http://{}/v1/chat/completions?model=m", servers.llm_plain), keyed),
    ];
    if may_ping() {
        looks.push(("icmp", "icmp://127.0.0.1?count=1".to_owned(), &[]));
    }
    for (kind, url, lent) in looks {
        let watch = ["probe", &url, "--watch", "--interval", "100ms", "--count", "3"];
        let args = |more: &[&'static str]| {
            let all = watch.iter().copied().chain(lent.iter().copied()).chain(more.iter().copied());
            all.map(str::to_owned).collect::<Vec<_>>()
        };
        let out = run("parallax-agent", args(&["--output", "json"]));
        let said = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success(), "{url}: {said}{}", String::from_utf8_lossy(&out.stderr));
        let lines: Vec<serde_json::Value> =
            said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 3, "{said}");
        for line in lines {
            assert_eq!((&line["kind"], &line["outcome"]), (&kind.into(), &"ok".into()), "{line}");
        }
        let out = run("parallax-agent", args(&[]));
        let said = String::from_utf8_lossy(&out.stdout);
        assert!(said.contains("3 looks, 0 failed; good ones took"), "{kind}: {said}");
        assert_eq!(said.lines().count(), 4, "{kind}: {said}");
    }
}

/// The one agent, with the pins, the keys and the authority that the samples need.
fn start_agent(world: &World, servers: &servers::Servers) -> parallax_tests::Parallax {
    let folder = world.folder();
    let key = folder.join("key");
    std::fs::write(&key, "sk-practice\n").unwrap();
    let name = &world.agents[0];
    let mut text = format!(
        "name = \"{name}\"\ncollector = \"http://127.0.0.1:{}\"\ndata_dir = \"{}\"\nextra_ca = \"{}\"\n",
        world.grpc,
        folder.join(name).display(),
        servers.ca.display(),
    );
    for (key_name, host) in [
        ("shop-api", "api.shop.example"),
        ("openai", "api.openai.com"),
        ("anthropic", "api.anthropic.com"),
    ] {
        let file = key.display();
        write!(text, "[keys.{key_name}]\nfile = \"{file}\"\nhosts = [\"{host}\"]\n").unwrap();
    }
    text.push_str("[connect_to]\n");
    let pins: &[(&str, SocketAddr)] = &[
        ("www.shop.example", servers.page),
        ("www.example.com", servers.page),
        ("api.openai.com", servers.llm),
        ("api.anthropic.com", servers.llm),
        ("ns1.shop.example", servers.dns),
        ("api.shop.example", servers.api),
        ("mail.shop.example", servers.mail),
        ("smtp.shop.example", servers.smtp),
        ("cart.shop.example", servers.grpc),
        ("redis.shop.example", servers.redis),
        ("gateway.shop.example", servers.gateway),
    ];
    for (host, to) in pins {
        writeln!(text, "\"{host}\" = \"{to}\"").unwrap();
    }
    let file = folder.join("agent.toml");
    std::fs::write(&file, text).unwrap();
    let args = ["run", "--config", file.to_str().unwrap()];
    parallax_tests::Parallax::start("parallax-agent", args, &folder.join("agent.log"))
}
