//! Who fell silent: an agent is told to its owner, most domains at once mean that the collector
//! itself is cut off. Silence is never evidence about a target.

use std::collections::{BTreeMap, BTreeSet};

use crate::evidence::fresh_ms;
use crate::world::{Agent, World};

/// An agent is quiet after this many of its longest usual gaps between results, at least …
const QUIET_GAPS: f64 = 3.0;
/// … this long, and at most as long as it takes to be called silent.
const QUIET_MIN_MS: i64 = 4_000;
/// While most domains are silent for this share of what it takes, one that is all the way there waits:
/// they may be silent together, and differ by when each spoke last.
const HUSHED_SHARE: f64 = 0.5;
/// Agents never heard get this long from when they were declared, at the longest interval of the fleet.
const GRACE_INTERVALS: i64 = 6;
/// … and if they were declared later, at least this long: somebody has just let them join, and types on.
const JOINING_MS: i64 = 5 * 60_000;

/// What silence says at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Silence {
    /// Since when most domains are quiet, if they are: the last instant one of them was heard.
    pub(crate) isolated_since: Option<i64>,
    /// Agents silent for long, and since when.
    pub(crate) silent: BTreeMap<u32, i64>,
    /// True if some domain is not quiet.
    pub(crate) is_partial: bool,
    /// True if it may turn out in a moment that most domains are.
    pub(crate) is_spreading: bool,
}

/// One failure domain: all of its agents.
struct Domain {
    quiet: bool,
    hushed: bool,
    heard: i64,
}

impl Silence {
    /// `start` is when the engine began to listen, `quiet_until` when the grace after an isolation ends.
    pub(crate) fn find(world: &World, now: i64, start: i64, known: &BTreeSet<u32>) -> Self {
        let mut domains: BTreeMap<u32, Domain> = BTreeMap::new();
        let mut silent = BTreeMap::new();
        let anybody = world.agents.iter().any(|a| a.spoke.is_some());
        let grace = GRACE_INTERVALS * longest_interval(world);
        // who looks at nothing has nothing to say
        let speaks = |a: &Agent| a.present && (a.declared.is_some() || !a.paths.is_empty());
        for (id, agent) in world.agents.iter().enumerate().filter(|(_, a)| speaks(a)) {
            let id = id as u32;
            let Some(heard) = agent.spoke else {
                let since = agent.declared.map(|since| since.max(start));
                let late =
                    |since: i64| now.saturating_sub(since) > grace.max(joining(since, start));
                if let Some(since) = since.filter(|since| anybody && late(*since)) {
                    silent.insert(id, since);
                }
                continue;
            };
            if now - heard > silent_ms(agent) {
                silent.insert(id, heard);
            }
            if !known.contains(&id) {
                let all = Domain { quiet: true, hushed: true, heard: i64::MIN };
                let domain = domains.entry(agent.domain).or_insert(all);
                let hushed_ms = (silent_ms(agent) as f64 * HUSHED_SHARE) as i64;
                domain.quiet &= now - heard > quiet_ms(agent);
                domain.hushed &= now - heard > hushed_ms;
                domain.heard = domain.heard.max(heard);
            }
        }
        let most = |count: usize| count >= 2 && count * 2 > domains.len();
        let quiet: Vec<i64> = domains.values().filter(|d| d.quiet).map(|d| d.heard).collect();
        let isolated = most(quiet.len());
        Self {
            isolated_since: quiet.into_iter().max().filter(|_| isolated),
            silent,
            is_partial: domains.values().any(|d| !d.quiet),
            is_spreading: most(domains.values().filter(|d| d.hushed).count()),
        }
    }
}

const fn joining(since: i64, start: i64) -> i64 {
    if since > start { JOINING_MS } else { 0 }
}

fn silent_ms(agent: &Agent) -> i64 {
    fresh_ms(agent.interval_ms, agent.timeout_ms)
}

fn quiet_ms(agent: &Agent) -> i64 {
    let gaps = if agent.gap_ms > 0.0 { (agent.gap_ms * QUIET_GAPS) as i64 } else { i64::MAX };
    gaps.max(QUIET_MIN_MS + agent.timeout_ms).min(silent_ms(agent))
}

fn longest_interval(world: &World) -> i64 {
    world.targets.iter().filter(|t| t.present).map(|t| t.interval_ms).max().unwrap_or(30_000)
}
