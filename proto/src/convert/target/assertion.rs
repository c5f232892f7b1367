//! Assertions.

use std::time::Duration;

use parallax_model::target::ASSERTIONS_MAX;
use parallax_model::{Assertion, Must, Stage};
use pb::assertion::{Body, Of, Within};

use crate::convert::{InvalidMessage, bounded};
use crate::pb;

const UNKNOWN: &str = "unknown: this agent is older than its collector, update it";

pub(super) fn to_wire(assertions: &[Assertion]) -> Vec<pb::Assertion> {
    assertions.iter().map(one_to_wire).collect()
}

fn one_to_wire(assertion: &Assertion) -> pb::Assertion {
    let text = |of, must: &Must| {
        let (must, value) = must_to_wire(must);
        pb::Assertion { of: Some(of), must: must.into(), value }
    };
    let alone = |of| pb::Assertion { of: Some(of), ..pb::Assertion::default() };
    match assertion {
        Assertion::Header { name, must } => text(Of::Header(name.clone()), must),
        Assertion::Body(must) => text(Of::Body(Body {}), must),
        Assertion::Json { path, must } => text(Of::Json(path.clone()), must),
        Assertion::CertificateDays(days) => alone(Of::CertificateDays(*days)),
        Assertion::Within { stage, most } => alone(Of::Within(Within {
            stage: stage.map_or("", Stage::as_str).to_owned(),
            most_us: super::micros(*most),
        })),
    }
}

fn must_to_wire(must: &Must) -> (pb::Must, String) {
    match must {
        Must::Exist => (pb::Must::Exist, String::new()),
        Must::BeAbsent => (pb::Must::BeAbsent, String::new()),
        Must::Equal(text) => (pb::Must::Equal, text.clone()),
        Must::Differ(text) => (pb::Must::Differ, text.clone()),
        Must::Contain(text) => (pb::Must::Contain, text.clone()),
        Must::Lack(text) => (pb::Must::Lack, text.clone()),
        Must::Match(text) => (pb::Must::Match, text.clone()),
        Must::MatchNot(text) => (pb::Must::MatchNot, text.clone()),
        Must::AtLeast(text) => (pb::Must::AtLeast, text.clone()),
        Must::AtMost(text) => (pb::Must::AtMost, text.clone()),
    }
}

pub(super) fn from_wire(wire: Vec<pb::Assertion>) -> Result<Vec<Assertion>, InvalidMessage> {
    bounded("target.assertions", wire.len(), ASSERTIONS_MAX)?;
    wire.into_iter().map(one_from_wire).collect()
}

fn one_from_wire(wire: pb::Assertion) -> Result<Assertion, InvalidMessage> {
    let must = wire.must();
    let must = || must_from_wire(must, wire.value);
    Ok(match wire.of.ok_or_else(|| InvalidMessage::new("target.assertions.of", UNKNOWN))? {
        Of::Header(name) => Assertion::Header { name, must: must()? },
        Of::Body(Body {}) => Assertion::Body(must()?),
        Of::Json(path) => Assertion::Json { path, must: must()? },
        Of::CertificateDays(days) => Assertion::CertificateDays(days),
        Of::Within(within) => Assertion::Within {
            stage: stage(&within.stage)?,
            most: Duration::from_micros(within.most_us),
        },
    })
}

fn stage(word: &str) -> Result<Option<Stage>, InvalidMessage> {
    if word.is_empty() {
        return Ok(None);
    }
    let stage = Stage::from_word(word);
    stage.map(Some).ok_or_else(|| InvalidMessage::new("target.assertions.within.stage", UNKNOWN))
}

fn must_from_wire(must: pb::Must, value: String) -> Result<Must, InvalidMessage> {
    Ok(match must {
        pb::Must::Exist => Must::Exist,
        pb::Must::BeAbsent => Must::BeAbsent,
        pb::Must::Equal => Must::Equal(value),
        pb::Must::Differ => Must::Differ(value),
        pb::Must::Contain => Must::Contain(value),
        pb::Must::Lack => Must::Lack(value),
        pb::Must::Match => Must::Match(value),
        pb::Must::MatchNot => Must::MatchNot(value),
        pb::Must::AtLeast => Must::AtLeast(value),
        pb::Must::AtMost => Must::AtMost(value),
        pb::Must::Unknown => {
            return Err(InvalidMessage::new("target.assertions.must", UNKNOWN));
        }
    })
}
