//! Second opinions: whom to ask to look at once, within a budget.

use std::collections::{BTreeMap, BTreeSet};

use parallax_model::{AskFor, Role};

use crate::case::corrected_ms;
use crate::world::World;

/// Share of the observation rate that may be spent on asking.
const SHARE: f64 = 0.1;
/// What may be saved up, in looks: a few suspicions at once.
const SAVED_MAX: f64 = 64.0;
/// Saved up at the start.
const SAVED_START: f64 = 16.0;
/// What must be saved up for a question about failures, and about slowness, which may wait.
const SAVED_FAIL: f64 = 2.0;
const SAVED_SLOW: f64 = 24.0;
/// Most agents asked at once: more domains than this make nothing surer.
const ASKED_MAX: usize = 8;
/// What a target needs is looked at with it, by so many of those asked: if it fails as well, it is at fault.
const NEEDS_MAX: usize = 2;
const ASKED_OF_NEEDS: usize = 3;
/// A target is asked about again after this share of its interval, within bounds.
const AGAIN_SHARE: f64 = 0.33;
const AGAIN_MIN_MS: i64 = 1_000;
const AGAIN_MAX_MS: i64 = 20_000;

/// What may still be asked.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    saved: f64,
    asked: BTreeMap<u32, i64>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { saved: SAVED_START, asked: BTreeMap::new() }
    }
}

impl Budget {
    /// Every look heard earns a tenth of one to ask for.
    pub(crate) fn earn(&mut self) {
        self.saved = (self.saved + SHARE).min(SAVED_MAX);
    }

    /// Forgets targets that may be asked about again anyway.
    pub(crate) fn forget(&mut self, now: i64) {
        self.asked.retain(|_, at| now - *at < AGAIN_MAX_MS);
    }

    /// After a suspicious failure (or some slow looks) seen by `agent`: one agent of every domain that has not looked
    /// since, then the same agent at the target and at its references; some of them at what it needs.
    pub(crate) fn ask(
        &mut self,
        world: &World,
        agent: u32,
        target: u32,
        slow: bool,
        now: i64,
    ) -> Vec<AskFor> {
        let interval = world.targets[target as usize].interval_ms;
        let again = ((interval as f64 * AGAIN_SHARE) as i64).clamp(AGAIN_MIN_MS, AGAIN_MAX_MS);
        let least = if slow { SAVED_SLOW } else { SAVED_FAIL };
        if self.saved < least || self.asked.get(&target).is_some_and(|at| now - at < again) {
            return Vec::new();
        }
        self.asked.insert(target, now);
        let most = (self.saved as usize).min(ASKED_MAX);
        let mut agents = unseen(world, agent, target, now, again);
        agents.truncate(most.saturating_sub(1).max(1));
        agents.push(agent);
        self.saved -= agents.len() as f64;
        let mut asks = vec![ask_for(world, target, &agents)];
        agents.truncate(ASKED_OF_NEEDS);
        for &needed in world.targets[target as usize].needs.iter().take(NEEDS_MAX) {
            let looks = |a: &&u32| world.path_of(**a, needed).is_some();
            let agents: Vec<u32> = agents.iter().filter(looks).copied().collect();
            if !agents.is_empty() && self.saved >= agents.len() as f64 {
                self.saved -= agents.len() as f64;
                asks.push(ask_for(world, needed, &agents));
            }
        }
        for reference in references(world, agent) {
            if self.saved >= 1.0 {
                self.saved -= 1.0;
                asks.push(ask_for(world, reference, &[agent]));
            }
        }
        asks
    }
}

fn ask_for(world: &World, target: u32, agents: &[u32]) -> AskFor {
    AskFor {
        target: world.target_names.name(target).clone(),
        agents: agents.iter().map(|&a| world.agent_names.name(a).clone()).collect(),
    }
}

/// One agent of each domain without a look within `within_ms`: other regions and providers first,
/// quieter paths first.
fn unseen(world: &World, agent: u32, target: u32, now: i64, within_ms: i64) -> Vec<u32> {
    let own = &world.agents[agent as usize];
    let mut best: BTreeMap<u32, (u8, u64, u32)> = BTreeMap::new();
    let mut seen: BTreeSet<u32> = BTreeSet::from([own.domain]);
    for &id in &world.targets[target as usize].paths {
        let path = &world.paths[id as usize];
        let a = &world.agents[path.agent as usize];
        let looked = path.seen().next_back().map(|s| corrected_ms(now, a.clock.offset_ms(), s.at));
        if looked.is_some_and(|at| now - at < within_ms / 8) {
            seen.insert(a.domain);
        }
        let near = u8::from(a.region == own.region) + u8::from(a.provider == own.provider);
        let noise = (path.noise.fail_rate() * 1e6) as u64;
        let rank = (near, noise, path.agent);
        let entry = best.entry(a.domain).or_insert(rank);
        *entry = (*entry).min(rank);
    }
    let mut order: Vec<_> = best.into_iter().filter(|(d, _)| !seen.contains(d)).collect();
    order.sort_unstable_by_key(|(_, rank)| *rank);
    order.into_iter().map(|(_, (.., agent))| agent).collect()
}

