//! The whole account: the engine and the rules that people use today over the same worlds.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::baseline::{Baselines, RULES};
use crate::plan::Plan;
use crate::run::{Said, run_beside};
use crate::score::{Score, score};
use crate::stage::FAMILIES;
use crate::world::World;

/// How the engine and each rule did on the same looks.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The engine.
    pub engine: Score,
    /// The rules, in the order of [`RULES`].
    pub rules: [Score; RULES.len()],
    /// Scheduled looks, and those that the engine asked for.
    pub results: usize,
    /// See `results`.
    pub asked: usize,
}

impl Outcome {
    /// Takes another's counts in.
    pub fn add(&mut self, o: &Self) {
        self.engine.add(&o.engine);
        for (mine, other) in self.rules.iter_mut().zip(&o.rules) {
            mine.add(other);
        }
        self.results += o.results;
        self.asked += o.asked;
    }
}

/// One fleet at one noise, over all families.
#[derive(Debug, Clone)]
pub struct Cell {
    /// How many look.
    pub agents: usize,
    /// How much goes wrong for no reason.
    pub noise: f64,
    /// The first seed, and how many.
    pub from: u64,
    /// See `from`.
    pub seeds: u64,
    /// Each family without and with second opinion.
    pub families: Vec<(&'static str, [Outcome; 2])>,
}

impl Cell {
    /// Makes the worlds and runs everything over them, on `jobs` threads.
    pub fn measure(agents: usize, noise: f64, from: u64, seeds: u64, jobs: usize) -> Self {
        let plans: Vec<Plan> = FAMILIES
            .iter()
            .flat_map(|family| (from..from + seeds).map(|seed| Plan::new(family, agents, seed)))
            .map(|plan| Plan { noise, ..plan })
            .collect();
        let next = AtomicUsize::new(0);
        let done = Mutex::new(vec![None; plans.len()]);
        std::thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(plan) = plans.get(at) else { break };
                        let one = both(&World::new(plan));
                        done.lock().unwrap()[at] = Some(one);
                    }
                });
            }
        });
        let mut families: Vec<(&'static str, [Outcome; 2])> =
            FAMILIES.iter().map(|&family| (family, <[Outcome; 2]>::default())).collect();
        let done = done.into_inner().unwrap();
        for (at, world) in done.into_iter().enumerate() {
            let sums = &mut families[at / seeds.max(1) as usize].1;
            for (sum, one) in sums.iter_mut().zip(world.iter().flatten()) {
                sum.add(one);
            }
        }
        Self { agents, noise, from, seeds, families }
    }

    /// Some families taken together, with second opinion or without.
    pub fn sum(&self, opinion: bool, of: impl Fn(&str) -> bool) -> Outcome {
        let mut sum = Outcome::default();
        for (_, both) in self.families.iter().filter(|(family, _)| of(family)) {
            sum.add(&both[usize::from(opinion)]);
        }
        sum
    }
}

/// One world, without and with second opinion. The rules hear what the engine asked for as well.
fn both(world: &World) -> [Outcome; 2] {
    [false, true].map(|opinion| {
        let mut rules = Baselines::new(&world.truth.fleet);
        let said = run_beside(world, opinion, |look| rules.hear(look));
        let mut out = Outcome {
            engine: score(world, &said),
            results: said.results,
            asked: said.asked,
            ..Outcome::default()
        };
        let words = if opinion { "with second opinion" } else { "without second opinion" };
        for note in &mut out.engine.notes {
            *note = format!("{words}: {note}");
        }
        for (rule, changes) in out.rules.iter_mut().zip(rules.said) {
            let its = Said { changes, results: 0, asked: 0, first_bad: said.first_bad.clone() };
            *rule = score(world, &its);
            rule.notes.clear();
        }
        out
    })
}
