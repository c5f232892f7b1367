//! Reading tables: every key is known or a mistake, every value is of its kind or a mistake.

use std::fmt::Display;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::hint;
use super::source::{Place, Report, Source};

/// One file and where its mistakes go.
#[derive(Clone, Copy)]
pub(super) struct File<'a> {
    pub(super) source: &'a Source,
    pub(super) report: &'a Report,
}

/// A table of which every key is known.
#[derive(Clone, Copy)]
pub(super) struct Section<'a> {
    file: File<'a>,
    /// What the table is, for messages: `a target`.
    what: &'static str,
    table: &'a DeTable<'a>,
    place: Place,
}

impl<'a> Section<'a> {
    /// The table, after every key that is not among `keys` was told.
    pub(super) fn new(
        file: File<'a>,
        what: &'static str,
        table: &'a DeTable<'a>,
        span: &Range<usize>,
        keys: &'static [&'static str],
    ) -> Self {
        for key in table.keys() {
            let word: &str = key.get_ref();
            if !keys.contains(&word) {
                let hint =
                    hint(word, keys.iter().copied(), || format!("known here: {}", keys.join(", ")));
                let place = file.source.place(&key.span());
                file.report.wrong(place, format!("unknown key {word:?} in {what}; {hint}"));
            }
        }
        Self { file, what, table, place: file.source.place(span) }
    }

    /// Notes a mistake of the table as a whole.
    pub(super) fn wrong(&self, what: impl Into<String>) {
        self.file.report.wrong(self.place, what);
    }

    /// The value of a key, if it is there.
    pub(super) fn get(&self, key: &'static str) -> Option<Field<'a>> {
        self.table.get(key).map(|value| Field { file: self.file, key, value })
    }

    /// The value of a key that must be there.
    pub(super) fn need(&self, key: &'static str, example: &str) -> Option<Field<'a>> {
        let field = self.get(key);
        if field.is_none() {
            self.wrong(format!("{} has no {key:?}; add {key} = {example}", self.what));
        }
        field
    }

    /// The tables of a list of tables, empty if the key is not there.
    pub(super) fn tables(&self, key: &'static str) -> Vec<Field<'a>> {
        self.get(key).map(|field| field.list(&format!("[[{key}]]"))).unwrap_or_default()
    }
}

/// A value, its key and its place.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    file: File<'a>,
    key: &'static str,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Field<'a> {
    /// Where the value stands.
    pub(super) fn place(&self) -> Place {
        self.file.source.place(&self.value.span())
    }

    /// Notes a mistake in the value.
    pub(super) fn wrong(&self, what: impl Display) {
        self.file.report.wrong(self.place(), format!("{}: {what}", self.key));
    }

    fn not_a(&self, wanted: &str) {
        let found = self.value.get_ref().type_str();
        self.wrong(format!("must be {wanted}, not a TOML {found}"));
    }

    /// The table.
    pub(super) fn section(
        &self,
        what: &'static str,
        keys: &'static [&'static str],
    ) -> Option<Section<'a>> {
        let table = self.value.get_ref().as_table();
        if table.is_none() {
            self.not_a("a table");
        }
        table.map(|table| Section::new(self.file, what, table, &self.value.span(), keys))
    }

    /// The entries of a list, each under the list's key.
    pub(super) fn list(&self, wanted: &str) -> Vec<Self> {
        let Some(array) = self.value.get_ref().as_array() else {
            self.not_a(&format!("a list: {wanted}"));
            return Vec::new();
        };
        array.iter().map(|value| Field { file: self.file, key: self.key, value }).collect()
    }

    /// The entries of a table whose keys are free.
    pub(super) fn pairs(&self) -> Vec<(&'a str, Self)> {
        let Some(table) = self.value.get_ref().as_table() else {
            self.not_a("a table such as { access = \"wifi\" }");
            return Vec::new();
        };
        table
            .iter()
            .map(|(k, value)| {
                (k.get_ref().as_ref(), Field { file: self.file, key: self.key, value })
            })
            .collect()
    }

    /// The text, without a word if it is none.
    pub(super) fn as_text(&self) -> Option<&'a str> {
        self.value.get_ref().as_str()
    }

    /// The text.
    pub(super) fn text(&self) -> Option<&'a str> {
        let text = self.as_text();
        if text.is_none() {
            self.not_a("text in quotes");
        }
        text
    }

    /// The text as a value that can be read from text.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&self, remedy: &str) -> Option<T> {
        let text = self.text()?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(why) => {
                self.wrong(format!("{text:?}: {why}; {remedy}"));
                None
            }
        }
    }

    /// A whole number, without a word if it is none.
    pub(super) fn as_number(&self) -> Option<i64> {
        let number = self.value.get_ref().as_integer()?;
        i64::from_str_radix(number.as_str(), number.radix()).ok()
    }

    /// A whole number within a range.
    pub(super) fn number<T: TryFrom<i64> + PartialOrd + Display + Copy>(
        &self,
        low: T,
        high: T,
    ) -> Option<T> {
        let within = |n: &T| *n >= low && *n <= high;
        let number = self.as_number().and_then(|n| T::try_from(n).ok()).filter(within);
        if number.is_none() {
            self.wrong(format!("must be a whole number from {low} to {high}"));
        }
        number
    }

    /// The value as TOML has it.
    pub(super) fn value(&self) -> &'a DeValue<'a> {
        self.value.get_ref()
    }

    /// True or false.
    pub(super) fn truth(&self) -> Option<bool> {
        let truth = self.value.get_ref().as_bool();
        if truth.is_none() {
            self.not_a("true or false");
        }
        truth
    }

    /// A length of time: `30s`, `1m 30s`, `500ms`.
    pub(super) fn duration(&self) -> Option<Duration> {
        let Some(text) = self.as_text() else {
            self.not_a("a length of time in quotes such as \"30s\"");
            return None;
        };
        match humantime::parse_duration(text) {
            Ok(duration) => Some(duration),
            Err(why) => {
                self.wrong(format!(
                    "{text:?} is no length of time: {why}; write \"30s\" or \"1m\""
                ));
                None
            }
        }
    }
}
