//! `assert`: what an answer must be beyond its status.

use std::time::Duration;

use parallax_model::target::ASSERTIONS_MAX;
use parallax_model::{Assertion, Must, Stage};
use toml::de::DeValue;

use super::CONTAINS_BYTES_MAX;
use crate::config::section::{Field, Section};

const KEYS: &[&str] = &[
    "header",
    "body",
    "json",
    "certificate_days",
    "stage",
    "within",
    "exists",
    "equals",
    "not_equals",
    "contains",
    "not_contains",
    "matches",
    "not_matches",
    "at_least",
    "at_most",
];

const EXAMPLE: &str = "write { json = \"$.status\", equals = \"ok\" }, \
    { header = \"content-type\", contains = \"json\" }, { body = true, matches = \"^ok\" }, \
    { certificate_days = 14 } or { stage = \"first_byte\", within = \"500ms\" }";

/// Longest time an assertion may allow; more than any timeout.
const WITHIN_MAX: Duration = Duration::from_mins(5);

/// A list of assertions.
pub(super) fn read(field: Field<'_>) -> Vec<Assertion> {
    let entries = field.list("assert = [{ … }]");
    if entries.len() > ASSERTIONS_MAX {
        field.wrong(format!("{} assertions, at most {ASSERTIONS_MAX}; remove some", entries.len()));
    }
    entries.into_iter().filter_map(one).collect()
}

/// The same for a check that has neither headers nor a body.
pub(super) fn without_answer(field: Field<'_>) -> Vec<Assertion> {
    let all = read(field);
    let alone =
        |a: &Assertion| matches!(a, Assertion::CertificateDays(_) | Assertion::Within { .. });
    if !all.iter().all(alone) {
        field.wrong("there is no answer here: only certificate_days and within can be asserted");
    }
    all
}

fn one(field: Field<'_>) -> Option<Assertion> {
    let section = field.section("an assertion", KEYS)?;
    if let Some(days) = section.get("certificate_days") {
        return days.number(1, 3650).map(Assertion::CertificateDays);
    }
    if let Some(most) = section.get("within") {
        return within(section, most);
    }
    let subject =
        ["header", "body", "json"].into_iter().find_map(|key| section.get(key).map(|f| (key, f)));
    let Some((key, of)) = subject else {
        section.wrong(format!("an assertion says nothing of what; {EXAMPLE}"));
        return None;
    };
    let must = must(section)?;
    Some(match key {
        "header" => Assertion::Header { name: of.text()?.to_ascii_lowercase(), must },
        "json" => Assertion::Json { path: path(of)?, must },
        _ => Assertion::Body(must),
    })
}

fn within(section: Section<'_>, field: Field<'_>) -> Option<Assertion> {
    let most = field.duration()?;
    if most.is_zero() || most > WITHIN_MAX {
        field.wrong("is not within 1ms and 5m; write \"500ms\"");
    }
    let stage = section.get("stage").and_then(|f| {
        let word = f.text()?;
        let stage = Stage::from_word(word).filter(|stage| *stage != Stage::Assert);
        if stage.is_none() {
            f.wrong(format!(
                "unknown stage {word:?}; use resolve, connect, tls, first_byte or transfer, or leave it \
                 out for the whole look"
            ));
        }
        stage
    });
    Some(Assertion::Within { stage, most })
}

fn path(field: Field<'_>) -> Option<String> {
    let text = field.text()?;
    if let Err(why) = serde_json_path::JsonPath::parse(text) {
        field.wrong(format!("{text:?} is no JSON path: {why}; write \"$.status\""));
        return None;
    }
    Some(text.to_owned())
}

/// Makes what must hold of what it compares with.
type Word = fn(String) -> Must;

fn must(section: Section<'_>) -> Option<Must> {
    let one = |key| section.get(key);
    let mut said = Vec::new();
    if let Some(there) = one("exists").and_then(|f| f.truth()) {
        said.push(if there { Must::Exist } else { Must::BeAbsent });
    }
    let texts: [(&'static str, Word); 4] = [
        ("equals", Must::Equal),
        ("not_equals", Must::Differ),
        ("contains", Must::Contain),
        ("not_contains", Must::Lack),
    ];
    for (key, must) in texts {
        said.extend(one(key).and_then(plain).map(must));
    }
    let patterns: [(&'static str, Word); 2] =
        [("matches", Must::Match), ("not_matches", Must::MatchNot)];
    for (key, must) in patterns {
        said.extend(one(key).and_then(pattern).map(must));
    }
    let numbers: [(&'static str, Word); 2] =
        [("at_least", Must::AtLeast), ("at_most", Must::AtMost)];
    for (key, must) in numbers {
        said.extend(one(key).and_then(number).map(must));
    }
    if said.len() > 1 {
        section.wrong("an assertion says more than one thing; make two of it");
    } else if said.is_empty() {
        section.wrong(format!("an assertion says nothing that must hold; {EXAMPLE}"));
    }
    said.pop()
}

/// A text, or a number or boolean as it is written.
fn plain(field: Field<'_>) -> Option<String> {
    let text = match field.value() {
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Integer(n) => n.as_str().to_owned(),
        DeValue::Float(n) => n.as_str().to_owned(),
        DeValue::String(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            field.text()?.to_owned()
        }
    };
    if text.len() > CONTAINS_BYTES_MAX {
        field.wrong(format!("has more than {CONTAINS_BYTES_MAX} bytes; shorten it"));
        return None;
    }
    Some(text)
}

fn number(field: Field<'_>) -> Option<String> {
    let text = plain(field)?;
    if !text.parse::<f64>().is_ok_and(f64::is_finite) {
        field.wrong(format!("{text:?} is no number"));
        return None;
    }
    Some(text)
}

fn pattern(field: Field<'_>) -> Option<String> {
    let text = plain(field)?;
    let built = regex::bytes::RegexBuilder::new(&text).unicode(false).size_limit(1 << 20).build();
    if let Err(why) = built {
        let last = why.to_string().lines().last().unwrap_or_default().to_owned();
        field.wrong(format!("{text:?} is no regular expression: {last}"));
        return None;
    }
    Some(text)
}
