//! LLM.

use std::time::Duration;

use parallax_model::target::llm::{PROMPT_BYTES_MAX, TOKENS_MAX};
use parallax_model::{LlmApi, LlmCheck};

use super::micros;
use crate::convert::InvalidMessage;
use crate::pb;

pub(super) fn to_wire(check: &LlmCheck) -> pb::LlmCheck {
    pb::LlmCheck {
        url: check.url.clone(),
        api: check.api.as_str().to_owned(),
        model: check.model.clone(),
        key: check.key.clone(),
        prompt: check.prompt.clone(),
        tokens_max: check.tokens_max.into(),
        first_token_max_us: check.first_token_max.map(micros),
        gap_max_us: check.gap_max.map(micros),
        answer_contains: check.answer_contains.clone(),
    }
}

pub(super) fn from_wire(check: pb::LlmCheck) -> Result<LlmCheck, InvalidMessage> {
    let api = LlmApi::from_word(&check.api)
        .ok_or_else(|| InvalidMessage::new("target.llm.api", "must be openai or anthropic"))?;
    let tokens = u16::try_from(check.tokens_max).ok().filter(|n| (1..=TOKENS_MAX).contains(n));
    let tokens_max = tokens.ok_or_else(|| {
        InvalidMessage::new("target.llm.tokens_max", format!("is not within 1-{TOKENS_MAX}"))
    })?;
    if check.prompt.len() > PROMPT_BYTES_MAX {
        return Err(InvalidMessage::new("target.llm.prompt", "is too long"));
    }
    Ok(LlmCheck {
        url: check.url,
        api,
        model: check.model,
        key: check.key,
        prompt: check.prompt,
        tokens_max,
        first_token_max: check.first_token_max_us.map(Duration::from_micros),
        gap_max: check.gap_max_us.map(Duration::from_micros),
        answer_contains: check.answer_contains,
    })
}
