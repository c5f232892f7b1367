//! A fault's life as people see it: one number from its opening to its close, restarts included.
//!
//! Contract: [`Incidents::take`] turns what the engine says into what is stored and told. After a
//! restart, a fault that was open before keeps its number if the engine finds it at the same locus
//! again; what the engine does not find within a warm-up is closed.
//! Never: a decision about where a fault is; I/O.

use std::collections::HashMap;
use std::time::Duration;

use parallax_model::{Change, Fault, FaultId, Timestamp};

/// Faults before and after a restart.
#[derive(Debug, Default)]
pub struct Incidents {
    /// The engine's number of a fault, and how it was known before the restart.
    known: HashMap<FaultId, Known>,
    /// Open before the restart, not found since.
    unconfirmed: Vec<Fault>,
    confirm_by: Timestamp,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    id: FaultId,
    onset: Timestamp,
    opened: Timestamp,
}

impl Incidents {
    /// Takes over after a restart: `found` are the faults that the engine has open after it heard
    /// the journal again, `stored` those that were open before. Answers what is news: faults that
    /// were not stored before the end, and the present word on those that were.
    pub fn take_over<'a>(
        found: impl Iterator<Item = &'a Fault>,
        stored: Vec<Fault>,
        now: Timestamp,
        warm_up: Duration,
    ) -> (Self, Vec<Change>) {
        let mut incidents =
            Self { known: HashMap::new(), unconfirmed: stored, confirm_by: now + warm_up };
        let news =
            found.map(|fault| incidents.take(Change::Opened(Box::new(fault.clone())))).collect();
        (incidents, news)
    }

    /// What the engine says, under the numbers that people know.
    pub fn take(&mut self, change: Change) -> Change {
        match change {
            Change::Opened(fault) => match self.confirmed(*fault) {
                (fault, true) => Change::Updated(Box::new(fault)),
                (fault, false) => Change::Opened(Box::new(fault)),
            },
            Change::Updated(fault) => Change::Updated(Box::new(self.renamed(*fault))),
            Change::Closed(fault) => {
                let engines = fault.id;
                let fault = self.renamed(*fault);
                self.known.remove(&engines);
                Change::Closed(Box::new(fault))
            }
            Change::Ask(ask) => Change::Ask(ask),
        }
    }

    /// Closes what was open before the restart and was not found in time.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Change> {
        if now < self.confirm_by {
            return Vec::new();
        }
        let closed = |mut fault: Fault| {
            fault.updated = now;
            fault.ended = Some(now);
            Change::Closed(Box::new(fault))
        };
        self.unconfirmed.drain(..).map(closed).collect()
    }

    /// A fault that the engine opened, and whether it was open before the restart.
    fn confirmed(&mut self, fault: Fault) -> (Fault, bool) {
        let before = self.unconfirmed.iter().position(|old| old.locus == fault.locus);
        let Some(before) = before.map(|at| self.unconfirmed.remove(at)) else {
            return (fault, false);
        };
        let known = Known { id: before.id, onset: before.onset, opened: before.opened };
        self.known.insert(fault.id, known);
        (self.renamed(fault), true)
    }

    fn renamed(&self, mut fault: Fault) -> Fault {
        if let Some(known) = self.known.get(&fault.id) {
            fault.id = known.id;
            fault.onset = fault.onset.min(known.onset);
            fault.opened = known.opened;
        }
        fault
    }
}

#[cfg(test)]
mod tests {
    use parallax_model::{Locus, TargetName};

    use super::*;
    use crate::store::suite::fault;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn of(target: &str, id: u64, opened_ms: i64) -> Fault {
        let target = TargetName::new(target).unwrap();
        Fault { locus: Locus::Service { target }, opened: at(opened_ms), ..fault(id, None) }
    }

    const WARM_UP: Duration = Duration::from_secs(10);

    #[test]
    fn a_fault_that_goes_on_keeps_its_number_over_a_restart() {
        let stored = vec![of("shop", 3, 100), of("bank", 4, 200)];
        let found = [of("bank", 5, 900), of("news", 6, 950)];
        let (mut incidents, news) = Incidents::take_over(found.iter(), stored, at(1_000), WARM_UP);
        let [Change::Updated(bank), Change::Opened(fresh)] = &news[..] else { panic!("{news:?}") };
        assert_eq!((bank.id, bank.opened), (FaultId(4), at(200)));
        assert_eq!(fresh.id, FaultId(6));

        let Change::Updated(bank) = incidents.take(Change::Updated(Box::new(of("bank", 5, 900))))
        else {
            panic!("no update")
        };
        assert_eq!((bank.id, bank.opened), (FaultId(4), at(200)));
        // found late, within the warm-up: no second opening
        let Change::Updated(shop) = incidents.take(Change::Opened(Box::new(of("shop", 7, 2_000))))
        else {
            panic!("opened twice")
        };
        assert_eq!(shop.id, FaultId(3));
        assert_eq!(incidents.tick(at(60_000)), []);
        let Change::Closed(shop) = incidents.take(Change::Closed(Box::new(of("shop", 7, 2_000))))
        else {
            panic!("not closed")
        };
        assert_eq!(shop.id, FaultId(3));
        // the next one at the same place is another fault
        let next = incidents.take(Change::Opened(Box::new(of("shop", 8, 70_000))));
        assert_eq!(next, Change::Opened(Box::new(of("shop", 8, 70_000))));
    }

    #[test]
    fn a_fault_that_is_over_is_closed_after_the_warm_up() {
        let stored = vec![of("shop", 3, 100)];
        let (mut incidents, news) = Incidents::take_over([].iter(), stored, at(1_000), WARM_UP);
        assert_eq!(news, []);
        assert_eq!(incidents.tick(at(10_999)), []);
        let closed = incidents.tick(at(11_000));
        let [Change::Closed(fault)] = &closed[..] else { panic!("{closed:?}") };
        assert_eq!((fault.id, fault.ended), (FaultId(3), Some(at(11_000))));
        assert_eq!(incidents.tick(at(12_000)), []);
    }
}
