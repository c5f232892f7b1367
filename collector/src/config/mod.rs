//! What the owner declared: where the collector listens and keeps its data, who looks, at what, and who
//! is told.
//!
//! Contract: [`load`] reads one TOML file and the `conf.d/*.toml` beside it and gives a [`Config`]
//! that cannot be wrong, or every mistake at once, one line each: where, what, what to do.
//! Never: a bound address, a made folder, a started task.

mod agent;
mod check;
mod mistake;
mod section;
mod selector;
mod source;
mod target;
mod webhook;
mod whole;
mod write;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use parallax_model::{AgentSpec, Check, Role, Selector, Sensitivity, Target, TargetName};

pub use mistake::{DOUBTS_MAX, Mistake, Mistakes, few_of};
use section::{Field, File, Section};
use source::{Place, Report, Source};
use target::{Declared, Defaults};
use url::Url;
pub use write::fleet_of;

use crate::identity::{MemberRow, Own};
use crate::notify::Webhook;

/// Keys of the main file.
const MAIN_KEYS: &[&str] = &["collector", "defaults", "agents", "targets", "webhooks"];

/// Keys of a file in `conf.d`.
const PART_KEYS: &[&str] = &["agents", "targets", "webhooks"];

const COLLECTOR_KEYS: &[&str] =
    &["ca", "data_dir", "http", "listen", "public_url", "tls_only", "url"];

const CA_KEYS: &[&str] = &["certificate", "key"];

/// The port of page and API.
pub const HTTP_PORT: u16 = 7480;

/// The port that agents come to.
pub const AGENT_PORT: u16 = 7481;

/// A configuration that holds together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// The collector itself.
    pub collector: CollectorConfig,
    /// Who looks. Names are unique.
    pub agents: Vec<AgentSpec>,
    /// What is looked at. Names are unique; dependencies exist and run in no circle.
    pub targets: Vec<Target>,
    /// Who is told. Names are unique.
    pub webhooks: Vec<Webhook>,
    /// What is allowed and can hardly be meant.
    pub doubts: Vec<Mistake>,
}

/// Where the collector listens and keeps its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectorConfig {
    /// Folder of the store; none: the command's default.
    pub data_dir: Option<PathBuf>,
    /// Address of page and API.
    pub http: SocketAddr,
    /// Address that agents come to.
    pub listen: SocketAddr,
    /// Where people reach the page; links in messages lead there. Ends with a slash.
    pub public_url: Option<Url>,
    /// Where agents elsewhere find the collector: `https://HOST:PORT`; none: as the machine is called.
    pub url: Option<String>,
    /// True if agents on this machine need a certificate, too.
    pub tls_only: bool,
    /// An authority of the owner's; none: the collector makes one.
    pub ca: Option<Own>,
}

impl Default for CollectorConfig {
    fn default() -> Self {
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            data_dir: None,
            http: local(HTTP_PORT),
            listen: local(AGENT_PORT),
            public_url: None,
            url: None,
            tls_only: false,
            ca: None,
        }
    }
}

/// Reads `path` and the `conf.d/*.toml` beside it. A relative `data_dir` counts from the file.
pub fn load(path: &Path) -> Result<Config, Mistakes> {
    let report = Report::default();
    let mut draft = Draft::default();
    draft.read(path, &report, MAIN_KEYS);
    for path in source::beside(path, &report) {
        draft.read(&path, &report, PART_KEYS);
    }
    let agents = whole::agents(draft.agents, &report);
    whole::rules_out_of_reach(&draft.targets, &agents, &report);
    let config = Config {
        collector: draft.collector,
        agents,
        targets: whole::targets(draft.targets, &report),
        webhooks: whole::webhooks(draft.webhooks, &report),
        doubts: report.doubts(),
    };
    Mistakes::unless_none(report.into_mistakes()).map_or(Ok(config), Err)
}

/// What a trace needs of the configuration at `path`: its agents and targets as they are written there, with
/// `joined` among the agents.
pub fn fleet_text(path: &Path, joined: &[MemberRow]) -> Result<String, Mistakes> {
    let report = Report::default();
    let mut fleet = toml::Table::new();
    for path in std::iter::once(path.to_owned()).chain(source::beside(path, &report)) {
        let Some(source) = Source::read(&path, &report) else { continue };
        for (key, value) in source.table() {
            match (key.as_str(), value) {
                ("defaults", value) => drop(fleet.insert(key, value)),
                ("agents" | "targets", toml::Value::Array(new)) => {
                    let all = fleet.entry(key).or_insert_with(|| toml::Value::Array(Vec::new()));
                    if let toml::Value::Array(all) = all {
                        all.extend(new);
                    }
                }
                _ => {}
            }
        }
    }
    let all = fleet.entry("agents").or_insert_with(|| toml::Value::Array(Vec::new()));
    if let toml::Value::Array(all) = all {
        all.extend(joined.iter().map(member));
    }
    Mistakes::unless_none(report.into_mistakes()).map_or_else(|| Ok(fleet.to_string()), Err)
}

fn member(row: &MemberRow) -> toml::Value {
    let text = |text: &str| toml::Value::String(text.to_owned());
    let mut agent = toml::Table::new();
    agent.insert("name".to_owned(), text(&row.name));
    agent.insert("region".to_owned(), text(&row.place.region));
    agent.insert("provider".to_owned(), text(&row.place.provider));
    if let Some(site) = &row.place.site {
        agent.insert("site".to_owned(), text(site));
    }
    toml::Value::Table(agent)
}

