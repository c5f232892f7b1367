//! One line on a terminal that says how far a long work is.

use std::cell::Cell;
use std::io::{self, IsTerminal, Write};

use parallax_model::Timestamp;

use crate::view::words;

/// The line, on stderr.
#[derive(Debug)]
pub(super) struct Progress {
    wanted: bool,
    /// It stands there, and what is printed next would be written behind it.
    shown: Cell<bool>,
}

impl Progress {
    /// None where nobody reads it: where stderr is no terminal, or not `wanted`.
    pub(super) fn new(wanted: bool) -> Self {
        Self { wanted: wanted && io::stderr().is_terminal(), shown: Cell::new(false) }
    }

    pub(super) fn show(&self, rows: u64, at: Timestamp) {
        if self.wanted {
            self.shown.set(true);
            let mut err = io::stderr().lock();
            drop(write!(err, "\r{}", line(rows, at)).and_then(|()| err.flush()));
        }
    }

    /// Whatever follows stands on a line of its own.
    pub(super) fn end(&self) {
        if self.shown.take() {
            super::complain("");
        }
    }
}

fn line(rows: u64, at: Timestamp) -> String {
    format!("{rows} results, at {}   ", words::rfc3339(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_how_many_and_where_in_time() {
        let at = Timestamp::from_millis(1_795_467_600_000);
        assert_eq!(line(40_000, at), "40000 results, at 2026-11-23T21:00:00.000Z   ");
        let unwanted = Progress::new(false);
        unwanted.show(1, at);
        assert!(!unwanted.shown.get());
    }
}
