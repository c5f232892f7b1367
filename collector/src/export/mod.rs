//! The collector's own numbers for Prometheus, text format 0.0.4.
//!
//! Contract: every name of this process stands in [`NAMES`], with its help and type; names are
//! `parallax_<noun>_<unit>[_total]`, labels are bounded.
//! Never: a series per target or agent (that is what probe metrics are for).

mod text;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::view::Edge;

pub use text::{Metric, NAMES};

/// `GET /metrics`
pub fn router(edge: &Edge) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state(edge.clone())
}

async fn metrics(State(edge): State<Edge>) -> Response {
    let view = Arc::clone(&edge.view);
    let counts = tokio::task::spawn_blocking(move || view.counts()).await;
    let counts = match counts {
        Ok(Ok(counts)) => Some(counts),
        Ok(Err(error)) => {
            edge.health.store_failed();
            tracing::error!(%error, "the store's counts are not to be had");
            None
        }
        Err(_) => None,
    };
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (StatusCode::OK, kind, text::write(&edge, counts)).into_response()
}
