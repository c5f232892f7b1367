//! `openai+https://HOST/PATH?model=…`, `anthropic+https://HOST/PATH?model=…`

use parallax_model::target::llm::TOKENS_MAX;
use parallax_model::{LlmApi, LlmCheck};
use url::Url;

pub(super) fn check(api: LlmApi, url: &Url) -> Result<LlmCheck, String> {
    let example = "openai+https://api.openai.com/v1/chat/completions?model=gpt-5-nano";
    let (_, plain) = url.as_str().split_once('+').ok_or("no scheme")?;
    let mut plain =
        Url::parse(plain).map_err(|e| format!("{url} is no address ({e}); write {example}"))?;
    let mut check = LlmCheck::new(api, "", "");
    for (key, value) in url.query_pairs() {
        match &*key {
            "model" => check.model = value.into_owned(),
            "prompt" => check.prompt = value.into_owned(),
            "tokens" => {
                let tokens = value.parse().ok().filter(|n| (1..=TOKENS_MAX).contains(n));
                check.tokens_max = tokens.ok_or_else(|| {
                    format!("{value:?} is no count of tokens from 1 to {TOKENS_MAX}")
                })?;
            }
            "contains" => check.answer_contains = Some(value.into_owned()),
            other => {
                return Err(format!(
                    "{other:?} is unknown; model, prompt, tokens and contains are known"
                ));
            }
        }
    }
    if check.model.is_empty() {
        return Err(format!("{url} names no model; write it like {example}"));
    }
    plain.set_query(None);
    check.url = plain.into();
    Ok(check)
}
