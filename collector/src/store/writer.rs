//! The one who writes: takes what waits, commits it at once, tells each sender what was kept.
//!
//! Contract: arrivals come over a bounded channel and are answered after the durable commit, never
//! before; what was new is passed on in the order of the commits. While the store does not take them,
//! they wait here, nothing is answered, and [`Health`] says why. Faults wait in a mailbox that holds
//! the latest word on each, so that whoever decides never waits for the disk.
//! Never: an arrival dropped while its sender waits; an unbounded queue.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use parallax_model::{Fault, FaultId};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::sleep;

use super::{Arrival, Kept, StoreError, WriteStore, part};

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

#[derive(Debug)]
struct Job {
    arrival: Arrival,
    done: oneshot::Sender<Kept>,
}

/// The senders' side. When the last clone is gone, the writer finishes what waits and ends.
#[derive(Debug, Clone)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
    faults: Arc<Mailbox>,
    health: Health,
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

    /// Leaves a fault to be stored soon. Waits for nothing.
    pub fn put_fault(&self, fault: Fault) {
        self.faults.put(fault);
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
}

/// The latest word on each fault that is not stored yet. Bounded by the faults that change while the
/// store does not answer.
#[derive(Debug, Default)]
struct Mailbox {
    faults: Mutex<BTreeMap<FaultId, Fault>>,
    rang: Notify,
}

impl Mailbox {
    fn put(&self, fault: Fault) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).insert(fault.id, fault);
        self.rang.notify_one();
    }

    fn take(&self) -> BTreeMap<FaultId, Fault> {
        std::mem::take(&mut *self.faults.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts back what could not be stored, under what came in meanwhile.
    fn put_back(&self, mut older: BTreeMap<FaultId, Fault>) {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        older.append(&mut faults);
        *faults = older;
    }
}

/// A writer over `store`, and the work that must be run for it to write. What was new goes to
/// `committed`.
pub fn writer(
    store: Box<dyn WriteStore>,
    committed: mpsc::Sender<Vec<Arrival>>,
) -> (Writer, impl Future<Output = ()> + Send) {
    let (jobs, waiting) = mpsc::channel(WAITING_MAX);
    let (told, health) = watch::channel(None);
    let faults = Arc::<Mailbox>::default();
    let clerk = Clerk { store: Some(store), waiting, faults: Arc::clone(&faults), committed, told };
    (Writer { jobs, faults, health }, clerk.work())
}

struct Clerk {
    /// None only while a thread that may block has it.
    store: Option<Box<dyn WriteStore>>,
    waiting: mpsc::Receiver<Job>,
    faults: Arc<Mailbox>,
    committed: mpsc::Sender<Vec<Arrival>>,
    told: watch::Sender<Option<String>>,
}

impl Clerk {
    /// Ends early only if a panic took the store away: whoever runs the collector starts it again.
    async fn work(mut self) {
        while self.store.is_some() {
            tokio::select! {
                () = self.faults.rang.notified() => {}
                first = self.waiting.recv() => match first {
                    Some(first) => self.commit(first).await,
                    None => break,
                },
            }
            self.store_faults().await;
        }
        self.store_faults().await;
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
            if self.waiting.is_closed() || self.store.is_none() {
                // it is over: the agents keep what is not acked
                return;
            }
            sleep(pause).await;
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

    async fn store_faults(&mut self) {
        let faults = self.faults.take();
        if faults.is_empty() {
            return;
        }
        let all: Vec<Fault> = faults.values().cloned().collect();
        if let Err(why) = self.blocking(move |store| store.put_faults(&all)).await {
            self.mourn(&why);
            self.faults.put_back(faults);
            sleep(RETRY.0).await;
            self.faults.rang.notify_one();
        }
    }

    fn mourn(&self, why: &StoreError) {
        tracing::error!(%why, "the store does not take results; agents keep theirs until it does");
        self.told.send_replace(Some(why.to_string()));
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
        if done.is_ok() {
            self.told.send_if_modified(|health| health.take().is_some());
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

        fn put_faults(&mut self, faults: &[Fault]) -> Result<(), StoreError> {
            self.cough()?;
            self.0.put_faults(faults)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_new_is_answered_and_passed_on() {
        let memory = Memory::default();
        let (committed, mut judged) = mpsc::channel(4);
        let (writer, work) = writer(Box::new(memory.clone()), committed);
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
        let (writer, work) = writer(Box::new(Sick(memory.clone(), 3)), committed);
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

        fn put_faults(&mut self, _: &[Fault]) -> Result<(), StoreError> {
            panic!("no faults")
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_writer_without_its_store_ends() {
        let (committed, _judged) = mpsc::channel(4);
        let (writer, work) = writer(Box::new(Dead), committed);
        let kept = writer.append(arrival("a", 1, results(1, 1, 3))).await.unwrap();
        work.await;
        assert!(kept.await.is_err());
        assert!(writer.append(arrival("a", 1, results(1, 1, 3))).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_is_committed_together() {
        let (committed, mut judged) = mpsc::channel(4);
        let (writer, work) = writer(Box::new(Memory::default()), committed);
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
        let (writer, work) = writer(Box::new(Sick(memory.clone(), 1)), committed);
        writer.put_fault(fault(1, None));
        let done = tokio::spawn(work);
        writer.health().wait_for(Option::is_some).await.unwrap();
        writer.put_fault(fault(1, Some(9)));
        drop(writer);
        done.await.unwrap();
        let stored = memory.fault(FaultId(1)).unwrap();
        assert_eq!(stored, Some(fault(1, Some(9))));
    }
}
