//! What images, compose file and user data name is there, and takes what they give it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use parallax_tests::prometheus::deployed;
use parallax_tests::run;
use serde_json::Value;

fn text(file: &str) -> String {
    std::fs::read_to_string(deployed(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

fn yaml(file: &str) -> Value {
    serde_saphyr::from_str(&text(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

fn words(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
}

/// A stage of the Dockerfile: its name, what it is based on, and its lines.
struct Stage {
    name: String,
    base: String,
    lines: Vec<String>,
}

impl Stage {
    fn all() -> Vec<Self> {
        let text = text("Dockerfile").replace("\\\n", " ");
        let mut stages: Vec<Self> = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["FROM", base, "AS", name] => {
                    stages.push(Self { name: name.into(), base: base.into(), lines: Vec::new() });
                }
                _ => stages.last_mut().unwrap().lines.push(line.to_owned()),
            }
        }
        stages
    }

    /// What follows an instruction, once.
    fn only(&self, instruction: &str) -> &str {
        let found =
            self.lines.iter().filter_map(|l| l.strip_prefix(instruction)?.strip_prefix(' '));
        let found: Vec<_> = found.collect();
        let [only] = found[..] else { panic!("{}: {instruction}: {found:?}", self.name) };
        only
    }

    /// The program with the arguments that it is started with.
    fn started(&self) -> Vec<String> {
        let list = |name| serde_json::from_str::<Vec<String>>(self.only(name)).unwrap();
        [list("ENTRYPOINT"), list("CMD")].concat()
    }
}

#[test]
fn images_hold_a_binary_and_run_it_as_nobody() {
    let stages = Stage::all();
    let [build, agent, collector] = &stages[..] else { panic!("{} stages", stages.len()) };
    let toolchain = std::fs::read_to_string(deployed("../rust-toolchain.toml")).unwrap();
    let version = toolchain.split("channel = \"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(build.base, format!("rust:{version}-alpine"));
    assert_eq!(build.only("ENV"), format!("RUSTUP_TOOLCHAIN={version}"));
    for stage in [agent, collector] {
        assert_eq!(stage.base, "scratch");
        let user: u32 = stage.only("USER").split(':').next().unwrap().parse().unwrap();
        assert_ne!(user, 0);
        let copied = |end: &str| {
            let words =
                |line: &String| line.starts_with("COPY --from=build ") && line.ends_with(end);
            assert!(stage.lines.iter().any(words), "{}: no COPY … {end}", stage.name);
        };
        copied("/etc/ssl/certs/");
        copied(&format!("--chown={} /out/data {}", stage.only("USER"), stage.only("VOLUME")));
        let program = stage.started()[0].rsplit('/').next().unwrap().to_owned();
        copied(&format!("/out/{program} /usr/bin/"));
        assert!(build.lines.iter().any(|line| line.contains(&format!("target/dist/{program} "))));
    }
    assert_eq!((agent.name.as_str(), collector.name.as_str()), ("agent", "collector"));
}

#[test]
fn images_start_with_arguments_that_are_taken() {
    for stage in &Stage::all()[1..] {
        let started = stage.started();
        let out = run(started[0].rsplit('/').next().unwrap(), &started[1..]);
        let said = String::from_utf8_lossy(&out.stderr);
        // here is neither configuration nor credential: that is all that it complains of
        assert_eq!(out.status.code(), Some(2), "{said}");
        let asked = if stage.name == "agent" {
            "no credential in /var/lib/parallax-agent"
        } else {
            "/etc/parallax/parallax.toml"
        };
        assert!(said.contains(asked), "{said}");
    }
}

#[test]
fn the_compose_file_names_what_is_there() {
    let compose = yaml("compose.yaml");
    let services = compose["services"].as_object().unwrap();
    let names: BTreeSet<&str> = services.keys().map(String::as_str).collect();
    let wanted = ["agent-1", "agent-2", "agent-3", "collector", "grafana", "prometheus"];
    assert_eq!(names, BTreeSet::from(wanted));
    let stages: Vec<String> = Stage::all().into_iter().map(|stage| stage.name).collect();
    for (name, service) in services {
        if let Some(build) = service["build"].as_object() {
            assert_eq!(build["context"], "..");
            assert_eq!(build["dockerfile"], "deploy/Dockerfile");
            assert!(stages.iter().any(|stage| *stage == build["target"]), "{name}: {build:?}");
            assert_eq!(service["read_only"], true, "{name}");
            assert_eq!(words(&service["cap_drop"]), ["ALL"], "{name}");
        }
        let other =
            service["network_mode"].as_str().map(|mode| mode.strip_prefix("service:").unwrap());
        for other in words(&service["depends_on"].as_array().cloned().unwrap_or_default().into())
            .into_iter()
            .chain(other)
        {
            assert!(names.contains(other), "{name} needs {other}");
        }
        for volume in words(&service["volumes"]) {
            let source = volume.split(':').next().unwrap();
            let there = match source.strip_prefix("./") {
                Some(path) => deployed(path).exists(),
                None => compose["volumes"].as_object().unwrap().contains_key(source),
            };
            assert!(there, "{name}: {volume}");
        }
    }
}

/// Where a file of the repository lies in a container.
fn mounted(service: &Value, inside: &str) -> Option<PathBuf> {
    words(&service["volumes"]).into_iter().find_map(|volume| {
        let mut parts = volume.split(':');
        let source = parts.next()?.strip_prefix("./")?;
        let rest = Path::new(inside).strip_prefix(parts.next()?).ok()?;
        // joined with nothing, a file's path would become a folder's
        Some(if rest.as_os_str().is_empty() {
            deployed(source)
        } else {
            deployed(source).join(rest)
        })
    })
}

#[test]
fn what_the_compose_file_starts_finds_its_files() {
    let compose = yaml("compose.yaml");
    let services = &compose["services"];
    let config = mounted(&services["collector"], "/etc/parallax/parallax.toml").unwrap();
    let out = run("parallax", ["check-config", config.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(said.contains("3 agents, 3 targets"), "{said}{}", String::from_utf8_lossy(&out.stderr));
    let scraped = mounted(&services["prometheus"], "/etc/prometheus/prometheus.yml").unwrap();
    assert!(std::fs::read_to_string(scraped).unwrap().contains("\"collector:7480\""));
    assert!(mounted(&services["prometheus"], "/etc/prometheus/rules.yml").unwrap().exists());
    let grafana = &services["grafana"];
    let source = mounted(grafana, "/etc/grafana/provisioning/datasources/prometheus.yml").unwrap();
    assert!(std::fs::read_to_string(source).unwrap().contains("url: http://prometheus:9090\n"));
    let home =
        grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"].as_str().unwrap();
    assert!(mounted(grafana, home).unwrap().exists(), "{home}");
}

#[test]
fn agents_of_the_compose_file_are_those_of_its_collector() {
    let compose = yaml("compose.yaml");
    let config = text("compose/parallax.toml");
    for name in ["agent-1", "agent-2", "agent-3"] {
        let mut command = words(&compose["services"][name]["command"]);
        let who = command[command.iter().position(|word| *word == "--name").unwrap() + 1];
        assert!(config.contains(&format!("name = \"{who}\"\n")), "{who}");
        // a file in the way of its folder proves that all arguments were taken, and nothing was started
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::write(&data, "in the way").unwrap();
        assert_eq!(command.pop(), Some("/var/lib/parallax-agent"));
        command.push(data.to_str().unwrap());
        let out = run("parallax-agent", &command);
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(1), "{said}");
        assert!(said.contains(data.to_str().unwrap()), "{said}");
    }
}

#[test]
fn user_data_installs_joins_and_starts() {
    let text = text("cloud-init/agent.yaml");
    assert!(text.starts_with("#cloud-config\n"));
    let data = yaml("cloud-init/agent.yaml");
    let commands = data["runcmd"].as_array().unwrap();
    let [fetch, install, join, start] = &commands[..] else { panic!("{commands:#?}") };
    let (fetch, install, join) = (words(fetch), words(install), words(join));
    let package = format!("parallax-agent_{}_amd64.deb", env!("CARGO_PKG_VERSION"));
    assert!(fetch.last().unwrap().ends_with(&package), "{fetch:?}");
    let file = fetch[fetch.iter().position(|word| *word == "--output").unwrap() + 1];
    assert_eq!(install, ["apt-get", "install", "--yes", file]);
    assert!(words(&data["packages"]).contains(&fetch[0]));
    // all that it lacks is a token
    let out = run(join[0], &join[1..]);
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(2), "{said}");
    assert!(said.contains("token"), "{said}");
    assert!(!said.contains("Usage"), "{said}");
    assert_eq!(words(start), ["systemctl", "enable", "--now", "parallax-agent"]);
}
