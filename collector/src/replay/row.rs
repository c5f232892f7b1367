//! One row of results.csv as an observation.

use std::collections::HashMap;
use std::fmt::Display;
use std::io::Read;
use std::str::FromStr;
use std::time::Duration;

use csv::{Reader, ReaderBuilder, StringRecord};
use parallax_model::{AgentName, ErrorKind, Outcome, TargetName, Timestamp};
use parallax_verdict::Observation;

use super::input::GIVE;

/// The columns, in order.
pub(super) const HEADER: [&str; 7] =
    ["received_ms", "started_ms", "agent", "target", "outcome", "latency_us", "error"];

/// Instants from 1970 to 9999, in ms.
const RECEIVED_MS_MAX: i64 = 253_402_300_799_999;
/// Names that are shared instead of made anew for each row.
const NAMES_MAX: usize = 100_000;

/// A row, and what is new or strange in it.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) observation: Observation,
    pub(super) new_agent: bool,
    pub(super) new_target: bool,
    pub(super) unknown_kind: Option<String>,
}

/// A malformed row: its line and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct BadRow {
    line: u64,
    what: String,
    fatal: bool,
}

impl BadRow {
    /// True if nothing after it can be read either: the file breaks off.
    pub fn is_fatal(&self) -> bool {
        self.fatal
    }

    pub(super) const fn remedy(&self) -> &'static str {
        if self.fatal {
            "see that the whole file is there"
        } else {
            "correct it, or skip such rows with --lenient"
        }
    }
}

/// Names met before, shared.
struct Shared<T>(HashMap<String, T>);

impl<T: FromStr<Err: Display> + Clone> Shared<T> {
    /// The name, and whether it is new.
    fn get(&mut self, text: &str) -> Result<(T, bool), String> {
        if let Some(name) = self.0.get(text) {
            return Ok((name.clone(), false));
        }
        let name: T = text.parse().map_err(|why: T::Err| why.to_string())?;
        let room = self.0.len() < NAMES_MAX;
        if room {
            self.0.insert(text.to_owned(), name.clone());
        }
        Ok((name, room))
    }
}

/// The rows of a file, one at a time.
pub(super) struct Rows<R> {
    reader: Reader<R>,
    record: StringRecord,
    agents: Shared<AgentName>,
    targets: Shared<TargetName>,
    over: bool,
}

impl<R: Read> Rows<R> {
    /// Reads the header; without the right one these are no results, and it says why.
    pub(super) fn begin(input: R) -> Result<Self, String> {
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(1 << 18)
            .from_reader(input);
        let mut rows = Self {
            reader,
            record: StringRecord::new(),
            agents: Shared(HashMap::new()),
            targets: Shared(HashMap::new()),
            over: false,
        };
        let what = match rows.reader.read_record(&mut rows.record) {
            Ok(true) if rows.record.iter().eq(HEADER) => return Ok(rows),
            Ok(true) => "these are no results".to_owned(),
            Ok(false) => "it is empty".to_owned(),
            Err(why) => why.to_string(),
        };
        let header = HEADER.join(",");
        Err(format!("{what}: line 1 must be {header}; {GIVE}"))
    }

    pub(super) fn next(&mut self) -> Option<Result<Row, BadRow>> {
        if self.over {
            return None;
        }
        let line = self.reader.position().line();
        match self.reader.read_record(&mut self.record) {
            Ok(false) => None,
            Ok(true) => {
                let line = self.record.position().map_or(line, csv::Position::line);
                Some(self.row().map_err(|what| BadRow { line, what, fatal: false }))
            }
            Err(why) => {
                let fatal = why.is_io_error();
                self.over = fatal;
                let text = matches!(why.kind(), csv::ErrorKind::Utf8 { .. });
                let what = if text { "not UTF-8 text".to_owned() } else { why.to_string() };
                Some(Err(BadRow { line, what, fatal }))
            }
        }
    }

    fn row(&mut self) -> Result<Row, String> {
        let fields: Vec<&str> = self.record.iter().collect();
        let &[received, started, agent, target, outcome, latency, error] = fields.as_slice() else {
            return Err(format!("{} fields instead of {}", fields.len(), HEADER.len()));
        };
        let received_ms: i64 = number("received_ms", received)?;
        if !(0..=RECEIVED_MS_MAX).contains(&received_ms) {
            return Err(format!("received_ms {received_ms} is no instant from 1970 to 9999"));
        }
        let latency_us: u64 = number("latency_us", latency)?;
        let (outcome, unknown_kind) = outcome_of(outcome, error)?;
        let started_ms: i64 = number("started_ms", started)?;
        let (agent, new_agent) = self.agents.get(agent)?;
        let (target, new_target) = self.targets.get(target)?;
        let observation = Observation {
            received: Timestamp::from_millis(received_ms),
            started: Timestamp::from_millis(started_ms),
            agent,
            target,
            outcome,
            latency: Duration::from_micros(latency_us),
        };
        Ok(Row { observation, new_agent, new_target, unknown_kind })
    }
}

fn number<T: FromStr>(column: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{column} {:?} is no whole number in its range", cut(text)))
}

fn outcome_of(outcome: &str, error: &str) -> Result<(Outcome, Option<String>), String> {
    match (outcome, error) {
        ("ok", "") => Ok((Outcome::Ok, None)),
        ("ok", kind) => Err(format!("outcome is ok, yet error is {:?}", cut(kind))),
        ("fail", "") => Err("outcome is fail, yet error is empty".to_owned()),
        ("fail", word) => Ok(match ErrorKind::from_word(word) {
            Some(kind) => (Outcome::Fail(kind), None),
            None => (Outcome::Fail(ErrorKind::Unspecified), Some(cut(word))),
        }),
        (other, _) => Err(format!("outcome {:?} is neither ok nor fail", cut(other))),
    }
}

/// As much of a text as a message has room for.
fn cut(text: &str) -> String {
    text.chars().take(60).collect()
}
