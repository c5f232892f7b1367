//! The one who writes: takes what waits, commits it at once, tells each sender what was kept.
//!
//! Contract: arrivals come over a bounded channel and are answered after the durable commit, never
//! before; what was new is passed on in the order of the commits. While the store does not take them,
//! they wait here, nothing is answered, and [`Health`] says why. Faults and their letters wait in a
//! mailbox that holds the latest word on each, so that whoever decides never waits for the disk; each
//! gets a ticket, and [`Stored`] says up to which ticket all is durable.
//! Never: an arrival dropped while its sender waits; an unbounded queue.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use parallax_model::{Fault, FaultId};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::letter::{Letter, LetterId};
use super::{Arrival, Dropped, Kept, StoreError, WriteStore, part};

/// Arrivals that wait for the writer, over all streams. Each stream has at most a window's worth of
/// them; with the channel full, streams are no longer read.
const WAITING_MAX: usize = 256;

/// Most arrivals in one transaction. More would let the first wait too long for its ack.
const GROUP_MAX: usize = 64;

/// Most results in one transaction, for the same reason.
const GROUP_RESULTS_MAX: usize = 2000;

/// The first pause after a failed commit, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How the store fares: what went wrong last, while it goes wrong.
pub type Health = watch::Receiver<Option<String>>;

/// What of the mailbox is stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stored {
    /// All up to this ticket is durable.
    pub ticket: u64,
    /// Letters dropped since the start because too many waited.
    pub dropped: Dropped,
}

#[derive(Debug)]
struct Job {
    arrival: Arrival,
    done: oneshot::Sender<Kept>,
}

/// The senders' side. When the last clone is gone, the writer finishes what waits and ends.
#[derive(Debug, Clone)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
    mail: Arc<Mailbox>,
    health: Health,
    stored: watch::Receiver<Stored>,
}

/// The writer is gone: the collector stops.
#[derive(Debug, thiserror::Error)]
#[error("the store is closed")]
pub struct Closed;

impl Writer {
    /// Hands an arrival over, waiting while too many wait already. The receiver hears what was kept,
    /// after the commit.
    pub async fn append(&self, arrival: Arrival) -> Result<oneshot::Receiver<Kept>, Closed> {
        let (done, kept) = oneshot::channel();
        self.jobs.send(Job { arrival, done }).await.map_err(|_| Closed)?;
        Ok(kept)
    }

    /// Leaves a fault to be stored soon, together with the letters that tell of it. Waits for nothing;
    /// the ticket says when it is durable ([`Writer::stored`]).
    pub fn put_fault(&self, fault: Fault, letters: Vec<Letter>) -> u64 {
        self.mail.put(|mail| {
            mail.faults.insert(fault.id, fault);
            for letter in letters {
                letter.post(&mut mail.letters);
            }
        })
    }

    /// Leaves letters to be forgotten soon. Waits for nothing.
    pub fn forget_letters(&self, letters: &[LetterId]) {
        self.mail.put(|mail| mail.done.extend(letters));
    }

    /// Tells how many arrivals wait to be committed. Does not keep the writer at work.
    pub fn waiting(&self) -> impl Fn() -> usize + Send + Sync + use<> {
        let jobs = self.jobs.downgrade();
        move || jobs.upgrade().map_or(0, |jobs| jobs.max_capacity() - jobs.capacity())
    }

    /// How the store fares.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// What of the mailbox is stored.
    pub fn stored(&self) -> watch::Receiver<Stored> {
        self.stored.clone()
    }
}

/// What is not stored yet. Bounded: while the store refuses, nothing new is heard, so no more is said
/// than the faults that were being judged then; of each the latest word, and at most two letters a
/// webhook.
#[derive(Debug, Clone, Default)]
struct Mail {
    faults: BTreeMap<FaultId, Fault>,
    letters: Vec<Letter>,
    done: Vec<LetterId>,
    /// Of what came last.
    ticket: u64,
}

#[derive(Debug, Default)]
struct Mailbox {
    mail: Mutex<Mail>,
    rang: Notify,
}

impl Mailbox {
    fn put(&self, add: impl FnOnce(&mut Mail)) -> u64 {
        let mut mail = self.mail.lock().unwrap_or_else(PoisonError::into_inner);
        add(&mut mail);
        mail.ticket += 1;
        self.rang.notify_one();
        mail.ticket
    }

    /// Takes what waits, if anything does.
    fn take(&self) -> Option<Mail> {
        let mut mail = self.mail.lock().unwrap_or_else(PoisonError::into_inner);
        if mail.faults.is_empty() && mail.letters.is_empty() && mail.done.is_empty() {
            return None;
        }
        let empty = Mail { ticket: mail.ticket, ..Mail::default() };
        Some(std::mem::replace(&mut mail, empty))
    }

