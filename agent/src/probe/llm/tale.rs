//! What has been heard of an answer so far. Pure: time comes in.

use std::time::Instant;

use parallax_model::{ErrorKind, LlmCheck, LlmSeen};

use super::dialect::Said;
use crate::probe::failure::Failure;

/// How far an answer is kept for its assertion: as long as what can be asked for.
const TEXT_BYTES_MAX: usize = 16 << 10;

/// Pieces beyond the tokens asked for that are forgiven: services count in their own ways.
const PIECES_FORGIVEN: u32 = 64;

/// The answer as it comes.
pub(super) struct Tale {
    asked: Instant,
    first: Option<Instant>,
    last: Option<Instant>,
    pieces: u32,
    text: String,
    tokens: Option<u32>,
    pub(super) complete: bool,
    pub(super) seen: LlmSeen,
}

impl Tale {
    /// Nothing came yet of what was asked for at `asked`.
    pub(super) fn new(asked: Instant) -> Self {
        let seen = LlmSeen::default();
        let text = String::new();
        Self {
            asked,
            first: None,
            last: None,
            pieces: 0,
            text,
            tokens: None,
            complete: false,
            seen,
        }
    }

    /// Takes in what an event said at `now`.
    pub(super) fn hear(&mut self, said: &Said, now: Instant) {
        if let Some(piece) = &said.piece {
            self.pieces = self.pieces.saturating_add(1);
            if self.text.len() + piece.len() <= TEXT_BYTES_MAX {
                self.text.push_str(piece);
            }
            let first = *self.first.get_or_insert(now);
            let before = self.last.replace(now);
            if let Some(before) = before {
                let gap = now.saturating_duration_since(before);
                self.seen.longest_gap = Some(self.seen.longest_gap.unwrap_or_default().max(gap));
            }
            self.seen.first_token = Some(first.saturating_duration_since(self.asked));
            self.seen.streamed = now.saturating_duration_since(first);
        }
        self.complete |= said.complete;
        self.seen.finished = self.complete;
        self.seen.prompt_tokens = said.prompt_tokens.unwrap_or(self.seen.prompt_tokens);
        self.tokens = said.tokens.or(self.tokens);
        self.seen.tokens = self.tokens.unwrap_or(self.pieces).max(self.pieces.min(1));
    }

    /// True once there is a token.
    pub(super) const fn has_begun(&self) -> bool {
        self.first.is_some()
    }

    /// True if the answer goes on far beyond what was asked for.
    pub(super) fn is_endless(&self, check: &LlmCheck) -> bool {
        self.pieces > u32::from(check.tokens_max) * 2 + PIECES_FORGIVEN
    }

    /// No more time: nothing came, or the stream stands still.
    pub(super) fn stalled(&self, now: Instant) -> Failure {
        let seconds = |since: Instant| now.saturating_duration_since(since).as_secs_f64();
        let why = match self.last {
            None => format!("no token within {:.1} s", seconds(self.asked)),
            Some(last) => format!(
                "the stream stalled: nothing for {:.1} s after {} tokens",
                seconds(last),
                self.seen.tokens
            ),
        };
        Failure::new(ErrorKind::Timeout, why)
    }

    /// The connection ended before the answer did.
    pub(super) fn cut(&self) -> Failure {
        if self.pieces == 0 {
            return Failure::new(ErrorKind::CutStream, "the stream was cut before the first token");
        }
        let why = format!("the stream was cut after {} tokens", self.seen.tokens);
        Failure::new(ErrorKind::CutStream, why)
    }

    /// A whole answer: is it one, and as asserted?
    pub(super) fn judge(&self, check: &LlmCheck) -> Result<(), Failure> {
        let wrong = |why: String| Err(Failure::new(ErrorKind::Assertion, why));
        let (Some(first_token), true) = (self.seen.first_token, self.pieces > 0) else {
            return wrong("the answer is empty: it ended without a token".to_owned());
        };
        if let Some(max) = check.first_token_max.filter(|max| first_token > *max) {
            return wrong(format!(
                "first token after {:.2} s, at most {:.2} s",
                first_token.as_secs_f64(),
                max.as_secs_f64()
            ));
        }
        let gap = self.seen.longest_gap.unwrap_or_default();
        if let Some(max) = check.gap_max.filter(|max| gap > *max) {
            return wrong(format!(
                "silent for {:.2} s between two tokens, at most {:.2} s",
                gap.as_secs_f64(),
                max.as_secs_f64()
            ));
        }
        match &check.answer_contains {
            Some(text) if !self.text.contains(text) => {
                let shown = crate::probe::failure::excerpt(self.text.as_bytes());
                wrong(format!("the answer {shown} does not contain {text:?}"))
            }
            _ => Ok(()),
        }
    }
}
