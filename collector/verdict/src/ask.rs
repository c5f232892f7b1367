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
