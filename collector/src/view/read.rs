//! What is now, as the edges show it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parallax_model::fault::TargetState;
use parallax_model::{
    AgentName, AgentSpec, Coverage, ErrorKind, Fault, FaultId, Locus, Role, Ruling, Target,
    TargetName, Timestamp,
};

use super::live::Live;
use super::words::{self, Headline, Story};
use super::{AgentNews, Look, Path};

/// Looks that may be late before a place counts as silent: three intervals and a timeout, as long
/// as the engine gives an agent before it calls it silent.
const SILENT_INTERVALS: u32 = 3;

/// Closed faults that the overview shows.
const RECENT_SHOWN: usize = 10;

/// Everything at one glance.
#[derive(Debug, Clone)]
pub struct Overview {
    /// The instant it is of.
    pub at: Timestamp,
    /// What is wrong, in one sentence.
    pub headline: Headline,
    /// Which references answer nobody, in words.
    pub references: Option<String>,
    /// The open faults, worst first.
    pub open: Vec<Told>,
    /// The faults that closed last, newest first.
    pub recent: Vec<Told>,
    /// The columns of the matrix: regions with their agents, by name.
    pub regions: Vec<String>,
    /// The rows of the matrix: services, then references, by name.
    pub targets: Vec<TargetRow>,
    /// The agents, by name.
    pub agents: Vec<AgentRow>,
}

/// A fault, and the same in words.
#[derive(Debug, Clone)]
pub struct Told {
    /// The fault.
    pub fault: Arc<Fault>,
    /// The same in words.
    pub story: Story,
}

/// A target, and how each region sees it.
#[derive(Debug, Clone)]
pub struct TargetRow {
    /// The target.
    pub target: Target,
    /// What the engine says of it.
    pub state: TargetState,
    /// Who bears witness.
    pub coverage: Coverage,
    /// Open faults that touch it.
    pub faults: Vec<FaultId>,
    /// What its own rule says, where it has one.
    pub policy: Option<Ruled>,
    /// Of a reference that answers nobody: that, in words.
    pub mute: Option<String>,
    /// One for each region, in the order of [`Overview::regions`].
    pub cells: Vec<Cell>,
}

/// What a service's own rule says, and the same in words beside what the engine says.
#[derive(Debug, Clone)]
pub struct Ruled {
    /// What it says.
    pub ruling: Ruling,
    /// Both in one sentence.
    pub words: String,
}

/// How one region sees one target.
#[derive(Debug, Clone)]
pub struct Cell {
    /// The region.
    pub region: String,
    /// What its agents see.
    pub state: CellState,
    /// Agents there that were heard of this target lately.
    pub heard: usize,
    /// Agents there that are to look.
    pub agents: usize,
    /// Agents whose last look failed.
    pub failing: usize,
    /// The most telling path: one that fails, else the slowest.
    pub path: Option<Path>,
    /// Whose path that is.
    pub agent: Option<AgentName>,
}

/// What a region's agents see of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellState {
    /// All last looks were as they should be.
    Fine,
    /// Some failed.
    Partly,
    /// All failed.
    Failing,
    /// The agents there cannot look: their own policy or an own failure.
    Unable,
    /// Nothing was heard lately: neither up nor down.
    Silent,
    /// Nobody there is to look at it.
    Unassigned,
}

impl CellState {
    /// The word used in JSON and as a class on the page.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Partly => "partly",
            Self::Failing => "failing",
            Self::Unable => "unable",
            Self::Silent => "silent",
            Self::Unassigned => "unassigned",
        }
    }
}

impl Cell {
    /// How long the most telling look took, if it was as it should be.
    pub fn latency(&self) -> Option<Duration> {
        self.path.as_ref().filter(|p| p.error().is_none()).map(Path::latency)
    }

    /// How the most telling look failed.
    pub fn error(&self) -> Option<ErrorKind> {
        self.path.as_ref().and_then(Path::error)
    }

    /// The remembered looks of the most telling path, oldest first.
    pub fn looks(&self) -> Vec<Look> {
        self.path.as_ref().map(Path::looks).unwrap_or_default()
    }
}

