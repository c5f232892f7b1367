//! The story on a terminal: what was done, what was concluded and why, and how it went.
//!
//! Contract: plain text within [`COLUMNS`], each line whole and flushed as it comes; colour only if
//! asked for, and never as the only carrier of meaning.
//! Never: a decision. A reader who went away (a closed pipe) is no error.

mod lines;

use std::io::Write;
use std::time::Duration;

use super::judge::{Remark, Ruling};
use super::map::{PLACES, TARGETS};
use crate::view::words::Story;

use lines::{Style, wrap};

/// Columns of a plain terminal.
pub const COLUMNS: usize = 80;

/// Tells the story to one reader.
#[derive(Debug)]
pub struct Teller<W> {
    out: W,
    colour: bool,
}

impl<W: Write> Teller<W> {
    /// A teller that writes to `out`.
    pub const fn new(out: W, colour: bool) -> Self {
        Self { out, colour }
    }

    /// What this is; `elsewhere`: the page is not where it usually is.
    pub fn welcome(&mut self, page: &str, elsewhere: bool, data: &str) {
        let (places, servers) = (PLACES.len(), TARGETS.len());
        self.paragraph(
            "",
            &format!(
                "A practice world on this machine: {places} agents in {places} regions look at \
                 {servers} servers every second, each by its own links."
            ),
        );
        let why = if elsewhere { " (the usual port is in use)" } else { "" };
        self.line(Style::Plain, &format!("page  {page}{why}"));
        self.line(Style::Plain, &format!("data  {data}"));
    }

    /// What was done to the world.
    pub fn deed(&mut self, told: &str) {
        self.blank();
        self.line(Style::Strong, &format!("▸ {told}"));
    }

    /// All is well and seen from everywhere.
    pub fn calm(&mut self, remark: Remark) {
        let all = PLACES.len();
        self.marked(remark, &format!("every service is up, seen from {all} of {all} places"));
    }

    /// A fault was opened, or turned out to be somewhere else.
    pub fn stated(&mut self, remark: Remark, story: &Story) {
        self.marked(remark, &format!("{} — {}", story.title, story.aside));
        for sentence in story.sentences() {
            self.paragraph("      ", &sentence);
        }
    }

    /// A fault ended.
    pub fn ended(&mut self, remark: Remark, story: &Story) {
        self.marked(remark, &format!("over: {}", story.title));
    }

    /// A target was called something that it is not.
    pub fn called(&mut self, remark: Remark, target: &str, state: &str) {
        self.marked(remark, &format!("{target} is called {state}"));
    }

    /// How the story went, a line a step.
    pub fn summary(&mut self, rulings: &[Ruling]) {
        self.blank();
        let row = |cells: [&str; 5]| {
            let [step, expected, concluded, after, verdict] = cells;
            format!("  {step:<14} {expected:<20} {concluded:<20} {after:>7}  {verdict}")
        };
        let head = row(["step", "expected", "concluded", "after", ""]);
        self.line(Style::Strong, head.trim_end());
        for ruling in rulings {
            let expected = ruling.step.expected.to_string();
            let (concluded, after) = match ruling.after {
                Some(after) => (expected.as_str(), seconds(after)),
                None => ("no word", "-".to_owned()),
            };
            let (verdict, style) =
                if ruling.is_right() { ("right", Style::Good) } else { ("wrong", Style::Bad) };
            self.line(style, &row([ruling.step.name, &expected, concluded, &after, verdict]));
            if !ruling.is_right() {
                self.paragraph("      ", &ruling.to_string());
            }
        }
    }

    /// Something else that the reader should know.
    pub fn note(&mut self, text: &str) {
        self.blank();
        self.paragraph("", text);
    }

    fn marked(&mut self, remark: Remark, text: &str) {
        let (style, mark, when) = match remark {
            Remark::Concluded { after } => {
                (Style::Good, '✓', format!("after {}: ", seconds(after)))
            }
            Remark::False => (Style::Bad, '✗', "not true: ".to_owned()),
            Remark::Detail => (Style::Plain, '●', String::new()),
        };
        for (at, line) in wrap(&format!("{when}{text}"), COLUMNS - 4).iter().enumerate() {
            let mark = if at == 0 { mark } else { ' ' };
            self.line(style, &format!("  {mark} {line}"));
        }
    }

    fn paragraph(&mut self, indent: &str, text: &str) {
        for line in wrap(text, COLUMNS - indent.len()) {
            self.line(Style::Plain, &format!("{indent}{line}"));
        }
    }

    fn blank(&mut self) {
        self.line(Style::Plain, "");
    }

    fn line(&mut self, style: Style, text: &str) {
        let text = style.paint(text, self.colour);
        // a reader who went away had enough
        drop(writeln!(self.out, "{text}").and_then(|()| self.out.flush()));
    }
}

fn seconds(d: Duration) -> String {
    format!("{:.1} s", d.as_secs_f64())
}

#[cfg(test)]
mod tests;
