//! `[[webhooks]]`: who is told.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::check::http_url;
use super::mistake::hint;
use super::section::{Field, Section};
use super::source::Place;
use crate::notify::{About, Secret, Template, Webhook};
use crate::store::letter::Event;

/// Keys of a webhook.
pub(super) const KEYS: &[&str] = &[
    "name",
    "url",
    "secret_file",
    "about",
    "events",
    "headers",
    "template_file",
    "timeout",
    "retry_max",
];

/// Longest name, in bytes: it is a label of metrics and an argument of commands.
const NAME_BYTES_MAX: usize = 64;

/// Most headers added to a message.
const HEADERS_MAX: usize = 32;

/// Headers that say what a message is: ours alone.
const RESERVED: &[&str] = &[
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
    "connection",
    "user-agent",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
];

/// Largest file read for a webhook; a template or a secret is smaller.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// How long a try may take where nothing is said, and at most.
const TIMEOUT: (Duration, Duration) = (Duration::from_secs(10), Duration::from_mins(1));

/// Longest pause between two tries where nothing is said: who comes back hears of it within a minute.
const RETRY_USUAL: Duration = Duration::from_mins(1);

/// What the longest pause may be.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(1));

/// A webhook as it is declared; none if there is no telling what is meant. Files count from `folder`.
pub(super) fn read(section: Section<'_>, folder: &Path) -> Option<(Place, Webhook)> {
    let name = section.need("name", "\"on-call\"");
    let secret = section.get("secret_file").and_then(|f| secret(f, folder));
    let template = section.get("template_file").and_then(|f| template(f, folder));
    let about = section.get("about").map(|f| words(f, &About::ALL, About::as_str));
    let events = section.get("events").map(|f| words(f, &Event::ALL, Event::as_str));
    let headers = section.get("headers").map(headers).unwrap_or_default();
    let timeout =
        section.get("timeout").and_then(|f| within(f, (Duration::from_millis(1), TIMEOUT.1)));
    let retry_max = section.get("retry_max").and_then(|f| within(f, RETRY));
    let url = section.need("url", "\"https://hooks.example/parallax\"").and_then(address);
    let (name_at, url) = (name?, url?);
    let webhook = Webhook {
        name: plain_name(name_at)?,
        url,
        secret,
        about: about.unwrap_or_else(|| About::ALL.to_vec()),
        events: events.unwrap_or_else(|| Event::ALL.to_vec()),
        headers,
        template,
        timeout: timeout.unwrap_or(TIMEOUT.0),
        retry_max: retry_max.unwrap_or(RETRY_USUAL),
    };
    Some((name_at.place(), webhook))
}

fn plain_name(field: Field<'_>) -> Option<String> {
    let text = field.text()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.is_empty() || text.len() > NAME_BYTES_MAX || !text.chars().all(plain) {
        field.wrong(format!("{text:?} is no plain name; use letters, digits and -: \"on-call\""));
        return None;
    }
    Some(text.to_owned())
}

fn address(field: Field<'_>) -> Option<Url> {
    http_url(field.text()?).map_err(|why| field.wrong(why)).ok()
}

/// Words of a small set, each at most once.
fn words<T: Copy + PartialEq>(field: Field<'_>, all: &[T], word: fn(T) -> &'static str) -> Vec<T> {
    let known: Vec<&str> = all.iter().map(|one| word(*one)).collect();
    let example = format!("[\"{}\"]", known.join("\", \""));
    let entries = field.list(&example);
    let mut found = Vec::new();
    for entry in &entries {
        let Some(text) = entry.text() else { continue };
        match all.iter().find(|one| word(**one) == text) {
            Some(one) if found.contains(one) => entry.wrong(format!("{text:?} twice; remove one")),
            Some(one) => found.push(*one),
            None => {
                let hint = hint(text, known.iter().copied(), || format!("use some of {example}"));
                entry.wrong(format!("unknown word {text:?}; {hint}"));
            }
        }
    }
    if entries.is_empty() {
        field.wrong(format!("nothing would be told; leave it out or use some of {example}"));
    }
    found
}

fn headers(field: Field<'_>) -> HeaderMap {
    let pairs = field.pairs();
    if pairs.len() > HEADERS_MAX {
        field.wrong(format!("{} headers, at most {HEADERS_MAX}; remove some", pairs.len()));
    }
    pairs.into_iter().filter_map(|(key, value)| header(key, value)).collect()
}

fn header(key: &str, field: Field<'_>) -> Option<(HeaderName, HeaderValue)> {
    let text = field.text()?;
    if RESERVED.contains(&key.to_ascii_lowercase().as_str()) {
        field.wrong(format!("header {key:?} is set by Parallax; remove it"));
        return None;
    }
    let (name, value) = (key.parse::<HeaderName>(), text.parse::<HeaderValue>());
    let (Ok(name), Ok(mut value)) = (name, value) else {
        field.wrong(format!("{key:?} is no HTTP header with that value; use printable ASCII"));
        return None;
    };
    // it may be a credential
    value.set_sensitive(true);
    Some((name, value))
}

fn within(field: Field<'_>, (low, high): (Duration, Duration)) -> Option<Duration> {
    let time = field.duration()?;
    if time < low || time > high {
        let text = |d| humantime::format_duration(d).to_string();
        field.wrong(format!("{} is not within {} and {}", text(time), text(low), text(high)));
        return None;
    }
    Some(time)
}

fn secret(field: Field<'_>, folder: &Path) -> Option<Secret> {
    let (path, text) = file(field, folder)?;
    let mode = fs::metadata(&path).map_or(0, |meta| meta.permissions().mode());
    if mode & 0o077 != 0 {
        tracing::warn!(file = %path.display(), "others can read this secret: chmod 600 it");
    }
    Secret::new(&text).map_err(|why| field.wrong(format!("{}: {why}", path.display()))).ok()
}

fn template(field: Field<'_>, folder: &Path) -> Option<Template> {
    let (path, text) = file(field, folder)?;
    let told = |why: crate::notify::Unfit| {
        let line = why.line.map(|line| format!(":{line}")).unwrap_or_default();
        field.wrong(format!("{}{line}: {}; mend the template", path.display(), why.what));
    };
    Template::new(&text).map_err(told).ok()
}

fn file(field: Field<'_>, folder: &Path) -> Option<(std::path::PathBuf, String)> {
    let path = folder.join(field.text()?);
    let mut text = String::new();
    let read = fs::File::open(&path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text));
    match read {
        Ok(bytes) if bytes as u64 > FILE_BYTES_MAX => {
            field.wrong(format!("{} is larger than 64 KiB; name another file", path.display()));
            None
        }
        Ok(_) => Some((path, text)),
        Err(why) => {
            field.wrong(format!("{} cannot be read: {why}; name a file that can", path.display()));
            None
        }
    }
}