/// One agent's way to one target.
#[derive(Debug, Clone)]
pub struct PathRow {
    /// Who looks.
    pub agent: AgentName,
    /// At what.
    pub target: TargetName,
    /// What was seen.
    pub path: Path,
    /// False if nothing was heard of it lately: it says nothing of now.
    pub fresh: bool,
}

/// An agent as declared, and how it fares.
#[derive(Debug, Clone)]
pub struct AgentRow {
    /// As declared.
    pub spec: AgentSpec,
    /// How it fares.
    pub now: AgentNews,
}

impl Live {
    pub(super) fn overview(&self, now: Timestamp) -> Overview {
        let regions: BTreeSet<&str> =
            self.fleet.agents.keys().map(|a| self.fleet.region(a)).collect();
        let targets = self.targets(now);
        let services: Vec<_> = targets
            .iter()
            .filter(|t| t.target.role == Role::Service)
            .map(|t| (t.target.name.clone(), t.state, t.coverage))
            .collect();
        let mut open: Vec<Arc<Fault>> = self.open.values().cloned().collect();
        open.sort_by_key(|f| (words::rank(f), f.id));
        let open: Vec<Told> = open.iter().map(|f| self.tell(f)).collect();
        let (mute, answered) = self.mute(now);
        Overview {
            at: now,
            headline: words::headline(&open, &services, answered || mute.is_empty()),
            references: words::mute(&mute, answered),
            open,
            recent: self.recent.iter().take(RECENT_SHOWN).map(|f| self.tell(f)).collect(),
            regions: regions.into_iter().map(str::to_owned).collect(),
            targets,
            agents: self.agents(),
        }
    }

    pub(super) fn tell(&self, fault: &Arc<Fault>) -> Told {
        let fitness = |agent: &AgentName| self.agents.get(agent)?.fitness.as_ref();
        let story = words::story_with(fault, &self.fleet, self.sight(fault), self.pace(fault));
        let found = |agent: &AgentName, target: &TargetName| {
            let path = self.paths.get(target)?.get(agent)?;
            path.finding().filter(|_| path.found_since(fault.onset))
        };
        let story = Story {
            left_out: words::left_out(fault, &self.fleet, self.open.values().map(AsRef::as_ref)),
            doubtful: words::doubtful(fault, fitness),
            diagnosed: words::diagnosed(fault, found),
            ..story
        };
        Told { fault: Arc::clone(fault), story }
    }

    pub(super) fn agents(&self) -> Vec<AgentRow> {
        let row = |(name, spec): (&AgentName, &AgentSpec)| AgentRow {
            spec: spec.clone(),
            now: self.agents.get(name).cloned().unwrap_or_else(|| AgentNews::unheard(name.clone())),
        };
        self.fleet.agents.iter().map(row).collect()
    }

    pub(super) fn targets(&self, now: Timestamp) -> Vec<TargetRow> {
        let mut regions: BTreeMap<&str, Vec<&AgentName>> = BTreeMap::new();
        for agent in self.fleet.agents.keys() {
            regions.entry(self.fleet.region(agent)).or_default().push(agent);
        }
        let (mute, _) = self.mute(now);
        let row = |target: &Target| {
            let mute = mute.iter().find(|m| m.target == target.name);
            let mute = mute.and_then(|m| words::mute(std::slice::from_ref(m), true));
            TargetRow { mute, ..self.row(target, &regions, now) }
        };
        let mut rows: Vec<TargetRow> = self.fleet.targets.values().map(row).collect();
        rows.sort_by_key(|row| row.target.role == Role::Reference);
        rows
    }

    pub(super) fn path_rows(&self, only: Option<&TargetName>, now: Timestamp) -> Vec<PathRow> {
        let wanted =
            self.paths.iter().filter(|(target, _)| only.is_none_or(|only| only == *target));
        let mut rows: Vec<PathRow> = wanted
            .filter_map(|(name, paths)| self.fleet.targets.get(name).map(|target| (target, paths)))
            .flat_map(|(target, paths)| {
                paths.iter().map(move |(agent, path)| PathRow {
                    agent: agent.clone(),
                    target: target.name.clone(),
                    path: path.clone(),
                    fresh: is_fresh(target, path, now),
                })
            })
            .collect();
        rows.sort_by(|a, b| (&a.agent, &a.target).cmp(&(&b.agent, &b.target)));
        rows
    }

