//! `tcp`: a connection that must be made, and perhaps a talk over it.

use parallax_model::target::tcp::{STEP_BYTES_MAX, STEPS_MAX};
use parallax_model::{TcpCheck, TcpStep};
use regex::bytes::RegexBuilder;
use url::Url;

use crate::config::section::{Field, Section};

pub(super) const KEYS: &[&str] = &["address", "send", "expect", "talk"];

const STEP_KEYS: &[&str] = &["send", "expect"];

/// Largest compiled pattern, in bytes: what agents take.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// A TCP check.
pub(super) fn read(field: Field<'_>) -> Option<TcpCheck> {
    let section = field.section("tcp", KEYS)?;
    let talk = talk(section);
    let address = section.need("address", "\"example.com:5432\"")?;
    Some(TcpCheck { address: host_and_port(address)?, talk })
}

/// `host:port`.
pub(super) fn host_and_port(field: Field<'_>) -> Option<String> {
    let text = field.text()?;
    if !is_host_and_port(text) {
        field
            .wrong(format!("{text:?} is no host:port; write \"example.com:5432\" or \"[::1]:53\""));
        return None;
    }
    Some(text.to_owned())
}

fn is_host_and_port(text: &str) -> bool {
    let Ok(url) = Url::parse(&format!("tcp://{text}")) else { return false };
    let bare = url.path().is_empty() && url.query().is_none() && url.fragment().is_none();
    let host = url.host_str().is_some_and(|h| !h.is_empty());
    bare && host && url.username().is_empty() && url.port().is_some_and(|p| p > 0)
}

/// `send` and `expect` say a talk of one step each, `talk` one of any length.
fn talk(section: Section<'_>) -> Vec<TcpStep> {
    let mut talk: Vec<TcpStep> = section.get("send").and_then(send).into_iter().collect();
    talk.extend(section.get("expect").and_then(expect));
    let Some(long) = section.get("talk") else { return talk };
    if !talk.is_empty() {
        long.wrong("send or expect stand beside it; put all steps into talk");
    }
    let steps = long.list("[{ expect = \"^220 \" }, { send = \"QUIT\\r\\n\" }]");
    if steps.len() > STEPS_MAX {
        long.wrong(format!("{} steps, at most {STEPS_MAX}; remove some", steps.len()));
    }
    steps.into_iter().filter_map(step).collect()
}

fn step(field: Field<'_>) -> Option<TcpStep> {
    let section = field.section("a step of talk", STEP_KEYS)?;
    match (section.get("send"), section.get("expect")) {
        (Some(text), None) => send(text),
        (None, Some(pattern)) => expect(pattern),
        (None, None) | (Some(_), Some(_)) => {
            section.wrong("a step of talk either sends or expects; write one of the two");
            None
        }
    }
}

fn send(field: Field<'_>) -> Option<TcpStep> {
    bounded(field).map(|text| TcpStep::Send(text.to_owned()))
}

fn expect(field: Field<'_>) -> Option<TcpStep> {
    let text = bounded(field)?;
    let mut pattern = RegexBuilder::new(text);
    // the dialect of the agents
    pattern.unicode(false).multi_line(true).crlf(true).size_limit(PATTERN_BYTES_MAX);
    if let Err(why) = pattern.build() {
        let why = why.to_string().lines().last().unwrap_or_default().trim().to_owned();
        field.wrong(format!("{text:?} is no regular expression: {why}; write \"^220 \""));
        return None;
    }
    Some(TcpStep::Expect(text.to_owned()))
}

fn bounded(field: Field<'_>) -> Option<&str> {
    let text = field.text()?;
    if text.is_empty() || text.len() > STEP_BYTES_MAX {
        field.wrong(format!("must have 1 to {STEP_BYTES_MAX} bytes; leave it out or shorten it"));
        return None;
    }
    Some(text)
}
