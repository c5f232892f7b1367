//! What was seen along each path, in the names that dashboards for `blackbox_exporter` and Grafana
//! Synthetic Monitoring know.

use std::time::Duration;

use bytes::Bytes;
use parallax_model::{AgentName, Check, Clues, ErrorKind, Seen, Stage, Target, TlsClue};

use super::exposition::{Labels, Lines, Metric};
use super::own::seconds;
use super::seen;
use crate::view::{BOUNDS, Fleet, Path, PathRow, PathTally, Tally, fnv_1a};

/// Text handed over at once. Small enough to be written between two other tasks, large enough for
/// few system calls.
const CHUNK_BYTES: usize = 64 * 1024;

/// Region of an agent that has none: Synthetic Monitoring never leaves the label empty.
const NO_REGION: &str = "unset";

/// One path, ready to be written.
#[derive(Debug)]
pub(super) struct Row {
    labels: Labels,
    info: Labels,
    kind: Kind,
    timeout: Duration,
    path: Path,
    fresh: bool,
    tally: Option<Tally>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Http,
    Tcp,
    Dns,
    Tls,
    Icmp,
    Grpc,
    Llm,
}

/// A family, and how a path's series of it are written.
pub(super) struct Family {
    pub(super) metric: Metric,
    pub(super) write: fn(&Row, &mut Lines<'_>),
}

macro_rules! families {
    ($($kind:literal $name:literal $help:literal $write:expr;)*) => {
        pub(super) const FAMILIES: &[Family] = &[$(Family {
            metric: Metric { name: $name, kind: $kind, help: $help },
            write: $write,
        },)*];
    };
}

pub(super) use families;

// the help texts are those of blackbox_exporter and Synthetic Monitoring, word for word: one name must
// not have two in a Prometheus that scrapes both
families! {
    "gauge" "probe_success" "Displays whether or not the probe was a success"
        |row, lines| row.put(lines, |path| u8::from(path.error().is_none()));
    "gauge" "probe_duration_seconds" "Returns how long the probe took to complete in seconds"
        |row, lines| row.put(lines, |path| path.latency().as_secs_f64());
    "gauge" "probe_timeout_seconds" "Returns how long the probe timeout is in seconds"
        |row, lines| row.put(lines, |_| row.timeout.as_secs_f64());
    "gauge" "probe_ip_protocol" "Specifies whether probe ip protocol is IP4 or IP6"
        |row, lines| row.put(lines, |path| path.peer().map_or(0, |peer| peer.ip_version as u8));
    "gauge" "probe_ip_addr_hash"
        "Specifies the hash of IP address. It's useful to detect if the IP address changes."
        |row, lines| row.put(lines, |path| path.peer().map_or(0, |peer| peer.hash));
    "gauge" "probe_dns_lookup_time_seconds"
        "Returns the time taken for probe dns lookup in seconds"
        |row, lines| row.put(lines, |path| stage(path, Stage::Resolve));
    "gauge" "probe_failed_due_to_regex" "Indicates if probe failed due to regex"
        |row, lines| row.put_for(Kind::Http, lines, |path| {
            u8::from(path.error() == Some(ErrorKind::Assertion))
        });
    "gauge" "probe_http_duration_seconds"
        "Duration of http request by phase, summed over all redirects"
        |row, lines| row.put_phases(Kind::Http, lines, &[
            ("resolve", Stage::Resolve),
            ("connect", Stage::Connect),
            ("tls", Stage::Tls),
            ("processing", Stage::FirstByte),
            ("transfer", Stage::Transfer),
        ]);
    "gauge" "probe_http_ssl" "Indicates if SSL was used for the final redirect"
        |row, lines| row.put_for(Kind::Http, lines, |path| {
            u8::from(path.stage(Stage::Tls).is_some())
        });
    "gauge" "probe_http_status_code" "Response HTTP status code"
        |row, lines| row.put_for(Kind::Http, lines, |path| path.status().unwrap_or(0));
    "gauge" "probe_http_version" "Returns the version of HTTP of the probe response"
        |row, lines| if let Some(version) = row.clues().and_then(|c| c.http_version.as_ref()) {
            lines.put(&row.labels, version);
        };
    "gauge" "probe_ssl_earliest_cert_expiry" "Returns last SSL chain expiry in unixtime"
        |row, lines| if let Some(expiry) = row.tls().and_then(TlsClue::earliest_expiry_s) {
            lines.put(&row.labels, expiry);
        };
    "gauge" "probe_tls_version_info" "Returns the TLS version used or NaN when unknown"
        |row, lines| if let Some(tls) = row.tls() {
            lines.put_with(&row.labels, ("version", &tls.version), 1);
        };
    "gauge" "probe_tls_cipher_info" "Returns the TLS cipher negotiated during handshake"
        |row, lines| if let Some(tls) = row.tls() {
            lines.put_with(&row.labels, ("cipher", &tls.cipher), 1);
        };
    "gauge" "probe_dns_duration_seconds" "Duration of DNS request by phase"
        |row, lines| row.put_phases(Kind::Dns, lines, &[
            ("resolve", Stage::Resolve),
            ("connect", Stage::Connect),
            ("request", Stage::FirstByte),
        ]);
    "gauge" "probe_dns_query_succeeded"
        "Displays whether or not the query was executed successfully"
        |row, lines| row.put_for(Kind::Dns, lines, |path| u8::from(path.status().is_some()));
    "gauge" "sm_check_info" "Provides information about a single check configuration"
        |row, lines| if row.fresh { lines.put(&row.info, 1) };
    "summary" "probe_all_success" "Displays whether or not the probe was a success (summary)"
        Row::put_successes;
    "histogram" "probe_all_duration_seconds"
        "Returns how long the probe took to complete in seconds (histogram)"
        Row::put_durations;
    "gauge" "parallax_last_result_timestamp_seconds"
        "When the last result of a path arrived; the only series of a path that is silent."
        |row, lines| lines.put(&row.labels, seconds(row.path.received()));
}

impl Row {
    /// The last look, if it says something of the target now.
    fn last(&self) -> Option<&Path> {
        Some(&self.path).filter(|p| self.fresh && !p.error().is_some_and(ErrorKind::is_ours))
    }

