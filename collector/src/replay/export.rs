//! The other way round: what a collector heard, as the trace that is replayed.

use std::io::{self, Write};
use std::ops::ControlFlow;

use parallax_model::{AgentName, Outcome, TargetName, Timestamp};

use super::PROGRESS_ROWS;
use super::row::HEADER;
use crate::store::{Arrival, ReadStore, StoreError};

/// What is wanted of it.
pub struct Wanted<'a> {
    /// What was received from here on …
    pub from: Timestamp,
    /// … up to here.
    pub to: Timestamp,
    /// Of these agents …
    pub agents: &'a dyn Fn(&AgentName) -> bool,
    /// … and these targets.
    pub targets: &'a dyn Fn(&TargetName) -> bool,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exported {
    /// Rows.
    pub rows: u64,
    /// Results of agents or targets that are not wanted.
    pub others: u64,
    /// When the first and the last row were received.
    pub span: Option<(Timestamp, Timestamp)>,
}

/// Why it stopped.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The rows cannot be written.
    #[error("cannot write the results: {0}")]
    Write(#[from] io::Error),
}

/// Writes rows as they are visited, never more than a batch in memory. Received times do not go back, as
/// they did not for the engine.
pub fn export(
    read: &dyn ReadStore,
    wanted: &Wanted<'_>,
    out: impl Write,
    progress: &mut dyn FnMut(u64, Timestamp),
) -> Result<Exported, ExportError> {
    let mut sheet = Sheet { out: csv::Writer::from_writer(out), done: Exported::default() };
    let mut broken = sheet.out.write_record(HEADER).map_err(io::Error::from);
    let mut told = 0;
    read.batches(wanted.from..=wanted.to, &mut |arrival| {
        if broken.is_ok() {
            broken = sheet.take(&arrival, wanted);
        }
        if sheet.done.rows >= told + PROGRESS_ROWS {
            told = sheet.done.rows;
            progress(told, arrival.received);
        }
        if broken.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    broken?;
    sheet.out.flush()?;
    Ok(sheet.done)
}

struct Sheet<W: Write> {
    out: csv::Writer<W>,
    done: Exported,
}

impl<W: Write> Sheet<W> {
    fn take(&mut self, arrival: &Arrival, wanted: &Wanted<'_>) -> io::Result<()> {
        let results = arrival.batch.results();
        if !(wanted.agents)(&arrival.agent) {
            self.done.others += results.len() as u64;
            return Ok(());
        }
        for result in results {
            if !(wanted.targets)(&result.target) {
                self.done.others += 1;
                continue;
            }
            let last = self.done.span.map_or(arrival.received, |(_, last)| last);
            let received = last.max(arrival.received);
            let first = self.done.span.map_or(received, |(first, _)| first);
            self.done.span = Some((first, received));
            self.done.rows += 1;
            let (outcome, kind) = match result.outcome {
                Outcome::Ok => ("ok", ""),
                Outcome::Fail(kind) => ("fail", kind.as_str()),
            };
            self.out.write_record([
                received.millis().to_string().as_str(),
                &result.started.millis().to_string(),
                arrival.agent.as_str(),
                result.target.as_str(),
                outcome,
                &result.latency.as_micros().to_string(),
                kind,
            ])?;
        }
        Ok(())
    }
}
