//! Runs the engine over a world.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use parallax_model::{Change, FaultId, Timestamp};
use parallax_verdict::Engine;

use super::World;
use super::rng::Rng;

/// Changes with the instant at which they were said; asked looks come true if `answer`.
pub fn run(world: &World, answer: bool) -> (Vec<Change>, usize, usize) {
    let results = world.results();
    let mut engine = Engine::new(world.fleet.clone(), FaultId(1));
    let (mut all, mut out) = (Vec::new(), Vec::new());
    let mut asked: BinaryHeap<Reverse<(i64, u64, usize, usize, i64)>> = BinaryHeap::new();
    let mut rng = Rng::new(world.plan.seed ^ 0x77);
    let agents: BTreeMap<_, _> =
        world.fleet.agents.iter().enumerate().map(|(i, a)| (a.name.clone(), i)).collect();
    let targets: BTreeMap<_, _> =
        world.fleet.targets.iter().enumerate().map(|(i, t)| (t.name.clone(), i)).collect();
    let mut tick = results[0].received.millis();
    let (mut count, mut extra, mut n) = (0, 0, 0_u64);
    let mut next = results.into_iter().peekable();
    loop {
        let scheduled = next.peek().map(|o| o.received.millis());
        let ask = asked.peek().map(|Reverse(a)| a.0);
        let Some(now) = scheduled.into_iter().chain(ask).min() else { break };
        if scheduled.is_none() {
            break;
        }
        while tick + 1000 <= now {
            tick += 1000;
            engine.tick(Timestamp::from_millis(tick), &mut out);
        }
        if ask == Some(now) && ask < scheduled {
            let Reverse((_, _, a, t, started)) = asked.pop().unwrap();
            let mut o = world.observe(a, t, started, &mut rng);
            o.received = Timestamp::from_millis(now);
            engine.observe(&o, &mut out);
            extra += 1;
        } else if let Some(o) = next.next() {
            engine.observe(&o, &mut out);
        }
        count += 1;
        for change in out.drain(..) {
            if let (Change::Ask(ask), true) = (&change, answer) {
                for agent in &ask.agents {
                    let (a, t) = (agents[agent], targets[&ask.target]);
                    let started = now + 80;
                    // the look decides how long it takes: dry run for its length
                    let mut dry = Rng::new(n ^ 0x5555);
                    let (_, us) = world.look(a, t, started, &mut dry);
                    n += 1;
                    asked.push(Reverse((started + (us / 1000) as i64 + 60, n, a, t, started)));
                }
            }
            all.push(change);
        }
    }
    (all, count, extra)
}
