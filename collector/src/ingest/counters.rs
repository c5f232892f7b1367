//! What ingest counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// One count, only ever growing.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counted since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Streams that were taken.
    pub streams: Counter,
    /// Streams and requests that were refused: no hello, a stranger, a version that is not spoken.
    pub refused: Counter,
    /// Connections that were closed before they could say anything: no TLS 1.3, or none from elsewhere.
    pub closed: Counter,
    /// Agents that joined.
    pub joined: Counter,
    /// Certificates that were renewed.
    pub renewed: Counter,
    /// Messages that break the contract.
    pub invalid: Counter,
    /// Batches that came in.
    pub batches: Counter,
    /// Batches that were refused: too many holes, or too large.
    pub batches_refused: Counter,
    /// Numbers acked.
    pub acked: Counter,
    /// Results that claim to be from the future.
    pub from_the_future: Counter,
}