/// At most two references the agent looks at, those it has not heard of for longest first.
fn references(world: &World, agent: u32) -> Vec<u32> {
    let mut found: Vec<(i64, u32)> = world.agents[agent as usize]
        .paths
        .iter()
        .map(|&id| &world.paths[id as usize])
        .filter(|p| world.targets[p.target as usize].role == Role::Reference)
        .map(|p| (p.heard, p.target))
        .collect();
    found.sort_unstable();
    found.into_iter().take(2).map(|(_, target)| target).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use parallax_model::{AgentName, AgentSpec, Provider, Region, TargetName};

    use super::*;
    use crate::case::centis;
    use crate::fleet::{Fleet, TargetSpec};
    use crate::path::Mark;

    const NOW: i64 = 10_000_000;
    /// What the agents look at: `t0`, which needs `t1`, and two references.
    const TARGETS: usize = 4;

    /// Agents by region and provider, of whom everybody looked at everything a minute ago.
    fn world(places: &[(usize, usize)], interval_s: u64) -> World {
        let agents = places.iter().enumerate().map(|(n, (region, provider))| AgentSpec {
            region: Some(Region::new(&format!("r{region}")).unwrap()),
            provider: Some(Provider::new(&format!("p{provider}")).unwrap()),
            ..AgentSpec::unlabelled(AgentName::new(&format!("a{n}")).unwrap())
        });
        let name = |n: usize| TargetName::new(&format!("t{n}")).unwrap();
        let targets = (0..TARGETS).map(|n| TargetSpec {
            role: if n < 2 { Role::Service } else { Role::Reference },
            interval: Duration::from_secs(interval_s),
            depends_on: if n == 0 { vec![name(1)] } else { Vec::new() },
            ..TargetSpec::unknown(name(n))
        });
        let mut world = World::default();
        let fleet = Fleet { agents: agents.collect(), targets: targets.collect() };
        world.declare(&fleet, i64::MIN);
        for agent in 0..places.len() as u32 {
            (0..TARGETS as u32).for_each(|target| looked(&mut world, agent, target, 60_000));
        }
        world
    }

    /// Agents that are each in a place of their own.
    fn apart(agents: usize) -> Vec<(usize, usize)> {
        (0..agents).map(|n| (n, n)).collect()
    }

    fn looked(world: &mut World, agent: u32, target: u32, ago_ms: i64) {
        let id = world.path(agent, target);
        let path = &mut world.paths[id as usize];
        path.push(centis(NOW - ago_ms), Mark::OK);
        path.heard = NOW - ago_ms;
    }

    /// With as much saved as can be.
    fn rich() -> Budget {
        Budget { saved: SAVED_MAX, ..Budget::default() }
    }

    fn words(asks: &[AskFor]) -> Vec<String> {
        let word = |ask: &AskFor| {
            let agents: Vec<&str> = ask.agents.iter().map(AgentName::as_str).collect();
            format!("{}: {}", ask.target, agents.join(" "))
        };
        asks.iter().map(word).collect()
    }

    fn looks(asks: &[AskFor]) -> usize {
        asks.iter().map(|ask| ask.agents.len()).sum()
    }

    #[test]
    fn one_of_every_domain_that_has_not_just_looked_is_asked_and_the_agent_itself() {
        // a4 shares the domain of a0, a5 that of a3; a1 has just looked
        let mut world = world(&[(0, 0), (1, 1), (2, 2), (3, 3), (0, 0), (3, 3)], 30);
        looked(&mut world, 1, 0, 500);
        let asks = rich().ask(&world, 0, 0, false, NOW);
        assert_eq!(words(&asks[..1]), ["t0: a2 a3 a0"]);
        // the quieter of two in one domain speaks for it
        let noisy = world.path_of(3, 0).unwrap();
        (0..20).for_each(|_| world.paths[noisy as usize].noise.learn(true, false));
        let asks = rich().ask(&world, 0, 0, false, NOW);
        assert_eq!(words(&asks[..1]), ["t0: a2 a5 a0"]);
    }

    #[test]
    fn those_who_are_elsewhere_are_asked_first() {
        let world = world(&[(0, 0), (0, 1), (1, 0), (2, 2)], 30);
        let asks = rich().ask(&world, 0, 0, false, NOW);
        assert_eq!(words(&asks[..1]), ["t0: a3 a1 a2 a0"]);
    }

    #[test]
    fn what_it_needs_is_looked_at_by_three_and_references_by_the_agent_itself() {
        let mut world = world(&apart(6), 30);
        looked(&mut world, 0, 2, 1_000);
        let asks = rich().ask(&world, 0, 0, false, NOW);
        // the reference that it has not seen for longer comes first
        let wanted = ["t0: a1 a2 a3 a4 a5 a0", "t1: a1 a2 a3", "t3: a0", "t2: a0"];
        assert_eq!(words(&asks), wanted);
        // what needs nothing asks for nothing else
        let asks = rich().ask(&world, 0, 1, false, NOW);
        assert_eq!(words(&asks), ["t1: a1 a2 a3 a4 a5 a0", "t3: a0", "t2: a0"]);
    }

    #[test]
    fn no_more_than_eight_are_asked_however_many_there_are() {
        let world = world(&apart(40), 30);
        let asks = rich().ask(&world, 7, 0, false, NOW);
        assert_eq!(asks[0].agents.len(), ASKED_MAX);
        assert_eq!(asks[0].agents.last().unwrap().as_str(), "a7");
    }

    #[test]
    fn a_target_is_asked_about_again_after_a_third_of_its_interval() {
        for (interval_s, again_ms) in [(1, 1_000), (30, 9_900), (60, 19_800), (600, 20_000)] {
            let world = world(&apart(4), interval_s);
            let mut budget = rich();
            let mut ask = |target, at| {
                budget.saved = SAVED_MAX;
                looks(&budget.ask(&world, 0, target, false, at))
            };
            assert!(ask(0, NOW) > 0);
            assert_eq!(ask(0, NOW + again_ms - 1), 0, "{interval_s}");
            assert!(ask(1, NOW + again_ms - 1) > 0, "another one is another matter");
            assert!(ask(0, NOW + again_ms) > 0, "{interval_s}");
        }
    }

    #[test]
    fn what_is_forgotten_may_be_asked_about_anyway() {
        let world = world(&apart(4), 600);
        let mut budget = rich();
        budget.ask(&world, 0, 0, false, NOW);
        budget.forget(NOW + AGAIN_MAX_MS - 1);
        assert_eq!(budget.asked.len(), 1);
        budget.forget(NOW + AGAIN_MAX_MS);
        assert_eq!(budget.asked.len(), 0);
    }

    #[test]
    fn nothing_is_asked_that_is_not_saved_and_slowness_needs_more() {
        let world = world(&apart(6), 30);
        for (saved, slow, asked) in [
            (SAVED_FAIL - 0.1, false, 0),
            (SAVED_FAIL, false, 2),
            (4.0, false, 4),
            (SAVED_SLOW - 0.1, true, 0),
            (SAVED_SLOW, true, 11),
        ] {
            let mut budget = Budget { saved, ..Budget::default() };
            let asks = budget.ask(&world, 0, 0, slow, NOW);
            assert_eq!(looks(&asks), asked, "{saved} {slow}: {:?}", words(&asks));
            assert!((budget.saved - (saved - asked as f64)).abs() < 1e-9 && budget.saved >= 0.0);
        }
    }

    #[test]
    fn no_more_than_a_tenth_of_all_looks_is_asked_for_though_all_fail() {
        const LOOKS: u32 = 100_000;
        let world = world(&apart(10), 5);
        let (mut budget, mut asked) = (Budget::default(), 0);
        for n in 0..LOOKS {
            budget.earn();
            let at = NOW + i64::from(n) * 100;
            asked += looks(&budget.ask(&world, n % 10, n / 10 % TARGETS as u32, false, at));
            if n % 10 == 0 {
                budget.forget(at);
            }
        }
        let tenth = f64::from(LOOKS) * SHARE;
        assert!(asked as f64 <= tenth + SAVED_START, "{asked}");
        // and what may be asked for is
        assert!(asked as f64 >= tenth * 0.9, "{asked}");
    }

    #[test]
    fn what_is_saved_in_quiet_times_has_a_bound() {
        let world = world(&apart(30), 5);
        let mut budget = Budget::default();
        (0..1_000_000).for_each(|_| budget.earn());
        let asked: usize =
            (0..TARGETS as u32).map(|t| looks(&budget.ask(&world, 0, t, false, NOW))).sum();
        assert!(asked as f64 <= SAVED_MAX && budget.saved <= SAVED_MAX, "{asked}");
    }
}
