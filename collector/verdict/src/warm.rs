//! What is warm enough to be weighed: targets and agents that failed of late, the places of such
//! agents, and the sets that a path belongs to among them.
//!
//! In a large fleet some look fails every second, so all agents and many targets are warm all the time, and next
//! to none of them can be at fault. Each is measured when one more of its looks was bad: could it pay its cost
//! at all? What can is weighed in that sitting, with what shares a bad look with it; what cannot has to wait
//! for its next bad look.

use std::collections::{BTreeMap, BTreeSet};

use crate::case::{Case, Known, corrected_ms, could_any_pay, memory_ms};
use crate::gain::Sheet;
use crate::heat::{HOT_NATS, WARM_NATS};
use crate::path::{Mark, Path};
use crate::suspect::What;
use crate::trouble::Trouble;
use crate::world::{NONE, World};

/// Sets a path can belong to: one of each variant of [`What`].
pub(crate) const SETS_OF_PATH: usize = 9;

/// Agents without a region, or a provider, share no fate by that.
const NOWHERE: [What; 2] = [What::Region(NONE), What::Provider(NONE)];

/// Targets and agents with any heat at all.
#[derive(Debug, Clone, Default)]
pub(crate) struct WarmIds {
    targets: BTreeSet<u32>,
    agents: BTreeSet<u32>,
    /// Targets of which a look was bad since they were last measured, and along which paths; none for all.
    fresh: BTreeMap<u32, Option<BTreeSet<u32>>>,
    /// Places that could pay since the last sitting.
    fresh_places: BTreeSet<What>,
    /// What the places of warm agents lost.
    troubles: BTreeMap<What, Trouble>,
    /// Services and places that could pay their cost when a look of theirs was last bad.
    able: BTreeSet<What>,
}

impl WarmIds {
    /// A look was bad, and nothing accounts for it yet.
    pub(crate) fn note(&mut self, path: &Path, id: u32) {
        self.targets.insert(path.target);
        self.agents.insert(path.agent);
        if let Some(paths) = self.fresh.entry(path.target).or_insert_with(|| Some(BTreeSet::new()))
        {
            paths.insert(id);
        }
    }

    /// A look, begun at that time of the engine's clock, was bad: all places that it was made from lost it.
    pub(crate) fn note_lost(&mut self, world: &World, path: &Path, at: i64, mark: Mark) {
        let usual =
            if mark.is_slow() { path.noise.slow_rate() } else { path.noise.fail_rate() } as f32;
        for place in near(world, path.agent)
            .into_iter()
            .filter(|&p| !NOWHERE.contains(&p) && p == by_agent(world, p))
        {
            let members = members(world, &place);
            let trouble = self.troubles.entry(place).or_insert(Trouble::none());
            let goods = |&a: &u32| world.agents[a as usize].goods_between(trouble.latest, at);
            let goods = members.iter().map(goods).sum();
            if trouble.add(at, goods, mark, usual, members.len() == 1) {
                self.able.insert(place);
                self.fresh_places.insert(place);
            }
        }
    }

    /// Of what was weighed is known what could pay: only here something stops being able, as a later look that adds nothing says
    /// nothing of what was before it.
    pub(crate) fn note_weighed(&mut self, world: &World, case: &Case, sheet: &mut Sheet<'_>) {
        let mut services: BTreeMap<u32, bool> = BTreeMap::new();
        for (set, suspect) in case.suspects.iter().enumerate() {
            let pays = sheet.could_pay(set);
            if let Some(target) = suspect.what.target() {
                *services.entry(target).or_default() |= pays;
                continue;
            }
            let place = by_agent(world, suspect.what);
            if let Some((latest, nats)) = sheet.up_to_latest(set) {
                self.troubles.insert(place, Trouble::weighed(latest, nats));
            }
            if pays {
                self.able.insert(place);
            } else {
                self.able.remove(&place);
            }
        }
        for (target, pays) in services {
            if !pays {
                self.able.remove(&What::Service(target));
            }
        }
    }

    fn is_able(&self, world: &World, place: What) -> bool {
        self.able.contains(&by_agent(world, place))
    }