    /// What the last look saw beside its outcome; also of one that failed: a certificate that has expired is
    /// what one wants to know the date of.
    fn clues(&self) -> Option<&Clues> {
        self.last().and_then(Path::clues)
    }

    fn tls(&self) -> Option<&TlsClue> {
        self.clues().and_then(|clues| clues.tls.as_ref())
    }

    fn put<V: std::fmt::Display>(&self, lines: &mut Lines<'_>, value: impl FnOnce(&Path) -> V) {
        if let Some(path) = self.last() {
            lines.put(&self.labels, value(path));
        }
    }

    /// A series of what the last look measured in the words of its kind; none where it has none to tell.
    pub(super) fn put_seen<V: std::fmt::Display>(
        &self,
        lines: &mut Lines<'_>,
        value: impl FnOnce(&Seen) -> Option<V>,
    ) {
        if let Some(value) = self.last().and_then(Path::seen).and_then(value) {
            lines.put(&self.labels, value);
        }
    }

    /// The same, a series for each value of a label.
    pub(super) fn put_seen_by<'v, V: std::fmt::Display>(
        &self,
        lines: &mut Lines<'_>,
        label: &'static str,
        values: impl FnOnce(&Seen) -> Vec<(&'v str, V)>,
    ) {
        for (word, value) in self.last().and_then(Path::seen).map(values).unwrap_or_default() {
            lines.put_with(&self.labels, (label, word), value);
        }
    }

    pub(super) fn put_for<V: std::fmt::Display>(
        &self,
        kind: Kind,
        lines: &mut Lines<'_>,
        value: impl FnOnce(&Path) -> V,
    ) {
        if self.kind == kind {
            self.put(lines, value);
        }
    }

    pub(super) fn put_phases(&self, kind: Kind, lines: &mut Lines<'_>, phases: &[(&str, Stage)]) {
        let Some(path) = self.last().filter(|_| self.kind == kind) else { return };
        for (phase, of) in phases {
            lines.put_with(&self.labels, ("phase", phase), stage(path, *of));
        }
    }

    fn put_successes(&self, lines: &mut Lines<'_>) {
        if let Some(tally) = self.tally.filter(|_| self.fresh) {
            lines.put_part("_sum", &self.labels, None, tally.ok);
            lines.put_part("_count", &self.labels, None, tally.looks);
        }
    }

