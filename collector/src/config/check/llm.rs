//! `llm`: a real, tiny inference, streamed.

use std::time::Duration;

use parallax_model::target::llm::{NAME_BYTES_MAX, PROMPT_BYTES_MAX, TOKENS_MAX};
use parallax_model::{LlmApi, LlmCheck};

use super::{contains, http_url};
use crate::config::section::Field;

pub(super) const KEYS: &[&str] = &[
    "url",
    "api",
    "model",
    "key",
    "prompt",
    "max_tokens",
    "first_token_max",
    "gap_max",
    "answer_contains",
];

/// An LLM check.
pub(super) fn read(field: Field<'_>) -> Option<LlmCheck> {
    let section = field.section("llm", KEYS)?;
    let limit = |key| section.get(key).and_then(limit);
    let usual = LlmCheck::new(LlmApi::OpenAi, "", "");
    let check = LlmCheck {
        api: section.get("api").and_then(api).unwrap_or(usual.api),
        key: section.get("key").and_then(|f| short(f, NAME_BYTES_MAX)),
        prompt: section
            .get("prompt")
            .and_then(|f| short(f, PROMPT_BYTES_MAX))
            .unwrap_or(usual.prompt),
        tokens_max: section
            .get("max_tokens")
            .and_then(|f| f.number(1, TOKENS_MAX))
            .unwrap_or(usual.tokens_max),
        first_token_max: limit("first_token_max"),
        gap_max: limit("gap_max"),
        answer_contains: section.get("answer_contains").and_then(contains),
        ..usual
    };
    let model = section.need("model", "\"gpt-5-nano\"").and_then(|f| short(f, NAME_BYTES_MAX));
    let url = section.need("url", "\"https://api.openai.com/v1/chat/completions\"")?;
    let parsed = http_url(url.text()?).map_err(|why| url.wrong(why)).ok()?;
    Some(LlmCheck { url: parsed.into(), model: model?, ..check })
}

fn api(field: Field<'_>) -> Option<LlmApi> {
    let text = field.text()?;
    let api = LlmApi::from_word(text);
    if api.is_none() {
        field.wrong(format!("unknown api {text:?}; use \"openai\" or \"anthropic\""));
    }
    api
}

fn short(field: Field<'_>, bytes_max: usize) -> Option<String> {
    let text = field.text()?;
    if text.is_empty() || text.len() > bytes_max {
        field.wrong(format!("must have 1 to {bytes_max} bytes; leave it out or shorten it"));
        return None;
    }
    Some(text.to_owned())
}

fn limit(field: Field<'_>) -> Option<Duration> {
    let limit = field.duration()?;
    if limit.is_zero() {
        field.wrong("no answer could be so fast; write \"2s\" or leave it out");
        return None;
    }
    Some(limit)
}
