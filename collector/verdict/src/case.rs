//! The looks and the suspects of one sitting: everything hot, laid out for weighing.

use std::collections::{BTreeMap, BTreeSet};

use parallax_model::ErrorKind;

use crate::heat::{HOT_NATS, WARM_NATS};
use crate::path::{LOOKS, Mark, Path};
use crate::suspect::What;
use crate::world::{NONE, World};

/// Sets a path can belong to: one of each variant of [`What`].
const SETS_OF_PATH: usize = 9;
/// Most paths weighed at once. Beyond it (a fleet of a million paths failing as a whole) the
/// rest waits: what is at fault then shows in any part.
const PATHS_MAX: usize = 400_000;

/// One look, laid out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// Corrected begin, ms of the engine's clock.
    pub(crate) at: i64,
    /// Index into [`Case::paths`].
    pub(crate) path: u32,
    pub(crate) mark: Mark,
    /// The remembered instant, to find it again in its path.
    pub(crate) raw: u32,
    /// Chance that it fails (or, if it was slow, is slow) as things are known.
    pub(crate) usual: f32,
}

/// One path of the case.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CasePath {
    pub(crate) id: u32,
    pub(crate) agent: u32,
    pub(crate) target: u32,
    pub(crate) domain: u32,
    sets: [u32; SETS_OF_PATH],
    count: u8,
}

impl CasePath {
    pub(crate) fn sets(&self) -> &[u32] {
        &self.sets[..usize::from(self.count)]
    }
}

/// A set that may be at fault.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Suspect {
    pub(crate) what: What,
    pub(crate) cost: f64,
    /// True if it is part of an open fault.
    pub(crate) open: bool,
}

/// Everything weighed at one instant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Case {
    pub(crate) now: i64,
    /// Longest interval of the targets laid out, ms: what begins within it begins at once.
    pub(crate) pace_ms: i64,
    /// Newest first.
    pub(crate) looks: Vec<Look>,
    pub(crate) paths: Vec<CasePath>,
    pub(crate) suspects: Vec<Suspect>,
}

/// What is already known and makes some suspects more likely.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// Sets of open faults: assumed already, at next to no cost.
    pub(crate) open: BTreeSet<What>,
    /// Sets in which the targets that need one at fault would fail with it.
    pub(crate) dependants: BTreeSet<What>,
    /// Targets and agents to lay out in any case.
    pub(crate) targets: BTreeSet<u32>,
    pub(crate) agents: BTreeSet<u32>,
}

/// What it costs to go on believing an open fault, and to believe in a dependant's.
const OPEN_COST: f64 = 2.0;
const DEPENDANT_COST: f64 = 4.0;

/// The most that kinds can add: see `What::kind_nats` and `gain`.
const KINDS_NATS_MAX: f64 = 4.0;

/// What is warm enough to be weighed.
struct Warm {
    targets: BTreeSet<u32>,
    agents: BTreeSet<u32>,
    regions: BTreeSet<u32>,
    providers: BTreeSet<u32>,
    domains: BTreeSet<u32>,
}

/// What a set's bad looks could be worth at most, how many there are, and how many were refusals.
#[derive(Debug, Clone, Copy, Default)]
struct Charge {
    nats: f64,
    bad: u32,
    blocked: u32,
}

impl Case {
    /// Lays out what is hot; none when nothing in it could pay the cost of any fault.
    pub(crate) fn build(world: &World, known: &Known, warm: &WarmIds, now: i64) -> Option<Self> {
        let warm = Warm::find(world, known, warm, now);
        let mut ids: Vec<u32> = Vec::new();
        for &t in &warm.targets {
            ids.extend(&world.targets[t as usize].paths);
        }
        for a in warm.all_agents(world) {
            ids.extend(&world.agents[a as usize].paths);
        }
        ids.sort_unstable();
        ids.dedup();
        ids.retain(|&id| !is_mute(world, &world.paths[id as usize]));
        let charges = charges(world, known, &warm, &ids);
        if charges.is_empty() {
            return None;
        }
        let mut case = Self { now, ..Self::default() };
        case.accuse(world, known, &warm, &ids, &charges);
        case.lay_out(world);
        Some(case)
    }

