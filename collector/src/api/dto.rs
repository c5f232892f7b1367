//! The shapes of the API. Keys and words are relied on from outside.
//!
//! Instants are RFC 3339 in UTC, and milliseconds since the Unix epoch under keys in `_ms`;
//! durations carry their unit in the key. The same types read answers back in the commands.

use std::collections::BTreeMap;
use std::time::Duration;

use parallax_model::{ErrorKind, Fitness, Sensitivity, Timestamp};
use serde::{Deserialize, Serialize};

use super::policy::PolicyJson;
use crate::json::{CoverageJson, FaultJson, SeenJson};
use crate::view::{AgentRow, Cell, Look, Overview, Path, TargetRow, Told, WebhookNews, words};

/// `GET /api/v1/overview`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OverviewJson {
    /// The instant it is of.
    pub at: String,
    /// The same.
    pub at_ms: i64,
    /// What is wrong, in one sentence.
    pub headline: String,
    /// `fine`, `unknown`, `watch` or `bad`
    pub tone: String,
    /// Which references answer nobody, in words; absent while all answer somebody.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub references: Option<String>,
    /// Open faults, worst first.
    pub faults: Vec<ToldJson>,
    /// Faults that closed last, newest first.
    pub recent: Vec<ToldJson>,
    /// Services, then references.
    pub targets: Vec<TargetJson>,
    /// The agents.
    pub agents: Vec<AgentJson>,
    /// Who is told, and how that fares.
    #[serde(default)]
    pub webhooks: Vec<WebhookJson>,
}

/// How a webhook fares, since the collector started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookJson {
    /// Its name.
    pub name: String,
    /// Messages that wait for it.
    pub waiting: u64,
    /// Messages it took.
    pub delivered: u64,
    /// Tries that failed.
    pub failed: u64,
    /// Messages it will never have: too many waited, or for too long.
    pub lost: u64,
    /// Since when it takes nothing; absent while it does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failing_since_ms: Option<i64>,
    /// Why the last try failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub why: Option<String>,
}

/// `GET /api/v1/targets`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetsJson {
    /// Services, then references.
    pub targets: Vec<TargetJson>,
}

/// `GET /api/v1/agents`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentsJson {
    /// By name.
    pub agents: Vec<AgentJson>,
}

/// `GET /api/v1/faults`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultsJson {
    /// Newest first.
    pub faults: Vec<ToldJson>,
    /// Ask with `cursor=` this for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_cursor: Option<String>,
}

/// A fault with its words, `GET /api/v1/faults/{id}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToldJson {
    /// The fault.
    #[serde(flatten)]
    pub fault: FaultJson,
    /// When it began.
    pub onset: String,
    /// When the engine said so.
    pub opened: String,
    /// When the engine last changed its word.
    pub updated: String,
    /// When it ended; absent while open.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended: Option<String>,
    /// What is wrong and where.
    pub title: String,
    /// What follows for the reader.
    pub aside: String,
    /// The evidence in words, sentence by sentence.
    pub words: Vec<String>,
}

/// A target and how each region sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetJson {
    /// Its name.
    pub name: String,
    /// `service` or `reference`
    pub role: String,
    /// `http`, `tcp` or `dns`
    pub kind: String,
    /// What is looked at.
    pub address: String,
    /// From one look to the next.
    pub interval_ms: u64,
    /// Longest time a look may take.
    pub timeout_ms: u64,
    /// Targets without which it cannot work.
    pub depends_on: Vec<String>,
    /// How sure a fault of it has to be: `low` or `high`; absent where it is as usual.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sensitivity: Option<String>,
    /// `up`, `degraded`, `down` or `unknown`; a reference is `up` while it answers anybody
    pub state: String,
    /// Who bears witness.
    pub coverage: CoverageJson,
    /// Of a reference that answers nobody: that, in words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub words: Option<String>,
    /// Open faults that touch it.
    pub faults: Vec<String>,
    /// What its own rule says beside the engine; absent where it has none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub policy: Option<PolicyJson>,
    /// One for each region.
    pub regions: Vec<CellJson>,
}