/// A target for an address of which nothing else is said: a usual HTTP check, named after host and
/// path. An error says what is wrong with the address.
pub fn target_of_url(text: &str, role: Role, interval: Duration) -> Result<Target, String> {
    let url = check::http_url(text)?;
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|p| format!(":{p}")).unwrap_or_default();
    let name = format!("{host}{port}{}", url.path().trim_end_matches('/'));
    Ok(Target {
        name: TargetName::new(&name).map_err(|why| format!("{text:?}: {why}; shorten it"))?,
        role,
        interval,
        timeout: Defaults::default().timeout.min(interval),
        depends_on: Vec::new(),
        agents: Selector::default(),
        sensitivity: Sensitivity::default(),
        policy: None,
        check: Check::Http(check::usual_http(&url)),
    })
}

/// What is known so far.
#[derive(Debug, Default)]
struct Draft {
    collector: CollectorConfig,
    agents: Vec<(Place, AgentSpec)>,
    targets: Vec<Declared>,
    webhooks: Vec<(Place, Webhook)>,
    defaults: Defaults,
}

impl Draft {
    fn read(&mut self, path: &Path, report: &Report, keys: &'static [&'static str]) {
        let Some(source) = Source::read(path, report) else { return };
        let Some(table) = source.parse(report) else { return };
        let file = File { source: &source, report };
        let root = Section::new(file, "the file", table.get_ref(), &table.span(), keys);
        if let Some(section) = known(&root, "collector", "[collector]", COLLECTOR_KEYS) {
            self.collector = collector(section, path);
        }
        // the main file is read first: its defaults hold for conf.d too
        if let Some(section) = known(&root, "defaults", "[defaults]", target::DEFAULT_KEYS) {
            self.defaults = Defaults::read(section);
        }
        let agents = root.tables("agents").into_iter();
        let agents = agents.filter_map(|f| f.section("an agent", agent::KEYS));
        self.agents.extend(agents.filter_map(agent::read));
        let targets = root.tables("targets").into_iter();
        let targets = targets.filter_map(|f| f.section("a target", target::KEYS));
        self.targets.extend(targets.filter_map(|s| target::read(s, self.defaults)));
        let folder = path.parent().unwrap_or(Path::new(""));
        let webhooks = root.tables("webhooks").into_iter();
        let webhooks = webhooks.filter_map(|f| f.section("a webhook", webhook::KEYS));
        self.webhooks.extend(webhooks.filter_map(|s| webhook::read(s, folder)));
    }
}

fn known<'a>(
    root: &Section<'a>,
    key: &'static str,
    what: &'static str,
    keys: &'static [&'static str],
) -> Option<Section<'a>> {
    root.get(key).and_then(|field| field.section(what, keys))
}

fn collector(section: Section<'_>, path: &Path) -> CollectorConfig {
    let usual = CollectorConfig::default();
    let address = |key, remedy| section.get(key).and_then(|f| f.parsed(remedy));
    let folder = path.parent().unwrap_or(Path::new(""));
    CollectorConfig {
        data_dir: section.get("data_dir").and_then(|f| f.text()).map(|dir| folder.join(dir)),
        http: address("http", "write \"127.0.0.1:7480\"").unwrap_or(usual.http),
        listen: address(
            "listen",
            "write \"0.0.0.0:7481\", or \"127.0.0.1:7481\" for this machine only",
        )
        .unwrap_or(usual.listen),
        public_url: section.get("public_url").and_then(public_url),
        url: section
            .get("url")
            .and_then(|f| agents_url(f.text()?).map_err(|why| f.wrong(why)).ok()),
        tls_only: section.get("tls_only").and_then(|f| f.truth()).unwrap_or(usual.tls_only),
        ca: section.get("ca").and_then(|f| own_authority(&f, folder)),
    }
}

fn own_authority(field: &Field<'_>, folder: &Path) -> Option<Own> {
    let section = field.section("ca", CA_KEYS)?;
    let file = |key| section.need(key, "\"ca.pem\"")?.text().map(|file| folder.join(file));
    Some(Own { certificate: file("certificate")?, key: file("key")? })
}

/// The address that is written into the line that agents join by: `https://HOST:PORT`.
pub fn agents_url(text: &str) -> Result<String, String> {
    let remedy = "write \"https://parallax.example:7481\"";
    let url = Url::parse(text).map_err(|why| format!("{text:?}: {why}; {remedy}"))?;
    let host = url.host_str().filter(|_| url.scheme() == "https" && url.path() == "/");
    let host = host.ok_or_else(|| format!("{text:?} is not https://HOST:PORT; {remedy}"))?;
    // the parser drops a scheme's own port, also where somebody wrote it
    let written = text.trim_end_matches('/').ends_with(":443").then_some(443);
    Ok(format!("https://{host}:{}", url.port().or(written).unwrap_or(AGENT_PORT)))
}

fn public_url(field: Field<'_>) -> Option<Url> {
    let mut url = check::http_url(field.text()?).map_err(|why| field.wrong(why)).ok()?;
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Some(url)
}

#[cfg(test)]
mod tests;
