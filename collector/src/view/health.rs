//! What the process says of itself: is it ready, and what went wrong.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use parallax_model::Timestamp;

/// What passed between agents and the store since the start, and what waits now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Streams of agents that were taken.
    pub streams: u64,
    /// Streams that were refused: no hello, a stranger, a version that is not spoken.
    pub streams_refused: u64,
    /// Connections closed before they could say anything.
    pub connections_closed: u64,
    /// Agents that joined.
    pub joined: u64,
    /// Certificates that were renewed.
    pub renewed: u64,
    /// Messages that break the contract.
    pub messages_invalid: u64,
    /// Batches that came in, repeats too.
    pub batches: u64,
    /// Batches that were refused: too many holes, or too large.
    pub batches_refused: u64,
    /// Numbers acked: results and declared gaps.
    pub acked: u64,
    /// Results that claim to be from the future.
    pub from_the_future: u64,
    /// Batches that wait to be stored.
    pub waiting: usize,
}

/// Asks whoever counts.
struct Meter(Box<dyn Fn() -> Traffic + Send + Sync>);

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)().fmt(f)
    }
}

/// Readiness and the process's own counts, shared between the parts that know and the edges that
/// tell.
#[derive(Debug)]
pub struct Health {
    started: Timestamp,
    /// Parts that are not ready, and why.
    waiting: Mutex<BTreeMap<&'static str, String>>,
    reload: Mutex<Option<Reload>>,
    store_errors: AtomicU64,
    listeners: AtomicU64,
    meter: OnceLock<Meter>,
    webhooks: Mutex<BTreeMap<String, WebhookNews>>,
}

/// How a webhook fares, since the start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WebhookNews {
    /// Messages that wait for it.
    pub waiting: u64,
    /// Messages it took.
    pub delivered: u64,
    /// Tries that failed.
    pub failed: u64,
    /// Messages that were dropped because too many waited.
    pub dropped: u64,
    /// Messages that were given up because they could not be delivered for days.
    pub given_up: u64,
    /// Since when it takes nothing, if so.
    pub failing: Option<Failing>,
}

impl WebhookNews {
    /// Messages it will never have.
    pub const fn lost(&self) -> u64 {
        self.dropped.saturating_add(self.given_up)
    }
}

/// Since when a webhook takes nothing, and why the last try failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub why: String,
}

/// The last attempt to load the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reload {
    /// When.
    pub at: Timestamp,
    /// True if it is in force now; else the one before it still is.
    pub ok: bool,
}

impl Health {
    /// Not ready until every one of `parts` said so.
    pub fn new(started: Timestamp, parts: &[&'static str]) -> Self {
        let waiting = parts.iter().map(|p| (*p, "starting".to_owned())).collect();
        Self {
            started,
            waiting: Mutex::new(waiting),
            reload: Mutex::new(None),
            store_errors: AtomicU64::new(0),
            listeners: AtomicU64::new(0),
            meter: OnceLock::new(),
            webhooks: Mutex::default(),
        }
    }

    /// `part` is ready.
    pub fn ready(&self, part: &'static str) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(part);
    }

    /// `part` is not ready (any more), because of `why`.
    pub fn not_ready(&self, part: &'static str, why: impl Into<String>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.insert(part, why.into());
    }

    /// Parts that are not ready, and why; empty when all are.
    pub fn reasons(&self) -> BTreeMap<&'static str, String> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The configuration was loaded, or refused.
    pub fn reloaded(&self, at: Timestamp, ok: bool) {
        *self.reload.lock().unwrap_or_else(PoisonError::into_inner) = Some(Reload { at, ok });
    }

    /// The last attempt to load the configuration.
    pub fn reload(&self) -> Option<Reload> {
        *self.reload.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store did not do what it was asked.
    pub fn store_failed(&self) {
        self.store_errors.fetch_add(1, Ordering::Relaxed);
    }

    /// How often the store did not do what it was asked.
    pub fn store_errors(&self) -> u64 {
        self.store_errors.load(Ordering::Relaxed)
    }

    /// When the process started.
    pub const fn started(&self) -> Timestamp {
        self.started
    }

    /// From now on [`Health::traffic`] asks `meter`; only the first one counts.
    pub fn metered_by(&self, meter: impl Fn() -> Traffic + Send + Sync + 'static) {
        self.meter.get_or_init(|| Meter(Box::new(meter)));
    }

    /// What passes between agents and the store; none before agents are heard.
    pub fn traffic(&self) -> Option<Traffic> {
        self.meter.get().map(|meter| (meter.0)())
    }

    /// Counts a listener in, unless there are `max` already. Who was counted in calls
    /// [`Health::left`] once.
    pub fn entered(&self, max: u64) -> bool {
        let more = |n: u64| (n < max).then_some(n + 1);
        self.listeners.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Counts a listener out.
    pub fn left(&self) {
        self.listeners.fetch_sub(1, Ordering::Relaxed);
    }

    /// How each webhook fares, by name.
    pub fn webhooks(&self) -> BTreeMap<String, WebhookNews> {
        self.webhooks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How a webhook fares.
    pub fn webhook(&self, name: &str) -> WebhookNews {
        let webhooks = self.webhooks.lock().unwrap_or_else(PoisonError::into_inner);
        webhooks.get(name).cloned().unwrap_or_default()
    }

    /// A webhook fares so.
    pub fn tell_webhook(&self, name: &str, news: WebhookNews) {
        let mut webhooks = self.webhooks.lock().unwrap_or_else(PoisonError::into_inner);
        webhooks.insert(name.to_owned(), news);
    }

    /// Forgets webhooks that are not among these.
    pub fn keep_webhooks(&self, names: &HashSet<String>) {
        let mut webhooks = self.webhooks.lock().unwrap_or_else(PoisonError::into_inner);
        webhooks.retain(|name, _| names.contains(name));
    }

    /// Listeners on the event stream.
    pub fn listeners(&self) -> u64 {
        self.listeners.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_when_every_part_is_and_counts_listeners_up_to_the_bound() {
        let health = Health::new(Timestamp::EPOCH, &["store", "listener"]);
        health.ready("store");
        assert_eq!(health.reasons().into_keys().collect::<Vec<_>>(), ["listener"]);
        health.ready("listener");
        assert!(health.reasons().is_empty());
        health.not_ready("store", "disk full");
        assert_eq!(health.reasons()["store"], "disk full");

        assert!(health.entered(1) && !health.entered(1));
        health.left();
        assert!(health.entered(1));
    }
}