    fn put_durations(&self, lines: &mut Lines<'_>) {
        let Some(tally) = self.tally.filter(|_| self.fresh) else { return };
        let mut up_to = 0;
        for (bound, within) in LE.iter().zip(tally.within) {
            up_to += within;
            lines.put_part("_bucket", &self.labels, Some(("le", bound)), up_to);
        }
        lines.put_part("_bucket", &self.labels, Some(("le", "+Inf")), tally.looks);
        lines.put_part("_sum", &self.labels, None, tally.took_us as f64 / 1e6);
        lines.put_part("_count", &self.labels, None, tally.looks);
    }
}

/// [`BOUNDS`] as Prometheus' clients write them.
const LE: [&str; BOUNDS.len()] =
    ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10"];

/// Seconds; a stage that was not reached took none.
fn stage(path: &Path, stage: Stage) -> f64 {
    path.stage(stage).unwrap_or_default().as_secs_f64()
}

/// Joins what was seen with what was counted; both are by agent and target.
pub(super) fn rows(fleet: &Fleet, paths: Vec<PathRow>, tallies: Option<&[PathTally]>) -> Vec<Row> {
    let tally = |path: &PathRow| {
        let all = tallies?;
        let key = (&path.agent, &path.target);
        let found = all.binary_search_by(|t| (&t.agent, &t.target).cmp(&key));
        // nothing counted yet is a count, too
        Some(found.ok().and_then(|at| all.get(at)).map(|t| t.tally).unwrap_or_default())
    };
    let row = |path: PathRow| {
        let target = fleet.targets.get(&path.target)?;
        let labels = path_labels(fleet, &path.agent, target);
        Some(Row {
            info: info_labels(fleet, &path.agent, target, labels.clone()),
            labels,
            kind: match target.check {
                Check::Http(_) => Kind::Http,
                Check::Tcp(_) => Kind::Tcp,
                Check::Dns(_) => Kind::Dns,
                Check::Tls(_) => Kind::Tls,
                Check::Icmp(_) => Kind::Icmp,
                Check::Grpc(_) => Kind::Grpc,
                Check::Llm(_) => Kind::Llm,
            },
            timeout: target.timeout,
            tally: tally(&path),
            fresh: path.fresh,
            path: path.path,
        })
    };
    paths.into_iter().filter_map(row).collect()
}

fn region<'a>(fleet: &'a Fleet, agent: &AgentName) -> &'a str {
    let region = fleet.agents.get(agent).and_then(|spec| spec.region.as_ref());
    region.map_or(NO_REGION, |region| region.as_str())
}

fn path_labels(fleet: &Fleet, agent: &AgentName, target: &Target) -> Labels {
    Labels::default()
        .with("job", target.name.as_str())
        .with("instance", &target.check.address())
        .with("probe", agent.as_str())
        .with("region", region(fleet, agent))
        .with("config_version", &config_version(target))
}

/// Another one when something that a look depends on was changed.
fn config_version(target: &Target) -> String {
    let text = format!("{:?}", (&target.check, target.interval, target.timeout));
    format!("{:08x}", fnv_1a(text.as_bytes()))
}

fn info_labels(fleet: &Fleet, agent: &AgentName, target: &Target, path: Labels) -> Labels {
    let provider = fleet.agents.get(agent).and_then(|spec| spec.provider.as_ref());
    path.with("check_name", check_name(target))
        .with("frequency", &target.interval.as_millis().to_string())
        .with("sm_region", region(fleet, agent))
        .with("provider", provider.map_or("", |p| p.as_str()))
        .with("role", target.role.as_str())
}

/// The kind, in Synthetic Monitoring's words.
fn check_name(target: &Target) -> &'static str {
    match target.check {
        Check::Icmp(_) => "ping",
        Check::Http(_)
        | Check::Tcp(_)
        | Check::Dns(_)
        | Check::Tls(_)
        | Check::Grpc(_)
        | Check::Llm(_) => target.check.kind(),
    }
}

/// The whole exposition, a piece at a time.
#[derive(Debug)]
pub(super) struct Chunks {
    first: String,
    rows: Vec<Row>,
    family: usize,
    row: usize,
    headed: bool,
}

impl Chunks {
    /// `first`, then every family over every row: the format wants a family in one piece.
    pub(super) const fn new(first: String, rows: Vec<Row>) -> Self {
        Self { first, rows, family: 0, row: 0, headed: false }
    }
}

impl Iterator for Chunks {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let mut out = std::mem::take(&mut self.first);
        while out.len() < CHUNK_BYTES
            && let Some(family) = FAMILIES.iter().chain(seen::FAMILIES).nth(self.family)
        {
            if let Some(row) = self.rows.get(self.row) {
                let mut lines = Lines::new(family.metric, self.headed, &mut out);
                (family.write)(row, &mut lines);
                self.headed = lines.is_headed();
                self.row += 1;
            } else {
                (self.family, self.row, self.headed) = (self.family + 1, 0, false);
            }
        }
        (!out.is_empty()).then(|| out.into())
    }
}
