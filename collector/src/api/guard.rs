//! What stands before every route: who may ask, and what a browser may do with the answer.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// Only our own scripts, styles and pictures; nobody may frame the page.
const CSP: &str = "default-src 'self'; img-src 'self' data:; base-uri 'none'; \
                   form-action 'self'; frame-ancestors 'none'; object-src 'none'";

const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
];

/// Refuses what a foreign site made a browser ask, and puts the headers on every answer.
/// `on_loopback`: the collector listens on loopback only, where no foreign name has business.
pub(super) async fn guard(
    State(on_loopback): State<bool>,
    request: Request,
    next: Next,
) -> Response {
    let mut answer = match refused(&request, on_loopback) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    };
    let headers = answer.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, value);
    }
    // what is now is stale in a second
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}

fn refused(request: &Request, on_loopback: bool) -> Option<Problem> {
    let text = |name| request.headers().get(name).map(|v| v.to_str().unwrap_or("?"));
    let host = text(header::HOST).or_else(|| request.uri().authority().map(Authority::as_str));
    // a name that is made to resolve to 127.0.0.1 would let its owner's page read ours
    if let Some(host) = host.filter(|host| on_loopback && !is_local(host)) {
        return Some(Problem::misdirected(host));
    }
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let origin = text(header::ORIGIN)?;
    let own = origin.split_once("://").map(|(_, authority)| authority) == host;
    (changes && !own).then(|| Problem::foreign(format!("{origin:?} has no say here")))
}

/// True for `localhost`, names below it, and loopback addresses, with or without a port.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let name = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name);
    let lower = name.trim_end_matches('.').to_ascii_lowercase();
    lower == "localhost"
        || lower.ends_with(".localhost")
        || lower.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_local() {
        for host in
            ["localhost", "LOCALHOST:7480", "a.localhost", "127.0.0.1:80", "127.9.9.9", "[::1]:1"]
        {
            assert!(is_local(host), "{host}");
        }
        for host in
            ["evil.example", "localhost.evil.example:7480", "10.0.0.1", "127.0.0.1.nip.io", ""]
        {
            assert!(!is_local(host), "{host}");
        }
    }
}