/// How one region sees one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellJson {
    /// The region.
    pub region: String,
    /// `fine`, `partly`, `failing`, `unable`, `silent` or `unassigned` (nobody there is to look)
    pub state: String,
    /// Agents there that are to look.
    pub agents: usize,
    /// Agents there that looked lately.
    pub heard: usize,
    /// Agents there whose last look failed.
    pub failing: usize,
    /// The agent of which the rest speaks: one that fails, else the slowest.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agent: Option<String>,
    /// When its last look arrived.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_ms: Option<i64>,
    /// How long its last look took, if it was fine.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub latency_ms: Option<f64>,
    /// How its last look failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// The protocol's status.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<u16>,
    /// What the look said of its failure.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    /// What the look measured beside its stages, where its kind has something to tell.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seen: Option<SeenJson>,
    /// Its last looks, oldest first: milliseconds, or null for a failed one.
    pub looks_ms: Vec<Option<f64>>,
}

/// An agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentJson {
    /// Its name.
    pub name: String,
    /// Where it stands.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub region: Option<String>,
    /// On whose machines.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub provider: Option<String>,
    /// In which building.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub site: Option<String>,
    /// Its network's autonomous system.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub asn: Option<u32>,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
    /// True while its stream is open.
    pub connected: bool,
    /// When it last sent anything.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_heard: Option<String>,
    /// The same.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_heard_ms: Option<i64>,
    /// Its build.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub build: Option<String>,
    /// Its outbox.
    pub spool: SpoolJson,
    /// Slots that passed without a look since it started.
    pub missed_slots: u64,
    /// How fit it is to bear witness, as it told.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fitness: Option<FitnessJson>,
}

/// How fit an agent is to bear witness, by its own measure; never evidence about a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FitnessJson {
    /// Why it is unfit: `references`, `late`, `missed_slots`, `cpu`, `memory`, `files`, `clock` or
    /// `other`; empty: it is fit.
    pub unfit: Vec<String>,
    /// How long looks that were due waited for the agent itself, over the last minute.
    pub delay_median_us: u64,
    /// The same, of the worst in a hundred.
    pub delay_p99_us: u64,
    /// Slots of the last minute that it came too late for.
    pub late_slots: u32,
    /// Slots of the last minute.
    pub due_slots: u32,
    /// References it looks at.
    pub references: u32,
    /// Those whose last look failed.
    pub references_failing: u32,
    /// Whether its kernel holds the wall clock for synchronised.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub clock_synchronised: Option<bool>,
    /// How far off its wall clock is, by its kernel's estimate.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub clock_error_us: Option<u64>,
    /// Thousandths of the last minute in which something waited for a CPU.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cpu_pressure_permille: Option<u32>,
    /// Thousandths of the last minute in which everything waited for memory.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub memory_pressure_permille: Option<u32>,
    /// Files that it has open.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub files_open: Option<u32>,
    /// Files that it may have open.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub files_max: Option<u32>,
}

/// An agent's outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpoolJson {
    /// Records that wait for an ack.
    pub records: u64,
    /// The bytes they take.
    pub bytes: u64,
    /// Results lost and declared since it started.
    pub lost: u64,
    /// Its disk takes no results.
    pub degraded: bool,
}

/// `GET /readyz`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadyJson {
    /// True if every part is.
    pub ready: bool,
    /// Parts that are not, and why.
    pub reasons: BTreeMap<String, String>,
}

/// A mistake (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemJson {
    /// `about:blank`: the status says it.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong with this request.
    pub detail: String,
}

impl From<&Overview> for OverviewJson {
    fn from(o: &Overview) -> Self {
        Self {
            at: words::rfc3339(o.at),
            at_ms: o.at.millis(),
            headline: o.headline.text.clone(),
            tone: o.headline.tone.as_str().to_owned(),
            references: o.references.clone(),
            faults: o.open.iter().map(Into::into).collect(),
            recent: o.recent.iter().map(Into::into).collect(),
            targets: o.targets.iter().map(Into::into).collect(),
            agents: o.agents.iter().map(Into::into).collect(),
            webhooks: Vec::new(),
        }
    }
}

impl From<(&String, &WebhookNews)> for WebhookJson {
    fn from((name, news): (&String, &WebhookNews)) -> Self {
        Self {
            name: name.clone(),
            waiting: news.waiting,
            delivered: news.delivered,
            failed: news.failed,
            lost: news.lost(),
            failing_since_ms: news.failing.as_ref().map(|f| f.since.millis()),
            why: news.failing.as_ref().map(|f| f.why.clone()),
        }
    }
}

