//! A webhook: one `POST` of one message, and what came of it.

use std::time::Duration;

use parallax_model::{Locus, Timestamp};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use url::Url;

use super::{MessageJson, Secret, Template};
use crate::store::letter::Event;

/// How much of an answer is read: enough to see why it is a refusal.
const ANSWER_BYTES_MAX: usize = 4096;

/// How much of an answer is told.
const TOLD_CHARS_MAX: usize = 200;

/// Longest pause that a receiver may ask for.
const ASKED_PAUSE_MAX: Duration = Duration::from_hours(1);

/// Which faults a receiver hears of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// Services and the ways to them: whoever uses them wants to know.
    Services,
    /// Agents, regions, providers, the collector itself: whoever runs them wants to know.
    Fleet,
}

impl About {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Services, Self::Fleet];

    /// The word used in configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Services => "services",
            Self::Fleet => "fleet",
        }
    }

    const fn of(locus: &Locus) -> Self {
        match locus {
            Locus::Service { .. }
            | Locus::ServiceRegion { .. }
            | Locus::ServiceProvider { .. }
            | Locus::Dependency { .. }
            | Locus::Path { .. } => Self::Services,
            Locus::Region { .. }
            | Locus::Provider { .. }
            | Locus::Agent { .. }
            | Locus::Collector => Self::Fleet,
        }
    }
}

/// A receiver, as its owner declared it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its name; what waits for it waits under this name.
    pub name: String,
    /// Where messages go.
    pub url: Url,
    /// With what they are signed.
    pub secret: Option<Secret>,
    /// Which faults it hears of.
    pub about: Vec<About>,
    /// What of them.
    pub events: Vec<Event>,
    /// Headers that are added.
    pub headers: HeaderMap,
    /// Other words than ours.
    pub template: Option<Template>,
    /// How long one try may take.
    pub timeout: Duration,
    /// Longest pause between two tries.
    pub retry_max: Duration,
}

impl Webhook {
    /// True if it hears of faults there.
    pub fn hears(&self, locus: &Locus) -> bool {
        self.about.contains(&About::of(locus))
    }
}

/// What came of one try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The receiver has it.
    Taken(String),
    /// The receiver takes nothing at present, or cannot be reached; it may ask for a pause.
    Away(String, Option<Duration>),
    /// The receiver does not take this message.
    Refused(String),
}

/// What sends messages to one webhook. An error says why there can be none.
pub fn client(webhook: &Webhook) -> Result<reqwest::Client, String> {
    let mut client = reqwest::Client::builder()
        .timeout(webhook.timeout)
        // a redirect would carry the message, signed, to somebody the owner did not name
        .redirect(Policy::none())
        .user_agent(concat!("parallax/", env!("CARGO_PKG_VERSION")));
    if is_loopback(&webhook.url) {
        // a proxy has no business between a machine and itself
        client = client.no_proxy();
    }
    client.build().map_err(|why| reasons(&why))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// Sends one message, once.
pub async fn post(
    client: &reqwest::Client,
    webhook: &Webhook,
    message: &MessageJson,
    now: Timestamp,
) -> Answer {
    let body = match text(webhook, message) {
        Ok(body) => body,
        Err(why) => return Answer::Refused(format!("no message can be made: {why}")),
    };
    let second = now.millis().div_euclid(1000);
    let mut request = client
        .post(webhook.url.clone())
        .headers(webhook.headers.clone())
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", &message.key)
        .header("webhook-timestamp", second);
    if let Some(secret) = &webhook.secret {
        request = request.header("webhook-signature", secret.sign(&message.key, second, &body));
    }
    match request.body(body).send().await {
        Ok(answer) => heard(answer).await,
        Err(why) => Answer::Away(reasons(&why), None),
    }
}

/// The body. A message that the template cannot tell is told plainly rather than not at all.
fn text(webhook: &Webhook, message: &MessageJson) -> serde_json::Result<String> {
    if let Some(template) = &webhook.template {
        match template.fill(message) {
            Ok(text) => return Ok(text),
            Err(why) => tracing::error!(
                webhook = webhook.name,
                key = message.key,
                why = why.what,
                "the template does not fit this message, which is sent as it is"
            ),
        }
    }
    serde_json::to_string(message)
}

async fn heard(mut answer: reqwest::Response) -> Answer {
    let status = answer.status();
    let pause = asked_pause(answer.headers());
    let mut body = Vec::new();
    while let Ok(Some(part)) = answer.chunk().await {
        body.extend_from_slice(&part);
        if body.len() >= ANSWER_BYTES_MAX {
            break;
        }
    }
    let words = String::from_utf8_lossy(&body);
    let words: String = words
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(TOLD_CHARS_MAX)
        .collect();
    let told = if words.is_empty() { status.to_string() } else { format!("{status}: {words}") };
    match status.as_u16() {
        200..=299 => Answer::Taken(told),
        300..=399 => {
            Answer::Away(format!("{told}; redirects are not followed: name the right url"), None)
        }
        // the address or the credential is wrong, or it is too much at once: so it is for all messages
        401 | 403 | 404 | 405 | 407 | 408 | 410 | 425 | 429 => Answer::Away(told, pause),
        400..=499 => Answer::Refused(told),
        _ => Answer::Away(told, pause),
    }
}

fn asked_pause(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(ASKED_PAUSE_MAX))
}

/// An error and its causes in one line, without the address: it may hold a token.
fn reasons(why: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut cause = std::error::Error::source(why);
    while let Some(why) = cause {
        causes.push(why.to_string());
        cause = why.source();
    }
    if why.is_timeout() {
        return "no answer in time".to_owned();
    }
    causes.pop().unwrap_or_else(|| "it cannot be sent".to_owned())
}
