//! What is warm enough to be weighed: targets and agents that failed of late, the places of such
//! agents, and the sets that a path belongs to among them.

use std::collections::{BTreeMap, BTreeSet};

use crate::case::{Known, corrected_ms, memory_ms};
use crate::heat::{HOT_NATS, WARM_NATS};
use crate::path::Path;
use crate::suspect::What;
use crate::world::{NONE, World};

/// Sets a path can belong to: one of each variant of [`What`].
pub(crate) const SETS_OF_PATH: usize = 9;

/// Targets and agents with any heat at all.
#[derive(Debug, Clone, Default)]
pub(crate) struct WarmIds {
    pub(crate) targets: BTreeSet<u32>,
    pub(crate) agents: BTreeSet<u32>,
}

impl WarmIds {
    /// Lets go of what has cooled.
    pub(crate) fn cool(&mut self, world: &World, now: i64) {
        self.targets.retain(|&t| target_nats(world, t, now) > 1.0);
        self.agents.retain(|&a| agent_nats(world, a, now) > 1.0);
    }

    /// Takes the heat of what is explained now away: only what open faults do not cover stays warm.
    pub(crate) fn reheat(&self, world: &mut World, now: i64) {
        for &t in &self.targets {
            let target = &world.targets[t as usize];
            let half = memory_ms(target.interval_ms) / 2;
            let nats = target.paths.iter().map(|&id| loose_nats(world, id, now, half)).sum();
            world.targets[t as usize].heat.set(nats, now);
        }
        for &a in &self.agents {
            let agent = &world.agents[a as usize];
            let half = memory_ms(agent.interval_ms) / 2;
            let nats = agent.paths.iter().map(|&id| loose_nats(world, id, now, half)).sum();
            world.agents[a as usize].heat.set(nats, now);
        }
    }
}

/// What the bad looks of a path are worth at most, unless they are accounted for.
fn loose_nats(world: &World, id: u32, now: i64, fade_ms: i64) -> f64 {
    let path = &world.paths[id as usize];
    if path.covered {
        return 0.0;
    }
    let offset_ms = world.agents[path.agent as usize].clock.offset_ms();
    let loose = path.seen().filter(|s| s.mark.is_bad() && !s.mark.is_explained());
    loose
        .map(|s| {
            let age = now - corrected_ms(now, offset_ms, s.at);
            let usual =
                if s.mark.is_slow() { path.noise.slow_rate() } else { path.noise.fail_rate() };
            -usual.ln() * (-age.max(0) as f64 / fade_ms as f64).exp()
        })
        .sum()
}

pub(crate) fn target_nats(world: &World, t: u32, now: i64) -> f64 {
    let target = &world.targets[t as usize];
    target.heat.nats(now, memory_ms(target.interval_ms) / 2)
}

pub(crate) fn agent_nats(world: &World, a: u32, now: i64) -> f64 {
    let agent = &world.agents[a as usize];
    agent.heat.nats(now, memory_ms(agent.interval_ms) / 2)
}

/// What is warm enough to be weighed.
pub(crate) struct Warm {
    pub(crate) targets: BTreeSet<u32>,
    agents: BTreeSet<u32>,
    regions: BTreeSet<u32>,
    providers: BTreeSet<u32>,
    domains: BTreeSet<u32>,
}

impl Warm {
    pub(crate) fn find(world: &World, known: &Known, ids: &WarmIds, now: i64) -> Self {
        let hot = |nats: f64| nats >= HOT_NATS;
        let mut targets = known.targets.clone();
        targets.extend(ids.targets.iter().filter(|&&t| hot(target_nats(world, t, now))));
        let mut agents = known.agents.clone();
        agents.extend(ids.agents.iter().filter(|&&a| hot(agent_nats(world, a, now))));
        let (mut regions, mut providers, mut domains) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for &a in ids.agents.union(&known.agents) {
            let agent = &world.agents[a as usize];
            if known.agents.contains(&a) || agent_nats(world, a, now) >= WARM_NATS {
                *regions.entry(agent.region).or_insert(0_u32) += 1;
                *providers.entry(agent.provider).or_insert(0_u32) += 1;
                *domains.entry(agent.domain).or_insert(0_u32) += 1;
            }
        }
        // a place is suspected when two of its agents are, and one of only one agent with that
        let suspected = |warm: BTreeMap<u32, u32>, groups: &BTreeMap<u32, Vec<u32>>| {
            warm.into_iter()
                .filter(|(id, count)| {
                    groups.get(id).is_some_and(|all| {
                        *count >= 2 || all.len() == 1 && agents.contains(&all[0])
                    })
                })
                .map(|(id, _)| id)
                .collect::<BTreeSet<u32>>()
        };
        let mut regions = suspected(regions, &world.groups.regions);
        let mut providers = suspected(providers, &world.groups.providers);
        regions.remove(&NONE);
        providers.remove(&NONE);
        let domains = suspected(domains, &world.groups.domains);
        Self { targets, agents, regions, providers, domains }
    }

    pub(crate) fn all_agents(&self, world: &World) -> BTreeSet<u32> {
        let groups = &world.groups;
        let mut all = self.agents.clone();
        all.extend(self.regions.iter().filter_map(|r| groups.regions.get(r)).flatten());
        all.extend(self.providers.iter().filter_map(|p| groups.providers.get(p)).flatten());
        all.extend(self.domains.iter().filter_map(|d| groups.domains.get(d)).flatten());
        all
    }

    /// The suspects that a path belongs to.
    pub(crate) fn sets_of(&self, world: &World, path: &Path) -> [Option<What>; SETS_OF_PATH] {
        let (t, a) = (path.target, path.agent);
        let agent = &world.agents[a as usize];
        let hot = self.targets.contains(&t);
        let named = |id: u32| id != NONE;
        [
            hot.then_some(What::Service(t)),
            (hot && named(agent.region)).then_some(What::ServiceRegion(t, agent.region)),
            (hot && named(agent.provider)).then_some(What::ServiceProvider(t, agent.provider)),
            Some(What::Path(t, a)),
            self.regions.contains(&agent.region).then_some(What::Region(agent.region)),
            self.providers.contains(&agent.provider).then_some(What::Provider(agent.provider)),
            self.agents.contains(&a).then_some(What::Agent(a)),
            hot.then_some(What::ServiceDomain(t, agent.domain)),
            self.domains.contains(&agent.domain).then_some(What::Domain(agent.domain)),
        ]
    }
}
