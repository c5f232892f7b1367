//! LLM: a real, tiny inference, streamed.

use std::time::Duration;

/// Most tokens that an answer may be asked to have.
pub const TOKENS_MAX: u16 = 256;

/// Longest prompt, in bytes.
pub const PROMPT_BYTES_MAX: usize = 2048;

/// Longest name of a model or key, in bytes.
pub const NAME_BYTES_MAX: usize = 256;

/// An inference, and what its stream must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LlmCheck {
    /// Absolute address of the endpoint: `https://api.openai.com/v1/chat/completions`.
    pub url: String,
    /// How it is spoken to.
    pub api: LlmApi,
    /// The model asked.
    pub model: String,
    /// Name of the key in the agent's own configuration; none: no key is sent.
    pub key: Option<String>,
    /// What is asked.
    pub prompt: String,
    /// Most tokens of the answer.
    pub tokens_max: u16,
    /// Longest time from request to first token.
    pub first_token_max: Option<Duration>,
    /// Longest silence between two tokens.
    pub gap_max: Option<Duration>,
    /// Text that the answer must contain.
    pub answer_contains: Option<String>,
}

impl LlmCheck {
    /// The question asked where nothing else is said: its answer is a token or two.
    pub const PROMPT: &'static str = "Reply with the word OK.";

    /// Most tokens of an answer where nothing else is said.
    pub const TOKENS: u16 = 16;

    /// The usual question to `model`, without a key.
    pub fn new(api: LlmApi, url: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            api,
            model: model.into(),
            key: None,
            prompt: Self::PROMPT.to_owned(),
            tokens_max: Self::TOKENS,
            first_token_max: None,
            gap_max: None,
            answer_contains: None,
        }
    }
}

/// How an LLM service is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LlmApi {
    /// Chat completions as `OpenAI` defined them, and most others understand them.
    OpenAi,
    /// Messages as Anthropic defined them.
    Anthropic,
}

impl LlmApi {
    /// The word used in configuration: `openai`, `anthropic`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
        }
    }

    /// What a word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::OpenAi, Self::Anthropic].into_iter().find(|api| api.as_str() == word)
    }
}
