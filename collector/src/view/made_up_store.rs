//! A store of faults and a few made-up counts, for the tests of the edges.

use std::ops::{ControlFlow, RangeInclusive};

use parallax_model::{AgentName, Epoch, Fault, FaultId, IntervalSet, TargetName, Timestamp};

use super::made_up::name;
use crate::store::{Arrival, Counts, FaultQuery, PathTally, ReadStore, StoreError, Tally};

/// Faults, in any order.
#[derive(Debug, Default)]
pub(crate) struct Faults(pub(crate) Vec<Fault>);

impl ReadStore for Faults {
    fn fault(&self, id: FaultId) -> Result<Option<Fault>, StoreError> {
        Ok(self.0.iter().find(|f| f.id == id).cloned())
    }

    fn faults(&self, query: &FaultQuery) -> Result<Vec<Fault>, StoreError> {
        let wanted = |f: &&Fault| {
            query.open.is_none_or(|open| open == f.ended.is_none())
                && query.before.is_none_or(|before| f.id < before)
        };
        let mut found: Vec<Fault> = self.0.iter().filter(wanted).cloned().collect();
        found.sort_by_key(|f| std::cmp::Reverse(f.id));
        found.truncate(query.limit);
        Ok(found)
    }

    fn newest_fault(&self) -> Result<Option<FaultId>, StoreError> {
        Ok(self.0.iter().map(|f| f.id).max())
    }

    fn held(&self, _agent: &AgentName, _epoch: Epoch) -> Result<IntervalSet, StoreError> {
        Ok(IntervalSet::new())
    }

    fn counts(&self) -> Result<Counts, StoreError> {
        Ok(Counts { results: 800, gaps: 3, batches: 200, duplicates: 1 })
    }

    fn tallies(&self, only: Option<&TargetName>) -> Result<Vec<PathTally>, StoreError> {
        let of = |target: &str, ok| PathTally {
            agent: name("eu-west-1"),
            target: name(target),
            tally: Tally {
                looks: 40,
                ok,
                took_us: 1_234_567,
                within: [0, 10, 20, 0, 9, 0, 0, 0, 0, 0, 0],
            },
        };
        let mut all = vec![of("mail", 40), of("shop", 25)];
        all.retain(|t| only.is_none_or(|only| *only == t.target));
        Ok(all)
    }

    fn batches(
        &self,
        _received: RangeInclusive<Timestamp>,
        _visit: &mut dyn FnMut(Arrival) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        Ok(())
    }
}
