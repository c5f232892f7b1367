//! The text format of Prometheus, version 0.0.4.

use std::fmt::{Display, Write as _};

/// What the answers say they are.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A family of series: name, type and help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Metric {
    /// The name.
    pub name: &'static str,
    /// `counter`, `gauge`, `histogram` or `summary`
    pub kind: &'static str,
    /// What it counts, for people.
    pub help: &'static str,
}

/// Labels in the form in which they stand between braces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Labels(String);

impl Labels {
    /// With one more label. An empty value is no label.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        if value.is_empty() {
            return self;
        }
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(name);
        self.0.push_str("=\"");
        for c in value.chars() {
            match c {
                '\\' => self.0.push_str(r"\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str(r"\n"),
                c => self.0.push(c),
            }
        }
        self.0.push('"');
        self
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Writes the series of one family after another. A family without series is not named.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    metric: Metric,
    headed: bool,
    out: &'a mut String,
}

impl<'a> Lines<'a> {
    /// The lines of `metric`; `headed`: its head is written already.
    pub(super) const fn new(metric: Metric, headed: bool, out: &'a mut String) -> Self {
        Self { metric, headed, out }
    }

    pub(super) const fn is_headed(&self) -> bool {
        self.headed
    }

    /// One series.
    pub(super) fn put(&mut self, labels: &Labels, value: impl Display) {
        self.put_part("", labels, None, value);
    }

    /// One series with a label of its own.
    pub(super) fn put_with(&mut self, labels: &Labels, own: (&str, &str), value: impl Display) {
        self.put_part("", labels, Some(own), value);
    }

    /// One series of a histogram or summary: `suffix` is `_bucket`, `_sum` or `_count`. The label's
    /// value must not need escaping.
    pub(super) fn put_part(
        &mut self,
        suffix: &str,
        labels: &Labels,
        own: Option<(&str, &str)>,
        value: impl Display,
    ) {
        let Metric { name, kind, help } = self.metric;
        // writing to a string cannot fail
        let mut write =
            |text: std::fmt::Arguments<'_>| self.out.write_fmt(text).unwrap_or_default();
        if !self.headed {
            write(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        }
        let labels = labels.as_str();
        match own {
            None if labels.is_empty() => write(format_args!("{name}{suffix} {value}\n")),
            None => write(format_args!("{name}{suffix}{{{labels}}} {value}\n")),
            Some((label, own)) => {
                let comma = if labels.is_empty() { "" } else { "," };
                write(format_args!("{name}{suffix}{{{labels}{comma}{label}=\"{own}\"}} {value}\n"));
            }
        }
        self.headed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_heads_are_written_once() {
        let metric = Metric { name: "m", kind: "gauge", help: "Help." };
        let mut out = String::new();
        let labels = Labels::default().with("a", "back\\slash \"quoted\"\nline").with("b", "");
        let mut lines = Lines::new(metric, false, &mut out);
        lines.put(&labels, 1);
        lines.put_with(&Labels::default(), ("le", "+Inf"), 0.25);
        lines.put_part("_sum", &Labels::default(), None, 1.5);
        assert_eq!(
            out,
            "# HELP m Help.\n# TYPE m gauge\nm{a=\"back\\\\slash \\\"quoted\\\"\\nline\"} 1\n\
             m{le=\"+Inf\"} 0.25\nm_sum 1.5\n"
        );
    }
}