    /// Puts back what could not be stored, under what came in meanwhile.
    fn put_back(&self, mut older: Mail) {
        let mut mail = self.mail.lock().unwrap_or_else(PoisonError::into_inner);
        let newer = std::mem::take(&mut *mail);
        older.faults.extend(newer.faults);
        for letter in newer.letters {
            letter.post(&mut older.letters);
        }
        older.done.extend(newer.done);
        older.ticket = newer.ticket;
        *mail = older;
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ReadStore;
    use crate::store::memory::Memory;
    use crate::store::suite::{arrival, fault, results, span};

    /// Fails so many times before it works.
    struct Sick(Memory, usize);

    impl Sick {
        fn cough(&mut self) -> Result<(), StoreError> {
            match self.1.checked_sub(1) {
                Some(left) => {
                    self.1 = left;
                    Err(StoreError::new("commit", "disk full"))
                }
                None => Ok(()),
            }
        }
    }

    impl WriteStore for Sick {
        fn append(&mut self, arrivals: &[Arrival]) -> Result<Vec<Kept>, StoreError> {
            self.cough()?;
            self.0.append(arrivals)
        }

        fn put_faults(
            &mut self,
            faults: &[Fault],
            letters: &[Letter],
        ) -> Result<Dropped, StoreError> {
            self.cough()?;
            self.0.put_faults(faults, letters)
        }

        fn forget_letters(&mut self, letters: &[LetterId]) -> Result<(), StoreError> {
            self.0.forget_letters(letters)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_new_is_answered_and_passed_on() {
        let memory = Memory::default();
        let (committed, mut judged) = mpsc::channel(4);
        let (writer, work) = writer(Box::new(memory.clone()), committed, CancellationToken::new());
        tokio::spawn(work);
        let one = writer.append(arrival("a", 1, results(1, 2, 3))).await.unwrap();
        assert_eq!(one.await.unwrap().fresh, [span(2, 3)]);
        let two = writer.append(arrival("a", 2, results(1, 1, 4))).await.unwrap();
        assert_eq!(two.await.unwrap().fresh, [span(1, 1), span(4, 4)]);
        assert_eq!(judged.recv().await.unwrap(), [arrival("a", 1, results(1, 2, 3))]);
        let parts = judged.recv().await.unwrap();
        assert_eq!(parts[0], arrival("a", 2, results(1, 1, 1)));
        assert_eq!(parts[1].batch.span, span(4, 4));
        assert_eq!(parts[1].batch.results()[0], results(1, 4, 4).results()[0]);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_answered_until_the_store_takes_it() {
        let memory = Memory::default();
        let (committed, mut judged) = mpsc::channel(4);
        let (writer, work) =
            writer(Box::new(Sick(memory.clone(), 3)), committed, CancellationToken::new());
        tokio::spawn(work);
        let mut health = writer.health();
        let mut kept = writer.append(arrival("a", 1, results(1, 1, 3))).await.unwrap();
        health.wait_for(Option::is_some).await.unwrap();
        assert!(kept.try_recv().is_err());
        assert_eq!(memory.counts().unwrap().results, 0);
        assert_eq!(kept.await.unwrap().fresh, [span(1, 3)]);
        assert_eq!(memory.counts().unwrap().results, 3);
        health.wait_for(Option::is_none).await.unwrap();
        assert_eq!(judged.recv().await.unwrap().len(), 1);
    }

    /// Its thread dies.
    struct Dead;

    impl WriteStore for Dead {
        fn append(&mut self, _: &[Arrival]) -> Result<Vec<Kept>, StoreError> {
            panic!("no append")
        }

        fn put_faults(&mut self, _: &[Fault], _: &[Letter]) -> Result<Dropped, StoreError> {
            panic!("no faults")
        }

        fn forget_letters(&mut self, _: &[LetterId]) -> Result<(), StoreError> {
            panic!("no letters")
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_writer_without_its_store_ends() {
        let (committed, _judged) = mpsc::channel(4);
        let (writer, work) = writer(Box::new(Dead), committed, CancellationToken::new());
        let kept = writer.append(arrival("a", 1, results(1, 1, 3))).await.unwrap();
        work.await;
        assert!(kept.await.is_err());
        assert!(writer.append(arrival("a", 1, results(1, 1, 3))).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_is_committed_together() {
        let (committed, mut judged) = mpsc::channel(4);
        let (writer, work) =
            writer(Box::new(Memory::default()), committed, CancellationToken::new());
        for n in 0..100 {
            drop(writer.append(arrival("a", 1, results(1, n + 1, n + 1))).await.unwrap());
        }
        tokio::spawn(work);
        assert_eq!(judged.recv().await.unwrap().len(), GROUP_MAX);
        assert_eq!(judged.recv().await.unwrap().len(), 100 - GROUP_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn faults_are_stored_with_the_latest_word() {
        let memory = Memory::default();
        let (committed, _judged) = mpsc::channel(4);
        let (writer, work) =
            writer(Box::new(Sick(memory.clone(), 1)), committed, CancellationToken::new());
        writer.put_fault(fault(1, None), vec![]);
        let done = tokio::spawn(work);
        writer.health().wait_for(Option::is_some).await.unwrap();
        writer.put_fault(fault(1, Some(9)), vec![]);
        drop(writer);
        done.await.unwrap();
        let stored = memory.fault(FaultId(1)).unwrap();
        assert_eq!(stored, Some(fault(1, Some(9))));
    }
}
