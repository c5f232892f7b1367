//! What goes wrong: shapes over time, and where.

use parallax_model::{ErrorKind as K, TargetName};

use super::rng::Rng;
use super::{START_MS, World};

/// Where a true fault is. Numbers are indices into the world's fleet.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    Service(usize),
    ServiceRegion(usize, usize),
    ServiceRegions(usize, Vec<usize>),
    ServiceProvider(usize, usize),
    Dependency(usize, usize),
    Region(usize),
    Provider(usize),
    Agent(usize),
    Path(usize, usize),
    Collector,
}

/// How it fails over time.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    Rate(f64),
    /// From nothing to full within ms.
    Ramp(i64),
    /// Fails for the first part of each period, ms.
    Oscillate(i64, i64),
    Slow(f64),
}

#[derive(Debug, Clone)]
pub struct Fault {
    pub place: Place,
    pub shape: Shape,
    pub kinds: Vec<K>,
    pub onset: i64,
    pub end: i64,
    pub down: bool,
}

impl Fault {
    pub fn covers(&self, world: &World, agent: usize, target: usize) -> bool {
        let a = &world.agents[agent];
        match &self.place {
            Place::Service(t) | Place::Dependency(t, _) => *t == target,
            Place::ServiceRegion(t, r) => *t == target && a.region == *r,
            Place::ServiceRegions(t, rs) => *t == target && rs.contains(&a.region),
            Place::ServiceProvider(t, p) => *t == target && a.provider == *p,
            Place::Region(r) => a.region == *r,
            Place::Provider(p) => a.provider == *p,
            Place::Agent(x) => *x == agent,
            Place::Path(x, t) => *x == agent && *t == target,
            Place::Collector => false,
        }
    }

    pub fn effect(&self, at: i64, rng: &mut Rng) -> (Option<K>, f64) {
        if at < self.onset || at >= self.end {
            return (None, 1.0);
        }
        let rate = match self.shape {
            Shape::Rate(q) => q,
            Shape::Ramp(ms) => ((at - self.onset) as f64 / ms as f64).min(1.0),
            Shape::Oscillate(period, bad) => f64::from(u8::from((at - self.onset) % period < bad)),
            Shape::Slow(factor) => return (None, factor * (1.0 + 0.2 * rng.unit())),
        };
        if rng.chance(rate) { (Some(*rng.pick(&self.kinds)), 1.0) } else { (None, 1.0) }
    }
}

pub const FAMILIES: &[&str] = &[
    "quiet",
    "down_5xx",
    "down_timeout",
    "down_dns",
    "partial",
    "low",
    "ramp",
    "slow",
    "oscillate",
    "region",
    "region_lossy",
    "provider",
    "agent",
    "path",
    "svc_region",
    "svc_region2",
    "svc_regions",
    "svc_provider",
    "blocked_all",
    "dependency",
    "two_services",
    "service_region_cut",
    "collector",
    "agent_silent",
];

