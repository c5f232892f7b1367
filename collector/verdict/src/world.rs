//! The fleet as dense numbers: agents, targets, the groups they form, and every path between them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use parallax_model::{AgentName, AgentSpec, Provider, Region, Role, Sensitivity, Site, TargetName};

use crate::clock::Clock;
use crate::fleet::{Fleet, TargetSpec};
use crate::heat::{HOT_NATS, Heat};
use crate::names::Names;
use crate::path::Path;
use crate::trouble::Goods;

/// No number.
pub(crate) const NONE: u32 = u32::MAX;

/// Room is made for this share of the paths more at a time.
const PATHS_SPARE: usize = 8;

/// One agent.
#[derive(Debug, Clone)]
pub(crate) struct Agent {
    pub(crate) region: u32,
    pub(crate) provider: u32,
    pub(crate) domain: u32,
    /// False once it left the fleet.
    pub(crate) present: bool,
    /// Since when its owner has it look at something, ms ([`i64::MIN`]: from the first); none if it only shows
    /// up in results.
    pub(crate) declared: Option<i64>,
    pub(crate) clock: Clock,
    /// When it was last heard live, ms of the engine's clock.
    pub(crate) heard: Option<i64>,
    /// When anything of it was last received, late or not: it is not silent, ms of the engine's clock.
    pub(crate) spoke: Option<i64>,
    /// When it came back from its latest silence, ms: what it saw before is part of that.
    pub(crate) back: i64,
    /// Shortest interval and longest timeout of the targets it was seen to look at, ms.
    pub(crate) interval_ms: i64,
    pub(crate) timeout_ms: i64,
    /// Longest usual time from one live result to the next, ms.
    pub(crate) gap_ms: f64,
    /// When its latest live success was heard, ms of the engine's clock.
    pub(crate) last_ok: i64,
    pub(crate) heat: Heat,
    pub(crate) goods: Goods,
    pub(crate) paths: Vec<u32>,
}

impl Agent {
    /// One that was never heard.
    pub(crate) fn new((region, provider, domain): (u32, u32, u32)) -> Self {
        Self {
            region,
            provider,
            domain,
            present: true,
            declared: None,
            clock: Clock::default(),
            heard: None,
            spoke: None,
            back: i64::MIN,
            interval_ms: i64::MAX,
            timeout_ms: 0,
            gap_ms: 0.0,
            last_ok: i64::MIN,
            heat: Heat::default(),
            goods: Goods::default(),
            paths: Vec::new(),
        }
    }

    /// How many of its looks were good that were begun between two times of the engine's clock, ms, as far as is
    /// known for certain.
    pub(crate) fn goods_between(&self, older: i64, newer: i64) -> u32 {
        let offset_ms = self.clock.offset_ms();
        self.goods.between(older.saturating_sub(offset_ms), newer.saturating_sub(offset_ms))
    }
}

/// One target.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) role: Role,
    pub(crate) present: bool,
    pub(crate) interval_ms: i64,
    pub(crate) timeout_ms: i64,
    pub(crate) sensitivity: Sensitivity,
    /// All it needs, directly or not, ascending.
    pub(crate) needs: Vec<u32>,
    /// Declared agents that are not to look at it.
    pub(crate) excluded: BTreeSet<u32>,
    /// When its latest live success was heard, ms of the engine's clock.
    pub(crate) last_ok: i64,
    /// When it was first looked at, ms of the engine's clock.
    pub(crate) since: i64,
    pub(crate) heat: Heat,
    /// What of it is of slow looks, fading with the ten latest.
    pub(crate) slow_heat: Heat,
    pub(crate) paths: Vec<u32>,
    /// The path of each agent, by its number.
    pub(crate) by_agent: Vec<u32>,
}

/// What an agent belongs to. No label is a label of its own, without a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DomainKey {
    provider: Option<Provider>,
    place: Result<Site, Option<Region>>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    pub(crate) agent_names: Names<AgentName>,
    pub(crate) target_names: Names<TargetName>,
    pub(crate) region_names: Names<Region>,
    pub(crate) provider_names: Names<Provider>,
    pub(crate) domains: BTreeMap<DomainKey, u32>,
    /// Domains that ever were.
    next_domain: u32,
    pub(crate) agents: Vec<Agent>,
    pub(crate) targets: Vec<Target>,
    pub(crate) paths: Vec<Path>,
    pub(crate) free_paths: Vec<u32>,
    /// Agents of each region, provider and domain; the last region and provider are the unnamed.
    pub(crate) groups: Groups,
}

/// Members of the groups, agents ascending.
#[derive(Debug, Clone, Default)]
pub(crate) struct Groups {
    pub(crate) regions: BTreeMap<u32, Vec<u32>>,
    pub(crate) providers: BTreeMap<u32, Vec<u32>>,
    pub(crate) domains: BTreeMap<u32, Vec<u32>>,
}

