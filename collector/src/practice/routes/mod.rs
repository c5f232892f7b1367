//! The visitor's hands: routes that only `try` adds, beside page and API.
//!
//! Contract: `GET /practice/state` shows every service and link; `POST` below
//! `/practice/{services,links,regions}` and `/practice/heal` change them, answer with the new state,
//! and are told to the terminal. Mistakes are problem details (RFC 9457).
//! Never: served without the API's guards: a browser lets any page post to loopback, and the guards
//! refuse those of other sites.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::link::LinkState;
use super::service::{LlmMode, Mode};
use super::world::{COLLECTOR, World};

/// Most bytes of a request's body: an order is one or two words.
const BODY_BYTES_MAX: usize = 1024;

/// The routes over `world`. Each deed is told to `told`; when nobody listens, or the listener is far
/// behind, it is done all the same.
pub fn router(world: Arc<World>, told: mpsc::Sender<String>) -> Router {
    Router::new()
        .route("/practice/state", get(state))
        .route("/practice/services/{name}", post(service))
        .route("/practice/links/{agent}/{to}", post(links))
        .route("/practice/regions/{region}", post(region))
        .route("/practice/heal", post(heal))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Practice { world, told })
}

#[derive(Debug, Clone)]
struct Practice {
    world: Arc<World>,
    told: mpsc::Sender<String>,
}

impl Practice {
    /// Tells what was done, and answers with how things are now.
    fn done(&self, told: String) -> Json<StateJson> {
        if let Err(unheard) = self.told.try_send(told) {
            tracing::debug!(deed = %unheard.into_inner(), "nobody heard of a visitor's deed");
        }
        Json(StateJson::of(&self.world))
    }
}

/// How everything is.
#[derive(Debug, Serialize)]
struct StateJson {
    services: Vec<ServiceJson>,
    links: Vec<LinkJson>,
}

#[derive(Debug, Serialize)]
struct ServiceJson {
    name: &'static str,
    mode: &'static str,
    /// What it can be switched to.
    modes: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    factor: Option<u32>,
}

#[derive(Debug, Serialize)]
struct LinkJson {
    agent: &'static str,
    region: &'static str,
    to: &'static str,
    state: &'static str,
}

impl StateJson {
    fn of(world: &World) -> Self {
        let services = world.services().iter().map(|(&name, service)| {
            let mode = service.mode();
            let factor = if let Mode::Slow(factor) = mode { Some(factor) } else { None };
            ServiceJson { name, mode: mode.as_str(), modes: service.kind().switches(), factor }
        });
        let links = world.ways().iter().map(|way| LinkJson {
            agent: way.from.agent,
            region: way.from.region,
            to: way.to,
            state: way.link.state().as_str(),
        });
        Self { services: services.collect(), links: links.collect() }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SwitchJson {
    mode: String,
    factor: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TurnJson {
    state: String,
}

/// Why an order was not carried out.
#[derive(Debug)]
struct Problem(StatusCode, String);

impl Problem {
    fn unknown(what: &str) -> Self {
        Self(StatusCode::NOT_FOUND, format!("{what}: see GET /practice/state for what there is"))
    }

    fn bad(why: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, why.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self(status, detail) = self;
        let title = status.canonical_reason().unwrap_or("problem");
        let body = serde_json::json!({
            "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail,
        });
        let kind = [(CONTENT_TYPE, "application/problem+json")];
        (status, kind, body.to_string()).into_response()
    }
}

type Answer = Result<Json<StateJson>, Problem>;

async fn state(State(practice): State<Practice>) -> Json<StateJson> {
    Json(StateJson::of(&practice.world))
}

async fn service(
    State(practice): State<Practice>,
    Path(name): Path<String>,
    body: Result<Json<SwitchJson>, JsonRejection>,
) -> Answer {
    let Json(SwitchJson { mode, factor }) = body.map_err(|e| Problem::bad(e.body_text()))?;
    let Some(service) = practice.world.services().get(name.as_str()) else {
        return Err(Problem::unknown(&format!("no service {name:?}")));
    };
    let known = Mode::from_word(&mode, factor);
    let Some(mode) = known.filter(|mode| practice.world.set_service(&name, *mode)) else {
        let switches = service.kind().switches().join(", ");
        return Err(Problem::bad(format!("{name} has no mode {mode:?}: take one of {switches}")));
    };
    Ok(practice.done(format!("a visitor makes {name} {}", told_mode(mode))))
}

async fn links(
    State(practice): State<Practice>,
    Path((agent, to)): Path<(String, String)>,
    body: Result<Json<TurnJson>, JsonRejection>,
) -> Answer {
    let state = wanted_state(body)?;
    if !practice.world.set_links(&agent, &to, state) {
        return Err(Problem::unknown(&format!("no link from {agent:?} to {to:?}")));
    }
    let which = if to == COLLECTOR { "the collector" } else { &to };
    Ok(practice.done(format!("a visitor sets links from {agent} to {which}: {}", state.as_str())))
}

async fn region(
    State(practice): State<Practice>,
    Path(region): Path<String>,
    body: Result<Json<TurnJson>, JsonRejection>,
) -> Answer {
    let state = wanted_state(body)?;
    if !practice.world.set_region(&region, state) {
        return Err(Problem::unknown(&format!("no region {region:?}")));
    }
    Ok(practice.done(format!("a visitor sets every probe link of {region}: {}", state.as_str())))
}

async fn heal(State(practice): State<Practice>) -> Json<StateJson> {
    practice.world.heal();
    practice.done("a visitor heals everything".to_owned())
}

fn wanted_state(body: Result<Json<TurnJson>, JsonRejection>) -> Result<LinkState, Problem> {
    let Json(TurnJson { state }) = body.map_err(|e| Problem::bad(e.body_text()))?;
    LinkState::from_word(&state).ok_or_else(|| {
        Problem::bad(format!("no state {state:?}: take open, slow, cut, reset or refuse"))
    })
}

fn told_mode(mode: Mode) -> String {
    match mode {
        Mode::Healthy => "work again".to_owned(),
        Mode::Error => "answer \"internal server error\"".to_owned(),
        Mode::Slow(factor) => format!("{factor} times slower"),
        Mode::Refuse => "refuse connections".to_owned(),
        Mode::Hang => "hang".to_owned(),
        Mode::Llm(LlmMode::Stall) => "fall silent amid its answers".to_owned(),
        Mode::Llm(LlmMode::Cut) => "break off its answers".to_owned(),
        Mode::Llm(LlmMode::Limit) => "answer 429 at once".to_owned(),
        Mode::Llm(LlmMode::Overload) => "answer 503, overloaded".to_owned(),
        Mode::Llm(LlmMode::ErrorInside) => "answer 200 with an error inside".to_owned(),
        Mode::Llm(LlmMode::Empty) => "answer nothing".to_owned(),
        Mode::Llm(LlmMode::Endless) => "answer without end".to_owned(),
    }
}

#[cfg(test)]
mod tests;
