//! The looks and the suspects of one sitting: everything hot, laid out for weighing.

use std::collections::BTreeSet;

use crate::accuse::{Accusations, PATHS_MAX, Row};
use crate::gain::Sheet;
use crate::ledger::Ledger;
use crate::order::newest_first;
use crate::path::{LOOKS, Mark, Path};
use crate::suspect::What;
use crate::warm::{SETS_OF_PATH, Warm};
use crate::world::{NONE, World};

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
    /// See [`Path::is_useless`].
    pub(crate) useless: bool,
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

impl Known {
    /// All that a set is made of is laid out.
    pub(crate) fn lay_out(&mut self, world: &World, what: What) {
        let groups = &world.groups;
        match what {
            What::Region(r) => self.agents.extend(groups.regions.get(&r).into_iter().flatten()),
            What::Provider(p) => self.agents.extend(groups.providers.get(&p).into_iter().flatten()),
            What::Domain(d) => self.agents.extend(groups.domains.get(&d).into_iter().flatten()),
            What::Agent(a) => drop(self.agents.insert(a)),
            What::Service(t)
            | What::ServiceRegion(t, _)
            | What::ServiceProvider(t, _)
            | What::ServiceDomain(t, _)
            | What::Path(t, _) => drop(self.targets.insert(t)),
        }
    }
}

/// What it costs to go on believing an open fault, and to believe in a dependant's.
const OPEN_COST: f64 = 2.0;
const DEPENDANT_COST: f64 = 4.0;

/// Nats that a bad look is worth at most if it comes an interval after another: about what the first was.
const GOES_ON_NATS: f32 = 7.0;

impl Case {
    /// Lays out what is to be weighed; none when nothing in it could pay the cost of any fault.
    pub(crate) fn build(world: &World, known: &Known, warm: &Warm, now: i64) -> Option<Self> {
        Self::about(world, known, warm, None, now)
    }

    /// … or of any fault that these paths are part of.
    fn about(
        world: &World,
        known: &Known,
        warm: &Warm,
        only: Option<&BTreeSet<u32>>,
        now: i64,
    ) -> Option<Self> {
        let ids = to_lay_out(world, warm, now);
        let mut accusations = Accusations::new(world, known, warm, &ids);
        if !accusations.stand(known, only) {
            return None;
        }
        let mut case = Self { now, ..Self::default() };
        case.keep(world, known, &accusations);
        case.lay_out(world);
        Some(case)
    }

    /// False if some paths may have had to wait: then a set may have more than was laid out of it.
    pub(crate) const fn is_whole(&self) -> bool {
        self.paths.len() < PATHS_MAX
    }

    /// The same without the looks of one agent.
    pub(crate) fn without(&self, agent: u32) -> Self {
        let mut rest = self.clone();
        rest.looks.retain(|l| self.paths[l.path as usize].agent != agent);
        rest
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
            let mut before: Option<(u32, Mark)> = None;
            for seen in path.seen().filter(|s| !s.mark.is_settled()) {
                let at = corrected_ms(self.now, offset_ms, seen.at);
                let repeats = before.filter(|(_, mark)| mark.is_bad_like(seen.mark));
                let again = repeats.map_or(0.0, |(earlier, _)| {
                    goes_on(i64::from(seen.at.wrapping_sub(earlier)) * 10, interval_ms)
                });
                before = Some((seen.at, seen.mark));
                if self.now - at <= memory_ms {
                    let usual = if seen.mark.is_slow() { slow } else { fail }.max(again);
                    let (mark, raw, path) = (seen.mark, seen.at, index as u32);
                    self.looks.push(Look { at, path, mark, raw, usual });
                }
            }
        }
        newest_first(self.now, &mut self.looks);
    }

    /// Keeps each accused set of paths once, under its first word, and the paths of those sets.
    fn keep(&mut self, world: &World, known: &Known, accusations: &Accusations) {
        let kept = accusations.first_words();
        self.suspects = kept.iter().map(|&(what, _)| suspect(what, known)).collect();
        let mut index = vec![NONE; accusations.sets.len()];
        for (place, &(_, set)) in (0..).zip(&kept) {
            index[set as usize] = place;
        }
        self.paths = accusations.rows.iter().map(|row| CasePath::new(world, row, &index)).collect();
        self.paths.sort_unstable_by_key(|p| (p.target, p.agent));
    }
}