/// Looks at a target, all agents together, of which more than two are slow where looks are slow.
const SLOW_ROW: i64 = 10;

impl Target {
    /// One that nobody looked at.
    fn new(spec: &TargetSpec) -> Self {
        Self {
            role: spec.role,
            present: true,
            interval_ms: ms(spec.interval),
            timeout_ms: ms(spec.timeout),
            sensitivity: spec.sensitivity,
            needs: Vec::new(),
            excluded: BTreeSet::new(),
            last_ok: i64::MIN,
            since: i64::MAX,
            slow_heat: Heat::default(),
            heat: Heat::default(),
            paths: Vec::new(),
            by_agent: Vec::new(),
        }
    }

    /// Time of the latest looks that say whether looks at it are slow, ms.
    pub(crate) fn slow_row_ms(&self) -> i64 {
        self.interval_ms.saturating_mul(SLOW_ROW) / (self.paths.len() as i64).max(SLOW_ROW)
    }

    /// True if more than two of its latest looks were slow, for no usual reason.
    pub(crate) fn is_slow(&self, now: i64) -> bool {
        self.slow_heat.nats(now, self.slow_row_ms()) >= HOT_NATS
    }
}

impl World {
    /// Takes a fleet as it is declared from `now` on, ms.
    pub(crate) fn declare(&mut self, fleet: &Fleet, now: i64) {
        let before: Vec<Option<i64>> = self.agents.iter_mut().map(|a| a.declared.take()).collect();
        self.agents.iter_mut().for_each(|a| a.present = false);
        self.targets.iter_mut().for_each(|t| t.present = false);
        for spec in &fleet.agents {
            if let Some(id) = self.agent(spec) {
                let (region, provider, domain) = self.labels(spec);
                let agent = &mut self.agents[id as usize];
                (agent.region, agent.provider, agent.domain) = (region, provider, domain);
                agent.present = true;
                agent.declared = before.get(id as usize).copied().flatten().or(Some(now));
            }
        }
        for spec in &fleet.targets {
            if let Some(id) = self.target(spec) {
                let target = &mut self.targets[id as usize];
                (target.role, target.present) = (spec.role, true);
                target.sensitivity = spec.sensitivity;
                (target.interval_ms, target.timeout_ms) = (ms(spec.interval), ms(spec.timeout));
            }
        }
        self.assign(fleet);
        self.tie_needs(fleet);
        self.drop_absent();
        self.regroup();
    }

    /// The number of an agent, declared or not.
    pub(crate) fn agent(&mut self, spec: &AgentSpec) -> Option<u32> {
        if let Some(id) = self.agent_names.find(&spec.name) {
            return Some(id);
        }
        let id = self.agent_names.intern(&spec.name)?;
        let agent = Agent::new(self.labels(spec));
        match self.agents.get_mut(id as usize) {
            Some(gone) => *gone = agent,
            None => self.agents.push(agent),
        }
        Some(id)
    }

    /// The number of an agent that shows up in results.
    pub(crate) fn agent_named(&mut self, name: &AgentName) -> Option<u32> {
        let known = self.agent_names.find(name);
        if let Some(id) = known.filter(|&id| self.agents[id as usize].present) {
            return Some(id);
        }
        let id = self.agent(&AgentSpec::unlabelled(name.clone()))?;
        self.agents[id as usize].present = true;
        self.regroup();
        Some(id)
    }

    pub(crate) fn target(&mut self, spec: &TargetSpec) -> Option<u32> {
        if let Some(id) = self.target_names.find(&spec.name) {
            return Some(id);
        }
        let id = self.target_names.intern(&spec.name)?;
        let target = Target::new(spec);
        match self.targets.get_mut(id as usize) {
            Some(gone) => *gone = target,
            None => self.targets.push(target),
        }
        Some(id)
    }

    /// The number of a target that shows up in results.
    pub(crate) fn target_named(&mut self, name: &TargetName) -> Option<u32> {
        let known = self.target_names.find(name);
        if let Some(id) = known.filter(|&id| self.targets[id as usize].present) {
            return Some(id);
        }
        let id = self.target(&TargetSpec::unknown(name.clone()))?;
        self.targets[id as usize].present = true;
        Some(id)
    }