    pub(crate) fn is_warm(&self, target: u32) -> bool {
        self.targets.contains(&target)
    }

    /// Lets go of what left the fleet.
    pub(crate) fn drop_gone(&mut self, world: &World) {
        self.targets.retain(|&t| world.targets[t as usize].present);
        self.agents.retain(|&a| world.agents[a as usize].present);
        self.let_go_of_places(world);
        self.renew();
    }

    /// Lets go of what has cooled.
    pub(crate) fn cool(&mut self, world: &World, now: i64) {
        self.targets.retain(|&t| target_nats(world, t, now) > 1.0);
        let before = self.agents.len();
        self.agents.retain(|&a| agent_nats(world, a, now) > 1.0);
        if self.agents.len() < before {
            self.let_go_of_places(world);
        }
    }

    /// Lets go of the places that no warm agent stands in; what others lost there counts on.
    fn let_go_of_places(&mut self, world: &World) {
        let agents = &self.agents;
        let warm = |place: What| members(world, &place).iter().any(|a| agents.contains(a));
        self.troubles.retain(|&place, _| warm(place));
        self.able.retain(|&what| what.target().is_some() || warm(what));
    }

    /// Takes the heat of what is explained now away: only what open faults do not cover stays warm. All of it is
    /// weighed anew, as other things are known now.
    pub(crate) fn reheat(&mut self, world: &mut World, now: i64) {
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
        self.renew();
    }

    fn renew(&mut self) {
        self.fresh = self.targets.iter().map(|&t| (t, None)).collect();
        self.fresh_places = self.able.iter().filter(|w| w.target().is_none()).copied().collect();
    }

    /// What is to be weighed now.
    pub(crate) fn find(&mut self, world: &World, known: &Known, now: i64) -> Warm {
        let hot = Hot::find(world, known, self, now);
        self.able.retain(|what| what.target().is_none_or(|t| hot.targets.contains(&t)));
        let mut ahead: Vec<What> = known.targets.iter().map(|&t| What::Service(t)).collect();
        ahead.extend(known.agents.iter().map(|&a| What::Agent(a)));
        ahead.extend(hot.places.intersection(&known.open));
        ahead.extend(hot.places.intersection(&std::mem::take(&mut self.fresh_places)));
        let fresh = std::mem::take(&mut self.fresh).into_iter();
        for (target, paths) in fresh.filter(|(t, _)| hot.targets.contains(t)) {
            if could_any_pay(world, known, target, paths.as_ref(), now) {
                self.able.insert(What::Service(target));
                ahead.push(What::Service(target));
            } else if paths.is_none() {
                self.able.remove(&What::Service(target));
            }
        }
        self.with_all_that_share(world, &hot, ahead)
    }

    /// … and what shares a bad look with it: one may explain what is said of the other.
    fn with_all_that_share(&self, world: &World, hot: &Hot, mut ahead: Vec<What>) -> Warm {
        let mut warm = Warm { targets: BTreeSet::new(), places: BTreeSet::new() };
        let bad = |paths: &[u32]| {
            let paths = paths.iter().map(|&id| &world.paths[id as usize]);
            paths.filter(|p| p.has_evidence()).map(|p| (p.agent, p.target)).collect::<Vec<_>>()
        };
        while let Some(what) = ahead.pop() {
            let Some(target) = what.target() else {
                if warm.places.insert(what) {
                    if let What::Agent(agent) = what {
                        let same = near(world, agent).into_iter();
                        ahead.extend(
                            same.filter(|p| hot.places.contains(p) && by_agent(world, *p) == what),
                        );
                    }
                    let agents = members(world, &what).iter();
                    let bad = agents.flat_map(|&a| bad(&world.agents[a as usize].paths));
                    let services = bad.map(|(_, t)| What::Service(t));
                    ahead.extend(services.filter(|service| self.able.contains(service)));
                }
                continue;
            };
            if warm.targets.insert(target) {
                let t = &world.targets[target as usize];
                let places = bad(&t.paths).into_iter().flat_map(|(a, _)| near(world, a));
                ahead.extend(places.filter(|p| hot.places.contains(p) && self.is_able(world, *p)));
                let needs = t.needs.iter().filter(|t| hot.targets.contains(t));
                ahead.extend(needs.map(|&t| What::Service(t)));
            }
        }
        warm
    }
}

