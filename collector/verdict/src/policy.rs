//! The rules by which people count votes, held beside the engine.
//!
//! Definition: a path's vote is its newest look, by the time at which it was made, while that is no older than
//! three intervals and a timeout. Looks that failed for the measuring side's own reasons are no votes, and what
//! comes late is no newer than it was. A failure domain votes "down" if more than half of its paths that have a
//! vote failed; domains are counted, not agents. A service is down for a rule while enough domains vote so: one
//! (`any`), more than half of those that vote (`majority`), all that vote (`all`), or a number of them
//! (`count:N`). Silence is no vote, and where nobody votes the last word stands.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use parallax_model::rule::{Ruling, Votes, Word};
use parallax_model::{ErrorKind, Role, Rule, TargetName, Timestamp};

use crate::absent::Named;
use crate::evidence::fresh_ms;
use crate::fleet::{Fleet, Observation};
use crate::world::{Agent, World, ms};

/// A rule changed its mind about a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Which rule.
    pub rule: Rule,
    /// Of which service.
    pub target: TargetName,
    /// True if it is down from now on.
    pub down: bool,
    /// How the domains vote.
    pub votes: Votes,
}

/// Services whose own rule takes more domains than are to look at them, and how many are: such a rule can never
/// say "down".
pub fn out_of_reach(fleet: &Fleet) -> Vec<(TargetName, Rule, u32)> {
    let polls = Polls::new(Vec::new(), fleet);
    let own = fleet.targets.iter().filter_map(|target| {
        let (rule, assigned) = (*polls.own.get(&target.name)?, *polls.assigned.get(&target.name)?);
        (rule.takes() > assigned).then(|| (target.name.clone(), rule, assigned))
    });
    own.collect()
}

/// Domains of the agents that are to look: all that are there but the excluded.
fn domains(agents: &[Agent], excluded: &BTreeSet<u32>) -> u32 {
    let agents = (0..).zip(agents).filter(|(id, agent)| agent.present && !excluded.contains(id));
    let domains: BTreeSet<u32> = agents.map(|(_, agent)| agent.domain).collect();
    domains.len() as u32
}

/// The newest look of a path.
#[derive(Debug, Clone, Copy)]
struct Vote {
    /// When it was made, ms of the clock of those who listen.
    at: i64,
    failed: bool,
}

/// The votes on one target.
#[derive(Debug, Default)]
struct Poll {
    by_agent: BTreeMap<u32, Vote>,
    /// Until then, ms, no vote that was counted last grows too old.
    holds_until: i64,
}

/// Counts votes: on all services by some rules, and on each by its own.
#[derive(Debug)]
pub struct Polls {
    everywhere: Vec<Rule>,
    // only looked up, never walked: its order must not show
    own: HashMap<TargetName, Rule>,
    /// How many domains are to look at those that have one.
    assigned: HashMap<TargetName, u32>,
    world: World,
    /// The votes on each target.
    by_target: BTreeMap<u32, Poll>,
    words: BTreeMap<(u32, Rule), Word>,
}

impl Polls {
    /// Nothing was heard yet. Services with a `policy` of their own are voted on by that, too.
    pub fn new(everywhere: Vec<Rule>, fleet: &Fleet) -> Self {
        let mut polls = Self {
            everywhere,
            own: HashMap::new(),
            assigned: HashMap::new(),
            world: World::default(),
            by_target: BTreeMap::new(),
            words: BTreeMap::new(),
        };
        polls.declare(fleet);
        polls
    }

    /// The fleet was declared anew: votes of those who still look stay, and rules that are new count them.
    pub fn set_fleet(&mut self, fleet: &Fleet, now: Timestamp) {
        self.declare(fleet);
        let Self { everywhere, own, world, by_target, words, .. } = self;
        by_target.retain(|&target, poll| {
            let spec = &world.targets[target as usize];
            poll.by_agent.retain(|&agent, _| {
                world.agents[agent as usize].present && !spec.excluded.contains(&agent)
            });
            spec.present
        });
        words.retain(|(target, rule), _| {
            let name = world.target_names.name(*target);
            by_target.contains_key(target)
                && (everywhere.contains(rule) || own.get(name) == Some(rule))
        });
        world.forget_absent(&Named::default());
        let targets: Vec<u32> = self.by_target.keys().copied().collect();
        for target in targets {
            self.count(target, now.millis());
        }
    }