    /// The looks of all accused paths, newest first; ties in the order of target and agent.
    fn lay_out(&mut self, world: &World) {
        self.looks.reserve(self.paths.len() * LOOKS);
        for (index, p) in self.paths.iter().enumerate() {
            let path = &world.paths[p.id as usize];
            let offset_ms = world.agents[p.agent as usize].clock.offset_ms();
            let interval_ms = world.targets[p.target as usize].interval_ms;
            self.pace_ms = self.pace_ms.max(interval_ms);
            let memory_ms = memory_ms(interval_ms);
            let (fail, slow) = (path.noise.fail_rate() as f32, path.noise.slow_rate() as f32);
            for seen in path.seen().filter(|s| !s.mark.is_settled()) {
                let at = corrected_ms(self.now, offset_ms, seen.at);
                if self.now - at <= memory_ms {
                    let usual = if seen.mark.is_slow() { slow } else { fail };
                    let (mark, raw, path) = (seen.mark, seen.at, index as u32);
                    self.looks.push(Look { at, path, mark, raw, usual });
                }
            }
        }
        self.looks.sort_unstable_by_key(|l| (std::cmp::Reverse(l.at), l.path));
    }

    /// Keeps each accused set of paths once, under its first word, and the paths of those sets.
    fn accuse(
        &mut self,
        world: &World,
        known: &Known,
        warm: &Warm,
        ids: &[u32],
        charges: &BTreeMap<What, Charge>,
    ) {
        let mut members: BTreeMap<What, (u32, u64)> = BTreeMap::new();
        let mut mine: Vec<(u32, [Option<What>; SETS_OF_PATH])> = Vec::new();
        for &id in ids {
            let mut sets = warm.sets_of(world, &world.paths[id as usize]);
            for set in &mut sets {
                match set.filter(|what| charges.contains_key(what)) {
                    Some(what) => {
                        let m = members.entry(what).or_default();
                        *m = (m.0 + 1, m.1.wrapping_add(scramble(id)));
                    }
                    None => *set = None,
                }
            }
            if sets.iter().any(Option::is_some) && mine.len() < PATHS_MAX {
                mine.push((id, sets));
            }
        }
        let kept = keep_first_words(charges, &members, known);
        self.suspects = kept.iter().map(|&what| suspect(what, known)).collect();
        let index: BTreeMap<What, u32> = kept.into_iter().zip(0..).collect();
        for (id, sets) in mine {
            self.paths.push(CasePath::new(world, id, sets.iter().flatten(), &index));
        }
        self.paths.sort_unstable_by_key(|p| (p.target, p.agent));
    }
}

impl CasePath {
    fn new<'a>(
        world: &World,
        id: u32,
        sets: impl Iterator<Item = &'a What>,
        index: &BTreeMap<What, u32>,
    ) -> Self {
        let path = &world.paths[id as usize];
        let domain = world.agents[path.agent as usize].domain;
        let mut new = Self {
            id,
            agent: path.agent,
            target: path.target,
            domain,
            sets: [NONE; SETS_OF_PATH],
            count: 0,
        };
        for set in sets.filter_map(|what| index.get(what)) {
            new.sets[usize::from(new.count)] = *set;
            new.count += 1;
        }
        new
    }
}

/// Every set whose bad looks could pay its cost, if all of them spoke for it alone.
fn charges(world: &World, known: &Known, warm: &Warm, ids: &[u32]) -> BTreeMap<What, Charge> {
    let mut charges: BTreeMap<What, Charge> =
        known.open.iter().map(|&what| (what, Charge::default())).collect();
    for &id in ids {
        let path = &world.paths[id as usize];
        let (fail, slow) = (path.noise.fail_rate(), path.noise.slow_rate());
        let mut charge = Charge::default();
        for mark in path.seen().map(|s| s.mark).filter(|m| m.is_bad() && !m.is_settled()) {
            charge.nats += if mark.is_slow() { -slow.ln() } else { -fail.ln() };
            charge.bad += 1;
            charge.blocked += u32::from(mark.kind() == Some(ErrorKind::Blocked));
        }
        if charge.bad == 0 {
            continue;
        }
        for what in warm.sets_of(world, path).into_iter().flatten() {
            let sum = charges.entry(what).or_default();
            sum.nats += charge.nats;
            sum.bad += charge.bad;
            sum.blocked += charge.blocked;
        }
    }
    charges.retain(|what, c| {
        known.open.contains(what) || c.nats + KINDS_NATS_MAX >= cost(*what, known)
    });
    charges
}

