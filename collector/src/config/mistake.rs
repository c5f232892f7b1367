//! Mistakes in a configuration, as a person can mend them.

use std::fmt;

/// Most mistakes told at once: nobody reads more, and a file of another kind would be all mistakes.
const TOLD_MAX: usize = 100;

/// Most doubts told at once: who writes a rule that cannot be met may well have written it for each target.
pub const DOUBTS_MAX: usize = 5;

/// One mistake: `file:line: what is wrong; what to do`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The file.
    pub file: String,
    /// The line, from 1; none where the file as a whole is meant.
    pub line: Option<usize>,
    /// What is wrong, and what to do.
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

/// Every mistake of a configuration, one line each. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes(Vec<Mistake>);

impl Mistakes {
    /// These, unless there are none.
    pub(super) fn unless_none(mistakes: Vec<Mistake>) -> Option<Self> {
        (!mistakes.is_empty()).then_some(Self(mistakes))
    }

    /// The mistakes, in the order of files and lines.
    pub fn all(&self) -> &[Mistake] {
        &self.0
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, mistake) in self.0.iter().take(TOLD_MAX).enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            mistake.fmt(f)?;
        }
        match self.0.len().checked_sub(TOLD_MAX) {
            None | Some(0) => Ok(()),
            Some(more) => write!(f, "\nand {more} more mistakes"),
        }
    }
}

impl std::error::Error for Mistakes {}

/// The first doubts, a line each, and how many more there are.
pub fn few_of(doubts: &[Mistake]) -> Vec<String> {
    let mut lines: Vec<_> = doubts.iter().take(DOUBTS_MAX).map(ToString::to_string).collect();
    if let more @ 1.. = doubts.len().saturating_sub(DOUBTS_MAX) {
        lines.push(format!("and {more} more like these"));
    }
    lines
}

/// The word of `known` that `word` was probably meant to be. At most a third of the letters may
/// differ: further away a hint misleads.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(&word.to_lowercase(), &k.to_lowercase()), k))
        .filter(|&(distance, _)| distance <= limit)
        .min()
        .map(|(_, k)| k)
}

/// `did you mean "…"?` or, where nothing is near, `otherwise`.
pub(super) fn hint<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
    otherwise: impl FnOnce() -> String,
) -> String {
    nearest(word, known).map_or_else(otherwise, |near| format!("did you mean {near:?}?"))
}
