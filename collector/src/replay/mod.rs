//! Recorded results in, verdicts out: the engine over a trace, at full speed.
//!
//! Contract: `fleet.toml` (the collector's own configuration) and `results.csv` in, one JSON object
//! a line out, in the order the engine speaks; where rules are held beside it (asked for, or a target's
//! own `policy`), a line with the event `policy` for each of their turns, before what the engine says of
//! the same row. The clock is the rows' received time; the engine
//! ticks every second of it, between rows too, and the run ends at the last row. The same input
//! gives the same bytes. A malformed row is an error that names its line, or with `lenient` is
//! counted and skipped. Rows are meant to come in the order they were received; one that goes back
//! is taken as received when the clock stands, which is what a live collector would see, and the
//! number of them is warned of. Where most go back it is an error, unless `lenient`.
//! Never: the whole trace in memory, the wall clock, a panic.

mod export;
mod input;
mod policy;
mod row;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use parallax_model::{Change, FaultId, Rule, Timestamp};
use parallax_verdict::{Engine, Fleet, TargetSpec};
use serde::Serialize;

use crate::config::{self, Config, Mistakes};
use crate::json::FaultJson;
pub use export::{ExportError, Exported, Wanted, export};
use policy::Compared;
pub use policy::{Score, Scores};
use row::{BadRow, Rows};

/// Received time from one tick to the next, ms.
const TICK_MS: i64 = 1_000;
/// Most ticks between two rows: a day. A longer gap is leapt over at its end, since nothing new
/// can be said of a silence that long.
const TICKS_MAX: i64 = 86_400;

/// Rows between two words of progress.
const PROGRESS_ROWS: u64 = 20_000;

/// Rows after which a wrong order is told, rather than after all.
const ORDER_AFTER_ROWS: u64 = 10_000;

/// What to replay.
#[derive(Debug, Clone)]
pub struct Replay {
    /// The fleet, in the collector's own configuration.
    pub fleet: PathBuf,
    /// The results as CSV; `-` is stdin.
    pub results: PathBuf,
    /// Where verdicts go; none: stdout.
    pub output: Option<PathBuf>,
    /// Skip malformed rows instead of stopping at the first.
    pub lenient: bool,
    /// Rules to be held beside the engine, each once.
    pub rules: Vec<Rule>,
}

/// What went through.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// Rows given to the engine.
    pub rows: u64,
    /// Malformed rows skipped.
    pub skipped: u64,
    /// Rows received before the row above them.
    pub backwards: u64,
    /// How the rules did that were held beside the engine.
    pub scores: Scores,
}

/// Why a replay stopped.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The fleet is no valid configuration.
    #[error("{0}")]
    Fleet(Mistakes),
    /// What was named as fleet, results or output is not there, or is something else.
    #[error("{path}: {why}")]
    Named {
        /// What was named.
        path: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// A file could not be opened, read or written.
    #[error("{what} {path}: {why}")]
    File {
        /// What was being done.
        what: &'static str,
        /// With which file.
        path: String,
        /// What the system said.
        why: io::Error,
    },
    /// A row is malformed.
    #[error("{path}: {why}; {}", .why.remedy())]
    Row {
        /// In which file.
        path: String,
        /// Which row, and what is wrong with it.
        why: BadRow,
    },
}

