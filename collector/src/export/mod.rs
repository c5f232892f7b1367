//! What Prometheus scrapes: `/metrics` (how this process fares) and `/metrics/probes` (what was seen
//! of targets, and the verdicts), text format 0.0.4.
//!
//! Contract: own names are `parallax_<noun>_<unit>[_total]`; what was seen of a target has the names
//! and labels of `blackbox_exporter` and Grafana Synthetic Monitoring. A path that was not heard of
//! lately has no series but the time of its last result, so that a silent agent looks silent.
//! Counters of paths come from the store, and go on where they were after a restart. The answer is
//! streamed: memory follows the number of paths, not the size of the text.
//! Never: error text or addresses of peers in labels, a series per target or agent in `/metrics`.

mod exposition;
mod own;
mod probes;
mod seen;
mod verdicts;

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use parallax_model::TargetName;
use serde::Deserialize;

use crate::view::{Edge, StoreError, View};

use exposition::CONTENT_TYPE;
use probes::Chunks;

/// `GET /metrics`, `GET /metrics/probes`
pub fn router(edge: &Edge) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/metrics/probes", get(probes))
        .with_state(edge.clone())
}

async fn metrics(State(edge): State<Edge>) -> Response {
    let counts = ask(&edge, View::counts).await;
    answer(own::write(&edge, counts))
}

/// What may be asked of the probes' metrics.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProbesQuery {
    /// Only what is said of this target.
    target: Option<String>,
}

async fn probes(
    State(edge): State<Edge>,
    query: Result<Query<ProbesQuery>, QueryRejection>,
) -> Result<Response, (StatusCode, String)> {
    let Query(query) = query.map_err(|why| (StatusCode::BAD_REQUEST, why.body_text() + "\n"))?;
    let only = query.target.map(|target| known(&edge, &target)).transpose()?;
    let (fleet, now) = (edge.view.fleet(), (edge.now)());
    let wanted = only.clone();
    let tallies = ask(&edge, move |view| view.tallies(wanted.as_ref())).await;
    let view = Arc::clone(&edge.view);
    let made = tokio::task::spawn_blocking(move || {
        let rows = probes::rows(&fleet, view.paths(only.as_ref(), now), tallies.as_deref());
        Chunks::new(verdicts::write(&view, only.as_ref()), rows)
    });
    let broken = |_| (StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be made\n".to_owned());
    let chunks = made.await.map_err(broken)?;
    Ok(answer(Body::from_stream(stream::iter(chunks.map(Ok::<_, Infallible>)))))
}

fn known(edge: &Edge, target: &str) -> Result<TargetName, (StatusCode, String)> {
    let name = TargetName::new(target).ok();
    name.filter(|name| edge.view.fleet().targets.contains_key(name)).ok_or_else(|| {
        let why = format!("there is no target {target:?}: ask for the name of a configured one\n");
        (StatusCode::NOT_FOUND, why)
    })
}

/// Asks the store, off the threads that serve. Nothing if it does not answer: its metrics are then
/// absent, since a zero would look like a reset.
async fn ask<T: Send + 'static>(
    edge: &Edge,
    question: impl FnOnce(&View) -> Result<T, StoreError> + Send + 'static,
) -> Option<T> {
    let view = Arc::clone(&edge.view);
    match tokio::task::spawn_blocking(move || question(&view)).await {
        Ok(Ok(answer)) => Some(answer),
        Ok(Err(error)) => {
            edge.health.store_failed();
            tracing::error!(%error, "the store's counts are not to be had");
            None
        }
        Err(_) => None,
    }
}

fn answer(body: impl IntoResponse) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response()
}
