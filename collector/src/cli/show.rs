//! Answers for people: tables, and colour where it is wanted.

use std::io::IsTerminal;

use anyhow::Context;
use comfy_table::{Table, presets};
use serde::Serialize;

use super::Failure;
use super::ask::Output;

/// A table without lines, under `header`.
pub(super) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header.iter().map(|h| h.to_uppercase()));
    table.add_rows(rows);
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    table.trim_fmt()
}

/// How text feels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feel {
    Good,
    Odd,
    Bad,
    Soft,
    Strong,
}

/// `text`, coloured if stdout is a terminal and nobody said `NO_COLOR`.
pub(super) fn feel(text: &str, feel: Feel) -> String {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    if !wanted || !std::io::stdout().is_terminal() {
        return text.to_owned();
    }
    let code = match feel {
        Feel::Good => "32",
        Feel::Odd => "33",
        Feel::Bad => "31;1",
        Feel::Soft => "2",
        Feel::Strong => "1",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// Prints `answer` as asked: as JSON, or as `text` puts it.
pub(super) fn print<T: Serialize>(
    output: Output,
    answer: &T,
    text: impl FnOnce(&T) -> String,
) -> Result<(), Failure> {
    let text = match output {
        Output::Json => serde_json::to_string_pretty(answer).context("write the answer as JSON")?,
        Output::Table => text(answer),
    };
    super::say(&text);
    Ok(())
}

/// `24 ms`, or a dash.
pub(super) fn latency(ms: Option<f64>) -> Option<String> {
    ms.map(|ms| if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") })
}

/// How long before `now_ms` the instant `at_ms` was.
pub(super) fn ago(at_ms: i64, now_ms: i64) -> String {
    let ms = u64::try_from(now_ms.saturating_sub(at_ms)).unwrap_or(0);
    crate::view::words::duration(std::time::Duration::from_millis(ms))
}
