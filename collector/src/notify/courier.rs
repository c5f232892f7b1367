//! One courier for each webhook: takes letters from the outbox, one at a time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parallax_model::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::message::{self, MessageJson};
use super::pace::{Next, Pace};
use super::webhook::{Answer, Webhook, client, post};
use crate::store::letter::{Event, Letter, LetterId, Waiting};
use crate::store::writer::{Stored, Writer};
use crate::store::{ReadOutbox, StoreError};
use crate::view::{Failing, Health, WebhookNews};

/// Letters looked at to find the next: of each fault only the oldest may go.
const LOOKED_AT_MAX: usize = 1000;

/// A letter that could not be delivered for so long is given up: nobody acts on it any more.
const GIVE_UP_AFTER: Duration = Duration::from_hours(72);

/// The pause after the outbox could not be read.
const READ_AGAIN: Duration = Duration::from_secs(5);

/// How long a try that is under way may take when the collector stops.
const LAST_TRY: Duration = Duration::from_secs(3);

/// What couriers share.
#[derive(Clone)]
pub struct Rounds {
    /// Where letters are read.
    pub read: Arc<dyn ReadOutbox>,
    /// Who forgets them.
    pub writer: Writer,
    /// Where it is told how webhooks fare.
    pub health: Arc<Health>,
    /// Reads the wall clock.
    pub now: fn() -> Timestamp,
}

pub(super) struct Courier {
    webhook: Webhook,
    client: reqwest::Client,
    rounds: Rounds,
    stored: watch::Receiver<Stored>,
    pace: Pace,
    /// Delivered or given up, but perhaps still in the outbox.
    done: BTreeSet<LetterId>,
    news: WebhookNews,
}

impl Courier {
    /// An error says why there is nothing to send with.
    pub(super) fn new(webhook: &Webhook, rounds: &Rounds) -> Result<Self, String> {
        Ok(Self {
            webhook: webhook.clone(),
            client: client(webhook)?,
            rounds: rounds.clone(),
            stored: rounds.writer.stored(),
            pace: Pace::new(webhook.retry_max),
            done: BTreeSet::new(),
            news: rounds.health.webhook(&webhook.name),
        })
    }

    /// Delivers until told to stop.
    pub(super) async fn work(mut self, stop: CancellationToken) {
        let hurried = async {
            stop.cancelled().await;
            sleep(LAST_TRY).await;
        };
        tokio::pin!(hurried);
        while !stop.is_cancelled() {
            self.stored.mark_unchanged();
            let (next, over) = self.look().await;
            match next {
                Next::Send(letter) => tokio::select! {
                    () = self.deliver(letter, over) => {}
                    () = &mut hurried => break,
                },
                Next::At(at) => tokio::select! {
                    () = sleep_until(at) => {}
                    changed = self.stored.changed() => if changed.is_err() { break },
                    () = stop.cancelled() => break,
                },
                Next::Idle => tokio::select! {
                    changed = self.stored.changed() => if changed.is_err() { break },
                    () = stop.cancelled() => break,
                },
            }
        }
    }

    /// What to do next, and whether the fault of the letter to send is over already.
    async fn look(&mut self) -> (Next, bool) {
        let (name, limit) = (self.webhook.name.clone(), LOOKED_AT_MAX + self.done.len());
        let mut waiting = match self.ask(move |read| read.waiting(&name, limit)).await {
            Ok(waiting) => waiting,
            Err(why) => {
                tracing::error!(webhook = self.webhook.name, %why, "the outbox cannot be read");
                return (Next::At(Instant::now() + READ_AGAIN), false);
            }
        };
        self.done.retain(|id| waiting.iter().any(|w| w.id == *id));
        waiting.retain(|w| !self.done.contains(&w.id));
        self.news.waiting = waiting.len() as u64;
        self.tell();
        let next = self.pace.next(&waiting, Instant::now());
        let over = matches!(next, Next::Send(letter) if waiting
            .iter()
            .any(|w| w.fault == letter.fault && w.event == Event::Closed && w.id != letter.id));
        (next, over)
    }

    async fn deliver(&mut self, letter: Waiting, over: bool) {
        let id = letter.id;
        let full = match self.ask(move |read| read.letter(id)).await {
            Ok(Some(full)) => full,
            // replaced a moment ago by what came after it
            Ok(None) => return,
            Err(why) => {
                tracing::error!(webhook = self.webhook.name, %why, "a message cannot be read");
                self.pace.refused(&letter, Instant::now());
                return;
            }
        };
        let Some(message) = self.read(&full, over) else {
            self.give_up(&letter);
            return;
        };
        let answer = post(&self.client, &self.webhook, &message, (self.rounds.now)()).await;
        match answer {
            Answer::Taken(_) => self.taken(&letter),
            Answer::Away(why, pause) => {
                self.pace.away(pause, Instant::now());
                self.failed(&letter, why);
            }
            Answer::Refused(why) => {
                self.pace.refused(&letter, Instant::now());
                self.failed(&letter, why);
            }
        }
        self.tell();
    }

    fn read(&self, letter: &Letter, over: bool) -> Option<MessageJson> {
        match message::read(letter, over) {
            Ok(message) => Some(message),
            Err(why) => {
                tracing::error!(
                    webhook = self.webhook.name, fault = %letter.fault, %why,
                    "a message in the outbox is damaged"
                );
                None
            }
        }
    }

    fn taken(&mut self, letter: &Waiting) {
        self.pace.taken(letter, Instant::now());
        self.forget(letter.id);
        self.news.delivered += 1;
        self.news.waiting = self.news.waiting.saturating_sub(1);
        if self.news.failing.take().is_some() {
            let waiting = self.news.waiting;
            tracing::info!(
                webhook = self.webhook.name,
                waiting,
                "the webhook takes messages again"
            );
        }
    }

    /// Logged once, however often it is tried.
    fn failed(&mut self, letter: &Waiting, why: String) {
        let now = (self.rounds.now)();
        self.news.failed += 1;
        if self.news.failing.is_none() {
            tracing::warn!(
                webhook = self.webhook.name, fault = %letter.fault, why,
                "the webhook does not take messages; they wait"
            );
        }
        let since = self.news.failing.take().map_or(now, |failing| failing.since);
        self.news.failing = Some(Failing { since, why });
        if now.since(letter.at) > GIVE_UP_AFTER {
            self.give_up(letter);
        }
    }

    fn give_up(&mut self, letter: &Waiting) {
        self.forget(letter.id);
        self.news.given_up += 1;
        tracing::error!(
            webhook = self.webhook.name, fault = %letter.fault, event = letter.event.as_str(),
            "a message is given up: it could not be delivered"
        );
    }

    fn forget(&mut self, id: LetterId) {
        self.done.insert(id);
        self.rounds.writer.forget_letters(&[id]);
    }

    fn tell(&mut self) {
        let dropped = self.stored.borrow().dropped.get(&self.webhook.name).copied();
        self.news.dropped = dropped.unwrap_or_default();
        self.rounds.health.tell_webhook(&self.webhook.name, self.news.clone());
    }

    /// Asks the store where it may block.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn ReadOutbox) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let read = Arc::clone(&self.rounds.read);
        let asked = tokio::task::spawn_blocking(move || question(&*read)).await;
        asked.unwrap_or_else(|why| Err(StoreError::new("ask", why)))
    }
}
