//! A story's world: the fleet, and what it sees when.

use std::time::Duration;

use parallax_model::{
    AgentName, AgentSpec, ErrorKind, Outcome, Provider, Region, Role, TargetName, Timestamp,
};
use parallax_verdict::{Fleet, Observation, TargetSpec};

use super::rng::Rng;
use super::{START_MS, Story, Trouble};

impl Story {
    pub fn fleet(&self) -> Fleet {
        let agents = self.agents.iter().map(|line| {
            let mut words = line.split(' ');
            let mut spec = AgentSpec::unlabelled(AgentName::new(words.next().unwrap()).unwrap());
            spec.region = words.next().map(|w| Region::new(w).unwrap());
            spec.provider = words.next().map(|w| Provider::new(w).unwrap());
            spec
        });
        let targets = self.targets.iter().map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let mut spec = TargetSpec::unknown(TargetName::new(words[0]).unwrap());
            spec.interval = Duration::from_millis(self.interval_ms as u64);
            spec.timeout = Duration::from_millis(self.timeout_ms as u64);
            match words.get(1) {
                Some(&"reference") => spec.role = Role::Reference,
                Some(_) => spec.depends_on = vec![TargetName::new(words[2]).unwrap()],
                None => {}
            }
            spec
        });
        Fleet { agents: agents.collect(), targets: targets.collect() }
    }

    /// Every look, in the order in which it is heard. Seed 0 looks at fixed phases, others at their own.
    pub fn looks(&self, fleet: &Fleet, seed: u64) -> Vec<Observation> {
        let mut rng = Rng::new(seed);
        let mut looks = Vec::new();
        for (a, agent) in fleet.agents.iter().enumerate() {
            for (t, target) in fleet.targets.iter().enumerate() {
                let own = if seed == 0 { 0 } else { rng.below(self.interval_ms as usize) as i64 };
                let phase = (a as i64 * 7_919 + t as i64 * 104_729 + own) % self.interval_ms;
                for n in 0..(self.seconds * 1000 - phase) / self.interval_ms {
                    let late = rng.below(self.jitter_ms as usize + 1) as i64;
                    let at_ms = phase + n * self.interval_ms + late;
                    let names = (agent.name.as_str(), target.name.as_str());
                    looks.extend(self.look(names, at_ms, n as u64 + a as u64, &mut rng));
                }
            }
        }
        looks.sort_by_key(|o| (o.received, o.agent.clone(), o.target.clone()));
        looks
    }

    fn look(
        &self,
        (agent, target): (&str, &str),
        at_ms: i64,
        n: u64,
        rng: &mut Rng,
    ) -> Option<Observation> {
        let (mut outcome, mut took_us, mut delay_ms) =
            (Outcome::Ok, self.took_us(n, rng), 30 + rng.below(self.jitter_ms as usize + 1) as i64);
        let at = at_ms as f64 / 1000.0;
        if self.noise > 0.0 && rng.chance(self.noise) {
            outcome = Outcome::Fail(ErrorKind::Timeout);
        }
        for trouble in self.trouble.iter().filter(|t| t.hits(agent, target, at, n)) {
            if trouble.chance_at(at).is_some_and(|chance| !rng.chance(chance)) {
                continue;
            }
            match trouble.what.as_str() {
                "silent" => return None,
                "late" => delay_ms = ((trouble.to - at) * 1000.0) as i64 + 500,
                "slow" => took_us = (took_us as f64 * trouble.factor) as i64,
                kind => outcome = Outcome::Fail(ErrorKind::from_word(kind).unwrap()),
            }
            if trouble.what.contains("timeout") {
                took_us = self.timeout_ms * 1000;
            }
        }
        Some(Observation {
            received: Timestamp::from_millis(START_MS + at_ms + took_us / 1000 + delay_ms),
            started: Timestamp::from_millis(START_MS + at_ms),
            agent: AgentName::new(agent).unwrap(),
            target: TargetName::new(target).unwrap(),
            outcome,
            latency: Duration::from_micros(took_us as u64),
        })
    }

    /// What a healthy look takes: within a tenth of the usual, or with jitter, as on a real line, now
    /// and then more.
    fn took_us(&self, n: u64, rng: &mut Rng) -> i64 {
        let usual_us = self.latency_ms * 1000.0;
        if self.jitter_ms == 0 {
            return (usual_us * (1.0 + 0.025 * (n % 5) as f64)) as i64;
        }
        (usual_us * f64::exp(0.15 * rng.normal())) as i64
    }
}

impl Trouble {
    fn hits(&self, agent: &str, target: &str, at: f64, n: u64) -> bool {
        let hit =
            |names: &[String], name: &str| names.is_empty() || names.iter().any(|n| n == name);
        let on = self.period.is_none_or(|[each, bad]| (at - self.from) % each < bad);
        let now = self.from <= at && at < self.to && on && n.is_multiple_of(self.every);
        now && hit(&self.agents, agent) && hit(&self.targets, target)
    }

    /// The chance at that second, if it is left to chance.
    fn chance_at(&self, at: f64) -> Option<f64> {
        let from = self.chance?;
        let part = (at - self.from) / (self.to - self.from);
        Some(self.chance_to.map_or(from, |to| from + (to - from) * part))
    }
}
