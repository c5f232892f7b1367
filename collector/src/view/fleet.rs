//! Agents and targets as their owner declared them.

use std::collections::BTreeMap;

use parallax_model::{AgentName, AgentSpec, Role, Target, TargetName};

/// Agents and targets, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fleet {
    /// The agents.
    pub agents: BTreeMap<AgentName, AgentSpec>,
    /// The targets.
    pub targets: BTreeMap<TargetName, Target>,
}

/// The region of agents that declare none. They share it.
pub(super) const UNNAMED_REGION: &str = "(no region)";

impl Fleet {
    /// From what was configured; of two with one name the later counts.
    pub fn new(agents: Vec<AgentSpec>, targets: Vec<Target>) -> Self {
        Self {
            agents: agents.into_iter().map(|a| (a.name.clone(), a)).collect(),
            targets: targets.into_iter().map(|t| (t.name.clone(), t)).collect(),
        }
    }

    /// Where `agent` stands, as shown.
    pub fn region<'a>(&'a self, agent: &AgentName) -> &'a str {
        self.agents
            .get(agent)
            .and_then(|a| a.region.as_ref())
            .map_or(UNNAMED_REGION, |r| r.as_str())
    }

    /// True if `target` is a reference.
    pub fn is_reference(&self, target: &TargetName) -> bool {
        self.targets.get(target).is_some_and(|t| t.role == Role::Reference)
    }
}