/// The places that an agent stands in, itself among them.
fn near(world: &World, agent: u32) -> [What; 4] {
    let a = &world.agents[agent as usize];
    [What::Agent(agent), What::Region(a.region), What::Provider(a.provider), What::Domain(a.domain)]
}

/// A place with a single agent is that agent.
fn by_agent(world: &World, place: What) -> What {
    match *members(world, &place) {
        [only] => What::Agent(only),
        _ => place,
    }
}

/// The agents of a place, ascending.
fn members<'a>(world: &'a World, place: &'a What) -> &'a [u32] {
    let groups = &world.groups;
    let group = match place {
        What::Agent(a) => return std::slice::from_ref(a),
        What::Region(r) => groups.regions.get(r),
        What::Provider(p) => groups.providers.get(p),
        What::Domain(d) => groups.domains.get(d),
        What::Service(_)
        | What::ServiceRegion(..)
        | What::ServiceProvider(..)
        | What::ServiceDomain(..)
        | What::Path(..) => None,
    };
    group.map_or(&[], Vec::as_slice)
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

/// What failed enough of late to be suspected at all.
struct Hot {
    targets: BTreeSet<u32>,
    /// Agents, and the places in which two of them are warm, or the only one hot.
    places: BTreeSet<What>,
}

impl Hot {
    fn find(world: &World, known: &Known, ids: &WarmIds, now: i64) -> Self {
        let mut targets = known.targets.clone();
        let hot = |nats: f64| nats >= HOT_NATS;
        targets.extend(ids.targets.iter().filter(|&&t| hot(target_nats(world, t, now))));
        let mut agents = known.agents.clone();
        let mut warm: BTreeMap<What, u32> = BTreeMap::new();
        for &a in ids.agents.union(&known.agents) {
            let nats = agent_nats(world, a, now);
            if hot(nats) {
                agents.insert(a);
            }
            if nats >= WARM_NATS || known.agents.contains(&a) {
                let [_, places @ ..] = near(world, a);
                for place in places {
                    *warm.entry(place).or_default() += 1;
                }
            }
        }
        let mut places: BTreeSet<What> = agents.iter().map(|&a| What::Agent(a)).collect();
        places.extend(warm.into_iter().filter_map(|(place, count)| {
            let is_hot = || match *members(world, &place) {
                [only] => agents.contains(&only),
                _ => false,
            };
            (!NOWHERE.contains(&place) && (count >= 2 || is_hot())).then_some(place)
        }));
        Self { targets, places }
    }
}

/// What is weighed in one sitting.
pub(crate) struct Warm {
    pub(crate) targets: BTreeSet<u32>,
    places: BTreeSet<What>,
}

impl Warm {
    /// One target and all parts of it.
    pub(crate) fn of(target: u32) -> Self {
        Self { targets: BTreeSet::from([target]), places: BTreeSet::new() }
    }

    pub(crate) fn all_agents(&self, world: &World) -> BTreeSet<u32> {
        self.places.iter().flat_map(|place| members(world, place)).copied().collect()
    }

    /// The suspects that a path belongs to.
    pub(crate) fn sets_of(&self, world: &World, path: &Path) -> [Option<What>; SETS_OF_PATH] {
        let (t, a) = (path.target, path.agent);
        let at = &world.agents[a as usize];
        let hot = self.targets.contains(&t);
        let named = |id: u32| id != NONE;
        let [agent, region, provider, domain] =
            near(world, a).map(|place| self.places.contains(&place).then_some(place));
        [
            hot.then_some(What::Service(t)),
            (hot && named(at.region)).then_some(What::ServiceRegion(t, at.region)),
            (hot && named(at.provider)).then_some(What::ServiceProvider(t, at.provider)),
            Some(What::Path(t, a)),
            region,
            provider,
            agent,
            hot.then_some(What::ServiceDomain(t, at.domain)),
            domain,
        ]
    }
}
