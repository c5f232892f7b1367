//! The files of a configuration, and the lines in them.

use std::cell::RefCell;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::{fs, io};

use toml::Spanned;
use toml::de::DeTable;

use super::mistake::Mistake;

/// Largest file read: 20,000 targets take about 4 MB.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Most files read from `conf.d`.
const FILES_MAX: usize = 1000;

/// A line of one of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) file: usize,
    pub(super) line: Option<usize>,
}

/// Collects mistakes over all files.
#[derive(Debug, Default)]
pub(super) struct Report {
    files: RefCell<Vec<String>>,
    found: RefCell<Vec<(Place, String)>>,
    doubts: RefCell<Vec<(Place, String)>>,
}

impl Report {
    fn add_file(&self, path: &Path) -> usize {
        let mut files = self.files.borrow_mut();
        files.push(path.display().to_string());
        files.len() - 1
    }

    /// Notes a mistake.
    pub(super) fn wrong(&self, place: Place, what: impl Into<String>) {
        self.found.borrow_mut().push((place, what.into()));
    }

    /// Notes what is allowed and can hardly be meant.
    pub(super) fn doubt(&self, place: Place, what: impl Into<String>) {
        self.doubts.borrow_mut().push((place, what.into()));
    }

    /// `file:line` of a place, to point from one mistake to another place.
    pub(super) fn name_of(&self, place: Place) -> String {
        let files = self.files.borrow();
        let file = files.get(place.file).map_or("?", String::as_str);
        place.line.map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"))
    }

    /// All mistakes, in the order of files and lines.
    pub(super) fn into_mistakes(self) -> Vec<Mistake> {
        self.sorted(self.found.take())
    }

    /// All doubts, in the same order.
    pub(super) fn doubts(&self) -> Vec<Mistake> {
        self.sorted(self.doubts.take())
    }

    fn sorted(&self, mut found: Vec<(Place, String)>) -> Vec<Mistake> {
        let files = self.files.borrow();
        found.sort_by_key(|&(place, _)| place);
        let file = |place: Place| files.get(place.file).cloned().unwrap_or_default();
        let mistake =
            |(place, what): (Place, String)| Mistake { file: file(place), line: place.line, what };
        found.into_iter().map(mistake).collect()
    }
}

/// The text of one file.
#[derive(Debug)]
pub(super) struct Source {
    index: usize,
    text: String,
    /// Where each line begins: a mistake's line is looked up, not counted.
    lines: Vec<usize>,
}

impl Source {
    /// Reads a file; a file that cannot be read is a mistake.
    pub(super) fn read(path: &Path, report: &Report) -> Option<Self> {
        let index = report.add_file(path);
        match read_bounded(path) {
            Ok(text) => {
                let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
                let lines = std::iter::once(0).chain(breaks).collect();
                Some(Self { index, text, lines })
            }
            Err(why) => {
                let what = format!("cannot be read: {why}; name a file that can");
                report.wrong(Place { file: index, line: None }, what);
                None
            }
        }
    }

    /// The line in which a span begins.
    pub(super) fn place(&self, span: &Range<usize>) -> Place {
        Place {
            file: self.index,
            line: Some(self.lines.partition_point(|&begin| begin <= span.start)),
        }
    }

    /// The file's keys as they are written; none if it is not TOML, which [`Source::parse`] tells.
    pub(super) fn table(&self) -> toml::Table {
        self.text.parse().unwrap_or_default()
    }

    /// The file as TOML, or each way in which it is not.
    pub(super) fn parse(&self, report: &Report) -> Option<Spanned<DeTable<'_>>> {
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        for error in &errors {
            let place = error
                .span()
                .map_or(Place { file: self.index, line: None }, |span| self.place(&span));
            report.wrong(place, format!("not TOML: {}; mend the syntax", error.message()));
        }
        errors.is_empty().then_some(table)
    }
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let meta = fs::metadata(path)?;
    if meta.is_dir() {
        return Err(io::Error::other("it is a folder"));
    }
    if meta.len() > FILE_BYTES_MAX {
        return Err(io::Error::other("it is larger than 16 MiB"));
    }
    fs::read_to_string(path)
}

/// The `conf.d/*.toml` beside a file, by name; none where there is no such folder.
pub(super) fn beside(path: &Path, report: &Report) -> Vec<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new("")).join("conf.d");
    let listed = fs::read_dir(&folder).and_then(|entries| {
        entries.map(|entry| entry.map(|e| e.path())).collect::<io::Result<Vec<PathBuf>>>()
    });
    let mut paths = match listed {
        Ok(paths) => paths,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(why) => {
            let index = report.add_file(&folder);
            let what = format!("cannot be read: {why}; make it readable or remove it");
            report.wrong(Place { file: index, line: None }, what);
            return Vec::new();
        }
    };
    paths.retain(|p| is_config_file(p));
    paths.sort();
    if paths.len() > FILES_MAX {
        let index = report.add_file(&folder);
        let what = format!("has {} files, at most {FILES_MAX} are read; merge some", paths.len());
        report.wrong(Place { file: index, line: None }, what);
    }
    paths.truncate(FILES_MAX);
    paths
}

/// `*.toml`, but no hidden file: editors leave those behind.
fn is_config_file(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|n| n.as_encoded_bytes().starts_with(b"."));
    !hidden && path.extension().is_some_and(|e| e == "toml")
}
