//! `GET /api/v1/agents/{name}`: one agent, what it sees, and what touches it.

use axum::Json;
use axum::extract::{Path, State};
use parallax_model::{AgentName, ErrorKind};
use serde::{Deserialize, Serialize};

use super::dto::{AgentJson, ms};
use super::problem::Problem;
use crate::view::{AgentView, Edge, PathRow};

/// An agent alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OneAgentJson {
    /// What the list of agents says of it.
    #[serde(flatten)]
    pub agent: AgentJson,
    /// Open faults of it, of where it stands, or seen from it; the worst first.
    pub faults: Vec<String>,
    /// What it sees, by target.
    pub sees: Vec<SeesJson>,
}

/// An agent's last look at a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeesJson {
    /// At what.
    pub target: String,
    /// `fine`, `failing`, `unable`, or `silent`: nothing was heard lately
    pub state: String,
    /// When it arrived.
    pub last_ms: i64,
    /// How long it took, if it was fine.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub latency_ms: Option<f64>,
    /// How it failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// What it said of its failure.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
}

pub(super) async fn agent(
    State(edge): State<Edge>,
    Path(name): Path<String>,
) -> Result<Json<OneAgentJson>, Problem> {
    let unknown = || Problem::not_found(format!("there is no agent {name:?}"));
    let known = AgentName::new(&name).map_err(|_| unknown())?;
    let agent = edge.view.agent(&known, (edge.now)()).ok_or_else(unknown)?;
    Ok(Json((&agent).into()))
}

impl From<&AgentView> for OneAgentJson {
    fn from(of: &AgentView) -> Self {
        Self {
            agent: (&of.row).into(),
            faults: of.faults.iter().map(ToString::to_string).collect(),
            sees: of.paths.iter().map(Into::into).collect(),
        }
    }
}

impl From<&PathRow> for SeesJson {
    fn from(row: &PathRow) -> Self {
        let error = row.path.error();
        let state = match error {
            _ if !row.fresh => "silent",
            None => "fine",
            Some(kind) if kind.is_ours() => "unable",
            Some(_) => "failing",
        };
        Self {
            target: row.target.to_string(),
            state: state.to_owned(),
            last_ms: row.path.received().millis(),
            latency_ms: error.is_none().then(|| ms(row.path.latency())),
            error: error.map(ErrorKind::as_str).map(str::to_owned),
            detail: row.path.detail().map(str::to_owned),
        }
    }
}
