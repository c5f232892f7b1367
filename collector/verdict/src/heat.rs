//! How suspicious something is, cheaply: which targets and agents deserve a closer look at all.
//!
//! Every unexplained failure adds the nats it could be worth at most; what was added fades with the
//! looks' own window. Cold things cannot be at fault, so nobody has to weigh them.

/// A single failure on a clean path is worth just under 7 nats: below this nothing can be opened.
pub(crate) const HOT_NATS: f64 = 9.0;
/// One failure.
pub(crate) const WARM_NATS: f64 = 4.0;

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Heat {
    nats: f64,
    at_ms: i64,
}

impl Heat {
    pub(crate) fn add(&mut self, nats: f64, now_ms: i64, memory_ms: i64) {
        let kept = self.nats(now_ms, memory_ms);
        (self.nats, self.at_ms) = (kept + nats, now_ms);
    }

    pub(crate) fn nats(&self, now_ms: i64, memory_ms: i64) -> f64 {
        if self.nats == 0.0 {
            return 0.0;
        }
        let age = (now_ms - self.at_ms).max(0) as f64;
        self.nats * (-age / memory_ms.max(1) as f64).exp()
    }

    pub(crate) fn set(&mut self, nats: f64, now_ms: i64) {
        (self.nats, self.at_ms) = (nats, now_ms);
    }

    pub(crate) fn cool(&mut self) {
        self.nats = 0.0;
    }
}