    /// What nobody votes on need not be known.
    fn declare(&mut self, fleet: &Fleet) {
        let own = fleet.targets.iter().filter(|t| t.role == Role::Service);
        self.own = own.filter_map(|t| Some((t.name.clone(), t.policy?))).collect();
        let mut polled = fleet.clone();
        if self.everywhere.is_empty() {
            polled.targets.retain(|t| self.own.contains_key(&t.name));
        }
        self.world.declare(&polled, i64::MIN);
        // most targets are looked at by the same agents: those are counted once
        let mut counted: HashMap<&BTreeSet<u32>, u32> = HashMap::new();
        let world = &self.world;
        let assigned = self.own.keys().filter_map(|name| {
            let excluded = &world.targets[world.target_names.find(name)? as usize].excluded;
            let assigned =
                counted.entry(excluded).or_insert_with(|| domains(&world.agents, excluded));
            Some((name.clone(), *assigned))
        });
        self.assigned = assigned.collect();
    }

    /// Hears one result, in the order they are received.
    pub fn observe(&mut self, o: &Observation) -> Vec<Turn> {
        if self.everywhere.is_empty() && !self.own.contains_key(&o.target) {
            return Vec::new();
        }
        let Some(agent) = self.world.agent_named(&o.agent) else { return Vec::new() };
        let Some(target) = self.world.target_named(&o.target) else { return Vec::new() };
        let now = o.received.millis();
        let clock = &mut self.world.agents[agent as usize].clock;
        let heard = clock.hear(now, o.started.millis(), ms(o.latency));
        let spec = &self.world.targets[target as usize];
        if spec.role == Role::Reference || o.outcome.error().is_some_and(ErrorKind::is_ours) {
            return Vec::new();
        }
        let vote = Vote { at: now.saturating_sub(heard.late_ms), failed: !o.outcome.is_ok() };
        let poll = self.by_target.entry(target).or_default();
        let before = poll.by_agent.get(&agent).copied();
        if before.is_some_and(|before| before.at > vote.at) {
            return Vec::new();
        }
        poll.by_agent.insert(agent, vote);
        // most looks say what the last one said
        let oldest = now.saturating_sub(fresh_ms(spec.interval_ms, spec.timeout_ms));
        let same = before.is_some_and(|b| b.failed == vote.failed && b.at >= oldest);
        if same && now <= poll.holds_until {
            return Vec::new();
        }
        self.count(target, now)
    }

    /// What a service's own rule says of it; none if it has no rule.
    pub fn ruling(&self, target: &TargetName, now: Timestamp) -> Option<Ruling> {
        let rule = *self.own.get(target)?;
        let id = self.world.target_names.find(target);
        let word = id.and_then(|id| self.words.get(&(id, rule))).copied();
        let votes = id.map_or(Votes::default(), |id| self.votes(id, now.millis()).0);
        let assigned = self.assigned.get(target).copied().unwrap_or(0);
        Some(Ruling { rule, word, votes, assigned })
    }

    /// Counts the votes on a target as of `now`; answers which rules turn by it.
    fn count(&mut self, target: u32, now: i64) -> Vec<Turn> {
        let (votes, holds_until) = self.votes(target, now);
        if let Some(poll) = self.by_target.get_mut(&target) {
            poll.holds_until = holds_until;
        }
        let name = self.world.target_names.name(target);
        let own = self.own.get(name).filter(|own| !self.everywhere.contains(own));
        let mut turns = Vec::new();
        for &rule in self.everywhere.iter().chain(own).filter(|_| votes.voting > 0) {
            let down = rule.is_met(votes);
            let said = self.words.get(&(target, rule)).map(|word| word.down);
            if said != Some(down) {
                let word = Word { down, since: Timestamp::from_millis(now) };
                self.words.insert((target, rule), word);
            }
            if said.unwrap_or(false) != down {
                turns.push(Turn { rule, target: name.clone(), down, votes });
            }
        }
        turns
    }

    /// How the domains vote on a target, and until when that holds if nothing is heard.
    fn votes(&self, target: u32, now: i64) -> (Votes, i64) {
        let spec = &self.world.targets[target as usize];
        let fresh = fresh_ms(spec.interval_ms, spec.timeout_ms);
        let oldest = now.saturating_sub(fresh);
        let poll = self.by_target.get(&target).map(|poll| &poll.by_agent);
        let mut domains: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
        let mut first = i64::MAX;
        for (&agent, vote) in poll.into_iter().flatten().filter(|(_, vote)| vote.at >= oldest) {
            let domain = self.world.agents[agent as usize].domain;
            let (failed, all) = domains.entry(domain).or_default();
            *failed += u32::from(vote.failed);
            *all += 1;
            first = first.min(vote.at);
        }
        let down = domains.values().filter(|(failed, all)| failed * 2 > *all).count() as u32;
        (Votes { down, voting: domains.len() as u32 }, first.saturating_add(fresh))
    }
}
