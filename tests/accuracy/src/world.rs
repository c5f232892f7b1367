//! A made-up world: its fleet, its noise, and what is staged in it, as looks.

use std::time::Duration;

use parallax_model::{ErrorKind, Outcome, Timestamp, second_look_timeout};
use parallax_verdict::Observation;

use crate::fault::Fault;
use crate::fleet::{self, Truth};
use crate::noise::Noise;
use crate::plan::{Plan, START_MS};
use crate::rng::Rng;
use crate::stage::{Staged, stage};

/// A world.
#[derive(Debug, Clone)]
pub struct World {
    /// What it was made from.
    pub plan: Plan,
    /// Who looks, and where they stand.
    pub truth: Truth,
    /// What is wrong.
    pub faults: Vec<Fault>,
    /// Who says nothing from when until when, ms; what they saw comes after.
    pub silences: Vec<(usize, i64, i64)>,
    noise: Noise,
    /// Each agent's clock is off by so much, ms.
    skews: Vec<i64>,
    /// Usual time from an agent to the collector, ms.
    ways: Vec<f64>,
    /// When in its interval each path is looked at, as a share of it.
    phases: Vec<f64>,
}

impl World {
    /// Makes the world of a plan.
    pub fn new(plan: &Plan) -> Self {
        let family = plan.family.bytes().fold(0_u64, |h, b| h.wrapping_mul(31) + u64::from(b));
        let mut rng = Rng::new(plan.seed.wrapping_mul(0x1_0001) ^ (family << 24));
        let mut truth = fleet::make(plan, &mut rng);
        let noise = Noise::make(plan, &truth, &mut rng);
        let Staged { faults, silences, needs } = stage(plan, &truth, &mut rng);
        for (target, needed) in needs {
            let name = truth.fleet.targets[needed].name.clone();
            truth.fleet.targets[target].depends_on.push(name);
        }
        let skew = |r: &mut Rng| {
            let most = if r.chance(0.2) { 120_000.0 } else { 400.0 };
            r.range(-most, most) as i64
        };
        let skews = truth.places.iter().map(|_| skew(&mut rng)).collect();
        let ways = truth.places.iter().map(|_| rng.range(30.0, 220.0)).collect();
        let paths = truth.places.len() * truth.fleet.targets.len();
        let phases = (0..paths).map(|_| rng.unit()).collect();
        Self { plan: plan.clone(), truth, faults, silences, noise, skews, ways, phases }
    }

    /// One look, as the collector hears of it.
    fn scheduled(&self, agent: usize, target: usize, at: i64, rng: &mut Rng) -> Observation {
        self.look(agent, target, at, self.truth.fleet.targets[target].timeout, rng)
    }

    /// One look that was asked for.
    pub fn second(&self, agent: usize, target: usize, at: i64, rng: &mut Rng) -> Observation {
        let usual = Duration::from_secs_f64(self.noise.usual_ms(agent, target) / 1000.0);
        let timeout = self.truth.fleet.targets[target].timeout;
        self.look(agent, target, at, second_look_timeout(timeout, Some(usual)), rng)
    }

    fn look(
        &self,
        agent: usize,
        target: usize,
        at: i64,
        timeout: Duration,
        rng: &mut Rng,
    ) -> Observation {
        let spec = &self.truth.fleet.targets[target];
        let timeout_ms = timeout.as_millis() as f64;
        let (mut kind, mut took_ms) = self.noise.look(agent, target, at, rng);
        let place = self.truth.places[agent];
        for fault in self.faults.iter().filter(|f| f.scope.covers(agent, place, target)) {
            let (error, times) = fault.effect(agent, at, rng);
            took_ms *= times;
            kind = error.or(kind);
        }
        if took_ms >= timeout_ms {
            kind = kind.or(Some(ErrorKind::Timeout));
        }
        let waits = matches!(
            kind,
            Some(ErrorKind::Timeout | ErrorKind::ConnectTimeout | ErrorKind::DnsTimeout)
        );
        took_ms = if waits { timeout_ms } else { took_ms.min(timeout_ms) };
        let late = if rng.chance(0.002) { rng.range(0.0, 9_000.0) } else { 0.0 };
        let way = self.ways[agent] * (1.0 + 0.3 * rng.normal().abs()) + late;
        Observation {
            received: Timestamp::from_millis(at + (took_ms + way) as i64),
            started: Timestamp::from_millis(at + self.skews[agent]),
            agent: self.truth.fleet.agents[agent].name.clone(),
            target: spec.name.clone(),
            outcome: kind.map_or(Outcome::Ok, Outcome::Fail),
            latency: Duration::from_micros((took_ms * 1000.0) as u64),
        }
    }

    /// All scheduled looks, in the order they are heard.
    pub fn results(&self) -> Vec<Observation> {
        let mut rng = Rng::new(self.plan.seed ^ 0xabcd);
        let mut all = Vec::new();
        let targets = self.truth.fleet.targets.len();
        for agent in 0..self.plan.agents {
            for (target, spec) in self.truth.fleet.targets.iter().enumerate() {
                let interval = spec.interval.as_millis() as f64;
                let mut at = START_MS + (self.phases[agent * targets + target] * interval) as i64;
                while at < self.plan.end_ms() {
                    let jitter = rng.range(0.0, 300.0) as i64;
                    let seen = self.scheduled(agent, target, at + jitter, &mut rng);
                    self.send(agent, at, seen, &mut rng, &mut all);
                    at += interval as i64;
                }
            }
        }
        all.sort_by_key(|o| o.received);
        all
    }

    /// What is seen during a silence comes after it; what is seen twice comes now and then.
    fn send(
        &self,
        agent: usize,
        at: i64,
        mut seen: Observation,
        rng: &mut Rng,
        all: &mut Vec<Observation>,
    ) {
        let silence = self.silences.iter().find(|s| s.0 == agent && s.1 <= at && at < s.2);
        if let Some(&(_, from, to)) = silence {
            seen.received = Timestamp::from_millis(to + 500 + (at - from) / 50);
            if to < self.plan.end_ms() {
                all.push(seen);
            }
            return;
        }
        if rng.chance(0.001) {
            all.push(seen.clone());
        }
        all.push(seen);
    }
}