impl CasePath {
    fn new(world: &World, row: &Row, index: &[u32]) -> Self {
        let path = &world.paths[row.id as usize];
        let domain = world.agents[path.agent as usize].domain;
        let mut new = Self {
            id: row.id,
            agent: path.agent,
            target: path.target,
            domain,
            useless: path.is_useless(),
            sets: [NONE; SETS_OF_PATH],
            count: 0,
        };
        let accused = row.sets.iter().filter(|&&set| set != NONE);
        for place in accused.map(|&set| index[set as usize]).filter(|&place| place != NONE) {
            new.sets[usize::from(new.count)] = place;
            new.count += 1;
        }
        new
    }
}

/// The paths of what is warm that say anything, in the order of target and agent: their numbers tell which was heard of
/// first.
fn to_lay_out(world: &World, warm: &Warm, now: i64) -> Vec<u32> {
    let agents = warm.all_agents(world);
    let of_targets = warm.targets.iter().flat_map(|&t| &world.targets[t as usize].paths);
    let of_agents = agents.iter().flat_map(|&a| &world.agents[a as usize].paths);
    let speaks = |&(target, _, id): &(u32, u32, u32)| {
        let path = &world.paths[id as usize];
        let interval_ms = world.targets[target as usize].interval_ms;
        !is_stale(path, interval_ms, now) && !is_mute(world, path)
    };
    let placed = |&id: &u32| {
        let path = &world.paths[id as usize];
        (path.target, path.agent, id)
    };
    let mut paths: Vec<_> = of_targets.chain(of_agents).map(placed).filter(speaks).collect();
    paths.sort_unstable();
    paths.dedup();
    paths.into_iter().map(|(.., id)| id).collect()
}

/// True if a fault of a target, or of any part of it that has some of these paths, could gain what it costs, if nothing
/// else explained its looks.
pub(crate) fn could_any_pay(
    world: &World,
    known: &Known,
    target: u32,
    paths: Option<&BTreeSet<u32>>,
    now: i64,
) -> bool {
    Case::about(world, known, &Warm::of(target), paths, now).is_some_and(|case| {
        let ledger = Ledger::new(&case);
        let mut sheet = Sheet::new(&case, &ledger);
        (0..case.suspects.len()).any(|set| sheet.could_pay(set))
    })
}

fn suspect(what: What, known: &Known) -> Suspect {
    Suspect { what, cost: cost(what, known), open: known.open.contains(&what) }
}

pub(crate) fn cost(what: What, known: &Known) -> f64 {
    if known.open.contains(&what) {
        OPEN_COST
    } else if known.dependants.contains(&what) {
        what.cost().min(DEPENDANT_COST)
    } else {
        what.cost()
    }
}

/// Chance that a path that was bad so long ago is still bad, whatever the reason: looks that were asked
/// for repeat what their path said before. It fades to nothing within an interval, so that looks that
/// come as scheduled each count in full, and a run of bad ones never for more than one an interval.
fn goes_on(apart_ms: i64, interval_ms: i64) -> f32 {
    (-GOES_ON_NATS * apart_ms as f32 / interval_ms.max(1) as f32).exp()
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

/// True if nothing that counts was heard of a path: it tells nobody apart.
pub(crate) const fn is_stale(path: &Path, interval_ms: i64, now: i64) -> bool {
    now.saturating_sub(path.heard) > memory_ms(interval_ms)
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
