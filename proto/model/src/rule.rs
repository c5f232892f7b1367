//! Rules by which people count votes, and what the rule of one target says.

use std::fmt;
use std::str::FromStr;

use crate::Timestamp;
use crate::fault::TargetState;

/// How many failure domains have to vote "down". What a vote is, `parallax_verdict::policy` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// One.
    Any,
    /// More than half of those that vote.
    Majority,
    /// All that vote.
    All,
    /// So many, one at least.
    Count(u32),
}

/// What is no rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoRule(String);

impl fmt::Display for NoRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no rule: any, majority, all, or count:N with N from 1 on", self.0)
    }
}

impl std::error::Error for NoRule {}

impl FromStr for Rule {
    type Err = NoRule;

    fn from_str(text: &str) -> Result<Self, NoRule> {
        let count = || text.strip_prefix("count:")?.parse().ok().filter(|n| *n > 0);
        match text {
            "any" => Ok(Self::Any),
            "majority" => Ok(Self::Majority),
            "all" => Ok(Self::All),
            _ => count().map(Self::Count).ok_or_else(|| NoRule(text.to_owned())),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Majority => f.write_str("majority"),
            Self::All => f.write_str("all"),
            Self::Count(n) => write!(f, "count:{n}"),
        }
    }
}

/// How failure domains vote on one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Votes {
    /// Those that vote "down".
    pub down: u32,
    /// All that vote.
    pub voting: u32,
}

impl Rule {
    /// How many domains it takes at least.
    pub const fn takes(self) -> u32 {
        match self {
            Self::Any | Self::Majority | Self::All => 1,
            Self::Count(n) => n,
        }
    }

    /// True if so many are enough.
    pub const fn is_met(self, votes: Votes) -> bool {
        let Votes { down, voting } = votes;
        match self {
            Self::Any => down >= 1,
            Self::Majority => down as u64 * 2 > voting as u64,
            Self::All => down >= 1 && down == voting,
            Self::Count(n) => down >= n,
        }
    }
}

/// A rule's last word on a target, which stands until votes turn it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// True if it is down.
    pub down: bool,
    /// Since when it says so.
    pub since: Timestamp,
}

/// What a target's own rule says of it at one instant, beside the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ruling {
    /// The rule.
    pub rule: Rule,
    /// Its last word; none: nobody has voted yet.
    pub word: Option<Word>,
    /// How the domains vote.
    pub votes: Votes,
    /// Domains that are to look.
    pub assigned: u32,
}

impl Ruling {
    /// True if it can never say "down": fewer domains are to look than it takes.
    pub const fn is_out_of_reach(&self) -> bool {
        self.rule.takes() > self.assigned
    }

    /// Up, down, or unknown while nobody votes: silence is neither.
    pub fn state(&self) -> TargetState {
        match self.word {
            Some(word) if self.votes.voting > 0 && word.down => TargetState::Down,
            Some(_) if self.votes.voting > 0 => TargetState::Up,
            Some(_) | None => TargetState::Unknown,
        }
    }
}