impl From<&Told> for ToldJson {
    fn from(told: &Told) -> Self {
        let fault = &told.fault;
        Self {
            fault: FaultJson::from(&**fault),
            onset: words::rfc3339(fault.onset),
            opened: words::rfc3339(fault.opened),
            updated: words::rfc3339(fault.updated),
            ended: fault.ended.map(words::rfc3339),
            title: told.story.title.clone(),
            aside: told.story.aside.to_owned(),
            words: told.story.sentences(),
        }
    }
}

impl From<&TargetRow> for TargetJson {
    fn from(row: &TargetRow) -> Self {
        let t = &row.target;
        Self {
            name: t.name.to_string(),
            role: t.role.as_str().to_owned(),
            kind: t.check.kind().to_owned(),
            address: t.check.address(),
            interval_ms: t.interval.as_millis() as u64,
            timeout_ms: t.timeout.as_millis() as u64,
            depends_on: t.depends_on.iter().map(ToString::to_string).collect(),
            sensitivity: (t.sensitivity != Sensitivity::default())
                .then(|| t.sensitivity.as_str().to_owned()),
            state: row.state.as_str().to_owned(),
            coverage: row.coverage.into(),
            words: row.mute.clone(),
            faults: row.faults.iter().map(ToString::to_string).collect(),
            policy: row.policy.as_ref().map(Into::into),
            regions: row.cells.iter().map(Into::into).collect(),
        }
    }
}

impl From<&Cell> for CellJson {
    fn from(cell: &Cell) -> Self {
        let path = cell.path.as_ref();
        let look = |look: Look| match look {
            Look::Ok(latency) => Some(ms(latency)),
            Look::Fail => None,
        };
        Self {
            region: cell.region.clone(),
            state: cell.state.as_str().to_owned(),
            agents: cell.agents,
            heard: cell.heard,
            failing: cell.failing,
            agent: cell.agent.as_ref().map(ToString::to_string),
            last_ms: path.map(|p| p.received().millis()),
            latency_ms: cell.latency().map(ms),
            error: cell.error().map(ErrorKind::as_str).map(str::to_owned),
            status: path.and_then(Path::status),
            detail: path.and_then(Path::detail).map(str::to_owned),
            seen: path.and_then(Path::seen).map(Into::into),
            looks_ms: cell.looks().into_iter().map(look).collect(),
        }
    }
}

/// Milliseconds with two digits after the point: 10 µs.
pub(super) fn ms(d: Duration) -> f64 {
    (d.as_secs_f64() * 1e5).round() / 1e2
}

impl From<&AgentRow> for AgentJson {
    fn from(row: &AgentRow) -> Self {
        let (spec, now) = (&row.spec, &row.now);
        Self {
            name: spec.name.to_string(),
            region: spec.region.as_ref().map(ToString::to_string),
            provider: spec.provider.as_ref().map(ToString::to_string),
            site: spec.site.as_ref().map(ToString::to_string),
            asn: spec.asn,
            labels: spec.labels.clone(),
            connected: now.connected,
            last_heard: now.last_heard.map(words::rfc3339),
            last_heard_ms: now.last_heard.map(Timestamp::millis),
            build: now.build.clone(),
            spool: SpoolJson {
                records: now.spool_records,
                bytes: now.spool_bytes,
                lost: now.lost,
                degraded: now.spool_degraded,
            },
            missed_slots: now.missed_slots.unwrap_or(0),
            fitness: now.fitness.as_ref().map(Into::into),
        }
    }
}

impl From<&Fitness> for FitnessJson {
    fn from(f: &Fitness) -> Self {
        let us = |d: Duration| d.as_micros() as u64;
        Self {
            unfit: f.unfit.iter().map(|u| u.as_str().to_owned()).collect(),
            delay_median_us: us(f.delay_median),
            delay_p99_us: us(f.delay_p99),
            late_slots: f.late_slots,
            due_slots: f.due_slots,
            references: f.references,
            references_failing: f.references_failing,
            clock_synchronised: f.clock_synchronised,
            clock_error_us: f.clock_error.map(us),
            cpu_pressure_permille: f.cpu_pressure_permille,
            memory_pressure_permille: f.memory_pressure_permille,
            files_open: f.files_open,
            files_max: f.files_max,
        }
    }
}
