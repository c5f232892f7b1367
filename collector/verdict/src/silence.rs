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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use parallax_model::{AgentName, AgentSpec, Region, TargetName};

    use super::*;
    use crate::fleet::{Fleet, TargetSpec};

    const START: i64 = 1_000_000;
    const NOW: i64 = START + 10_000_000;
    const INTERVAL_MS: i64 = 10_000;
    const TIMEOUT_MS: i64 = 2_000;
    /// What it takes to be called silent.
    const SILENT_MS: i64 = 3 * INTERVAL_MS + TIMEOUT_MS;

    fn fleet(regions: &[usize]) -> Fleet {
        let agents = regions.iter().enumerate().map(|(n, region)| AgentSpec {
            region: Some(Region::new(&format!("r{region}")).unwrap()),
            ..AgentSpec::unlabelled(AgentName::new(&format!("a{n}")).unwrap())
        });
        let target = TargetSpec {
            interval: Duration::from_millis(INTERVAL_MS as u64),
            timeout: Duration::from_millis(TIMEOUT_MS as u64),
            ..TargetSpec::unknown(TargetName::new("shop").unwrap())
        };
        Fleet { agents: agents.collect(), targets: vec![target] }
    }

    /// Agents by region, each last heard so long ago, ms; never, if that is negative.
    fn world(agents: &[(usize, i64)]) -> World {
        let regions: Vec<usize> = agents.iter().map(|(region, _)| *region).collect();
        let mut world = World::default();
        world.declare(&fleet(&regions), i64::MIN);
        for (n, &(_, ago_ms)) in agents.iter().enumerate() {
            if ago_ms >= 0 {
                world.path(n as u32, 0);
                world.agents[n].spoke = Some(NOW - ago_ms);
            }
        }
        world
    }

    fn find(world: &World, known: &[u32]) -> Silence {
        Silence::find(world, NOW, START, &known.iter().copied().collect())
    }

    fn only(agent: u32, since: i64) -> BTreeMap<u32, i64> {
        BTreeMap::from([(agent, since)])
    }

    #[test]
    fn one_silent_agent_is_silent_and_no_more() {
        let late = SILENT_MS + 1;
        let silence = find(&world(&[(0, 0), (1, 5_000), (2, 9_000), (3, late)]), &[]);
        let partial = Silence { is_partial: true, ..Silence::default() };
        assert_eq!(silence, Silence { silent: only(3, NOW - late), ..partial.clone() });
        // three intervals and a timeout, and not before
        assert_eq!(find(&world(&[(0, 0), (1, 0), (2, 0), (3, late - 1)]), &[]), partial);
    }

    #[test]
    fn most_domains_silent_is_the_collector_since_the_last_was_heard() {
        let late = SILENT_MS + 1;
        let two = find(&world(&[(0, 0), (1, late), (2, late + 7)]), &[]);
        assert_eq!((two.isolated_since, two.is_spreading), (Some(NOW - late), true));
        // half is not most, and one alone is an agent
        let half = find(&world(&[(0, 0), (1, 0), (2, late), (3, late)]), &[]);
        assert_eq!((half.isolated_since, half.silent.len()), (None, 2));
        assert_eq!(find(&world(&[(0, late)]), &[]).isolated_since, None);
    }

    #[test]
    fn a_domain_speaks_as_long_as_one_of_its_agents_does() {
        let late = SILENT_MS + 1;
        let silence = find(&world(&[(0, 0), (1, late), (1, late), (1, 0), (2, late)]), &[]);
        assert_eq!((silence.isolated_since, silence.silent.len()), (None, 3));
        let silence = find(&world(&[(0, 0), (1, late), (1, late), (2, late)]), &[]);
        assert!(silence.isolated_since.is_some());
    }

    #[test]
    fn who_is_known_to_be_silent_does_not_count() {
        let (late, long) = (SILENT_MS + 1, 100 * SILENT_MS);
        let agents = [(0, 0), (1, 0), (2, long), (3, long), (4, long)];
        assert!(find(&world(&agents), &[]).isolated_since.is_some());
        let silence = find(&world(&agents), &[2, 3, 4]);
        assert_eq!((silence.isolated_since, silence.is_spreading), (None, false));
        // they are silent all the same, until they are heard
        assert_eq!(silence.silent.len(), 3);
        // of those who are left, most
        let agents = [(0, 0), (1, late), (2, late), (3, long), (4, long)];
        assert_eq!(find(&world(&agents), &[3, 4]).isolated_since, Some(NOW - late));
    }

    #[test]
    fn one_that_is_silent_waits_while_most_are_half_way_there() {
        let half = SILENT_MS / 2 + 1;
        let silence = find(&world(&[(0, 0), (1, half), (2, SILENT_MS + 1)]), &[]);
        assert_eq!((silence.isolated_since, silence.is_spreading), (None, true));
        let silence = find(&world(&[(0, 0), (1, half - 1), (2, SILENT_MS + 1)]), &[]);
        assert!(!silence.is_spreading);
    }

    #[test]
    fn who_usually_speaks_often_is_quiet_sooner() {
        let quiet = QUIET_MIN_MS + TIMEOUT_MS + 1;
        let mut world = world(&[(0, 0), (1, quiet), (2, quiet)]);
        assert_eq!(find(&world, &[]).isolated_since, None);
        world.agents.iter_mut().for_each(|a| a.gap_ms = 1_000.0);
        let silence = find(&world, &[]);
        assert_eq!(silence.isolated_since, Some(NOW - quiet));
        assert_eq!(silence.silent, BTreeMap::new());
    }

    #[test]
    fn who_was_never_heard_has_six_intervals_from_the_start() {
        let world = world(&[(0, 0), (1, 0), (2, -1)]);
        let at = |now: i64| {
            let mut world = world.clone();
            world.agents[..2].iter_mut().for_each(|a| a.spoke = Some(now));
            Silence::find(&world, now, START, &BTreeSet::new()).silent
        };
        let grace = GRACE_INTERVALS * INTERVAL_MS;
        assert_eq!(at(START + grace), BTreeMap::new());
        assert_eq!(at(START + grace + 1), only(2, START));
    }

    #[test]
    fn nobody_is_missed_before_anybody_was_heard() {
        let silence = find(&world(&[(0, -1), (1, -1), (2, -1)]), &[]);
        assert_eq!(silence, Silence::default());
    }

    #[test]
    fn who_joins_later_has_five_minutes() {
        let mut world = world(&[(0, 0), (1, 0)]);
        let joined = NOW - JOINING_MS;
        world.declare(&fleet(&[0, 1, 2]), joined);
        assert_eq!(find(&world, &[]).silent, BTreeMap::new());
        world.agents[2].declared = Some(joined - 1);
        assert_eq!(find(&world, &[]).silent, only(2, joined - 1));
    }
}
