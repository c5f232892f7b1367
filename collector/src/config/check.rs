//! `http`, `tcp` and `dns` of a target: how to look.

use std::net::{IpAddr, SocketAddr};

use parallax_model::{Check, DnsCheck, HttpCheck, RecordType, StatusSet, TcpCheck};
use url::Url;

use super::mistake::hint;
use super::section::Field;

const HTTP_KEYS: &[&str] = &["url", "method", "status", "body_contains", "redirects"];
const TCP_KEYS: &[&str] = &["address"];
const DNS_KEYS: &[&str] = &["name", "record", "server", "answer_contains"];

/// Request methods a probe may use.
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Redirects followed where nothing is said: `http` to `https` to `www` is two.
const REDIRECTS_USUAL: u8 = 5;

/// Most redirects followed; more is a circle.
const REDIRECTS_MAX: u8 = 10;

/// Longest address, in bytes; what servers commonly take.
const URL_BYTES_MAX: usize = 2048;

/// Longest text looked for in an answer, in bytes.
const CONTAINS_BYTES_MAX: usize = 1024;

/// Longest DNS name, in bytes (RFC 1035 §2.3.4), and the dot at its end.
const DNS_NAME_BYTES_MAX: usize = 254;

/// Stands for a check that was wrong; never leaves a configuration with mistakes.
pub(super) fn placeholder() -> Check {
    Check::Tcp(TcpCheck { address: String::new() })
}

/// An HTTP check.
pub(super) fn http(field: Field<'_>) -> Option<HttpCheck> {
    let section = field.section("http", HTTP_KEYS)?;
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
pub(super) fn usual_http(url: &Url) -> HttpCheck {
    HttpCheck {
        url: url.as_str().to_owned(),
        method: "GET".to_owned(),
        status: StatusSet::default(),
        body_contains: None,
        redirects_max: REDIRECTS_USUAL,
    }
}

/// An address that an HTTP probe can look at, or what is wrong with it and what to do.
pub(super) fn http_url(text: &str) -> Result<Url, String> {
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

fn contains(field: Field<'_>) -> Option<String> {
    let text = field.text()?;
    if text.is_empty() || text.len() > CONTAINS_BYTES_MAX {
        field.wrong(format!(
            "must have 1 to {CONTAINS_BYTES_MAX} bytes; leave it out or shorten it"
        ));
        return None;
    }
    Some(text.to_owned())
}

/// A TCP check.
pub(super) fn tcp(field: Field<'_>) -> Option<TcpCheck> {
    let section = field.section("tcp", TCP_KEYS)?;
    let address = section.need("address", "\"example.com:5432\"")?;
    let text = address.text()?;
    if !is_host_and_port(text) {
        address
            .wrong(format!("{text:?} is no host:port; write \"example.com:5432\" or \"[::1]:53\""));
        return None;
    }
    Some(TcpCheck { address: text.to_owned() })
}

fn is_host_and_port(text: &str) -> bool {
    let Ok(url) = Url::parse(&format!("tcp://{text}")) else { return false };
    let bare = url.path().is_empty() && url.query().is_none() && url.fragment().is_none();
    let host = url.host_str().is_some_and(|h| !h.is_empty());
    bare && host && url.username().is_empty() && url.port().is_some_and(|p| p > 0)
}

/// A DNS check.
pub(super) fn dns(field: Field<'_>) -> Option<DnsCheck> {
    let section = field.section("dns", DNS_KEYS)?;
    let record = section.get("record").and_then(record);
    let server = section.get("server").and_then(server);
    let answer_contains = section.get("answer_contains").and_then(contains);
    let name = section.need("name", "\"example.com\"")?;
    let text = name.text()?;
    if text.is_empty() || text.len() > DNS_NAME_BYTES_MAX || text.contains(char::is_whitespace) {
        name.wrong(format!("{text:?} is no DNS name; write \"example.com\""));
        return None;
    }
    let record = record.unwrap_or(RecordType::A);
    Some(DnsCheck { name: text.to_owned(), record, server, answer_contains })
}

fn record(field: Field<'_>) -> Option<RecordType> {
    let text = field.text()?;
    let record = RecordType::from_word(text);
    if record.is_none() {
        let words: Vec<&str> = RecordType::ALL.iter().map(|r| r.as_str()).collect();
        field.wrong(format!("unknown record type {text:?}; use one of {}", words.join(", ")));
    }
    record
}

fn server(field: Field<'_>) -> Option<SocketAddr> {
    let text = field.text()?;
    let plain = text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 53));
    let server = plain.or_else(|| text.parse().ok());
    if server.is_none() {
        field.wrong(format!("{text:?} is no address; write \"9.9.9.9\" or \"[2620:fe::fe]:53\""));
    }
    server
}
