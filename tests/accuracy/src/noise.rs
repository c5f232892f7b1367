//! What goes wrong all the time, for no reason worth telling: loss of single looks and in bursts,
//! hiccups of agents, blips of regions, lossy agents, routes that are bad or dead from day one,
//! latency with days and nights, and lost packets that are sent again.

use parallax_model::ErrorKind as Kind;

use crate::fleet::Truth;
use crate::plan::{Plan, START_MS};
use crate::rng::Rng;

/// A stretch of time and the share of looks that fail in it.
#[derive(Debug, Clone, Copy)]
struct Spell {
    from: i64,
    to: i64,
    depth: f64,
}

/// Stretches in order.
#[derive(Debug, Clone, Default)]
struct Spells(Vec<Spell>);

impl Spells {
    /// On average one in `apart_ms`, each as long as `length` says.
    fn make(
        rng: &mut Rng,
        end_ms: i64,
        apart_ms: f64,
        length: impl Fn(&mut Rng) -> f64,
        depth: (f64, f64),
    ) -> Self {
        let mut all = Vec::new();
        let mut at = START_MS as f64 + rng.exponential(apart_ms);
        while at < end_ms as f64 {
            let to = at + length(rng);
            all.push(Spell { from: at as i64, to: to as i64, depth: rng.range(depth.0, depth.1) });
            at = to + rng.exponential(apart_ms);
        }
        Self(all)
    }

    fn depth(&self, at: i64) -> f64 {
        let next = self.0.partition_point(|s| s.to <= at);
        self.0.get(next).filter(|s| s.from <= at).map_or(0.0, |s| s.depth)
    }
}

#[derive(Debug, Clone)]
struct AgentNoise {
    hiccups: Spells,
    /// Loss of everything it looks at.
    loss: f64,
}

#[derive(Debug, Clone)]
struct RegionNoise {
    blips: Spells,
    /// Height and length of its day, and when it is noon.
    day: f64,
    day_ms: f64,
    noon_ms: f64,
}

#[derive(Debug, Clone)]
struct PathNoise {
    loss: f64,
    bursts: Spells,
    /// Usual latency, ln(ms), and its spread.
    latency_ln: f64,
    sigma: f64,
    spike: f64,
    /// Chance of a lost packet: one or three seconds more, and no failure.
    resend: f64,
}

/// The noise of a world.
#[derive(Debug, Clone)]
pub struct Noise {
    agents: Vec<AgentNoise>,
    regions: Vec<RegionNoise>,
    paths: Vec<PathNoise>,
    region_of: Vec<usize>,
    targets: usize,
}

/// A burst of loss: seconds mostly, minutes now and then.
fn burst_ms(rng: &mut Rng) -> f64 {
    (3_000.0 * (1.0 - rng.unit()).powf(-1.0 / 1.3)).min(180_000.0)
}

impl Noise {
    /// Draws it.
    pub fn make(plan: &Plan, truth: &Truth, rng: &mut Rng) -> Self {
        let (end, n) = (plan.end_ms(), plan.noise);
        let agents = truth.places.iter().map(|_| AgentNoise {
            hiccups: Spells::make(
                rng,
                end,
                5_400_000.0 / n,
                |r| r.range(2_000.0, 8_000.0),
                (0.8, 1.0),
            ),
            loss: if rng.chance(0.04) { rng.range(0.003, 0.012) * n } else { 0.0 },
        });
        let agents = agents.collect();
        let regions = (0..truth.regions).map(|_| RegionNoise {
            blips: Spells::make(
                rng,
                end,
                7_200_000.0 / n,
                |r| r.range(1_000.0, 6_000.0),
                (0.3, 0.9),
            ),
            day: rng.range(0.0, 0.35),
            day_ms: rng.range(2.0, 24.0) * 3.6e6,
            noon_ms: rng.range(0.0, 8.64e7),
        });
        let regions = regions.collect();
        let paths = truth.places.len() * truth.fleet.targets.len();
        let paths = (0..paths).map(|_| path(rng, end, n)).collect();
        Self {
            agents,
            regions,
            paths,
            region_of: truth.places.iter().map(|p| p.region).collect(),
            targets: truth.fleet.targets.len(),
        }
    }

    /// What a look takes in the middle of the day, ms.
    pub fn usual_ms(&self, agent: usize, target: usize) -> f64 {
        f64::exp(self.paths[agent * self.targets + target].latency_ln)
    }

    /// What a look sees where nothing is wrong: how it fails, if it does, and how long it takes, ms.
    pub fn look(&self, agent: usize, target: usize, at: i64, rng: &mut Rng) -> (Option<Kind>, f64) {
        let path = &self.paths[agent * self.targets + target];
        let (a, r) = (&self.agents[agent], &self.regions[self.region_of[agent]]);
        let day = r.day * f64::sin((at as f64 + r.noon_ms) * std::f64::consts::TAU / r.day_ms);
        let mut ms = f64::exp(path.latency_ln + path.sigma * rng.normal() + day);
        if rng.chance(path.spike) {
            ms *= rng.range(2.0, 9.0);
        }
        if rng.chance(path.resend) {
            ms += if rng.chance(0.8) { 1_000.0 } else { 3_000.0 };
        }
        let near = a.hiccups.depth(at).max(r.blips.depth(at));
        let kind = if near > 0.0 && rng.chance(near) {
            Some(*rng.pick(&NEAR))
        } else if rng.chance((path.loss + a.loss).max(path.bursts.depth(at))) {
            Some(*rng.pick(&FAR))
        } else {
            None
        };
        (kind, ms)
    }
}

/// How it fails near an agent, and on the way or at the service.
const NEAR: [Kind; 5] =
    [Kind::Timeout, Kind::ConnectTimeout, Kind::DnsTimeout, Kind::Unreachable, Kind::DnsServfail];
const FAR: [Kind; 8] = [
    Kind::Timeout,
    Kind::Timeout,
    Kind::ConnectTimeout,
    Kind::Reset,
    Kind::Closed,
    Kind::Status5xx,
    Kind::TlsHandshake,
    Kind::DnsServfail,
];

fn path(rng: &mut Rng, end_ms: i64, noise: f64) -> PathNoise {
    // most paths lose 2 in 10,000, some a hundred times that; a few are bad, or dead, from day one
    let common = f64::exp(-8.5 + 1.1 * rng.normal());
    let lossy = rng.range(0.005, 0.02);
    let loss = match rng.unit() {
        x if x < 0.002 => 1.0,
        x if x < 0.006 => rng.range(0.05, 0.3),
        x if x < 0.10 => (lossy * noise).min(0.06),
        _ => (common * noise).min(0.02),
    };
    let bursts = if rng.chance(0.04) {
        Spells::make(rng, end_ms, 3.6e6 / noise, burst_ms, (0.2, 0.8))
    } else {
        Spells::default()
    };
    PathNoise {
        loss,
        bursts,
        latency_ln: f64::ln(rng.range(6.0, 260.0)),
        sigma: rng.range(0.08, 0.45),
        spike: rng.range(0.001, 0.012) * noise,
        resend: rng.range(0.0, 0.003) * noise,
    }
}
