//! The HTTP API: what the view knows, as JSON, and as a stream of events.
//!
//! Contract: `GET /api/v1/{overview,targets,agents,agents/{name},faults,faults/{id},events}`, `/healthz`,
//! `/readyz`; shapes in [`dto`]; mistakes are problem details (RFC 9457); pages by cursor. Other
//! edges are handed in and stand behind the same `guard`s.
//! Never: a decision, a read past `view`, an answer without a bound.

pub mod agent;
pub mod dto;
mod events;
mod guard;
pub mod policy;
mod problem;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use parallax_model::FaultId;
use serde::Deserialize;

use crate::view::{Edge, FaultQuery, StoreError, View};

use dto::{AgentsJson, FaultsJson, OverviewJson, ReadyJson, TargetsJson};
use problem::Problem;

/// Faults on a page unless asked otherwise, and at most: a fault with its evidence takes up to 10 KB.
const PAGE_DEFAULT: usize = 50;
const PAGE_MAX: usize = 200;

/// Largest body of any request; those that have one carry an order of a few words.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// Everything that is served at `bound`: the API, and `more` (pages, metrics) behind the same guards.
pub fn router(edge: &Edge, bound: SocketAddr, more: Router) -> Router {
    Router::new()
        .route("/api/v1/overview", get(overview))
        .route("/api/v1/targets", get(targets))
        .route("/api/v1/agents", get(agents))
        .route("/api/v1/agents/{name}", get(agent::agent))
        .route("/api/v1/faults", get(faults))
        .route("/api/v1/faults/{id}", get(fault))
        .route("/api/v1/events", get(events::stream))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(edge.clone())
        .merge(more)
        .fallback(|| async { Problem::not_found("there is nothing at this path") })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(bound.ip().is_loopback(), guard::guard))
}

async fn overview(State(edge): State<Edge>) -> Json<OverviewJson> {
    let overview = OverviewJson::from(&edge.view.overview((edge.now)()));
    let webhooks = edge.health.webhooks();
    Json(OverviewJson { webhooks: webhooks.iter().map(Into::into).collect(), ..overview })
}

async fn targets(State(edge): State<Edge>) -> Json<TargetsJson> {
    let targets = edge.view.targets((edge.now)());
    Json(TargetsJson { targets: targets.iter().map(Into::into).collect() })
}

async fn agents(State(edge): State<Edge>) -> Json<AgentsJson> {
    Json(AgentsJson { agents: edge.view.agents().iter().map(Into::into).collect() })
}

/// What may be asked of the list of faults.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultsQuery {
    state: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

impl TryFrom<FaultsQuery> for FaultQuery {
    type Error = Problem;

    fn try_from(query: FaultsQuery) -> Result<Self, Problem> {
        let open = match query.state.as_deref() {
            None | Some("all") => None,
            Some("open") => Some(true),
            Some("closed") => Some(false),
            Some(other) => {
                let why = format!("state {other:?} is not open, closed or all");
                return Err(Problem::bad_query(why));
            }
        };
        let limit = query.limit.unwrap_or(PAGE_DEFAULT);
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(Problem::bad_query(format!("limit {limit} is not within 1 to {PAGE_MAX}")));
        }
        let cursor = |c: &str| {
            let why = format!("cursor {c:?} is none that this API gave");
            c.parse::<FaultId>().map_err(|_| Problem::bad_query(why))
        };
        Ok(Self { open, before: query.cursor.as_deref().map(cursor).transpose()?, limit })
    }
}

async fn faults(
    State(edge): State<Edge>,
    query: Result<Query<FaultsQuery>, QueryRejection>,
) -> Result<Json<FaultsJson>, Problem> {
    let Query(query) = query.map_err(|e| Problem::bad_query(e.body_text()))?;
    let query = FaultQuery::try_from(query)?;
    let found = ask(&edge, move |view| {
        let faults = view.faults(&query)?;
        let next = if faults.len() < query.limit { None } else { faults.last().map(|f| f.id) };
        let told = faults.iter().map(|f| (&view.tell(f)).into()).collect();
        Ok(FaultsJson { faults: told, next_cursor: next.map(|id| id.to_string()) })
    });
    found.await.map(Json)
}

async fn fault(
    State(edge): State<Edge>,
    Path(id): Path<String>,
) -> Result<Json<dto::ToldJson>, Problem> {
    let unknown = || Problem::not_found(format!("there is no fault {id:?}"));
    let number = id.parse::<FaultId>().map_err(|_| unknown())?;
    let told = ask(&edge, move |view| Ok(view.fault(number)?.map(|f| view.tell(&f))));
    told.await?.map(|told| Json((&told).into())).ok_or_else(unknown)
}

/// Asks the view something that may go to the store, off the threads that serve.
async fn ask<T: Send + 'static>(
    edge: &Edge,
    question: impl FnOnce(&View) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Problem> {
    let view = Arc::clone(&edge.view);
    let answer = tokio::task::spawn_blocking(move || question(&view)).await;
    answer.map_err(|_| Problem::broken())?.map_err(|error| {
        edge.health.store_failed();
        tracing::error!(%error, "a question to the store failed");
        Problem::broken()
    })
}

async fn ready(State(edge): State<Edge>) -> Response {
    let reasons = edge.health.reasons();
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let reasons = reasons.into_iter().map(|(part, why)| (part.to_owned(), why)).collect();
    (status, Json(ReadyJson { ready: status == StatusCode::OK, reasons })).into_response()
}
