//! `http`: a request, and what its answer must be.

use parallax_model::{HttpCheck, StatusSet};
use url::Url;

use super::contains;
use crate::config::mistake::hint;
use crate::config::section::Field;

const KEYS: &[&str] = &["url", "method", "status", "body_contains", "redirects"];

/// Request methods a probe may use.
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Redirects followed where nothing is said: `http` to `https` to `www` is two.
const REDIRECTS_USUAL: u8 = 5;

/// Most redirects followed; more is a circle.
const REDIRECTS_MAX: u8 = 10;

/// Longest address, in bytes; what servers commonly take.
const URL_BYTES_MAX: usize = 2048;

/// An HTTP check.
pub(super) fn read(field: Field<'_>) -> Option<HttpCheck> {
    let section = field.section("http", KEYS)?;
    let method = section.get("method").and_then(method);
    let status = section.get("status").and_then(statuses);
    let body_contains = section.get("body_contains").and_then(contains);
    let redirects = section.get("redirects").and_then(|f| f.number(0, REDIRECTS_MAX));
    let url = section.need("url", "\"https://example.com/\"")?;
    Some(HttpCheck {
        url: match http_url(url.text()?) {
            Ok(parsed) => parsed.into(),
            Err(why) => {
                url.wrong(why);
                return None;
            }
        },
        method: method.unwrap_or_else(|| "GET".to_owned()),
        status: status.unwrap_or_default(),
        body_contains,
        redirects_max: redirects.unwrap_or(REDIRECTS_USUAL),
    })
}

/// What is usual for an address of which nothing else is said.
pub(in crate::config) fn usual_http(url: &Url) -> HttpCheck {
    HttpCheck {
        url: url.as_str().to_owned(),
        method: "GET".to_owned(),
        status: StatusSet::default(),
        body_contains: None,
        redirects_max: REDIRECTS_USUAL,
    }
}

/// An address that an HTTP probe can look at, or what is wrong with it and what to do.
pub(in crate::config) fn http_url(text: &str) -> Result<Url, String> {
    let example = "write it like \"https://example.com/\"";
    if text.len() > URL_BYTES_MAX {
        return Err(format!("a URL of {} bytes, at most {URL_BYTES_MAX}; shorten it", text.len()));
    }
    let url = Url::parse(text).map_err(|why| format!("{text:?} is no URL: {why}; {example}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{text:?} is neither http:// nor https://; {example}"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has a user name or password in it, which pages would show; remove it".into());
    }
    Ok(url)
}

fn method(field: Field<'_>) -> Option<String> {
    let text = field.text()?;
    let method = METHODS.iter().find(|m| **m == text);
    if method.is_none() {
        let known = || format!("use one of {}", METHODS.join(", "));
        let hint = hint(text, METHODS.iter().copied(), known);
        field.wrong(format!("unknown method {text:?}; {hint}"));
    }
    method.map(|m| (*m).to_owned())
}

fn statuses(field: Field<'_>) -> Option<StatusSet> {
    let remedy = "[200], [\"2xx\", 301] or [\"200-299\"]";
    let mut ranges = Vec::new();
    let entries = field.list(remedy);
    for entry in &entries {
        let range = match (entry.as_number(), entry.as_text()) {
            (Some(n), _) => u16::try_from(n).ok().map(|n| (n, n)),
            (None, Some(text)) => status_range(text),
            (None, None) => None,
        };
        let valid = range.filter(|r| StatusSet::new(vec![*r]).is_some());
        if valid.is_none() {
            entry.wrong(format!("no status within 100 and 599; write {remedy}"));
        }
        ranges.extend(valid);
    }
    if entries.is_empty() {
        field.wrong(format!("no status would be fine; write {remedy}"));
    }
    StatusSet::new(ranges)
}

/// `3xx`, `200-299` or `204`.
fn status_range(text: &str) -> Option<(u16, u16)> {
    if let Some(class) = text.strip_suffix("xx") {
        let class: u16 = class.parse().ok()?;
        let low = class.checked_mul(100)?;
        return Some((low, low.checked_add(99)?));
    }
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    Some((low.trim().parse().ok()?, high.trim().parse().ok()?))
}
