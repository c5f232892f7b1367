//! The least that anybody could do: a target is down once `k` agents have failed `n` times in a row.

use std::collections::HashMap;

use parallax_model::{AgentName, TargetName};
use parallax_verdict::{Fleet, Observation};

const K: u32 = 3;
const N: u8 = 3;

/// A plain k-of-n counter that is told of looks by name, as the engine is.
pub(crate) struct Counter {
    agents: HashMap<AgentName, usize>,
    targets: HashMap<TargetName, usize>,
    in_a_row: Vec<u8>,
    failing: Vec<u32>,
    /// Targets that are down.
    pub(crate) down: usize,
}

impl Counter {
    pub(crate) fn new(fleet: &Fleet) -> Self {
        Self {
            agents: fleet.agents.iter().map(|a| a.name.clone()).zip(0..).collect(),
            targets: fleet.targets.iter().map(|t| t.name.clone()).zip(0..).collect(),
            in_a_row: vec![0; fleet.agents.len() * fleet.targets.len()],
            failing: vec![0; fleet.targets.len()],
            down: 0,
        }
    }

    pub(crate) fn hear(&mut self, look: &Observation) {
        let (Some(&agent), Some(&target)) =
            (self.agents.get(&look.agent), self.targets.get(&look.target))
        else {
            return;
        };
        let in_a_row = &mut self.in_a_row[target * self.agents.len() + agent];
        let (failing, before) = (&mut self.failing[target], *in_a_row >= N);
        *in_a_row = if look.outcome.error().is_some() { in_a_row.saturating_add(1) } else { 0 };
        match (before, *in_a_row >= N) {
            (false, true) => {
                *failing += 1;
                self.down += usize::from(*failing == K);
            }
            (true, false) => {
                self.down -= usize::from(*failing == K);
                *failing -= 1;
            }
            (true, true) | (false, false) => {}
        }
    }
}
