//! A store of nothing but faults, for the tests of the edges.

use std::ops::ControlFlow;

use parallax_model::{AgentName, Epoch, Fault, FaultId, IntervalSet, Timestamp};

use crate::store::{Arrival, Counts, FaultQuery, ReadStore, StoreError};

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

    fn batches_since(
        &self,
        _received: Timestamp,
        _visit: &mut dyn FnMut(Arrival) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        Ok(())
    }
}
