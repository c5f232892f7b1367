//! How the services are asked, and what their events mean. Pure.

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue, InvalidHeaderValue};
use parallax_model::{LlmApi, LlmCheck};
use serde_json::{Value, json};

use super::sse::Event;

/// The version of Anthropic's API that is spoken.
const ANTHROPIC_VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

/// What one event says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Said {
    /// A piece of the answer: usually one token. Thinking aloud is a piece without text.
    pub(super) piece: Option<String>,
    /// The answer is complete.
    pub(super) complete: bool,
    /// Nothing more comes.
    pub(super) last: bool,
    /// Tokens of the question, as the service counts.
    pub(super) prompt_tokens: Option<u32>,
    /// Tokens of the answer, as the service counts.
    pub(super) tokens: Option<u32>,
    /// An error instead of an answer.
    pub(super) complaint: Option<Complaint>,
}

/// An error, in the service's own words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Complaint {
    /// Code and type, as far as there are any.
    pub(super) words: Vec<String>,
    pub(super) message: String,
}

/// The body of a request.
pub(super) fn question(check: &LlmCheck, host: &str) -> Value {
    let messages = json!([{ "role": "user", "content": check.prompt }]);
    match check.api {
        LlmApi::OpenAi => {
            // OpenAI's newer models refuse the old word, most others know no other
            let bound =
                if host == "api.openai.com" { "max_completion_tokens" } else { "max_tokens" };
            json!({
                "model": check.model, "messages": messages, bound: check.tokens_max,
                "stream": true, "stream_options": { "include_usage": true },
            })
        }
        LlmApi::Anthropic => json!({
            "model": check.model, "messages": messages, "max_tokens": check.tokens_max,
            "stream": true,
        }),
    }
}

/// The headers that carry the key.
pub(super) fn headers(api: LlmApi, key: Option<&str>) -> Result<HeaderMap, InvalidHeaderValue> {
    let mut headers = HeaderMap::new();
    let secret = |text: String| {
        let mut value = HeaderValue::try_from(text)?;
        value.set_sensitive(true);
        Ok(value)
    };
    match api {
        LlmApi::OpenAi => {
            if let Some(key) = key {
                headers.insert(AUTHORIZATION, secret(format!("Bearer {key}"))?);
            }
        }
        LlmApi::Anthropic => {
            headers.insert(HeaderName::from_static("anthropic-version"), ANTHROPIC_VERSION);
            if let Some(key) = key {
                headers.insert(HeaderName::from_static("x-api-key"), secret(key.to_owned())?);
            }
        }
    }
    Ok(headers)
}

/// What an event says; none if it makes no sense.
pub(super) fn understand(api: LlmApi, event: &Event) -> Option<Said> {
    if event.data.trim() == "[DONE]" {
        return Some(Said { complete: true, last: true, ..Said::default() });
    }
    let data: Value = serde_json::from_str(&event.data).ok()?;
    if let Some(complaint) = complaint(&data) {
        return Some(Said { complaint: Some(complaint), ..Said::default() });
    }
    Some(match api {
        LlmApi::OpenAi => openai(&data),
        LlmApi::Anthropic => anthropic(event, &data),
    })
}

/// The error in a body or an event, if it is one.
pub(super) fn complaint(data: &Value) -> Option<Complaint> {
    let error = data.get("error").filter(|error| !error.is_null())?;
    let text = |key: &str| error.get(key).and_then(Value::as_str);
    let code = error.get("code").filter(|code| code.is_number()).map(ToString::to_string);
    let words = [text("code"), text("type"), text("status")].into_iter().flatten();
    let message = text("message").or(error.as_str()).unwrap_or_default().to_owned();
    Some(Complaint { words: words.map(str::to_owned).chain(code).collect(), message })
}

fn openai(data: &Value) -> Said {
    let choice = data.pointer("/choices/0");
    let delta = |key: &str| {
        let text = choice?.get("delta")?.get(key)?.as_str()?;
        (!text.is_empty()).then_some(text)
    };
    let thinks = ["reasoning_content", "reasoning"].iter().any(|key| delta(key).is_some());
    Said {
        piece: delta("content").map(str::to_owned).or_else(|| thinks.then(String::new)),
        complete: choice.and_then(|c| c.get("finish_reason")).is_some_and(Value::is_string),
        prompt_tokens: number(data.pointer("/usage/prompt_tokens")),
        tokens: number(data.pointer("/usage/completion_tokens")),
        ..Said::default()
    }
}