/// Puts the family's faults into the world.
#[allow(clippy::too_many_lines, reason = "one table of scenarios")]
pub fn stage(world: &mut World, rng: &mut Rng) {
    let span = (world.end_ms - START_MS) as f64;
    let onset = START_MS + (span * rng.range(0.42, 0.58)) as i64;
    let longest =
        (world.end_ms - onset) as f64 - 500_000.0 * (world.plan.interval_ms as f64 / 30_000.0);
    let end = onset + rng.range(0.25 * longest, longest) as i64;
    let s = rng.below(world.plan.services);
    let regions = world.agents.iter().map(|a| a.region).max().unwrap_or(0) + 1;
    let (region, agent) = (rng.below(regions), rng.below(world.agents.len()));
    let provider = world.agents[agent].provider;
    let full = || Shape::Rate(0.97);
    let mixed = [
        vec![K::Status5xx],
        vec![K::Timeout],
        vec![K::ConnectRefused, K::Reset],
        vec![K::Status5xx, K::Timeout],
        vec![K::Assertion],
    ];
    let net = vec![K::Timeout, K::ConnectTimeout, K::DnsTimeout, K::DnsServfail, K::Unreachable];
    let mut put = |place, shape, kinds: Vec<K>, down| {
        world.faults.push(Fault { place, shape, kinds, onset, end, down });
    };
    match world.plan.family.clone().as_str() {
        "down_5xx" => put(Place::Service(s), full(), vec![K::Status5xx], true),
        "down_timeout" => put(Place::Service(s), full(), vec![K::Timeout, K::ConnectTimeout], true),
        "down_dns" => put(Place::Service(s), full(), vec![K::DnsServfail, K::DnsNxdomain], true),
        "partial" => {
            let q = rng.range(0.2, 0.6);
            put(Place::Service(s), Shape::Rate(q), rng.pick(&mixed).clone(), false)
        }
        "low" => {
            let q = rng.range(0.09, 0.15);
            put(Place::Service(s), Shape::Rate(q), rng.pick(&mixed).clone(), false)
        }
        "ramp" => {
            let ms = rng.range(300_000.0, 900_000.0) * (world.plan.interval_ms as f64 / 30_000.0);
            put(Place::Service(s), Shape::Ramp(ms as i64), rng.pick(&mixed).clone(), true)
        }
        "slow" => {
            let f = rng.range(3.0, 7.0);
            put(Place::Service(s), Shape::Slow(f), vec![], false)
        }
        "oscillate" => {
            let period = rng.range(4.0, 10.0) * world.plan.interval_ms as f64;
            let bad = period * rng.range(0.4, 0.7);
            put(
                Place::Service(s),
                Shape::Oscillate(period as i64, bad as i64),
                rng.pick(&mixed).clone(),
                false,
            );
        }
        "region" => put(Place::Region(region), full(), net, true),
        "region_lossy" => {
            let q = rng.range(0.3, 0.7);
            put(Place::Region(region), Shape::Rate(q), net, false)
        }
        "provider" => put(Place::Provider(provider), full(), net, true),
        "agent" => put(Place::Agent(agent), full(), net, true),
        "path" => put(Place::Path(agent, s), full(), vec![K::Timeout, K::Reset], true),
        "svc_region" => {
            put(Place::ServiceRegion(s, region), full(), rng.pick(&mixed).clone(), true)
        }
        "svc_region2" => {
            put(Place::ServiceRegion(s, region), full(), rng.pick(&mixed).clone(), true);
            if regions > 2 {
                put(
                    Place::ServiceRegion(s, (region + 1) % regions),
                    full(),
                    rng.pick(&mixed).clone(),
                    true,
                );
            }
        }
        "svc_regions" => {
            let n = if regions > 4 { 3 + rng.below(regions - 4) } else { regions };
            let some: Vec<usize> = (0..n).map(|i| (region + i) % regions).collect();
            put(Place::ServiceRegions(s, some), full(), rng.pick(&mixed).clone(), n == regions);
        }
        "svc_provider" => put(Place::ServiceProvider(s, provider), full(), vec![K::Blocked], true),
        "blocked_all" => put(Place::Service(s), full(), vec![K::Blocked], false),
        "dependency" => {
            let kinds = rng.pick(&mixed).clone();
            put(Place::Service(s), full(), kinds, true);
            let lag = rng.range(0.0, 25_000.0) as i64;
            let n = 1 + rng.below(3.min(world.plan.services - 1));
            for i in 1..=n {
                let t = (s + i) % world.plan.services;
                let name: TargetName = world.fleet.targets[s].name.clone();
                world.fleet.targets[t].depends_on = vec![name];
                let q = *rng.pick(&[0.97, 0.97, 0.5]);
                world.faults.push(Fault {
                    place: Place::Dependency(t, s),
                    shape: Shape::Rate(q),
                    kinds: vec![K::Status5xx, K::Timeout],
                    onset: onset + lag,
                    end: end + lag,
                    down: true,
                });
            }
        }
        "two_services" => {
            put(Place::Service(s), full(), rng.pick(&mixed).clone(), true);
            put(
                Place::Service((s + 1) % world.plan.services),
                full(),
                rng.pick(&mixed).clone(),
                true,
            );
        }
        "service_region_cut" => {
            put(Place::Region(region), full(), net, true);
            put(Place::Service(s), full(), rng.pick(&mixed).clone(), true);
        }
        "collector" => {
            let until = onset + rng.range(5.0, 12.0) as i64 * world.plan.interval_ms;
            world.silences = (0..world.agents.len()).map(|a| (a, onset, until)).collect();
            world.faults.push(Fault {
                place: Place::Collector,
                shape: full(),
                kinds: vec![],
                onset,
                end: until,
                down: true,
            });
        }
        "agent_silent" => world.silences.push((agent, onset, end)),
        _ => {}
    }
    let tied = matches!(world.plan.family.as_str(), "dependency" | "two_services");
    if !tied && world.plan.services > 3 {
        // harmless declarations, so that wrong attributions can show
        for t in 1..world.plan.services.min(4) {
            let name = world.fleet.targets[0].name.clone();
            world.fleet.targets[t].depends_on = vec![name];
        }
    }
}
