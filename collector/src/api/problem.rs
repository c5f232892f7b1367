//! Mistakes as problem details (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::dto::ProblemJson;

/// Seconds after which a client that was sent away may try again.
const RETRY_AFTER_S: &str = "5";

/// A request that gets no answer, and why.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
}

impl Problem {
    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_FOUND, detail: detail.into() }
    }

    pub(super) fn bad_query(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, detail: detail.into() }
    }

    pub(super) fn method_not_allowed() -> Self {
        let detail = "this path does not take this method".to_owned();
        Self { status: StatusCode::METHOD_NOT_ALLOWED, detail }
    }

    pub(super) fn foreign(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::FORBIDDEN, detail: detail.into() }
    }

    pub(super) fn misdirected(host: &str) -> Self {
        let detail = format!(
            "this collector listens on loopback and does not answer to the name {host:?}: \
             come by 127.0.0.1 or localhost"
        );
        Self { status: StatusCode::MISDIRECTED_REQUEST, detail }
    }

    pub(super) fn crowded() -> Self {
        let detail = "too many listen already: try again later".to_owned();
        Self { status: StatusCode::SERVICE_UNAVAILABLE, detail }
    }

    pub(super) fn broken() -> Self {
        let detail = "the store did not answer: the collector's log says why".to_owned();
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, detail }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = ProblemJson {
            kind: "about:blank".to_owned(),
            title: self.status.canonical_reason().unwrap_or("problem").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
        };
        let mut answer = (self.status, Json(body)).into_response();
        let headers = answer.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
        }
        answer
    }
}
