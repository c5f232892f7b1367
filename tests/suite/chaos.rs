//! `kill -9` at random moments: what was acked is stored, and stored once.
//!
//! The law, for every agent and epoch: stored ∪ gaps ∪ still in the spool = every number issued,
//! pairwise disjoint. When all spools have drained, what is stored must be one run of numbers from 1:
//! an acked result that the collector lost would be a hole, since its agent has forgotten it.

use std::collections::BTreeMap;
use std::time::Duration;

use parallax_tests::journal::{self, Stored};
use parallax_tests::wait::pause;
use parallax_tests::{Parallax, World, long, seed, until};

const AGENTS: usize = 3;
const SERVICES: usize = 8;

fn kills() -> u32 {
    if long() { 500 } else { 60 }
}

/// Every epoch's numbers are one run from 1, and every agent's newest are beyond `least`.
fn drained(world: &World, least: &BTreeMap<(String, u64), u64>) -> Result<journal::All, String> {
    let stored = journal::read(&world.data())?;
    journal::has_no_holes(&stored)?;
    for agent in &world.agents {
        let latest = newest(&stored).into_iter().rfind(|((name, _), _)| name == agent);
        let Some((key, last)) = latest else { return Err(format!("nothing of {agent}")) };
        let after = least.get(&key).copied().unwrap_or(0);
        if last <= after {
            return Err(format!("{key:?} at {last}, waiting for numbers beyond {after}"));
        }
    }
    Ok(stored)
}

fn newest(stored: &journal::All) -> BTreeMap<(String, u64), u64> {
    let last = |s: &Stored| s.numbers.spans().last().map_or(0, |span| span.last());
    stored.iter().map(|(key, s)| (key.clone(), last(s))).collect()
}

#[test]
fn nothing_acked_is_lost_and_nothing_is_stored_twice() {
    let mut random = fastrand::Rng::with_seed(seed());
    let world = World::new(AGENTS, SERVICES);
    let mut collector = Some(world.start_collector());
    world.until_ready();
    let mut agents: Vec<Option<Parallax>> =
        world.agents.iter().map(|name| Some(world.start_agent(name))).collect();
    let (mut of_collector, mut of_agents) = (0, 0);
    for _ in 0..kills() {
        pause(Duration::from_millis(random.u64(50..700)));
        if random.bool() {
            collector.take().unwrap().kill();
            of_collector += 1;
            // sometimes the collector stays away for a while, so that spools fill
            pause(Duration::from_millis(if random.u8(..4) == 0 { 1500 } else { 0 }));
            collector = Some(world.start_collector());
        } else {
            let n = random.usize(..AGENTS);
            agents[n].take().unwrap().kill();
            of_agents += 1;
            agents[n] = Some(world.start_agent(&world.agents[n]));
        }
    }
    world.until_ready();
    // new numbers after the last kill, and no hole left behind
    let least = newest(&journal::read(&world.data()).unwrap());
    let deadline = Duration::from_secs(90);
    until("all spools drain", deadline, || drained(&world, &least));
    for agent in agents.into_iter().flatten() {
        agent.stop(Duration::from_secs(15));
    }
    collector.unwrap().stop(Duration::from_secs(15));

    let stored = drained(&world, &BTreeMap::new()).unwrap();
    let sum = |of: fn(&Stored) -> u64| stored.values().map(of).sum::<u64>();
    let (results, twice, same) = (sum(|s| s.results), sum(|s| s.twice), sum(|s| s.same_look));
    let served: u64 = world.services.iter().map(|(_, s)| s.served()).sum();
    eprintln!(
        "kills: {of_collector} of the collector, {of_agents} of agents; looks answered by the \
         services: {served}; results stored: {results}; stored twice: {twice}; holes: 0; gaps: {}; \
         epochs: {}",
        sum(|s| s.lost),
        stored.len()
    );
    assert_eq!((twice, same), (0, 0));
    assert_eq!(sum(|s| s.lost), 0, "nothing was declared lost");
    assert!(results > 100, "the test must have something to lose: {results}");
}
