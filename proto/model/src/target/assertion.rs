//! What an answer must be beyond its status.

use std::fmt;
use std::time::Duration;

use crate::Stage;

/// Most assertions of one check.
pub const ASSERTIONS_MAX: usize = 32;

/// One thing that must hold. The first that does not fails the look, and is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assertion {
    /// Of a header of the answer.
    Header {
        /// The header's name, in lower case.
        name: String,
        /// What its value must be.
        must: Must,
    },
    /// Of the body.
    Body(Must),
    /// Of what a JSON path finds in the body.
    Json {
        /// The path (RFC 9535): `$.status`.
        path: String,
        /// What the value it finds must be; of several, one is enough.
        must: Must,
    },
    /// The chain's first certificate to expire has at least so many days left.
    CertificateDays(u32),
    /// A stage took no longer; none: the whole look.
    Within {
        /// The stage.
        stage: Option<Stage>,
        /// The longest it may take.
        most: Duration,
    },
}

/// What a text or a value must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Must {
    /// Be there.
    Exist,
    /// Not be there.
    BeAbsent,
    /// Be this text; a number, a boolean or null as JSON writes it.
    Equal(String),
    /// Be another text.
    Differ(String),
    /// Contain this text.
    Contain(String),
    /// Not contain this text.
    Lack(String),
    /// Match this regular expression.
    Match(String),
    /// Not match this regular expression.
    MatchNot(String),
    /// Be a number, and at least this one.
    AtLeast(String),
    /// Be a number, and at most this one.
    AtMost(String),
}

impl fmt::Display for Must {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exist => f.write_str("exists"),
            Self::BeAbsent => f.write_str("is absent"),
            Self::Equal(text) => write!(f, "equals {text:?}"),
            Self::Differ(text) => write!(f, "differs from {text:?}"),
            Self::Contain(text) => write!(f, "contains {text:?}"),
            Self::Lack(text) => write!(f, "does not contain {text:?}"),
            Self::Match(text) => write!(f, "matches {text:?}"),
            Self::MatchNot(text) => write!(f, "does not match {text:?}"),
            Self::AtLeast(n) => write!(f, "is at least {n}"),
            Self::AtMost(n) => write!(f, "is at most {n}"),
        }
    }
}

/// The assertion's name in the detail of a failed look.
impl fmt::Display for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header { name, must } => write!(f, "header {name} {must}"),
            Self::Body(must) => write!(f, "body {must}"),
            Self::Json { path, must } => write!(f, "json {path} {must}"),
            Self::CertificateDays(days) => write!(f, "certificate valid for {days} days"),
            Self::Within { stage, most } => {
                let stage = stage.map_or("the whole look", Stage::as_str);
                write!(f, "{stage} within {most:?}")
            }
        }
    }
}
