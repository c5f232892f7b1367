//! `http`: a request, and what its answer must be.

use parallax_model::target::BODY_BYTES_USUAL;
use parallax_model::{Auth, HttpCheck, StatusSet};
use url::Url;

use super::{assertion, contains, icmp, tls};
use crate::config::mistake::hint;
use crate::config::section::Field;

pub(super) const KEYS: &[&str] = &[
    "url",
    "method",
    "status",
    "body_contains",
    "redirects",
    "headers",
    "body",
    "http2",
    "compression",
    "read_max",
    "family",
    "server_name",
    "any_certificate",
    "ca",
    "client_certificate",
    "proxy",
    "assert",
    "auth",
];

const AUTH_KEYS: &[&str] = &["key", "user", "header"];

/// Most headers of a request.
const HEADERS_MAX: usize = 32;

/// Longest header value of a request, in bytes.
const HEADER_BYTES_MAX: usize = 2048;

/// Longest body of a request, in bytes.
const BODY_BYTES_MAX: usize = 16 << 10;

/// Furthest a body may be read, in bytes.
const READ_BYTES_MAX: u32 = 16 << 20;

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
    let url = match http_url(url.text()?) {
        Ok(parsed) => String::from(parsed),
        Err(why) => {
            url.wrong(why);
            return None;
        }
    };
    let flag = |key| section.get(key).and_then(|f| f.truth()).unwrap_or_default();
    Some(HttpCheck {
        method: method.unwrap_or_else(|| "GET".to_owned()),
        status: status.unwrap_or_default(),
        body_contains,
        redirects_max: redirects.unwrap_or(REDIRECTS_USUAL),
        headers: section.get("headers").map(headers).unwrap_or_default(),
        body: section.get("body").and_then(body),
        http2: flag("http2"),
        compression: flag("compression"),
        body_bytes_max: section
            .get("read_max")
            .and_then(|f| f.number(1, READ_BYTES_MAX))
            .unwrap_or(BODY_BYTES_USUAL),
        family: section.get("family").and_then(icmp::family).unwrap_or_default(),
        tls: tls::options(section),
        auth: section.get("auth").and_then(auth),
        proxy: section.get("proxy").and_then(|f| tls::of_agents(f, "proxies")),
        assertions: section.get("assert").map(assertion::read).unwrap_or_default(),
        ..HttpCheck::get(url)
    })
}

fn headers(field: Field<'_>) -> Vec<(String, String)> {
    let pairs = field.pairs();
    if pairs.len() > HEADERS_MAX {
        field.wrong(format!("{} headers, at most {HEADERS_MAX}; remove some", pairs.len()));
    }
    pairs.into_iter().filter_map(|(name, value)| header(name, value)).collect()
}

fn header(name: &str, field: Field<'_>) -> Option<(String, String)> {
    let value = field.text()?;
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(token) {
        field.wrong(format!("{name:?} is no header's name; write \"x-name\""));
        return None;
    }
    if value.len() > HEADER_BYTES_MAX || value.chars().any(char::is_control) {
        field.wrong(format!("{name}: has control characters or over {HEADER_BYTES_MAX} bytes"));
        return None;
    }
    Some((name.to_ascii_lowercase(), value.to_owned()))
}

/// `auth = { key = "shop" }`: as a bearer token, as a `user`'s password, or in a `header` of its own.
fn auth(field: Field<'_>) -> Option<Auth> {
    let section = field.section("auth", AUTH_KEYS)?;
    let key = section.need("key", "\"shop\", a key in the configuration of the agents")?;
    let key = key.text()?.to_owned();
    Some(match (section.get("user"), section.get("header")) {
        (None, None) => Auth::Bearer { key },
        (Some(user), None) => Auth::Basic { user: user.text()?.to_owned(), key },
        (None, Some(header)) => Auth::Header { name: header.text()?.to_ascii_lowercase(), key },
        (Some(_), Some(header)) => {
            header.wrong("user stands beside it; keep one");
            return None;
        }
    })
}

fn body(field: Field<'_>) -> Option<String> {
    let text = field.text()?;
    if text.len() > BODY_BYTES_MAX {
        field.wrong(format!("{} bytes, at most {BODY_BYTES_MAX}; shorten it", text.len()));
        return None;
    }
    Some(text.to_owned())
}

/// What is usual for an address of which nothing else is said.
pub(in crate::config) fn usual_http(url: &Url) -> HttpCheck {
    HttpCheck { redirects_max: REDIRECTS_USUAL, ..HttpCheck::get(url.as_str()) }
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
