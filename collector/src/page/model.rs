//! What the templates are filled with: text only, nothing left to decide.

use askama::Template;
use parallax_model::fault::TargetState;
use parallax_model::{
    ErrorKind, Fault, FaultState, Fitness, Locus, Reason, Role, Stage, Timestamp, Witness,
};

use crate::view::words::{self, Story};
use crate::view::{AgentRow, Cell, CellState, Fleet, Overview, TargetRow, Told};

use super::policy::Policy;
use super::spark::{Spark, spark};

/// The page at `/`.
#[derive(Debug, Template)]
#[template(path = "overview.html")]
pub(super) struct OverviewPage {
    title: String,
    tone: &'static str,
    /// Which references answer nobody.
    references: Option<String>,
    at: Instant,
    practice: bool,
    faults: Vec<Card>,
    regions: Vec<String>,
    groups: Vec<Group>,
    agents: Vec<Agent>,
    recent: Vec<Past>,
}

/// The page of one fault.
#[derive(Debug, Template)]
#[template(path = "fault.html")]
pub(super) struct FaultPage {
    title: String,
    tone: &'static str,
    at: Instant,
    practice: bool,
    card: Card,
    sides: Vec<Side>,
}

/// The page that is not there.
#[derive(Debug, Template)]
#[template(path = "lost.html")]
pub(super) struct Lost {
    pub(super) title: String,
    pub(super) tone: &'static str,
    pub(super) at: Instant,
    pub(super) practice: bool,
}

/// An instant for machines and for people.
#[derive(Debug, Clone, Default)]
pub(super) struct Instant {
    pub(super) ms: i64,
    pub(super) machine: String,
    pub(super) people: String,
    /// How long ago, or for how long, at the moment the page was made.
    pub(super) lapse: String,
}

/// An open (or, on its own page, any) fault.
#[derive(Debug)]
pub(super) struct Card {
    id: String,
    tone: &'static str,
    icon: &'static str,
    state: &'static str,
    scope: &'static str,
    story: Story,
    onset: Instant,
    ended: Option<Instant>,
    lasted: String,
    sure: String,
    domains: u32,
    assigned: u32,
    affected: Vec<String>,
}

/// Services, or references.
#[derive(Debug)]
pub(super) struct Group {
    name: &'static str,
    note: &'static str,
    reference: bool,
    rows: Vec<Row>,
}

/// A target.
#[derive(Debug)]
pub(super) struct Row {
    name: String,
    address: String,
    kind: &'static str,
    state: &'static str,
    icon: &'static str,
    seen: String,
    needs: String,
    policy: Option<Policy>,
    cells: Vec<Shown>,
}

/// How one region sees one target.
#[derive(Debug)]
pub(super) struct Shown {
    region: String,
    state: &'static str,
    icon: &'static str,
    word: String,
    tip: String,
    spark: Spark,
}

/// An agent.
#[derive(Debug)]
pub(super) struct Agent {
    name: String,
    region: String,
    provider: String,
    connected: bool,
    icon: &'static str,
    heard: Option<Instant>,
    spool: String,
    degraded: bool,
    lost: u64,
    missed: u64,
    /// What keeps it from bearing witness, by its own word.
    unfit: String,
    /// It has told how fit it is.
    told: bool,
    build: String,
}

/// A fault that is over.
#[derive(Debug)]
pub(super) struct Past {
    id: String,
    title: String,
    scope: &'static str,
    onset: Instant,
    lasted: String,
    sure: String,
}

/// Witnesses of one side.
#[derive(Debug)]
pub(super) struct Side {
    name: &'static str,
    /// What the looks are that are not fine.
    bad: &'static str,
    count: u32,
    rows: Vec<Witnessed>,
}

/// A path that bears witness.
#[derive(Debug)]
pub(super) struct Witnessed {
    agent: String,
    region: String,
    target: String,
    reference: bool,
    fine: u32,
    failed: u32,
    error: &'static str,
    error_words: &'static str,
    stage: &'static str,
    last: Instant,
}

