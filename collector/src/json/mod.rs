//! Faults as JSON: one shape for verdict lines, the API, the event stream and the store.
//!
//! Contract: [`FaultJson`] is made from a [`Fault`] and gives the same fault back; keys and words are
//! relied on from outside (verdicts.jsonl, `/api/v1/faults`). Times are milliseconds since the Unix
//! epoch under keys that end in `_ms`.
//! Never: a decision, I/O; serde stays out of the model.

mod evidence;
mod seen;

use parallax_model::{Confidence, Coverage, Fault, FaultId, FaultState, Locus, Reason, Timestamp};
use serde::{Deserialize, Serialize};

use evidence::EvidenceJson;
pub use seen::SeenJson;

/// A fault as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultJson {
    /// `f-17`
    pub id: String,
    /// When the fault began.
    pub onset_ms: i64,
    /// When the engine said so.
    pub opened_ms: i64,
    /// When the engine last changed its word.
    pub updated_ms: i64,
    /// When it ended; absent while open.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end_ms: Option<i64>,
    /// `down` or `degraded`
    pub state: String,
    /// `silent` or `slow`, where failing looks are not the reason.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// The locus and its keys.
    #[serde(flatten)]
    pub locus: LocusJson,
    /// 0..=1
    pub confidence: f64,
    /// Who bears witness.
    pub coverage: CoverageJson,
    /// Services that suffer because this one is at fault.
    pub affected_targets: Vec<String>,
    /// Regions in which it shows, when it does not show in all.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub regions: Vec<String>,
    /// Why.
    pub evidence: EvidenceJson,
}

/// A locus and its keys.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LocusJson {
    /// The locus's word.
    pub locus: String,
    /// The service.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target: Option<String>,
    /// The region.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub region: Option<String>,
    /// The provider.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub provider: Option<String>,
    /// The agent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agent: Option<String>,
    /// The dependency.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dependency: Option<String>,
}

/// How many failure domains bear witness, of how many assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverageJson {
    /// With a fresh result.
    pub domains: u32,
    /// That should have one.
    pub assigned: u32,
}

/// JSON that is no fault: which key, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {why}")]
pub struct InvalidFault {
    key: &'static str,
    why: String,
}

impl InvalidFault {
    fn new(key: &'static str, why: impl std::fmt::Display) -> Self {
        Self { key, why: why.to_string() }
    }
}

impl From<&Locus> for LocusJson {
    fn from(locus: &Locus) -> Self {
        let mut json = Self { locus: locus.kind().to_owned(), ..Self::default() };
        for (key, value) in locus.keys() {
            let slot = match key {
                "target" => &mut json.target,
                "region" => &mut json.region,
                "provider" => &mut json.provider,
                "agent" => &mut json.agent,
                _ => &mut json.dependency,
            };
            *slot = Some(value.to_owned());
        }
        json
    }
}

/// A key that the locus needs, as a name.
fn key<T: std::str::FromStr<Err: std::fmt::Display>>(
    key: &'static str,
    value: Option<&String>,
) -> Result<T, InvalidFault> {
    let value = value.ok_or_else(|| InvalidFault::new(key, "missing for this locus"))?;
    value.parse().map_err(|why| InvalidFault::new(key, why))
}

impl TryFrom<&LocusJson> for Locus {
    type Error = InvalidFault;

    fn try_from(json: &LocusJson) -> Result<Self, InvalidFault> {
        let target = || key("target", json.target.as_ref());
        let region = || key("region", json.region.as_ref());
        let provider = || key("provider", json.provider.as_ref());
        let agent = || key("agent", json.agent.as_ref());
        Ok(match json.locus.as_str() {
            "service" => Self::Service { target: target()? },
            "service_region" => Self::ServiceRegion { target: target()?, region: region()? },
            "service_provider" => {
                Self::ServiceProvider { target: target()?, provider: provider()? }
            }
            "dependency" => Self::Dependency {
                target: target()?,
                dependency: key("dependency", json.dependency.as_ref())?,
            },
            "region" => Self::Region { region: region()? },
            "provider" => Self::Provider { provider: provider()? },
            "agent" => Self::Agent { agent: agent()? },
            "path" => Self::Path { agent: agent()?, target: target()? },
            "collector" => Self::Collector,
            other => return Err(InvalidFault::new("locus", format!("unknown word {other:?}"))),
        })
    }
}

impl From<Coverage> for CoverageJson {
    fn from(coverage: Coverage) -> Self {
        Self { domains: coverage.domains, assigned: coverage.assigned }
    }
}

impl From<&Fault> for FaultJson {
    fn from(fault: &Fault) -> Self {
        Self {
            id: fault.id.to_string(),
            onset_ms: fault.onset.millis(),
            opened_ms: fault.opened.millis(),
            updated_ms: fault.updated.millis(),
            end_ms: fault.ended.map(Timestamp::millis),
            state: fault.state.as_str().to_owned(),
            reason: fault.reason.map(|r| r.as_str().to_owned()),
            locus: (&fault.locus).into(),
            confidence: rounded(fault.confidence.get()),
            coverage: fault.coverage.into(),
            affected_targets: names(&fault.affected_targets),
            regions: names(&fault.regions),
            evidence: (&fault.evidence).into(),
        }
    }
}

fn names<T: ToString>(names: &[T]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// Four digits: more would be noise, and would differ between machines.
fn rounded(x: f64) -> f64 {
    (x * 1e4).round() / 1e4
}

impl TryFrom<&FaultJson> for Fault {
    type Error = InvalidFault;

    fn try_from(json: &FaultJson) -> Result<Self, InvalidFault> {
        Ok(Self {
            id: json.id.parse::<FaultId>().map_err(|why| InvalidFault::new("id", why))?,
            locus: (&json.locus).try_into()?,
            state: match json.state.as_str() {
                "down" => FaultState::Down,
                "degraded" => FaultState::Degraded,
                other => return Err(InvalidFault::new("state", format!("unknown word {other:?}"))),
            },
            reason: match json.reason.as_deref() {
                None => None,
                Some("silent") => Some(Reason::Silent),
                Some("slow") => Some(Reason::Slow),
                Some(other) => {
                    return Err(InvalidFault::new("reason", format!("unknown word {other:?}")));
                }
            },
            onset: Timestamp::from_millis(json.onset_ms),
            opened: Timestamp::from_millis(json.opened_ms),
            updated: Timestamp::from_millis(json.updated_ms),
            ended: json.end_ms.map(Timestamp::from_millis),
            confidence: Confidence::new(json.confidence),
            coverage: Coverage { domains: json.coverage.domains, assigned: json.coverage.assigned },
            affected_targets: parsed("affected_targets", &json.affected_targets)?,
            regions: parsed("regions", &json.regions)?,
            evidence: (&json.evidence).try_into()?,
        })
    }
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
    key: &'static str,
    names: &[String],
) -> Result<Vec<T>, InvalidFault> {
    names.iter().map(|n| n.parse().map_err(|why| InvalidFault::new(key, why))).collect()
}

#[cfg(test)]
mod tests;
