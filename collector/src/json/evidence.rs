//! Evidence as JSON.

use std::collections::BTreeMap;

use parallax_model::{Alternative, Confidence, ErrorKind, Evidence, Timestamp, Without, Witness};
use serde::{Deserialize, Serialize};

use super::{InvalidFault, LocusJson, rounded};

/// Why the engine says what it says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvidenceJson {
    /// Failing paths in all.
    pub for_count: u32,
    /// Healthy paths in all.
    pub against_count: u32,
    /// Estimated share of looks that fail within the locus.
    pub failure_rate: f64,
    /// Failing looks by error kind.
    pub kinds: BTreeMap<String, u32>,
    /// Failing paths, worst first.
    pub witnesses_for: Vec<WitnessJson>,
    /// Healthy paths that bound the locus.
    pub witnesses_against: Vec<WitnessJson>,
    /// The best other explanation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub alternative: Option<AlternativeJson>,
    /// Confidence without one agent.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub without: Vec<WithoutJson>,
    /// Since when looks are good again; absent unless it is recovering.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub good_since_ms: Option<i64>,
    /// Version of the calibration.
    pub calibration: u32,
}

/// One path that bears witness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessJson {
    /// Who looked.
    pub agent: String,
    /// At what.
    pub target: String,
    /// Looks that were fine.
    pub ok: u32,
    /// Looks that failed.
    pub fail: u32,
    /// The latest failure's kind.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// The stage in which it ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stage: Option<String>,
    /// When it was last heard.
    pub last_ms: i64,
}

/// Another explanation and by how much it lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlternativeJson {
    /// What else it could be; the word `noise` for no other fault, only chance.
    #[serde(flatten)]
    pub locus: LocusJson,
    /// How many faults it takes, of which this is the strongest.
    #[serde(default)]
    pub parts: u32,
    /// By how many nats it lost.
    pub behind_nats: f64,
}

/// Leave-one-out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WithoutJson {
    /// The agent left out.
    pub agent: String,
    /// The confidence without it.
    pub confidence: f64,
}

impl From<&Evidence> for EvidenceJson {
    fn from(e: &Evidence) -> Self {
        Self {
            for_count: e.for_count,
            against_count: e.against_count,
            failure_rate: rounded(e.failure_rate),
            kinds: e.kinds.iter().map(|(kind, n)| (kind.as_str().to_owned(), *n)).collect(),
            witnesses_for: e.witnesses_for.iter().map(Into::into).collect(),
            witnesses_against: e.witnesses_against.iter().map(Into::into).collect(),
            alternative: e.alternative.as_ref().map(Into::into),
            without: e.without.iter().map(without_to_json).collect(),
            good_since_ms: e.good_since.map(Timestamp::millis),
            calibration: e.calibration,
        }
    }
}

/// What stands for a locus where chance is the best other explanation.
const NOISE: &str = "noise";

impl From<&Alternative> for AlternativeJson {
    fn from(a: &Alternative) -> Self {
        let noise = || LocusJson { locus: NOISE.to_owned(), ..LocusJson::default() };
        Self {
            locus: a.locus.as_ref().map_or_else(noise, Into::into),
            parts: a.parts,
            behind_nats: rounded(a.behind_nats),
        }
    }
}

fn without_to_json(w: &Without) -> WithoutJson {
    WithoutJson { agent: w.agent.to_string(), confidence: rounded(w.confidence.get()) }
}

impl From<&Witness> for WitnessJson {
    fn from(w: &Witness) -> Self {
        Self {
            agent: w.agent.to_string(),
            target: w.target.to_string(),
            ok: w.ok,
            fail: w.fail,
            error: w.kind.map(|k| k.as_str().to_owned()),
            stage: w.stage.map(|s| s.as_str().to_owned()),
            last_ms: w.last.millis(),
        }
    }
}

impl TryFrom<&EvidenceJson> for Evidence {
    type Error = InvalidFault;

    fn try_from(json: &EvidenceJson) -> Result<Self, InvalidFault> {
        let mut kinds = json
            .kinds
            .iter()
            .map(|(word, n)| Ok((kind(word)?, *n)))
            .collect::<Result<Vec<_>, InvalidFault>>()?;
        // JSON objects have no order; most first is the model's
        kinds.sort_by_key(|&(kind, n)| (std::cmp::Reverse(n), kind));
        Ok(Self {
            witnesses_for: witnesses(&json.witnesses_for)?,
            witnesses_against: witnesses(&json.witnesses_against)?,
            for_count: json.for_count,
            against_count: json.against_count,
            kinds,
            failure_rate: json.failure_rate,
            alternative: json.alternative.as_ref().map(alternative).transpose()?,
            without: json.without.iter().map(without).collect::<Result<_, _>>()?,
            good_since: json.good_since_ms.map(Timestamp::from_millis),
            calibration: json.calibration,
        })
    }
}

fn kind(word: &str) -> Result<ErrorKind, InvalidFault> {
    ErrorKind::from_word(word)
        .ok_or_else(|| InvalidFault::new("evidence.kinds", format!("unknown word {word:?}")))
}

fn alternative(json: &AlternativeJson) -> Result<Alternative, InvalidFault> {
    let is_noise = json.locus.locus == NOISE;
    let locus = if is_noise { None } else { Some((&json.locus).try_into()?) };
    // faults of before did not say how many
    let parts = json.parts.max(u32::from(!is_noise));
    Ok(Alternative { locus, parts, behind_nats: json.behind_nats })
}

fn without(json: &WithoutJson) -> Result<Without, InvalidFault> {
    let agent = json.agent.parse().map_err(|why| InvalidFault::new("evidence.without", why))?;
    Ok(Without { agent, confidence: Confidence::new(json.confidence) })
}

fn witnesses(json: &[WitnessJson]) -> Result<Vec<Witness>, InvalidFault> {
    let witness = |w: &WitnessJson| {
        let invalid = |why| InvalidFault::new("evidence.witnesses", why);
        let kind = w.error.as_deref().map(kind).transpose()?;
        Ok(Witness {
            agent: w.agent.parse().map_err(invalid)?,
            target: w.target.parse().map_err(invalid)?,
            ok: w.ok,
            fail: w.fail,
            kind,
            // the stage follows from the kind
            stage: kind.map(ErrorKind::stage),
            last: Timestamp::from_millis(w.last_ms),
        })
    };
    json.iter().map(witness).collect()
}
