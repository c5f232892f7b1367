//! The operator's page: what is wrong and where, at one glance.
//!
//! Contract: whole and readable without JavaScript; with it, the page listens to the event stream
//! and fetches itself anew. Everything is our own and embedded; no style or script stands inline.
//! Names and details are foreign text: the templates escape them.
//! Never: a word that is not from `view`, an external resource.

mod model;
mod policy;
mod spark;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use parallax_model::FaultId;

use crate::view::{Edge, Told};

use model::{FaultPage, Lost, OverviewPage};

/// How long a browser may keep an asset. Short: a new build has new ones under the same names.
const ASSET_CACHE: &str = "max-age=60";

/// `/`, `/faults/{id}` and what they need.
pub fn router(edge: &Edge) -> Router {
    let css = (include_str!("assets/page.css"), "text/css; charset=utf-8");
    let js = (include_str!("assets/page.js"), "text/javascript; charset=utf-8");
    let icon = (include_str!("assets/icon.svg"), "image/svg+xml");
    let practice = (include_str!("assets/practice.js"), "text/javascript; charset=utf-8");
    Router::new()
        .route("/", get(overview))
        .route("/faults/{id}", get(fault))
        .with_state(edge.clone())
        .route("/assets/page.css", get(move || async move { asset(css) }))
        .route("/assets/page.js", get(move || async move { asset(js) }))
        .route("/assets/practice.js", get(move || async move { asset(practice) }))
        .route("/assets/icon.svg", get(move || async move { asset(icon) }))
        .route("/favicon.ico", get(move || async move { asset(icon) }))
}

fn asset((text, kind): (&'static str, &'static str)) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, ASSET_CACHE)], text).into_response()
}

async fn overview(State(edge): State<Edge>) -> Response {
    let overview = edge.view.overview((edge.now)());
    shown(StatusCode::OK, &OverviewPage::new(&overview, edge.practice))
}

async fn fault(State(edge): State<Edge>, Path(id): Path<String>) -> Response {
    let Ok(number) = id.parse::<FaultId>() else { return lost(StatusCode::NOT_FOUND, &id) };
    let view = Arc::clone(&edge.view);
    let asked = tokio::task::spawn_blocking(move || view.fault(number)).await;
    match asked {
        Ok(Ok(Some(fault))) => {
            let told: Told = edge.view.tell(&fault);
            shown(StatusCode::OK, &FaultPage::new(&told, &edge.view.fleet(), (edge.now)()))
        }
        Ok(Ok(None)) => lost(StatusCode::NOT_FOUND, &id),
        Ok(Err(error)) => {
            edge.health.store_failed();
            tracing::error!(%error, fault = %number, "a fault is not to be had from the store");
            lost(StatusCode::INTERNAL_SERVER_ERROR, &id)
        }
        Err(_) => lost(StatusCode::INTERNAL_SERVER_ERROR, &id),
    }
}

fn lost(status: StatusCode, id: &str) -> Response {
    let title = match status {
        StatusCode::NOT_FOUND => format!("There is no fault {id}"),
        _ => format!("The store did not answer when asked for fault {id}"),
    };
    shown(status, &Lost { title, tone: "unknown", at: model::Instant::default(), practice: false })
}

fn shown(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