impl OverviewPage {
    pub(super) fn new(o: &Overview, practice: bool) -> Self {
        let group = |name, note, role| Group {
            name,
            note,
            reference: role == Role::Reference,
            rows: o
                .targets
                .iter()
                .filter(|t| t.target.role == role)
                .map(|t| Row::new(t, o.at))
                .collect(),
        };
        let note = "independent of the services: by them an agent judges its own sight";
        let groups =
            vec![group("Services", "", Role::Service), group("References", note, Role::Reference)];
        Self {
            title: o.headline.text.clone(),
            tone: o.headline.tone.as_str(),
            references: o.references.clone(),
            at: Instant::new(o.at, o.at),
            practice,
            faults: o.open.iter().map(|told| Card::new(told, o.at)).collect(),
            regions: o.regions.clone(),
            groups: groups.into_iter().filter(|g| !g.rows.is_empty()).collect(),
            agents: o.agents.iter().map(|a| Agent::new(a, o.at)).collect(),
            recent: o.recent.iter().map(|told| Past::new(told, o.at)).collect(),
        }
    }
}

impl FaultPage {
    pub(super) fn new(told: &Told, fleet: &Fleet, now: Timestamp) -> Self {
        let evidence = &told.fault.evidence;
        let slow = told.fault.reason == Some(Reason::Slow);
        let side = |name, count, witnesses: &[Witness]| Side {
            name,
            bad: if slow { "Slow" } else { "Failed" },
            count,
            rows: witnesses.iter().map(|w| Witnessed::new(w, fleet, now)).collect(),
        };
        let sides = vec![
            side(
                if slow { "Paths that are slow" } else { "Paths that fail" },
                evidence.for_count,
                &evidence.witnesses_for,
            ),
            side("Paths that are fine", evidence.against_count, &evidence.witnesses_against),
        ];
        let card = Card::new(told, now);
        Self {
            title: told.story.title.clone(),
            tone: card.tone,
            at: Instant::new(now, now),
            practice: false,
            card,
            sides: sides.into_iter().filter(|s| !s.rows.is_empty()).collect(),
        }
    }
}

impl Instant {
    fn new(at: Timestamp, now: Timestamp) -> Self {
        Self {
            ms: at.millis(),
            machine: words::rfc3339(at),
            people: words::instant(at),
            lapse: words::duration(now.since(at)),
        }
    }
}

impl Card {
    fn new(told: &Told, now: Timestamp) -> Self {
        let fault = &told.fault;
        let tone = tone(fault);
        Self {
            id: fault.id.to_string(),
            tone,
            icon: match fault.state {
                _ if fault.ended.is_some() => "fine",
                _ if fault.reason == Some(Reason::Silent) => "silent",
                FaultState::Down => "failing",
                FaultState::Degraded => "partly",
            },
            state: match (fault.ended, fault.reason) {
                (Some(_), _) => "over",
                (None, Some(Reason::Silent)) => "silent",
                (None, Some(Reason::Slow)) => "slow",
                (None, None) => fault.state.as_str(),
            },
            scope: scope(&fault.locus),
            story: told.story.clone(),
            onset: Instant::new(fault.onset, now),
            ended: fault.ended.map(|at| Instant::new(at, now)),
            lasted: words::duration(fault.ended.unwrap_or(now).since(fault.onset)),
            sure: words::percent(fault.confidence.get()),
            domains: fault.coverage.domains,
            assigned: fault.coverage.assigned,
            affected: fault.affected_targets.iter().map(ToString::to_string).collect(),
        }
    }
}

const fn tone(fault: &Fault) -> &'static str {
    match (&fault.locus, fault.state) {
        _ if fault.ended.is_some() => "fine",
        (Locus::Service { .. } | Locus::Dependency { .. } | Locus::Collector, FaultState::Down) => {
            "bad"
        }
        _ => "watch",
    }
}

/// What kind of place a fault is in, for people who do not know the word.
const fn scope(locus: &Locus) -> &'static str {
    match locus {
        Locus::Service { .. } => "the service itself",
        Locus::ServiceRegion { .. } => "one region of the service",
        Locus::ServiceProvider { .. } => "the service, for one provider",
        Locus::Dependency { .. } => "a dependency",
        Locus::Region { .. } => "one region's network",
        Locus::Provider { .. } => "one provider's network",
        Locus::Agent { .. } => "one agent",
        Locus::Path { .. } => "one path",
        Locus::Collector => "the collector",
    }
}

impl Row {
    fn new(row: &TargetRow, now: Timestamp) -> Self {
        let t = &row.target;
        let seeing = row.cells.iter().filter(|c| c.state == CellState::Fine).count();
        let (state, icon) = match row.state {
            TargetState::Up => ("up", "fine"),
            TargetState::Degraded => ("degraded", "partly"),
            TargetState::Down => ("down", "failing"),
            TargetState::Unknown => ("unknown", "silent"),
        };
        let seen = match t.role {
            Role::Service => {
                let places = words::plural(u64::from(row.coverage.assigned), "place");
                format!("{} of {places}", row.coverage.domains)
            }
            Role::Reference => format!("answers in {seeing} of {}", row.cells.len()),
        };
        Self {
            name: t.name.to_string(),
            address: t.check.address(),
            kind: t.check.kind(),
            state,
            icon,
            seen,
            needs: t.depends_on.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            policy: row.policy.as_ref().map(Policy::new),
            cells: row.cells.iter().map(|c| Shown::new(c, now)).collect(),
        }
    }
}

