//! What is said of one target: by the open faults about it, and never against what its looks show.

use parallax_model::fault::{Standing, TargetState};
use parallax_model::{FaultState, Role};

use crate::docket::Docket;
use crate::evidence::{fresh_ms, target_coverage};
use crate::open::Open;
use crate::path::Path;
use crate::suspect::What;
use crate::world::World;

/// Latest looks of a path that say how it is now.
const RECENT_LOOKS: usize = 3;
/// Share of recent looks that fail where a dependant is as down as what it needs.
const DOWN_SHARE: f64 = 0.8;
/// … and where one whose dependency is well again is not: fewer are strays.
const SUFFERS_SHARE: f64 = 0.25;

/// What is to be said of every service, in the order of their names.
pub(crate) fn standings(world: &World, docket: &Docket, isolated: bool, now: i64) -> Vec<Standing> {
    let mut standings: Vec<Standing> = (0..world.targets.len() as u32)
        .filter(|&t| {
            let target = &world.targets[t as usize];
            target.present && target.role == Role::Service
        })
        .map(|t| standing(world, docket, t, isolated, now))
        .collect();
    standings.sort_by(|a, b| a.target.cmp(&b.target));
    standings
}

fn standing(world: &World, docket: &Docket, target: u32, isolated: bool, now: i64) -> Standing {
    let coverage = target_coverage(world, target, now);
    let quorum = coverage.assigned.clamp(1, 2);
    let state = if isolated || coverage.domains < quorum {
        TargetState::Unknown
    } else {
        state(world, docket, target, now)
    };
    Standing { target: world.target_names.name(target).clone(), state, coverage, policy: None }
}

fn state(world: &World, docket: &Docket, target: u32, now: i64) -> TargetState {
    let about: Vec<&Open> = docket.opens().iter().filter(|o| is_about(o, target)).collect();
    let paths: Vec<&Path> = fresh_paths(world, target, now).collect();
    if about.is_empty() {
        // what it needs is well again, and it is not: either it follows in a moment, or it is told of
        if docket.is_recovering(target, now) && failing_share(&paths) >= SUFFERS_SHARE {
            let down = failing_share(&paths) >= DOWN_SHARE;
            return if down { TargetState::Down } else { TargetState::Degraded };
        }
        // nobody can see it, and where the fault is has not been found: no verdict yet
        let blind = paths.iter().all(|p| recent(p).all(|failed| failed));
        return if blind { TargetState::Unknown } else { TargetState::Up };
    }
    let down = |p: &Path| about.iter().any(|o| is_down(world, o, p));
    if !paths.is_empty() && paths.iter().all(|p| down(p)) && is_as_down(&about, target, &paths) {
        TargetState::Down
    } else {
        TargetState::Degraded
    }
}

fn is_about(open: &Open, target: u32) -> bool {
    open.what.target() == Some(target) || open.dependants.values().any(|&t| t == target)
}

/// True if the fault says that this path does not work; one that recovers does not say so of a path whose latest looks
/// are all fine.
fn is_down(world: &World, open: &Open, path: &Path) -> bool {
    if open.easing.is_some() && !recent(path).any(|failed| failed) {
        return false;
    }
    let sets = open.parts.iter().chain(open.dependants.keys());
    let mut mine = sets.chain(std::iter::once(&open.what));
    matches!(open.fault.state, FaultState::Down)
        && mine.any(|set: &What| set.covers(world, path.agent, path.target))
}

/// A dependant may suffer less than what it needs; a fault of its own says itself how bad it is.
fn is_as_down(about: &[&Open], target: u32, paths: &[&Path]) -> bool {
    if about.iter().any(|o| o.what.target() == Some(target)) {
        return true;
    }
    failing_share(paths) >= DOWN_SHARE
}

/// Share of the latest looks that failed; all of none.
fn failing_share(paths: &[&Path]) -> f64 {
    let looks = paths.iter().flat_map(|p| recent(p));
    let (failed, all) =
        looks.fold((0_u32, 0_u32), |(failed, all), f| (failed + u32::from(f), all + 1));
    if all == 0 { 1.0 } else { f64::from(failed) / f64::from(all) }
}

fn fresh_paths(world: &World, target: u32, now: i64) -> impl Iterator<Item = &Path> {
    let t = &world.targets[target as usize];
    let within = fresh_ms(t.interval_ms, t.timeout_ms);
    let paths = t.paths.iter().map(|&id| &world.paths[id as usize]);
    paths.filter(move |p| now.saturating_sub(p.heard) <= within)
}

/// Whether each of its latest looks failed, newest first.
fn recent(path: &Path) -> impl Iterator<Item = bool> {
    path.seen().rev().take(RECENT_LOOKS).map(|seen| seen.mark.is_fail())
}