    /// The path between two, made when it is first used.
    pub(crate) fn path(&mut self, agent: u32, target: u32) -> u32 {
        if let Some(id) = self.path_of(agent, target) {
            return id;
        }
        let path = Path::new(agent, target);
        let id = if let Some(id) = self.free_paths.pop() {
            self.paths[id as usize] = path;
            id
        } else {
            if self.paths.len() == self.paths.capacity() {
                // paths are most of what is remembered: by doubling, half of that would lie idle
                self.paths.reserve_exact(self.paths.len() / PATHS_SPARE + 16);
            }
            self.paths.push(path);
            self.paths.len() as u32 - 1
        };
        let t = &mut self.targets[target as usize];
        if t.by_agent.len() <= agent as usize {
            t.by_agent.resize(agent as usize + 1, NONE);
        }
        t.by_agent[agent as usize] = id;
        // in the order of their ends, whichever was heard of first
        let paths = &self.paths;
        let place = t.paths.partition_point(|&p| paths[p as usize].agent < agent);
        t.paths.insert(place, id);
        let (interval, timeout) = (t.interval_ms, t.timeout_ms);
        let a = &mut self.agents[agent as usize];
        let place = a.paths.partition_point(|&p| paths[p as usize].target < target);
        a.paths.insert(place, id);
        a.interval_ms = a.interval_ms.min(interval);
        a.timeout_ms = a.timeout_ms.max(timeout);
        id
    }

    pub(crate) fn path_of(&self, agent: u32, target: u32) -> Option<u32> {
        let by_agent = &self.targets[target as usize].by_agent;
        by_agent.get(agent as usize).copied().filter(|&id| id != NONE)
    }

    /// The region's name, where it has one.
    pub(crate) fn region_name(&self, id: u32) -> Option<&Region> {
        (id != NONE).then(|| self.region_names.name(id))
    }

    /// The provider's name, where it has one.
    pub(crate) fn provider_name(&self, id: u32) -> Option<&Provider> {
        (id != NONE).then(|| self.provider_names.name(id))
    }

    fn labels(&mut self, spec: &AgentSpec) -> (u32, u32, u32) {
        let region = spec.region.as_ref().and_then(|r| self.region_names.intern(r));
        let provider = spec.provider.as_ref().and_then(|p| self.provider_names.intern(p));
        let place = spec.site.clone().ok_or_else(|| spec.region.clone());
        let key = DomainKey { provider: spec.provider.clone(), place };
        let next = self.next_domain;
        let domain = *self.domains.entry(key).or_insert(next);
        self.next_domain += u32::from(domain == next);
        (region.unwrap_or(NONE), provider.unwrap_or(NONE), domain)
    }

    /// Who looks at what. An agent that looks at nothing is not expected to be heard.
    fn assign(&mut self, fleet: &Fleet) {
        let agents: Vec<(u32, &AgentSpec)> = fleet
            .agents
            .iter()
            .filter_map(|spec| Some((self.agent_names.find(&spec.name)?, spec)))
            .collect();
        let mut looks: BTreeSet<u32> = BTreeSet::new();
        for spec in &fleet.targets {
            let Some(id) = self.target_names.find(&spec.name) else { continue };
            let (taken, excluded): (Vec<_>, Vec<_>) =
                agents.iter().partition(|(_, agent)| spec.agents.takes(agent));
            looks.extend(taken.iter().map(|(id, _)| id));
            self.targets[id as usize].excluded = excluded.iter().map(|(id, _)| *id).collect();
        }
        if !fleet.targets.is_empty() {
            for (id, agent) in self.agents.iter_mut().enumerate() {
                agent.declared = agent.declared.filter(|_| looks.contains(&(id as u32)));
            }
        }
    }

    /// Everything each target needs, through all steps; a circle needs itself and is cut there.
    fn tie_needs(&mut self, fleet: &Fleet) {
        let direct: BTreeMap<u32, Vec<u32>> = fleet
            .targets
            .iter()
            .filter_map(|spec| {
                let needs = spec.depends_on.iter().filter_map(|n| self.target_names.find(n));
                Some((self.target_names.find(&spec.name)?, needs.collect()))
            })
            .collect();
        for (&id, first) in &direct {
            let mut needs = BTreeSet::new();
            let mut ahead = first.clone();
            while let Some(next) = ahead.pop() {
                if next != id && needs.insert(next) {
                    ahead.extend(direct.get(&next).into_iter().flatten());
                }
            }
            self.targets[id as usize].needs = needs.into_iter().collect();
        }
    }

    fn regroup(&mut self) {
        let mut groups = Groups::default();
        for (id, agent) in self.agents.iter().enumerate().filter(|(_, a)| a.present) {
            let id = id as u32;
            groups.regions.entry(agent.region).or_default().push(id);
            groups.providers.entry(agent.provider).or_default().push(id);
            groups.domains.entry(agent.domain).or_default().push(id);
        }
        self.groups = groups;
    }
}

/// Whole milliseconds.
pub(crate) fn ms(d: Duration) -> i64 {
    i64::try_from(d.as_millis()).unwrap_or(i64::MAX)
}