/// Runs the engine over a trace. `warn` hears of what is odd in it, each thing once; `progress` now and then
/// how many rows were given to the engine, and when the last one was received.
pub fn run(
    replay: &Replay,
    warn: &mut dyn FnMut(&str),
    progress: &mut dyn FnMut(u64, Timestamp),
) -> Result<Summary, ReplayError> {
    if let Some(why) = input::is_no_fleet(&replay.fleet) {
        return Err(ReplayError::Named { path: input::name(&replay.fleet), why });
    }
    let config = config::load(&replay.fleet).map_err(ReplayError::Fleet)?;
    for doubt in config::few_of(&config.doubts) {
        warn(&doubt);
    }
    let fleet = fleet_of(&config);
    for beyond in replay.rules.iter().filter_map(|rule| policy::beyond_reach(*rule, &fleet)) {
        warn(&beyond);
    }
    let no_results = |why| ReplayError::Named { path: input::name(&replay.results), why };
    let input = input::open(&replay.results).map_err(no_results)?;
    // before the output is made: what is there already outlives a mistyped name
    let mut rows = Rows::begin(input).map_err(no_results)?;
    let output: Box<dyn Write> = match &replay.output {
        Some(path) => Box::new(create(path)?),
        None => Box::new(io::stdout().lock()),
    };
    let mut known = Known::of(&config);
    let mut run = Run::new(fleet, BufWriter::new(output), replay);
    while let Some(row) = rows.next() {
        match row {
            Ok(row) => {
                known.meet(&row, warn);
                let received = row.observation.received;
                run.hear(row.observation)?;
                if run.summary.rows.is_multiple_of(PROGRESS_ROWS) {
                    progress(run.summary.rows, received);
                }
                if run.summary.rows == ORDER_AFTER_ROWS {
                    in_order(&run.summary, replay)?;
                }
            }
            Err(why) if why.is_fatal() || !replay.lenient => {
                run.out.flush().map_err(file("write", &run.path))?;
                return Err(ReplayError::Row { path: input::name(&replay.results), why });
            }
            Err(_) => run.summary.skipped += 1,
        }
    }
    run.settle()?;
    run.out.flush().map_err(file("write", &run.path))?;
    in_order(&run.summary, replay)?;
    odd(&run.summary, replay, warn);
    run.summary.scores = run.compared.scores();
    Ok(run.summary)
}

/// What is odd in the whole of it.
fn odd(summary: &Summary, replay: &Replay, warn: &mut dyn FnMut(&str)) {
    if summary.rows + summary.skipped == 0 {
        let name = input::name(&replay.results);
        warn(&format!("{name} has no row below its header: there was nothing to judge"));
    }
    match summary.skipped {
        0 => {}
        1 => warn("1 malformed row skipped"),
        more => warn(&format!("{more} malformed rows skipped")),
    }
    match summary.backwards {
        0 => {}
        1 => warn("1 row was received before the row above it; taken as received then"),
        more => warn(&format!(
            "{more} rows were received before the row above them; taken as received then"
        )),
    }
}

fn fleet_of(config: &Config) -> Fleet {
    let targets = config.targets.iter().map(TargetSpec::from).collect();
    Fleet { agents: config.agents.clone(), targets }
}

fn create(path: &Path) -> Result<File, ReplayError> {
    File::create(path).map_err(|why| match path.parent() {
        Some(folder) if why.kind() == io::ErrorKind::NotFound && !folder.exists() => {
            let folder = folder.display();
            let why = format!("there is no folder {folder} to write it in; make that first");
            ReplayError::Named { path: path.display().to_string(), why }
        }
        _ => file("create", path)(why),
    })
}

/// Where most rows go back the order is another: the engine would say next to nothing, and that would pass
/// for calm.
fn in_order(summary: &Summary, replay: &Replay) -> Result<(), ReplayError> {
    let (rows, back) = (summary.rows, summary.backwards);
    if replay.lenient || back * 2 <= rows {
        return Ok(());
    }
    let why = format!(
        "{back} of {rows} rows were received before one above them: results must be in the order they were \
         received; sort them by received_ms, or take them as they stand with --lenient"
    );
    Err(ReplayError::Named { path: input::name(&replay.results), why })
}

fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ReplayError {
    let path = path.display().to_string();
    move |why| ReplayError::File { what, path, why }
}

/// One line of verdicts.jsonl.
#[derive(Serialize)]
struct Line {
    event: &'static str,
    at_ms: i64,
    #[serde(flatten)]
    fault: FaultJson,
}

struct Run<W: Write> {
    engine: Engine,
    out: W,
    path: PathBuf,
    clock_ms: Option<i64>,
    /// When the newest row was received.
    heard_ms: i64,
    changes: Vec<Change>,
    compared: Compared,
    summary: Summary,
}

