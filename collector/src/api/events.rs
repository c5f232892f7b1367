//! `/api/v1/events`: what happens, as server-sent events.
//!
//! `opened`, `updated`, `closed` (a fault), `standing`, `agent`, `config` carry an id and are kept
//! for those who come back with `Last-Event-ID`; `lagged` says how many were lost. `turned`, at most
//! once a second, says that what the other routes tell is newer than before.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use parallax_model::fault::Standing;
use serde::Serialize;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use crate::json::CoverageJson;
use crate::view::{Edge, Event, EventBody, Health};

use super::dto::ToldJson;
use super::policy::PolicyJson;
use super::problem::Problem;

/// Most listeners at once; each holds a connection and a few kilobytes.
const LISTENERS_MAX: u64 = 256;

/// A comment keeps the connection open through proxies that cut silent ones after 30 or 60 s.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Least time between two `turned`.
const TURNED_EVERY: Duration = Duration::from_secs(1);

/// How long a browser waits before it comes back.
const COME_BACK: Duration = Duration::from_secs(2);

/// What the engine says of one target.
#[derive(Debug, Serialize)]
struct StandingJson {
    /// The target.
    target: String,
    /// `up`, `degraded`, `down` or `unknown`
    state: String,
    /// Who bears witness.
    coverage: CoverageJson,
    /// What its own rule says beside the engine; absent where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<PolicyJson>,
}

pub(super) async fn stream(State(edge): State<Edge>, headers: HeaderMap) -> Response {
    let Some(seat) = Seat::take(&edge.health) else { return Problem::crowded().into_response() };
    let listener = Listener::new(edge, seat, &headers);
    let events = stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok::<_, Infallible>(event), listener))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response()
}

/// A listener's place, given back when it goes.
struct Seat(Arc<Health>);

impl Seat {
    fn take(health: &Arc<Health>) -> Option<Self> {
        health.entered(LISTENERS_MAX).then(|| Self(Arc::clone(health)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.left();
    }
}

struct Listener {
    edge: Edge,
    greeted: bool,
    missed: std::vec::IntoIter<Event>,
    events: broadcast::Receiver<Event>,
    turned: watch::Receiver<u64>,
    turned_next: Instant,
    _seat: Seat,
}

impl Listener {
    fn new(edge: Edge, seat: Seat, headers: &HeaderMap) -> Self {
        let (missed, events) = match last_seen(&edge, headers) {
            Some(number) => edge.view.resume(number),
            None => (vec![], edge.view.subscribe()),
        };
        let turned = edge.view.turned();
        let (missed, turned_next) = (missed.into_iter(), Instant::now());
        Self { edge, greeted: false, missed, events, turned, turned_next, _seat: seat }
    }

    /// The next event; none when the collector goes away.
    async fn next(&mut self) -> Option<sse::Event> {
        if !self.greeted {
            self.greeted = true;
            return Some(sse::Event::default().retry(COME_BACK).comment("parallax"));
        }
        if let Some(event) = self.missed.next() {
            return Some(told(&self.edge, &event));
        }
        let turned = async {
            tokio::time::sleep_until(self.turned_next).await;
            self.turned.changed().await
        };
        tokio::select! {
            biased;
            () = self.edge.closing.cancelled() => None,
            event = self.events.recv() => match event {
                Ok(event) => Some(told(&self.edge, &event)),
                Err(broadcast::error::RecvError::Lagged(n)) => {
                    Some(sse::Event::default().event("lagged").data(format!("{{\"lost\":{n}}}")))
                }
                Err(broadcast::error::RecvError::Closed) => None,
            },
            changed = turned => {
                changed.ok()?;
                self.turned_next = Instant::now() + TURNED_EVERY;
                Some(sse::Event::default().event("turned").data("{}"))
            }
        }
    }
}

/// Ids begin with the collector's start, so that an id of an earlier life is not mistaken.
fn id(edge: &Edge, number: u64) -> String {
    format!("{}-{number}", edge.health.started().millis())
}

fn last_seen(edge: &Edge, headers: &HeaderMap) -> Option<u64> {
    let (life, number) = headers.get("last-event-id")?.to_str().ok()?.split_once('-')?;
    // events of an earlier life are gone; all of this life's are new to such a listener
    let ours = life == edge.health.started().millis().to_string();
    if ours { number.parse().ok() } else { Some(0) }
}

fn told(edge: &Edge, event: &Event) -> sse::Event {
    let text = match &event.body {
        EventBody::Opened(fault) | EventBody::Updated(fault) | EventBody::Closed(fault) => {
            serde_json::to_string(&ToldJson::from(&edge.view.tell(fault)))
        }
        EventBody::Standing(standing) => serde_json::to_string(&StandingJson::from(standing)),
        EventBody::Agent { agent, connected } => Ok(serde_json::json!({
            "agent": agent.as_str(), "connected": connected,
        })
        .to_string()),
        EventBody::Config => Ok("{}".to_owned()),
    };
    // none of these shapes can fail to be JSON; an empty object is the honest rest
    let text = text.unwrap_or_else(|_| "{}".to_owned());
    sse::Event::default().event(event.body.name()).id(id(edge, event.number)).data(text)
}

impl From<&Standing> for StandingJson {
    fn from(s: &Standing) -> Self {
        Self {
            target: s.target.to_string(),
            state: s.state.as_str().to_owned(),
            coverage: s.coverage.into(),
            policy: s.policy.as_ref().map(Into::into),
        }
    }
}
