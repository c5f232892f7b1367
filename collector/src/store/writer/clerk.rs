//! The one task that writes.

use std::sync::Arc;
use std::time::Duration;

use parallax_model::Fault;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::mail::Mailbox;
use super::{Job, Stored, Writer};
use crate::store::{Arrival, Dropped, Kept, StoreError, WriteStore, part};

/// Arrivals that wait for the writer, over all streams. Each stream has at most a window's worth of
/// them; with the channel full, streams are no longer read.
const WAITING_MAX: usize = 256;

/// Most arrivals in one transaction. More would let the first wait too long for its ack.
pub(super) const GROUP_MAX: usize = 64;

/// Most results in one transaction, for the same reason.
const GROUP_RESULTS_MAX: usize = 2000;

/// The first pause after a failed commit, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// A writer over `store`, and the work that must be run for it to write. What was new goes to
/// `committed`. Once `hurry` is cancelled, a store that fails is not waited for any more.
pub fn writer(
    store: Box<dyn WriteStore>,
    committed: mpsc::Sender<Vec<Arrival>>,
    hurry: CancellationToken,
) -> (Writer, impl Future<Output = ()> + Send) {
    let (jobs, waiting) = mpsc::channel(WAITING_MAX);
    let (told, health) = watch::channel(None);
    let (durable, stored) = watch::channel(Stored::default());
    let mail = Arc::<Mailbox>::default();
    let clerk = Clerk {
        store: Some(store),
        waiting,
        mail: Arc::clone(&mail),
        committed,
        told,
        durable,
        hurry,
        pause: RETRY.0,
    };
    (Writer { jobs, mail, health, stored }, clerk.work())
}

struct Clerk {
    /// None only while a thread that may block has it.
    store: Option<Box<dyn WriteStore>>,
    waiting: mpsc::Receiver<Job>,
    mail: Arc<Mailbox>,
    committed: mpsc::Sender<Vec<Arrival>>,
    told: watch::Sender<Option<String>>,
    durable: watch::Sender<Stored>,
    hurry: CancellationToken,
    /// How long the mail waits after it could not be stored.
    pause: Duration,
}

impl Clerk {
    /// Ends early only if a panic took the store away: whoever runs the collector starts it again.
    async fn work(mut self) {
        // while the mail could not be stored: when to try again
        let mut again: Option<Instant> = None;
        while self.store.is_some() {
            tokio::select! {
                () = self.mail.rang.notified(), if again.is_none() => {}
                () = sleep_until(again.unwrap_or_else(Instant::now)), if again.is_some() => {}
                first = self.waiting.recv() => match first {
                    Some(first) => self.commit(first).await,
                    None => break,
                },
            }
            if again.is_none_or(|at| at <= Instant::now()) {
                again = self.store_mail().await;
            }
        }
        self.store_mail().await;
    }

    /// Commits one arrival and those that wait behind it.
    async fn commit(&mut self, first: Job) {
        let (arrivals, senders) = self.group(first);
        let mut arrivals = Arc::new(arrivals);
        let mut pause = RETRY.0;
        let kept = loop {
            let group = Arc::clone(&arrivals);
            match self.blocking(move |store| store.append(&group)).await {
                Ok(kept) => break kept,
                Err(why) => self.mourn(&why),
            }
            if self.waiting.is_closed() || self.hurry.is_cancelled() || self.store.is_none() {
                // it is over: the agents keep what is not acked
                return;
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = self.hurry.cancelled() => {}
            }
            pause = (pause * 2).min(RETRY.1);
        };
        let fresh = fresh_parts(std::mem::take(Arc::make_mut(&mut arrivals)), &kept);
        for (done, kept) in senders.into_iter().zip(kept) {
            // a sender whose stream was cut does not wait any more
            drop(done.send(kept));
        }
        if !fresh.is_empty() && self.committed.send(fresh).await.is_err() {
            tracing::debug!("nobody judges any more: the collector stops");
        }
    }

    fn group(&mut self, first: Job) -> (Vec<Arrival>, Vec<oneshot::Sender<Kept>>) {
        let mut results = first.arrival.batch.results().len();
        let mut group = (vec![first.arrival], vec![first.done]);
        while group.0.len() < GROUP_MAX && results < GROUP_RESULTS_MAX {
            let Ok(next) = self.waiting.try_recv() else { break };
            results += next.arrival.batch.results().len();
            group.0.push(next.arrival);
            group.1.push(next.done);
        }
        group
    }

    /// Stores what is in the mailbox; answers when to try again if that failed.
    async fn store_mail(&mut self) -> Option<Instant> {
        let mail = self.mail.take()?;
        let ours = mail.clone();
        let stored = self.blocking(move |store| {
            // forgetting twice does no harm, if what follows fails
            store.forget_letters(&ours.done)?;
            let faults: Vec<Fault> = ours.faults.into_values().collect();
            store.put_faults(&faults, &ours.letters)
        });
        match stored.await {
            Ok(dropped) => {
                self.pause = RETRY.0;
                self.note(mail.ticket, dropped);
                None
            }
            Err(why) => {
                self.mourn(&why);
                self.mail.put_back(mail);
                let again = Instant::now() + self.pause;
                self.pause = (self.pause * 2).min(RETRY.1);
                Some(again)
            }
        }
    }

    fn note(&self, ticket: u64, dropped: Dropped) {
        for (webhook, letters) in &dropped {
            tracing::error!(webhook, letters, "the outbox is full: dropped the oldest messages");
        }
        self.durable.send_modify(|stored| {
            stored.ticket = ticket;
            for (webhook, letters) in dropped {
                *stored.dropped.entry(webhook).or_default() += letters;
            }
        });
    }

    /// Logged once for each way in which it fails, however often it is tried.
    fn mourn(&self, why: &StoreError) {
        let why = why.to_string();
        let before = self.told.send_replace(Some(why.clone()));
        if before.as_ref() != Some(&why) {
            tracing::error!(
                why,
                "the store does not take results; agents keep theirs until it does"
            );
        }
    }

    /// Runs `work` where it may block.
    async fn blocking<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut dyn WriteStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let gone = || StoreError::new("write", "the writer's thread died");
        let mut store = self.store.take().ok_or_else(gone)?;
        let joined = tokio::task::spawn_blocking(move || {
            let done = work(&mut *store);
            (store, done)
        });
        let (store, done) = joined.await.map_err(|_| gone())?;
        self.store = Some(store);
        if done.is_ok() && self.told.send_if_modified(|health| health.take().is_some()) {
            tracing::info!("the store takes results again");
        }
        done
    }
}

fn fresh_parts(arrivals: Vec<Arrival>, kept: &[Kept]) -> Vec<Arrival> {
    let mut fresh = Vec::with_capacity(arrivals.len());
    for (arrival, kept) in arrivals.into_iter().zip(kept) {
        if kept.fresh == [arrival.batch.span] {
            fresh.push(arrival);
            continue;
        }
        let parts = kept.fresh.iter().filter_map(|&span| part(&arrival.batch, span));
        fresh.extend(parts.map(|batch| Arrival {
            agent: arrival.agent.clone(),
            received: arrival.received,
            batch,
        }));
    }
    fresh
}
