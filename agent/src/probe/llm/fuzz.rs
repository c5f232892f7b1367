//! A stream of events by strangers, see `probe::fuzz`.

use std::time::Instant;

use parallax_model::{LlmApi, LlmCheck};

use super::dialect::understand;
use super::sse::Reader;
use super::tale::Tale;

/// Read whole and in pieces (as large as the first byte says), events are the same; and they are
/// understood in both dialects.
///
/// # Panics
/// If they are not.
pub fn events(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let whole = Reader::default().read(rest);
    let mut reader = Reader::default();
    let pieces: Result<Vec<_>, _> =
        rest.chunks(usize::from(first % 16) + 1).map(|piece| reader.read(piece)).collect();
    assert_eq!(pieces.map(|pieces| pieces.concat()), whole);
    let now = Instant::now();
    for api in [LlmApi::OpenAi, LlmApi::Anthropic] {
        let check = LlmCheck::new(api, "https://llm.test/", "m");
        let mut tale = Tale::new(now);
        for event in whole.as_deref().unwrap_or_default() {
            if let Some(said) = understand(api, event) {
                tale.hear(&said, now);
            }
        }
        assert!(tale.is_endless(&check) || tale.judge(&check).is_ok() || !tale.has_begun());
        drop((tale.stalled(now), tale.cut()));
    }
}
