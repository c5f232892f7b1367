//! The answers of a practice LLM service, as streams that come to their end or do not.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::time::Duration;

use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Body, Mode, whole};

/// What the service answers, a token a word.
const WORDS: [&str; 5] = ["OK", ",", " all", " is", " well"];

/// Time from one token to the next.
const TOKEN_EVERY: Duration = Duration::from_millis(4);

/// How services fail that stream their answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LlmMode {
    /// Two tokens, and then silence over an open connection.
    Stall,
    /// Two tokens, and then the connection breaks.
    Cut,
    /// 429 at once, and when to come again.
    Limit,
    /// 503: too much to do.
    Overload,
    /// 200, and in it an error.
    ErrorInside,
    /// A stream that ends without a token.
    Empty,
    /// Tokens without end.
    Endless,
}

impl LlmMode {
    /// Every mode.
    pub const ALL: &'static [Self] = &[
        Self::Stall,
        Self::Cut,
        Self::Limit,
        Self::Overload,
        Self::ErrorInside,
        Self::Empty,
        Self::Endless,
    ];

    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stall => "stall",
            Self::Cut => "cut",
            Self::Limit => "limit",
            Self::Overload => "overload",
            Self::ErrorInside => "error_inside",
            Self::Empty => "empty",
            Self::Endless => "endless",
        }
    }

    /// The mode a word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|mode| mode.as_str() == word)
    }
}

/// The answer to a question, in the dialect of its path.
pub(super) fn answer(head: &Parts, question: &[u8], mode: Mode) -> Response<Body> {
    let asked: Value = serde_json::from_slice(question).unwrap_or_default();
    if asked["stream"] != true || !asked["model"].is_string() {
        let why = "a practice model is asked for a stream, as JSON";
        return refusal(StatusCode::BAD_REQUEST, "invalid_request_error", why);
    }
    let dialect =
        if head.uri.path().ends_with("/messages") { Dialect::Anthropic } else { Dialect::OpenAi };
    let all: Vec<Step> = WORDS.iter().map(|word| Step::Say(dialect.token(word))).collect();
    let begun = || all.iter().take(2).cloned();
    let steps: VecDeque<Step> = match mode {
        Mode::Healthy | Mode::Slow(_) | Mode::Refuse | Mode::Hang => {
            all.iter().cloned().chain([Step::Say(dialect.end(WORDS.len()))]).collect()
        }
        Mode::Error => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return refusal(status, "server_error", "internal server error");
        }
        Mode::Llm(LlmMode::Stall) => begun().chain([Step::Silence]).collect(),
        Mode::Llm(LlmMode::Cut) => begun().chain([Step::Break]).collect(),
        Mode::Llm(LlmMode::Empty) => [Step::Say(dialect.end(0))].into(),
        Mode::Llm(LlmMode::Endless) => [Step::Forever(dialect.token(" more"))].into(),
        Mode::Llm(LlmMode::Limit) => {
            let why = "too many requests";
            let mut answer = refusal(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", why);
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("20"));
            return answer;
        }
        Mode::Llm(LlmMode::Overload) => {
            let why = "the engine is overloaded";
            return refusal(StatusCode::SERVICE_UNAVAILABLE, "overloaded_error", why);
        }
        Mode::Llm(LlmMode::ErrorInside) => {
            return refusal(StatusCode::OK, "server_error", "something went wrong");
        }
    };
    streamed(dialect.start(), steps)
}

fn refusal(status: StatusCode, kind: &str, message: &str) -> Response<Body> {
    let error = json!({ "type": "error", "error": { "type": kind, "message": message } });
    whole(status, "application/json", error.to_string())
}

/// What a stream does next.
#[derive(Debug, Clone)]
enum Step {
    Say(String),
    Silence,
    Break,
    /// The same again and again, until the client has enough or the connection has lived its time.
    Forever(String),
}

