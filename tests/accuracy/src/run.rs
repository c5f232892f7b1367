//! The engine over a world.

use std::collections::btree_map::OccupiedEntry;
use std::collections::{BTreeMap, BTreeSet};

use parallax_model::{Change, FaultId, Timestamp};
use parallax_verdict::{Engine, Observation};

use crate::rng::Rng;
use crate::world::World;

/// What the engine said, and what it cost.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// In order, without what it asked for.
    pub changes: Vec<Change>,
    /// Results it heard on schedule.
    pub results: usize,
    /// Looks it asked for, and heard.
    pub asked: usize,
    /// When the first failing look of each fault was heard, ms.
    pub first_bad: Vec<Option<i64>>,
}

/// Time from the engine's wish to the look, ms: to the agent, over an open stream.
const ASK_MS: i64 = 80;

/// Runs the engine over a world; with `second_opinion`, what it asks for is looked at.
pub fn run(world: &World, second_opinion: bool) -> Said {
    run_beside(world, second_opinion, |_| {})
}

/// The same, while somebody else hears every look that the engine hears.
pub fn run_beside(
    world: &World,
    second_opinion: bool,
    mut beside: impl FnMut(&Observation),
) -> Said {
    let fleet = &world.truth.fleet;
    let mut engine = Engine::new(fleet.clone(), FaultId(1));
    let first_bad = vec![None; world.faults.len()];
    let (mut said, mut out) = (Said { first_bad, ..Said::default() }, Vec::new());
    let mut rng = Rng::new(world.plan.seed ^ 0x77);
    let mut asked: BTreeMap<(i64, usize), Observation> = BTreeMap::new();
    let agents: BTreeMap<_, _> = fleet.agents.iter().map(|a| &a.name).zip(0..).collect();
    let targets: BTreeMap<_, _> = fleet.targets.iter().map(|t| &t.name).zip(0..).collect();
    let mut results = world.results().into_iter().peekable();
    let mut tick = results.peek().map_or(0, |o| o.received.millis());
    while let Some(due) = results.peek().map(|o| o.received.millis()) {
        let early = asked.first_entry().filter(|e| e.key().0 < due);
        let heard = early.map(OccupiedEntry::remove).or_else(|| {
            said.results += 1;
            results.next()
        });
        let Some(heard) = heard else { break };
        let now = heard.received.millis();
        while tick + 1000 <= now {
            tick += 1000;
            engine.tick(Timestamp::from_millis(tick), &mut out);
        }
        beside(&heard);
        if heard.outcome.error().is_some() {
            note_bad(world, agents[&heard.agent], targets[&heard.target], now, &mut said);
        }
        engine.observe(&heard, &mut out);
        let next = results.peek().map(|o| o.received.millis()).into_iter();
        if next.chain(asked.keys().next().map(|key| key.0)).all(|next| next > now) {
            engine.settle(&mut out);
        }
        for change in out.drain(..) {
            match change {
                Change::Ask(ask) if second_opinion => {
                    let who: BTreeSet<usize> = ask.agents.iter().map(|a| agents[a]).collect();
                    for agent in who {
                        let seen =
                            world.second(agent, targets[&ask.target], now + ASK_MS, &mut rng);
                        said.asked += 1;
                        asked.insert((seen.received.millis(), said.asked), seen);
                    }
                }
                Change::Ask(_) => {}
                told @ (Change::Opened(_) | Change::Updated(_) | Change::Closed(_)) => {
                    said.changes.push(told);
                }
            }
        }
    }
    said
}

/// Keeps when each fault's first failing look was heard.
fn note_bad(world: &World, agent: usize, target: usize, now: i64, said: &mut Said) {
    let place = world.truth.places[agent];
    for (fault, first) in world.faults.iter().zip(&mut said.first_bad) {
        let of_it =
            (fault.onset..fault.end).contains(&now) && fault.scope.covers(agent, place, target);
        if first.is_none() && of_it {
            *first = Some(now);
        }
    }
}
