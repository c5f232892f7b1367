//! A store that forgets when it is dropped. For tests.

use std::collections::{BTreeMap, HashMap};
use std::ops::{ControlFlow, RangeInclusive};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use parallax_model::{AgentName, Epoch, Fault, FaultId, IntervalSet, TargetName, Timestamp};

use super::letter::{LETTERS_MAX, Letter, LetterId, Waiting};
use super::tally::{PathTally, Tallies, Tally};
use super::{
    Arrival, Counts, Dropped, FaultQuery, Kept, ReadOutbox, ReadStore, StoreError, WriteStore,
    part, spans,
};

#[derive(Debug, Default)]
struct State {
    journal: Vec<Arrival>,
    held: HashMap<(AgentName, Epoch), IntervalSet>,
    faults: BTreeMap<FaultId, Fault>,
    outbox: BTreeMap<LetterId, Letter>,
    letters: u64,
    counts: Counts,
    tallies: BTreeMap<(AgentName, TargetName), Tally>,
}

/// Both sides of the store; clones share what is kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<State>>);

impl Memory {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WriteStore for Memory {
    fn append(&mut self, arrivals: &[Arrival]) -> Result<Vec<Kept>, StoreError> {
        let mut state = self.state();
        Ok(arrivals.iter().map(|arrival| state.take(arrival)).collect())
    }

    fn put_faults(&mut self, faults: &[Fault], letters: &[Letter]) -> Result<Dropped, StoreError> {
        let mut state = self.state();
        state.faults.extend(faults.iter().map(|f| (f.id, f.clone())));
        let mut dropped = Dropped::new();
        for letter in letters {
            state.post(letter.clone());
            let waiting = |state: &State| {
                let of = |l: &(&LetterId, &Letter)| l.1.webhook == letter.webhook;
                state.outbox.iter().filter(of).map(|(id, _)| *id).collect::<Vec<_>>()
            };
            if let [oldest, rest @ ..] = &waiting(&state)[..]
                && rest.len() >= LETTERS_MAX
            {
                state.outbox.remove(oldest);
                *dropped.entry(letter.webhook.clone()).or_default() += 1;
            }
        }
        Ok(dropped)
    }

    fn forget_letters(&mut self, letters: &[LetterId]) -> Result<(), StoreError> {
        self.state().outbox.retain(|id, _| !letters.contains(id));
        Ok(())
    }
}

impl State {
    fn post(&mut self, mut letter: Letter) {
        self.outbox.retain(|_, older| {
            let superseded = letter.supersedes(older);
            if superseded {
                letter.inherit(older.previous.clone());
            }
            !superseded
        });
        self.letters += 1;
        self.outbox.insert(LetterId(self.letters), letter);
    }

    fn take(&mut self, arrival: &Arrival) -> Kept {
        let key = (arrival.agent.clone(), arrival.batch.epoch);
        let kept = spans::take(self.held.entry(key).or_default(), arrival.batch.span);
        self.counts.count(&arrival.batch, &kept);
        let mut tallies = Tallies::default();
        for batch in kept.fresh.iter().filter_map(|&span| part(&arrival.batch, span)) {
            tallies.count(arrival, batch.results());
            self.journal.push(Arrival { batch, ..arrival.clone() });
        }
        for (path, tally) in tallies.into_iter() {
            self.tallies.entry(path).or_default().add(&tally);
        }
        kept
    }
}

impl ReadStore for Memory {
    fn fault(&self, id: FaultId) -> Result<Option<Fault>, StoreError> {
        Ok(self.state().faults.get(&id).cloned())
    }

    fn faults(&self, query: &FaultQuery) -> Result<Vec<Fault>, StoreError> {
        let wanted = |fault: &&Fault| {
            query.open.is_none_or(|open| open == fault.ended.is_none())
                && query.before.is_none_or(|before| fault.id < before)
        };
        Ok(self.state().faults.values().rev().filter(wanted).take(query.limit).cloned().collect())
    }

    fn newest_fault(&self) -> Result<Option<FaultId>, StoreError> {
        Ok(self.state().faults.keys().next_back().copied())
    }

    fn held(&self, agent: &AgentName, epoch: Epoch) -> Result<IntervalSet, StoreError> {
        Ok(self.state().held.get(&(agent.clone(), epoch)).cloned().unwrap_or_default())
    }

    fn counts(&self) -> Result<Counts, StoreError> {
        Ok(self.state().counts)
    }

    fn tallies(&self, only: Option<&TargetName>) -> Result<Vec<PathTally>, StoreError> {
        let state = self.state();
        let wanted =
            state.tallies.iter().filter(|((_, target), _)| only.is_none_or(|o| o == target));
        let tally = |(path, tally): (&(AgentName, TargetName), &Tally)| PathTally {
            agent: path.0.clone(),
            target: path.1.clone(),
            tally: *tally,
        };
        Ok(wanted.map(tally).collect())
    }

    fn batches(
        &self,
        received: RangeInclusive<Timestamp>,
        visit: &mut dyn FnMut(Arrival) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let journal = self.state().journal.clone();
        for arrival in journal.into_iter().filter(|a| received.contains(&a.received)) {
            if visit(arrival).is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl ReadOutbox for Memory {
    fn waiting(&self, webhook: &str, limit: usize) -> Result<Vec<Waiting>, StoreError> {
        let state = self.state();
        let waiting = |(id, l): (&LetterId, &Letter)| Waiting {
            id: *id,
            fault: l.fault,
            event: l.event,
            at: l.at,
        };
        let ours = state.outbox.iter().filter(|(_, l)| l.webhook == webhook);
        Ok(ours.map(waiting).take(limit).collect())
    }

    fn letter(&self, id: LetterId) -> Result<Option<Letter>, StoreError> {
        Ok(self.state().outbox.get(&id).cloned())
    }

    fn outbox(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let mut counts = BTreeMap::new();
        for letter in self.state().outbox.values() {
            *counts.entry(letter.webhook.clone()).or_default() += 1;
        }
        Ok(counts)
    }
}
