//! How one agent fares.

use parallax_model::{AgentName, Fitness, Timestamp};
use parallax_proto::{Heartbeat, SpoolState};

/// What is known of one agent now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// The agent.
    pub agent: AgentName,
    /// True while its stream is open.
    pub connected: bool,
    /// When it last sent anything.
    pub last_heard: Option<Timestamp>,
    /// Its build, as it told.
    pub build: Option<String>,
    /// Its spool, as it told.
    pub spool: SpoolState,
    /// Slots that passed without a look since it started; none: it has not told yet.
    pub missed_slots: Option<u64>,
    /// The version of the assignment it works on; 0: none yet.
    pub assignment: u64,
    /// How fit it is, as it told.
    pub fitness: Option<Fitness>,
}

impl Presence {
    /// An agent that was never heard.
    pub fn unheard(agent: AgentName) -> Self {
        Self {
            agent,
            connected: false,
            last_heard: None,
            build: None,
            spool: SpoolState::default(),
            missed_slots: None,
            assignment: 0,
            fitness: None,
        }
    }

    pub(super) fn beat(&mut self, beat: &Heartbeat, now: Timestamp) {
        self.last_heard = Some(now);
        self.spool = beat.spool;
        self.missed_slots = Some(beat.missed_slots);
        self.assignment = beat.assignment;
        self.fitness.clone_from(&beat.fitness);
    }
}
