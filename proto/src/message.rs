//! The messages of a session as domain values.

use std::time::Duration;

use parallax_model::{AgentName, Batch, Epoch, Fitness, Span, Target, TargetName, Timestamp};

/// What an agent sends.
#[derive(Debug, Clone, PartialEq)]
pub enum FromAgent {
    /// First, and only first.
    Hello(Hello),
    /// Results, or a gap.
    Batch(Batch),
    /// How the agent fares.
    Heartbeat(Heartbeat),
}

/// What a collector sends.
#[derive(Debug, Clone, PartialEq)]
pub enum FromCollector {
    /// The answer to a hello.
    Welcome(Welcome),
    /// These numbers are durable; forget them.
    Ack {
        /// The spool's life the numbers belong to.
        epoch: Epoch,
        /// The numbers.
        spans: Vec<Span>,
    },
    /// What to look at from here on.
    Assignment(Assignment),
    /// Look at these targets at once.
    ProbeNow(Vec<TargetName>),
    /// The collector goes away on purpose; come back after the pause.
    Drain {
        /// How long to stay away.
        pause: Duration,
    },
}

/// Who speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Oldest protocol version the agent speaks.
    pub protocol_min: u32,
    /// Newest protocol version the agent speaks.
    pub protocol_max: u32,
    /// The name by which the collector knows the agent.
    pub agent: AgentName,
    /// The agent's build, for people.
    pub build: String,
    /// The current life of the agent's spool.
    pub epoch: Epoch,
    /// Random, one for each start of the process; 0: the agent is older than this.
    pub instance: u64,
}

/// The collector's answer to a hello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// The version both sides speak.
    pub protocol: u32,
    /// The collector's build, for people.
    pub build: String,
}

/// What to look at, versioned: a larger version replaces a smaller one whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The version.
    pub version: u64,
    /// The targets.
    pub targets: Vec<Target>,
}

/// How an agent fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// The agent's wall clock when it sent this.
    pub sent: Timestamp,
    /// The assignment it works on; 0: none yet.
    pub assignment: u64,
    /// Its spool.
    pub spool: SpoolState,
    /// Slots that passed without a look since it started.
    pub missed_slots: u64,
    /// How fit it is to bear witness; none: it has not measured itself yet, or is older than this.
    pub fitness: Option<Fitness>,
}

/// What waits for an ack, and what was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpoolState {
    /// Records that wait.
    pub records: u64,
    /// The bytes they take.
    pub bytes: u64,
    /// Results lost and declared as gaps since the agent started.
    pub lost: u64,
    /// The disk does not take results; they are kept in memory only.
    pub degraded: bool,
}
