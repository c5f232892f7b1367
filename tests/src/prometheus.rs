//! A real Prometheus over what `deploy/prometheus` ships, with everything faster.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::http::get_json;
use crate::process::{Parallax, free_port};
use crate::wait::until;

/// How long it may take on a busy machine to start, or to see what it is asked for.
const DEADLINE: Duration = Duration::from_mins(2);

/// True if this machine has both programs of the package.
pub fn is_there() -> bool {
    let has =
        |name: &str| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success());
    has("prometheus") && has("promtool")
}

/// Where what is shipped lies.
pub fn deployed(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("deploy").join(file)
}

/// Runs `promtool` over `input`.
pub fn promtool(args: &[&str], input: &str) -> Output {
    let mut command = Command::new("promtool");
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|e| panic!("start promtool: {e}"));
    // it reads to the end before it says anything, so this cannot wait for one another
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// A running Prometheus that scrapes a collector every second.
#[derive(Debug)]
pub struct Prometheus {
    port: u16,
    process: Parallax,
}

impl Prometheus {
    /// Starts with the shipped files, of which three things are changed: the collector's address,
    /// 15 s to 1 s, and every `for:` to 1 s.
    pub fn start(folder: &Path, collector: u16) -> Self {
        let read = |name: &str| std::fs::read_to_string(deployed(name)).unwrap();
        let collector = format!("127.0.0.1:{collector}");
        let config = read("prometheus/prometheus.yml")
            .replace("\"collector:7480\"", &format!("\"{collector}\""))
            .replace(": 15s\n", ": 1s\n");
        assert_eq!(config.matches(&format!("{collector:?}")).count(), 2, "{config}");
        assert_eq!(config.matches(": 1s\n").count(), 2, "{config}");
        let write = |name: &str, text: &str| {
            let file = folder.join(name);
            std::fs::write(&file, text).unwrap();
            file.to_str().unwrap().to_owned()
        };
        let config = write("prometheus.yml", &config);
        write("rules.yml", &hasty(&read("prometheus/rules.yml")));
        let port = free_port();
        let data = folder.join("prometheus");
        let args = [
            format!("--config.file={config}"),
            format!("--storage.tsdb.path={}", data.display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
        ];
        let log = folder.join("prometheus.log");
        let process = Parallax::start_at("prometheus".as_ref(), args, &log);
        let prometheus = Self { port, process };
        until("prometheus is ready", DEADLINE, || {
            prometheus.query("vector(1)").map_err(|why| format!("{why}: {}", prometheus.said()))
        });
        prometheus
    }

    /// What it printed so far.
    pub fn said(&self) -> String {
        self.process.said()
    }

    /// An instant query: the labels of every series, with its value.
    pub fn query(&self, expression: &str) -> Result<Vec<(Value, f64)>, String> {
        let answer = get_json(self.port, &format!("/api/v1/query?query={}", encoded(expression)))?;
        let rows = answer["data"]["result"].as_array().ok_or_else(|| answer.to_string())?;
        let row = |row: &Value| {
            let value = row["value"][1].as_str()?.parse().ok()?;
            Some((row["metric"].clone(), value))
        };
        rows.iter().map(row).collect::<Option<_>>().ok_or_else(|| answer.to_string())
    }

    /// The values of a label, as Grafana asks for those of a variable.
    pub fn label_values(&self, metric: &str, label: &str) -> Result<Vec<String>, String> {
        let path = format!("/api/v1/label/{label}/values?match[]={}", encoded(metric));
        let answer = get_json(self.port, &path)?;
        serde_json::from_value(answer["data"].clone()).map_err(|e| format!("{e}: {answer}"))
    }

    /// Waits until `expression` has as many series as wanted.
    pub fn until_series(&self, expression: &str, wanted: usize) {
        until(&format!("{wanted} series of {expression}"), DEADLINE, || {
            let rows = self.query(expression)?;
            if rows.len() == wanted { Ok(()) } else { Err(format!("{rows:?}")) }
        });
    }

    /// Waits until an alert with these labels fires, or (`false`) none does.
    pub fn until_fires(&self, alert: &str, labels: &str, fires: bool) {
        let firing = format!("ALERTS{{alertname=\"{alert}\", alertstate=\"firing\", {labels}}}");
        until(&format!("{firing} is {fires}"), DEADLINE, || {
            if self.query(&firing)?.is_empty() != fires {
                return Ok(());
            }
            Err(format!("{:?}", self.query("ALERTS or parallax_fault_active")))
        });
    }
}

/// The rules with every `for:` cut down to a second.
fn hasty(rules: &str) -> String {
    let line = |line: &str| match line.split_once("for: ") {
        Some((indent, _)) if indent.trim().is_empty() => format!("{indent}for: 1s\n"),
        _ => format!("{line}\n"),
    };
    rules.lines().map(line).collect()
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |all, byte| all + &format!("%{byte:02X}"))
}