fn anthropic(event: &Event, data: &Value) -> Said {
    let kind = data.get("type").and_then(Value::as_str).unwrap_or(&event.name);
    let delta = |key: &str| {
        let text = data.get("delta")?.get(key)?.as_str()?;
        (!text.is_empty()).then_some(text)
    };
    match kind {
        "message_start" => Said {
            prompt_tokens: number(data.pointer("/message/usage/input_tokens")),
            ..Said::default()
        },
        "content_block_delta" => Said {
            piece: delta("text")
                .map(str::to_owned)
                .or_else(|| delta("thinking").map(|_| String::new())),
            ..Said::default()
        },
        "message_delta" => Said {
            complete: delta("stop_reason").is_some(),
            tokens: number(data.pointer("/usage/output_tokens")),
            ..Said::default()
        },
        "message_stop" => Said { complete: true, last: true, ..Said::default() },
        // pings, the edges of blocks, and what comes some day
        _ => Said::default(),
    }
}

fn number(value: Option<&Value>) -> Option<u32> {
    value?.as_u64().and_then(|n| u32::try_from(n).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(api: LlmApi, data: &str) -> Said {
        understand(api, &Event { name: String::new(), data: data.into() }).unwrap()
    }

    #[test]
    fn openai_is_understood() {
        let said = |data| said(LlmApi::OpenAi, data);
        let piece = said(r#"{"choices":[{"delta":{"content":"OK"},"finish_reason":null}]}"#);
        assert_eq!(piece, Said { piece: Some("OK".into()), ..Said::default() });
        let role = said(r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#);
        assert_eq!(role, Said::default());
        let thought = said(r#"{"choices":[{"delta":{"reasoning_content":"hm"}}]}"#);
        assert_eq!(thought.piece.as_deref(), Some(""));
        let end = said(r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#);
        assert!(end.complete && !end.last);
        let usage = said(r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}"#);
        assert_eq!((usage.prompt_tokens, usage.tokens), (Some(9), Some(2)));
        assert!(said("[DONE]").last);
        let error = said(r#"{"error":{"type":"server_error","code":"x","message":"oh"}}"#);
        let words = vec!["x".to_owned(), "server_error".to_owned()];
        assert_eq!(error.complaint, Some(Complaint { words, message: "oh".into() }));
    }

    #[test]
    fn anthropic_is_understood() {
        let said = |data| said(LlmApi::Anthropic, data);
        let start = said(r#"{"type":"message_start","message":{"usage":{"input_tokens":11}}}"#);
        assert_eq!(start.prompt_tokens, Some(11));
        let piece =
            said(r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"OK"}}"#);
        assert_eq!(piece.piece.as_deref(), Some("OK"));
        assert_eq!(said(r#"{"type":"ping"}"#), Said::default());
        let end = said(
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":4}}"#,
        );
        assert_eq!((end.complete, end.tokens), (true, Some(4)));
        assert!(said(r#"{"type":"message_stop"}"#).last);
        let error =
            said(r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#);
        assert_eq!(error.complaint.unwrap().words, ["overloaded_error"]);
    }

    #[test]
    fn a_question_is_bounded_in_the_word_that_its_service_knows() {
        let ask = |api, host| {
            let check = LlmCheck::new(api, format!("https://{host}/"), "m");
            question(&check, host)
        };
        let openai = ask(LlmApi::OpenAi, "api.openai.com");
        assert_eq!(
            (&openai["max_completion_tokens"], &openai["stream"]),
            (&json!(16), &json!(true))
        );
        assert_eq!(openai["max_tokens"], Value::Null);
        assert_eq!(ask(LlmApi::OpenAi, "llm.test")["max_tokens"], 16);
        assert_eq!(ask(LlmApi::Anthropic, "api.anthropic.com")["max_tokens"], 16);
    }

    #[test]
    fn a_key_is_a_header_that_is_not_shown() {
        let headers = headers(LlmApi::OpenAi, Some("sk-1")).unwrap();
        assert_eq!(headers[AUTHORIZATION], "Bearer sk-1");
        assert!(!format!("{headers:?}").contains("sk-1"));
        let headers = super::headers(LlmApi::Anthropic, Some("sk-2")).unwrap();
        assert_eq!(headers["x-api-key"], "sk-2");
        assert!(!format!("{headers:?}").contains("sk-2"));
    }

    proptest! {
        #[test]
        fn no_data_breaks_it(data in ".{0,200}", name in "[a-z_]{0,20}") {
            let event = Event { name, data };
            for api in [LlmApi::OpenAi, LlmApi::Anthropic] {
                drop(understand(api, &event));
            }
        }
    }
}