/// Of sets with the same paths keeps the first in the order of words; open faults come before all,
/// and a refusal of addresses is told of the provider, not of its region.
fn keep_first_words(
    accused: &BTreeMap<What, Charge>,
    members: &BTreeMap<What, (u32, u64)>,
    known: &Known,
) -> Vec<What> {
    let mut order: Vec<(bool, bool, What)> = accused
        .iter()
        .map(|(&what, c)| {
            let refusal = matches!(what, What::ServiceProvider(..)) && c.blocked * 2 > c.bad;
            (!known.open.contains(&what), !refusal, what)
        })
        .collect();
    order.sort_unstable();
    let mut seen = BTreeSet::new();
    let mut kept: Vec<What> = order
        .into_iter()
        .map(|(_, _, what)| what)
        .filter(|what| members.get(what).is_some_and(|m| seen.insert(*m)))
        .collect();
    kept.sort_unstable();
    kept
}

fn suspect(what: What, known: &Known) -> Suspect {
    Suspect { what, cost: cost(what, known), open: known.open.contains(&what) }
}

fn cost(what: What, known: &Known) -> f64 {
    if known.open.contains(&what) {
        OPEN_COST
    } else if known.dependants.contains(&what) {
        what.cost().min(DEPENDANT_COST)
    } else {
        what.cost()
    }
}

/// Spreads a number over 64 bits (the finaliser of `SplitMix64`).
const fn scramble(id: u32) -> u64 {
    let mut x = (id as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A path that never worked says nothing if, since it was first looked at, its agent saw other targets
/// and its target was seen by others: a filter or a missing route, there from the first day. What
/// either saw before then is no witness: an agent can go blind before it has looked at everything.
fn is_mute(world: &World, path: &Path) -> bool {
    path.vain_since.is_some_and(|since| {
        world.targets[path.target as usize].last_ok > since
            && world.agents[path.agent as usize].last_ok > since
    })
}

/// How long looks of a target count: its path's window, at the target's own pace.
pub(crate) const fn memory_ms(interval_ms: i64) -> i64 {
    interval_ms.saturating_mul(LOOKS as i64 + 1).saturating_add(10_000)
}

/// An instant of an agent's clock as remembered (wrapping hundredths), on the engine's clock.
pub(crate) fn corrected_ms(now_ms: i64, offset_ms: i64, raw: u32) -> i64 {
    let age = (centis(now_ms - offset_ms).wrapping_sub(raw)) as i32;
    now_ms - i64::from(age) * 10
}

/// Milliseconds as wrapping hundredths of a second.
pub(crate) const fn centis(ms: i64) -> u32 {
    ms.div_euclid(10) as u32
}

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
}

impl WarmIds {
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

impl Warm {
    fn find(world: &World, known: &Known, ids: &WarmIds, now: i64) -> Self {
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

    fn all_agents(&self, world: &World) -> BTreeSet<u32> {
        let groups = &world.groups;
        let mut all = self.agents.clone();
        all.extend(self.regions.iter().filter_map(|r| groups.regions.get(r)).flatten());
        all.extend(self.providers.iter().filter_map(|p| groups.providers.get(p)).flatten());
        all.extend(self.domains.iter().filter_map(|d| groups.domains.get(d)).flatten());
        all
    }

    /// The suspects that a path belongs to.
    fn sets_of(&self, world: &World, path: &Path) -> [Option<What>; SETS_OF_PATH] {
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
