//! What left the fleet: its paths go at once, its number once nobody goes by it any more.
//!
//! A fleet whose agents are replaced every day, each under a new name, costs no more memory than one that stays.

use std::collections::BTreeSet;

use crate::path::Path;
use crate::suspect::What;
use crate::trouble::Goods;
use crate::world::{Agent, NONE, World};

/// Numbers that something outside the world still goes by.
#[derive(Debug, Default)]
pub(crate) struct Named {
    pub(crate) agents: BTreeSet<u32>,
    pub(crate) targets: BTreeSet<u32>,
    pub(crate) regions: BTreeSet<u32>,
    pub(crate) providers: BTreeSet<u32>,
    pub(crate) domains: BTreeSet<u32>,
}

impl FromIterator<What> for Named {
    fn from_iter<I: IntoIterator<Item = What>>(all: I) -> Self {
        let mut named = Self::default();
        for what in all {
            named.targets.extend(what.target());
            match what {
                What::Agent(a) | What::Path(_, a) => named.agents.extend([a]),
                What::Region(r) | What::ServiceRegion(_, r) => named.regions.extend([r]),
                What::Provider(p) | What::ServiceProvider(_, p) => named.providers.extend([p]),
                What::Domain(d) | What::ServiceDomain(_, d) => named.domains.extend([d]),
                What::Service(_) => {}
            }
        }
        named
    }
}

impl World {
    /// Lets go of the paths of what left the fleet, and of those that are not looked along any more.
    pub(crate) fn drop_absent(&mut self) {
        let (agents, targets) = (&self.agents, &self.targets);
        let gone = |p: &Path| {
            let target = &targets[p.target as usize];
            !agents[p.agent as usize].present
                || !target.present
                || target.excluded.contains(&p.agent)
        };
        let gone: Vec<u32> =
            (0..self.paths.len() as u32).filter(|&id| gone(&self.paths[id as usize])).collect();
        for &id in &gone {
            let (agent, target) = {
                let path = &self.paths[id as usize];
                (path.agent as usize, path.target as usize)
            };
            if self.targets[target].by_agent.get(agent) == Some(&id) {
                self.targets[target].by_agent[agent] = NONE;
                self.targets[target].paths.retain(|&p| p != id);
                self.agents[agent].paths.retain(|&p| p != id);
                self.free_paths.push(id);
            }
        }
        let (paths, targets) = (&self.paths, &self.targets);
        for agent in &mut self.agents {
            if !agent.present {
                (agent.heard, agent.spoke, agent.goods) = (None, None, Goods::default());
            }
            // what it is expected to be heard of is what it still looks at
            (agent.interval_ms, agent.timeout_ms) = (i64::MAX, 0);
            for &id in &agent.paths {
                let target = &targets[paths[id as usize].target as usize];
                agent.interval_ms = agent.interval_ms.min(target.interval_ms);
                agent.timeout_ms = agent.timeout_ms.max(target.timeout_ms);
            }
        }
    }

    /// Forgets who and what left the fleet, but for those that are still `named` somewhere: their numbers are handed
    /// out again.
    pub(crate) fn forget_absent(&mut self, named: &Named) {
        let (agents, targets) = (&mut self.agents, &mut self.targets);
        let kept = |id: u32| agents[id as usize].present || named.agents.contains(&id);
        for id in self.agent_names.release(kept) {
            agents[id as usize] = Agent { present: false, ..Agent::new((NONE, NONE, NONE)) };
        }
        let kept = |id: u32| targets[id as usize].present || named.targets.contains(&id);
        for id in self.target_names.release(kept) {
            let target = &mut targets[id as usize];
            (target.by_agent, target.excluded, target.needs) = Default::default();
        }
        let used =
            |label: fn(&Agent) -> u32| -> BTreeSet<u32> { agents.iter().map(label).collect() };
        let (regions, providers, domains) =
            (used(|a| a.region), used(|a| a.provider), used(|a| a.domain));
        self.region_names.release(|id| regions.contains(&id) || named.regions.contains(&id));
        self.provider_names.release(|id| providers.contains(&id) || named.providers.contains(&id));
        self.domains.retain(|_, id| domains.contains(id) || named.domains.contains(id));
    }
}