    fn row(
        &self,
        target: &Target,
        regions: &BTreeMap<&str, Vec<&AgentName>>,
        now: Timestamp,
    ) -> TargetRow {
        let standing = self.standings.get(&target.name);
        let touches = |f: &Fault| {
            let dependency = match &f.locus {
                Locus::Dependency { dependency, .. } => dependency == &target.name,
                Locus::Service { .. }
                | Locus::ServiceRegion { .. }
                | Locus::ServiceProvider { .. }
                | Locus::Region { .. }
                | Locus::Provider { .. }
                | Locus::Agent { .. }
                | Locus::Path { .. }
                | Locus::Collector => false,
            };
            dependency
                || f.locus.target() == Some(&target.name)
                || f.affected_targets.contains(&target.name)
        };
        let faults: Vec<&Fault> =
            self.open.values().map(AsRef::as_ref).filter(|f| touches(f)).collect();
        let (state, coverage) = match target.role {
            Role::Service => standing.map(|s| (s.state, s.coverage)),
            // the engine says nothing of them
            Role::Reference => Some(self.reference(target, now)),
        }
        .unwrap_or((TargetState::Unknown, Coverage::default()));
        TargetRow {
            target: target.clone(),
            state,
            coverage,
            faults: faults.iter().map(|f| f.id).collect(),
            policy: standing
                .and_then(|s| s.policy)
                .map(|ruling| Ruled { words: words::policy(&ruling, state, &faults), ruling }),
            mute: None,
            cells: regions
                .iter()
                .map(|(region, agents)| self.cell(target, region, agents, now))
                .collect(),
        }
    }

    fn cell(&self, target: &Target, region: &str, agents: &[&AgentName], now: Timestamp) -> Cell {
        let is_to_look = |agent: &&&AgentName| {
            self.fleet.agents.get(**agent).is_some_and(|spec| target.agents.takes(spec))
        };
        let agents: Vec<&AgentName> = agents.iter().filter(is_to_look).copied().collect();
        let paths = self.paths.get(&target.name);
        let path = |agent: &AgentName| paths.and_then(|paths| paths.get(agent));
        let known: Vec<_> = agents.iter().filter_map(|a| path(a).map(|p| (*a, p))).collect();
        let fresh: Vec<_> =
            known.iter().filter(|(_, p)| is_fresh(target, p, now)).copied().collect();
        let ours = fresh.iter().filter(|(_, p)| p.error().is_some_and(ErrorKind::is_ours)).count();
        let failing = fresh.iter().filter(|(_, p)| p.error().is_some()).count() - ours;
        // what was last known is still shown of a place that fell silent
        let telling = if fresh.is_empty() { &known } else { &fresh };
        let telling = telling.iter().max_by_key(|(_, p)| (p.error().is_some(), p.latency()));
        Cell {
            region: region.to_owned(),
            state: cell_state(agents.len(), fresh.len(), failing, ours),
            heard: fresh.len(),
            agents: agents.len(),
            failing,
            path: telling.map(|(_, p)| (*p).clone()),
            agent: telling.map(|(a, _)| (*a).clone()),
        }
    }
}

/// True if `path` was heard of lately enough to speak of now.
pub(super) fn is_fresh(target: &Target, path: &Path, now: Timestamp) -> bool {
    now.since(path.received()) <= target.interval * SILENT_INTERVALS + target.timeout
}

const fn cell_state(agents: usize, heard: usize, failing: usize, ours: usize) -> CellState {
    if agents == 0 {
        CellState::Unassigned
    } else if heard == 0 {
        CellState::Silent
    } else if ours == heard {
        CellState::Unable
    } else if failing == 0 {
        CellState::Fine
    } else if failing + ours == heard {
        CellState::Failing
    } else {
        CellState::Partly
    }
}