fn streamed(start: String, mut steps: VecDeque<Step>) -> Response<Body> {
    steps.push_front(Step::Say(start));
    let frames = stream::unfold(steps, |mut steps| async move {
        let frame = match steps.pop_front()? {
            Step::Say(text) => Ok(text),
            Step::Silence => pending().await,
            Step::Break => Err(io::Error::other("broken on purpose")),
            Step::Forever(text) => {
                steps.push_front(Step::Forever(text.clone()));
                Ok(text)
            }
        };
        sleep(TOKEN_EVERY).await;
        Some((frame.map(|text| Frame::data(Bytes::from(text))), steps))
    });
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// Whose events are spoken.
#[derive(Debug, Clone, Copy)]
enum Dialect {
    OpenAi,
    Anthropic,
}

impl Dialect {
    fn start(self) -> String {
        match self {
            Self::OpenAi => event(&json!({ "choices": [{ "delta": { "role": "assistant" } }] })),
            Self::Anthropic => {
                let usage = json!({ "input_tokens": 12 });
                event(&json!({ "type": "message_start", "message": { "usage": usage } }))
            }
        }
    }

    fn token(self, text: &str) -> String {
        match self {
            Self::OpenAi => event(&json!({ "choices": [{ "delta": { "content": text } }] })),
            Self::Anthropic => {
                let delta = json!({ "type": "text_delta", "text": text });
                event(&json!({ "type": "content_block_delta", "delta": delta }))
            }
        }
    }

    fn end(self, tokens: usize) -> String {
        match self {
            Self::OpenAi => {
                let usage = json!({ "prompt_tokens": 12, "completion_tokens": tokens });
                let stop = json!({ "choices": [{ "delta": {}, "finish_reason": "stop" }] });
                let usage = json!({ "choices": [], "usage": usage });
                format!("{}{}data: [DONE]\n\n", event(&stop), event(&usage))
            }
            Self::Anthropic => {
                let usage = json!({ "output_tokens": tokens });
                let delta = json!({ "stop_reason": "end_turn" });
                let stop = json!({ "type": "message_delta", "delta": delta, "usage": usage });
                format!("{}{}", event(&stop), event(&json!({ "type": "message_stop" })))
            }
        }
    }
}

fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

#[cfg(test)]
mod tests {
    //! Every switch, looked at by the agent's own eyes.

    use std::collections::BTreeMap;
    use std::fmt::Write as _;

    use parallax_agent::probe::{Surroundings, look};
    use parallax_model::{
        Check, ErrorKind, LlmApi, LlmCheck, ProbeResult, Role, Seen, Selector, Sensitivity, Target,
        TargetName, Timestamp,
    };

    use super::*;
    use crate::practice::service::{Kind, Service};

    async fn ask(service: &Service, api: LlmApi, timeout: Duration) -> ProbeResult {
        let path = match api {
            LlmApi::OpenAi => "v1/chat/completions",
            LlmApi::Anthropic => "v1/messages",
        };
        let url = format!("http://{}/{path}", service.addr());
        let first_token_max = Some(Duration::from_millis(500));
        let check = LlmCheck { first_token_max, ..LlmCheck::new(api, url, "practice-1") };
        let target = Target {
            name: TargetName::new("assistant").unwrap(),
            role: Role::Service,
            interval: timeout,
            timeout,
            depends_on: vec![],
            agents: Selector::default(),
            sensitivity: Sensitivity::default(),
            policy: None,
            check: Check::Llm(check),
        };
        let around = Surroundings::new(None, BTreeMap::new()).unwrap();
        look(&target, &around, Timestamp::EPOCH, false).await
    }

    /// A line of the table that the test prints.
    fn line(mode: &str, api: LlmApi, result: &ProbeResult) -> String {
        let Some(Seen::Llm(seen)) = result.seen.as_deref() else {
            return format!("{mode:<13}{:<10}not asked", api.as_str());
        };
        let kind = result.outcome.error().map_or("ok", ErrorKind::as_str);
        let status = result.status.map(|s| s.to_string()).unwrap_or_default();
        let first = seen.first_token.map(|t| format!("{} ms", t.as_millis())).unwrap_or_default();
        let detail = result.detail.as_deref().unwrap_or_default();
        format!(
            "{mode:<13}{:<10}{kind:<13}{status:<5}{first:<8}{:<3}{detail}",
            api.as_str(),
            seen.tokens
        )
    }

    #[tokio::test]
    #[expect(clippy::print_stdout, reason = "the table of what is told apart")]
    async fn every_switch_is_told_apart() {
        use ErrorKind as E;
        let patient = Duration::from_secs(20);
        let brief = Duration::from_secs(2);
        let llm = Mode::Llm;
        let mut table = String::new();
        for (mode, timeout, expected, tokens, says) in [
            (Mode::Healthy, patient, None, 5, ""),
            (Mode::Slow(100), patient, Some(E::Assertion), 5, "first token after 0."),
            (Mode::Hang, brief, Some(E::Timeout), 0, "no answer to the question"),
            (Mode::Error, patient, Some(E::Status5xx), 0, "status 500: server_error"),
            (llm(LlmMode::Stall), brief, Some(E::Timeout), 2, "the stream stalled: nothing for"),
            (llm(LlmMode::Cut), patient, Some(E::CutStream), 2, "cut after 2 tokens"),
            (llm(LlmMode::Limit), patient, Some(E::Blocked), 0, "status 429, retry after 20"),
            (llm(LlmMode::Overload), patient, Some(E::Status5xx), 0, "status 503: overloaded"),
            (llm(LlmMode::ErrorInside), patient, Some(E::Status5xx), 0, "an error in the answer"),
            (llm(LlmMode::Empty), patient, Some(E::Assertion), 0, "the answer is empty"),
            (llm(LlmMode::Endless), patient, Some(E::Protocol), 97, "the answer does not end"),
        ] {
            for api in [LlmApi::OpenAi, LlmApi::Anthropic] {
                let service = Service::open("assistant", Kind::Llm).await.unwrap();
                assert!(service.set(mode));
                let result = ask(&service, api, timeout).await;
                let told = line(mode.as_str(), api, &result);
                writeln!(table, "{told}").unwrap();
                assert_eq!(result.outcome.error(), expected, "{told}");
                assert!(told.contains(says), "{told}");
                let Some(Seen::Llm(seen)) = result.seen.as_deref() else { panic!("{told}") };
                assert_eq!(seen.tokens, tokens, "{told}");
                let ends =
                    matches!(mode, Mode::Healthy | Mode::Slow(_) | Mode::Llm(LlmMode::Empty));
                assert_eq!(seen.finished, ends, "{told}");
            }
        }
        println!("switch       api       error        http first   tokens\n{table}");
    }
}
