//! What is wrong, and why we think so.

use std::fmt;

use crate::{AgentName, ErrorKind, Locus, Region, Ruling, Stage, TargetName, Timestamp};

/// Most witnesses of one side that evidence lists; the counts are of all.
pub const WITNESSES_MAX: usize = 32;

/// A fault's number, never used twice by one collector. Shown as `f-17`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultId(pub u64);

impl fmt::Display for FaultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "f-{}", self.0)
    }
}

impl std::str::FromStr for FaultId {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix("f-").unwrap_or(text).parse().map(Self)
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultState {
    /// Nothing, or next to nothing, works there.
    Down,
    /// A part fails, or all is slow.
    Degraded,
}

impl FaultState {
    /// The word used in JSON and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Degraded => "degraded",
        }
    }
}

/// Why a fault was opened, where failing looks are not the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The agent fell silent. Told to the fleet's owner; no evidence about any target.
    Silent,
    /// Looks succeed, far slower than usual.
    Slow,
}

impl Reason {
    /// The word used in JSON and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Slow => "slow",
        }
    }
}

/// A probability in 0..=1, never NaN.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Confidence(f64);

impl Confidence {
    /// The most that one failure domain, or a fleet that sees no reference answer, can be sure of.
    pub const ONE_DOMAIN_MAX: f64 = 0.7;
    /// The most that two failure domains can be sure of.
    pub const TWO_DOMAINS_MAX: f64 = 0.95;
    /// Share of a nat that is believed: bad looks come in bursts, so a margin is no log-odds. Fitted on generated outages.
    pub const OF_A_NAT: f64 = 0.75;

    /// `p` held within 0..=1; NaN is 0.
    pub const fn new(p: f64) -> Self {
        if p >= 1.0 {
            Self(1.0)
        } else if p > 0.0 {
            Self(p)
        } else {
            Self(0.0)
        }
    }

    /// The probability.
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// How many failure domains bear witness now, of how many assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Coverage {
    /// Domains with a fresh result.
    pub domains: u32,
    /// Domains that should have one.
    pub assigned: u32,
}

/// Something wrong, localised.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Its number.
    pub id: FaultId,
    /// Where it is.
    pub locus: Locus,
    /// How bad it is.
    pub state: FaultState,
    /// Why, where failing looks are not the reason.
    pub reason: Option<Reason>,
    /// When it began, as far as the evidence tells (corrected time of the first failing look).
    pub onset: Timestamp,
    /// When the engine said so.
    pub opened: Timestamp,
    /// When the engine last changed its word.
    pub updated: Timestamp,
    /// When it ended, once it has.
    pub ended: Option<Timestamp>,
    /// Calibrated probability that the locus is right.
    pub confidence: Confidence,
    /// Who bears witness.
    pub coverage: Coverage,
    /// Services that suffer because this one is at fault.
    pub affected_targets: Vec<TargetName>,
    /// Regions in which it shows, when it does not show in all.
    pub regions: Vec<Region>,
    /// Why we think so.
    pub evidence: Evidence,
}

/// Why the engine says what it says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evidence {
    /// Paths that fail (or are slow) within the locus, worst first, at most [`WITNESSES_MAX`].
    pub witnesses_for: Vec<Witness>,
    /// Paths that speak against the locus or bound it, at most [`WITNESSES_MAX`].
    pub witnesses_against: Vec<Witness>,
    /// Failing paths in all.
    pub for_count: u32,
    /// Healthy paths in all.
    pub against_count: u32,
    /// Error kinds of the failing looks and how many of each, most first.
    pub kinds: Vec<(ErrorKind, u32)>,
    /// Estimated share of looks that fail within the locus, 0..=1.
    pub failure_rate: f64,
    /// The best other explanation and by how much it lost.
    pub alternative: Option<Alternative>,
    /// What the confidence would be without one agent, most telling first.
    pub without: Vec<Without>,
    /// Since when looks are good again, while that may still be a pause: it is recovering.
    pub good_since: Option<Timestamp>,
    /// Version of the calibration that made the confidence.
    pub calibration: u32,
}

/// One path that bears witness.
#[derive(Debug, Clone, PartialEq)]
pub struct Witness {
    /// Who looked.
    pub agent: AgentName,
    /// At what.
    pub target: TargetName,
    /// Looks that were fine, within the engine's window.
    pub ok: u32,
    /// Looks that failed, within the engine's window.
    pub fail: u32,
    /// The latest failure's kind.
    pub kind: Option<ErrorKind>,
    /// The stage in which the latest failure ended.
    pub stage: Option<Stage>,
    /// When it was last heard.
    pub last: Timestamp,
}

/// Another explanation.
#[derive(Debug, Clone, PartialEq)]
pub struct Alternative {
    /// What else it could be; none for no other fault, only chance (beside what else is told).
    pub locus: Option<Locus>,
    /// How many faults it takes, of which `locus` is the strongest; 0 for chance.
    pub parts: u32,
    /// By how many nats (natural log of the odds) it lost; 0 is a tie.
    pub behind_nats: f64,
}

/// Leave-one-out.
#[derive(Debug, Clone, PartialEq)]
pub struct Without {
    /// The agent left out.
    pub agent: AgentName,
    /// The confidence without it.
    pub confidence: Confidence,
}

/// What the engine says of one target at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TargetState {
    /// Enough domains bear witness and nothing is wrong.
    Up,
    /// An open fault says degraded, or says that only a part of the world cannot use it.
    Degraded,
    /// Open faults say down for all who look.
    Down,
    /// Too few domains bear witness, or none of them sees it and no fault explains that yet: never a
    /// guess.
    Unknown,
}

impl TargetState {
    /// The word used in JSON and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }
}

/// One target's state and who bears witness to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The target.
    pub target: TargetName,
    /// What the engine says of it.
    pub state: TargetState,
    /// Who bears witness.
    pub coverage: Coverage,
    /// What the target's own rule says beside the engine, where it has one.
    pub policy: Option<Ruling>,
}

/// What the engine has to say.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A fault began.
    Opened(Box<Fault>),
    /// An open fault's state, locus, confidence, scope or evidence changed.
    Updated(Box<Fault>),
    /// A fault ended; `ended` is set.
    Closed(Box<Fault>),
    /// The engine would like to know more, now.
    Ask(AskFor),
}

/// A second opinion: have these agents look at this target at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskFor {
    /// What to look at.
    pub target: TargetName,
    /// Who should look.
    pub agents: Vec<AgentName>,
}
