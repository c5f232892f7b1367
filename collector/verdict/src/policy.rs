//! The rules by which people count votes, to be held beside the engine.
//!
//! Definition: a path's vote is its newest look, while that is no older than three intervals and a timeout. A
//! failure domain votes "down" if more than half of its paths that have a vote failed; domains are counted, not
//! agents. A service is down for a rule while enough domains vote so: one (`any`), more than half of those that
//! vote (`majority`), all that vote (`all`), or a number of them (`count:N`). Silence is no vote, and where nobody
//! votes the last word stands.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use parallax_model::{Role, TargetName};

use crate::evidence::fresh_ms;
use crate::fleet::{Fleet, Observation};
use crate::world::World;

/// How many domains it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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

impl Rule {
    /// True if `down` of `voting` domains are enough.
    const fn is_met(self, down: u32, voting: u32) -> bool {
        match self {
            Self::Any => down >= 1,
            Self::Majority => down * 2 > voting,
            Self::All => down >= 1 && down == voting,
            Self::Count(n) => down >= n,
        }
    }
}

/// A rule changed its mind about a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Which rule, by its place among those given.
    pub rule: usize,
    /// Of which service.
    pub target: TargetName,
    /// True if it is down from now on.
    pub down: bool,
}

/// The newest look of a path.
#[derive(Debug, Clone, Copy)]
struct Vote {
    heard: i64,
    failed: bool,
}

/// Counts votes by some rules.
#[derive(Debug)]
pub struct Polls {
    rules: Vec<Rule>,
    world: World,
    /// Of each target and agent.
    votes: BTreeMap<u32, BTreeMap<u32, Vote>>,
    /// By rule and target.
    down: BTreeSet<(usize, u32)>,
}

impl Polls {
    /// Nothing was heard yet.
    pub fn new(rules: Vec<Rule>, fleet: &Fleet) -> Self {
        let mut world = World::default();
        world.declare(fleet, i64::MIN);
        Self { rules, world, votes: BTreeMap::new(), down: BTreeSet::new() }
    }

    /// Hears one result, in the order they are received.
    pub fn observe(&mut self, o: &Observation) -> Vec<Turn> {
        let Some(agent) = self.world.agent_named(&o.agent) else { return Vec::new() };
        let Some(target) = self.world.target_named(&o.target) else { return Vec::new() };
        let spec = &self.world.targets[target as usize];
        if spec.role == Role::Reference {
            return Vec::new();
        }
        let now = o.received.millis();
        let votes = self.votes.entry(target).or_default();
        votes.insert(agent, Vote { heard: now, failed: !o.outcome.is_ok() });
        let oldest = now.saturating_sub(fresh_ms(spec.interval_ms, spec.timeout_ms));
        let mut domains: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
        for (&agent, vote) in votes.iter().filter(|(_, v)| v.heard >= oldest) {
            let domain = self.world.agents[agent as usize].domain;
            let (failed, all) = domains.entry(domain).or_default();
            *failed += u32::from(vote.failed);
            *all += 1;
        }
        let voting = domains.len() as u32;
        let down = domains.values().filter(|(failed, all)| failed * 2 > *all).count() as u32;
        let mut turns = Vec::new();
        for (rule, kind) in self.rules.iter().enumerate() {
            let (was, is) = (self.down.contains(&(rule, target)), kind.is_met(down, voting));
            if is && !was {
                self.down.insert((rule, target));
            } else if was && !is {
                self.down.remove(&(rule, target));
            }
            if is != was {
                turns.push(Turn { rule, target: o.target.clone(), down: is });
            }
        }
        turns
    }
}