impl Shown {
    fn new(cell: &Cell, now: Timestamp) -> Self {
        let (icon, word) = match cell.state {
            CellState::Fine => ("fine", cell.latency().map(words::latency).unwrap_or_default()),
            CellState::Partly => ("partly", format!("{} of {} fail", cell.failing, cell.heard)),
            CellState::Failing => {
                ("failing", cell.error().map_or("fails", ErrorKind::as_str).to_owned())
            }
            CellState::Unable => ("unable", "cannot look".to_owned()),
            CellState::Silent => ("silent", "silent".to_owned()),
            CellState::Unassigned => ("silent", "not looked at".to_owned()),
        };
        Self {
            region: cell.region.clone(),
            state: cell.state.as_str(),
            icon,
            word,
            tip: tip(cell, now),
            spark: spark(&cell.looks()),
        }
    }
}

/// Why an agent is unfit, by its own word; nothing if it is fit.
fn unfit(fitness: &Fitness) -> String {
    fitness.unfit.iter().map(|u| u.says()).collect::<Vec<_>>().join(", ")
}

/// What there is to say of a cell beyond its word.
fn tip(cell: &Cell, now: Timestamp) -> String {
    let (Some(agent), Some(path)) = (&cell.agent, &cell.path) else {
        return "nothing was heard from here yet".to_owned();
    };
    let ago = words::duration(now.since(path.received()));
    let what = match cell.error() {
        None => format!("fine in {}", words::latency(path.latency())),
        Some(kind) => {
            let status = path.status().map(|s| format!(", status {s}")).unwrap_or_default();
            let detail = path.detail().map(|d| format!(": {d}")).unwrap_or_default();
            format!("{} ({}{status}){detail}", kind, words::kind_in_words(kind))
        }
    };
    let of = if cell.agents > 1 {
        format!("; {} of {} agents heard", cell.heard, cell.agents)
    } else {
        String::new()
    };
    format!("{agent}, {ago} ago: {what}{of}")
}

impl Agent {
    fn new(row: &AgentRow, now: Timestamp) -> Self {
        let (spec, fares) = (&row.spec, &row.now);
        let text = |t: Option<String>| t.unwrap_or_else(|| "–".to_owned());
        Self {
            name: spec.name.to_string(),
            region: text(spec.region.as_ref().map(ToString::to_string)),
            provider: text(spec.provider.as_ref().map(ToString::to_string)),
            connected: fares.connected,
            icon: if fares.connected { "fine" } else { "silent" },
            heard: fares.last_heard.map(|at| Instant::new(at, now)),
            spool: match fares.spool_records {
                0 => "empty".to_owned(),
                n => format!("{n} ({} KB)", fares.spool_bytes.div_ceil(1000)),
            },
            degraded: fares.spool_degraded,
            lost: fares.lost,
            missed: fares.missed_slots.unwrap_or(0),
            told: fares.fitness.is_some(),
            unfit: fares.fitness.as_ref().map(unfit).unwrap_or_default(),
            build: text(fares.build.clone()),
        }
    }
}

impl Past {
    fn new(told: &Told, now: Timestamp) -> Self {
        let fault = &told.fault;
        Self {
            id: fault.id.to_string(),
            title: told.story.title.clone(),
            scope: scope(&fault.locus),
            onset: Instant::new(fault.onset, now),
            lasted: words::duration(fault.ended.unwrap_or(now).since(fault.onset)),
            sure: words::percent(fault.confidence.get()),
        }
    }
}

impl Witnessed {
    fn new(w: &Witness, fleet: &Fleet, now: Timestamp) -> Self {
        Self {
            agent: w.agent.to_string(),
            region: fleet.region(&w.agent).to_owned(),
            target: w.target.to_string(),
            reference: fleet.is_reference(&w.target),
            fine: w.ok,
            failed: w.fail,
            error: w.kind.map_or("–", ErrorKind::as_str),
            error_words: w.kind.map_or("", words::kind_in_words),
            stage: w.stage.map_or("–", Stage::as_str),
            last: Instant::new(w.last, now),
        }
    }
}
