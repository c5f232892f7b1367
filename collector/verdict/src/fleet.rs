//! What the engine is told: who looks, at what, and what each look saw.

use std::time::Duration;

use parallax_model::{
    AgentName, AgentSpec, Outcome, Role, Rule, Selector, Sensitivity, Target, TargetName, Timestamp,
};

/// Interval and timeout of a target that only shows up in results.
const UNKNOWN_INTERVAL: Duration = Duration::from_secs(30);
const UNKNOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Agents and targets as their owner declared them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fleet {
    /// Who looks.
    pub agents: Vec<AgentSpec>,
    /// At what.
    pub targets: Vec<TargetSpec>,
}

/// As much of a target as the verdict needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetSpec {
    /// Its name.
    pub name: TargetName,
    /// Service or reference.
    pub role: Role,
    /// Time from one scheduled look to the next.
    pub interval: Duration,
    /// Longest time one look may take.
    pub timeout: Duration,
    /// Targets without which this one cannot work.
    pub depends_on: Vec<TargetName>,
    /// Who looks.
    pub agents: Selector,
    /// How sure a fault of it has to be before it is told.
    pub sensitivity: Sensitivity,
    /// A rule that counts votes on it, too; the engine does not ask for it.
    pub policy: Option<Rule>,
}

impl TargetSpec {
    /// A target of which nothing but the name is known.
    pub fn unknown(name: TargetName) -> Self {
        Self {
            name,
            role: Role::Service,
            interval: UNKNOWN_INTERVAL,
            timeout: UNKNOWN_TIMEOUT,
            depends_on: Vec::new(),
            agents: Selector::default(),
            sensitivity: Sensitivity::default(),
            policy: None,
        }
    }
}

impl From<&Target> for TargetSpec {
    fn from(target: &Target) -> Self {
        Self {
            name: target.name.clone(),
            role: target.role,
            interval: target.interval,
            timeout: target.timeout,
            depends_on: target.depends_on.clone(),
            agents: target.agents.clone(),
            sensitivity: target.sensitivity,
            policy: target.policy,
        }
    }
}

/// One look, as the collector heard of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// When the collector had it: the engine's clock.
    pub received: Timestamp,
    /// When the look began, by the agent's own clock.
    pub started: Timestamp,
    /// Who looked.
    pub agent: AgentName,
    /// At what.
    pub target: TargetName,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub latency: Duration,
}