impl<W: Write> Run<W> {
    fn new(fleet: Fleet, out: W, replay: &Replay) -> Self {
        Self {
            compared: Compared::new(&replay.rules, &fleet),
            engine: Engine::new(fleet, FaultId(1)),
            out,
            path: replay.output.clone().unwrap_or_else(|| PathBuf::from("stdout")),
            clock_ms: None,
            heard_ms: i64::MIN,
            changes: Vec::new(),
            summary: Summary::default(),
        }
    }

    fn hear(&mut self, mut o: parallax_verdict::Observation) -> Result<(), ReplayError> {
        let received_ms = o.received.millis();
        let before = *self.clock_ms.get_or_insert(received_ms);
        if received_ms < before {
            self.summary.backwards += 1;
            o.received = Timestamp::from_millis(before);
        }
        if self.heard_ms < received_ms {
            self.settle()?;
        }
        self.tick_until(received_ms)?;
        self.heard_ms = self.heard_ms.max(received_ms);
        for turn in self.compared.hear(&o) {
            self.write(&policy::Line::new(&turn, o.received.millis()))?;
        }
        self.engine.observe(&o, &mut self.changes);
        self.summary.rows += 1;
        Ok(())
    }

    /// All rows that were received at one instant have been heard.
    fn settle(&mut self) -> Result<(), ReplayError> {
        self.engine.settle(&mut self.changes);
        self.tell(self.heard_ms)
    }

    /// Ticks on whole seconds after the first row.
    fn tick_until(&mut self, received_ms: i64) -> Result<(), ReplayError> {
        let Some(mut clock) = self.clock_ms else { return Ok(()) };
        let mut ticks = 0;
        while clock + TICK_MS <= received_ms {
            if ticks == TICKS_MAX {
                clock = received_ms - TICK_MS;
            }
            clock += TICK_MS;
            ticks += 1;
            self.engine.tick(Timestamp::from_millis(clock), &mut self.changes);
            self.tell(clock)?;
        }
        self.clock_ms = Some(clock);
        Ok(())
    }

    fn tell(&mut self, at_ms: i64) -> Result<(), ReplayError> {
        let mut lines = Vec::new();
        for change in self.changes.drain(..) {
            self.compared.hear_engine(&change, at_ms);
            let (event, fault) = match change {
                Change::Opened(fault) => ("opened", fault),
                Change::Updated(fault) => ("updated", fault),
                Change::Closed(fault) => ("closed", fault),
                // nobody is there to ask
                Change::Ask(_) => continue,
            };
            lines.push(Line { event, at_ms, fault: FaultJson::from(&*fault) });
        }
        lines.iter().try_for_each(|line| self.write(line))
    }

    fn write(&mut self, line: &impl Serialize) -> Result<(), ReplayError> {
        serde_json::to_writer(&mut self.out, line)
            .map_err(io::Error::from)
            .and_then(|()| self.out.write_all(b"\n"))
            .map_err(file("write", &self.path))
    }
}

/// What was declared, and what strange things were met.
struct Known {
    agents: BTreeSet<String>,
    targets: BTreeSet<String>,
    kinds: BTreeSet<String>,
}

/// Strange names of one kind that are warned of one by one.
const WARNINGS_MAX: usize = 200;

impl Known {
    fn of(config: &Config) -> Self {
        Self {
            agents: config.agents.iter().map(|a| a.name.to_string()).collect(),
            targets: config.targets.iter().map(|t| t.name.to_string()).collect(),
            kinds: BTreeSet::new(),
        }
    }

    fn meet(&mut self, row: &row::Row, warn: &mut dyn FnMut(&str)) {
        let o = &row.observation;
        if row.new_agent && !self.agents.contains(o.agent.as_str()) {
            warn(&format!(
                "agent {:?} is not in the fleet: taken without labels",
                o.agent.as_str()
            ));
        }
        if row.new_target && !self.targets.contains(o.target.as_str()) {
            warn(&format!(
                "target {:?} is not in the fleet: taken as a service looked at every 30 s",
                o.target.as_str()
            ));
        }
        let Some(kind) = &row.unknown_kind else { return };
        if self.kinds.len() < WARNINGS_MAX && self.kinds.insert(kind.clone()) {
            warn(&format!("error kind {kind:?} is unknown: counted as an unspecific failure"));
        }
    }
}

#[cfg(test)]
mod tests;
