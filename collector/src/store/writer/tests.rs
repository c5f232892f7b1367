use parallax_model::FaultId;
use tokio_util::sync::CancellationToken;

use super::clerk::GROUP_MAX;
use super::*;
use crate::store::ReadStore;
use crate::store::memory::Memory;
use crate::store::suite::{arrival, fault, results, span};
use crate::store::{StoreError, WriteStore};

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

    fn put_faults(&mut self, faults: &[Fault], letters: &[Letter]) -> Result<Dropped, StoreError> {
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
    let (writer, work) = writer(Box::new(Memory::default()), committed, CancellationToken::new());
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
