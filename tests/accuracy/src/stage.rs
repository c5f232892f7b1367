//! What is staged in each family of worlds.

use parallax_model::ErrorKind as Kind;

use crate::fault::{Fault, Scope, Shape};
use crate::fleet::Truth;
use crate::plan::{INTERVAL_MS, Plan, START_MS};
use crate::rng::Rng;

/// The families, in the order of the table.
pub const FAMILIES: &[&str] = &[
    "quiet",
    "down_5xx",
    "down_timeout",
    "down_dns",
    "partial",
    "sticky",
    "low",
    "ramp",
    "slow",
    "brownout",
    "staged",
    "oscillate",
    "region",
    "region_lossy",
    "provider",
    "agent",
    "agent_lossy",
    "path",
    "svc_region",
    "svc_region2",
    "svc_regions",
    "svc_provider",
    "blocked_all",
    "dependency",
    "two_services",
    "service_region_cut",
    "service_agent",
    "reference_down",
    "region_slow",
    "collector",
    "agent_silent",
];

/// What a stage can be filled with.
#[derive(Debug, Default)]
pub struct Staged {
    /// The faults.
    pub faults: Vec<Fault>,
    /// Who says nothing from when until when, ms.
    pub silences: Vec<(usize, i64, i64)>,
    /// (a target, what it needs), as declared.
    pub needs: Vec<(usize, usize)>,
}

struct Stage<'a> {
    rng: &'a mut Rng,
    onset: i64,
    end: i64,
    staged: Staged,
}

impl Stage<'_> {
    fn put(&mut self, scope: Scope, shape: Shape, kinds: &[Kind], down: bool) {
        let (onset, end) = (self.onset, self.end);
        self.staged.faults.push(Fault { scope, shape, kinds: kinds.to_vec(), onset, end, down });
    }

    /// Kinds that a broken service may show.
    fn broken(&mut self) -> Vec<Kind> {
        self.rng
            .pick(&[
                vec![Kind::Status5xx],
                vec![Kind::Timeout],
                vec![Kind::ConnectRefused, Kind::Reset],
                vec![Kind::Status5xx, Kind::Timeout],
                vec![Kind::Assertion],
                vec![Kind::Closed, Kind::CutStream, Kind::Status5xx],
                vec![Kind::TlsHandshake, Kind::CertExpired],
            ])
            .clone()
    }
}

const FULL: Shape = Shape::Rate(0.97);
/// What a broken network shows.
const NETWORK: [Kind; 5] =
    [Kind::Timeout, Kind::ConnectTimeout, Kind::DnsTimeout, Kind::DnsServfail, Kind::Unreachable];

/// Stages the plan's family.
pub fn stage(plan: &Plan, truth: &Truth, rng: &mut Rng) -> Staged {
    let length = plan.end_ms() - START_MS;
    let onset = START_MS + (length as f64 * rng.range(0.42, 0.58)) as i64;
    let longest = (plan.end_ms() - onset - 500_000) as f64;
    let end = onset + rng.range(0.25 * longest, longest) as i64;
    let mut stage = Stage { rng, onset, end, staged: Staged::default() };
    // faults are about the first four services, which all worlds look at at the same pace
    let s = stage.rng.below(4.min(plan.services));
    if !(of_a_service(plan, &mut stage, s) || of_some(plan, truth, &mut stage, s)) {
        of_places(plan, truth, &mut stage, s);
    }
    if stage.staged.needs.is_empty() && plan.services > 3 {
        // declared and harmless, so that wrong attributions can show
        stage.staged.needs = (1..4).map(|t| (t, 0)).collect();
        if plan.family == "two_services" {
            stage.staged.needs.clear();
        }
    }
    stage.staged
}

/// Faults of a service as a whole.
fn of_a_service(plan: &Plan, stage: &mut Stage<'_>, s: usize) -> bool {
    let all = Scope::Service(s);
    let broken = stage.broken();
    match plan.family.as_str() {
        "down_5xx" => stage.put(all, FULL, &[Kind::Status5xx], true),
        "down_timeout" => stage.put(all, FULL, &[Kind::Timeout, Kind::ConnectTimeout], true),
        "down_dns" => stage.put(all, FULL, &[Kind::DnsServfail, Kind::DnsNxdomain], true),
        "blocked_all" => stage.put(all, FULL, &[Kind::Blocked], false),
        "partial" => {
            let q = stage.rng.range(0.2, 0.6);
            stage.put(all, Shape::Rate(q), &broken, false);
        }
        "sticky" => {
            let q = stage.rng.range(0.3, 0.6);
            stage.put(all, Shape::Sticky(q), &broken, false);
        }
        "low" => {
            let q = stage.rng.range(0.08, 0.15);
            stage.put(all, Shape::Rate(q), &broken, false);
        }
        "ramp" => {
            let ms = stage.rng.range(300_000.0, 1_200_000.0) as i64;
            stage.end = stage.end.max(stage.onset + ms + 120_000).min(plan.end_ms() - 300_000);
            stage.put(all, Shape::Ramp(ms), &broken, true);
        }
        "slow" => {
            let times = stage.rng.range(3.0, 8.0);
            stage.put(all, Shape::Slow(times), &[], false);
        }
        "brownout" => {
            let (times, q) = (stage.rng.range(2.0, 6.0), stage.rng.range(0.1, 0.4));
            stage.put(all, Shape::Brownout(times, q), &broken, false);
        }
        "staged" => {
            let (some, most) = (stage.rng.range(0.15, 0.35), stage.rng.range(0.6, 0.8));
            stage.put(all, Shape::Staged(some, most), &broken, false);
        }
        "oscillate" => {
            let period = stage.rng.range(4.0, 10.0) * INTERVAL_MS as f64;
            let bad = period * stage.rng.range(0.4, 0.7);
            stage.put(all, Shape::Oscillate(period as i64, bad as i64), &broken, false);
        }
        _ => return false,
    }
    true
}

/// Faults of a service for some, and of several things at once.
fn of_some(plan: &Plan, truth: &Truth, stage: &mut Stage<'_>, s: usize) -> bool {
    let broken = stage.broken();
    let region = stage.rng.below(truth.regions);
    let agent = stage.rng.below(plan.agents);
    let provider = truth.places[agent].provider;
    match plan.family.as_str() {
        "svc_region" => stage.put(Scope::ServiceRegion(s, region), FULL, &broken, true),
        "svc_region2" => {
            stage.put(Scope::ServiceRegion(s, region), FULL, &broken, true);
            if truth.regions > 3 {
                let other = (region + 1) % truth.regions;
                stage.put(Scope::ServiceRegion(s, other), FULL, &broken, true);
            }
        }
        "svc_regions" if truth.regions > 4 => {
            let n = 3 + stage.rng.below(truth.regions - 4);
            let some = (0..n).map(|i| (region + i) % truth.regions).collect();
            stage.put(Scope::ServiceRegions(s, some), FULL, &broken, false);
        }
        "svc_regions" => stage.put(Scope::Service(s), FULL, &broken, true),
        "svc_provider" => {
            stage.put(Scope::ServiceProvider(s, provider), FULL, &[Kind::Blocked], true);
        }
        "dependency" => dependency(plan, stage, s, &broken),
        "two_services" => {
            let kinds = stage.broken();
            stage.put(Scope::Service(s), FULL, &broken, true);
            stage.put(Scope::Service((s + 1) % plan.services), FULL, &kinds, true);
        }
        "service_region_cut" => {
            stage.put(Scope::Region(region), FULL, &NETWORK, true);
            stage.put(Scope::Service(s), FULL, &broken, true);
        }
        "service_agent" => {
            stage.put(Scope::Agent(agent), FULL, &NETWORK, true);
            stage.put(Scope::Service(s), FULL, &broken, true);
        }
        _ => return false,
    }
    true
}

fn dependency(plan: &Plan, stage: &mut Stage<'_>, s: usize, broken: &[Kind]) {
    stage.put(Scope::Service(s), FULL, broken, true);
    let (onset, end) = (stage.onset, stage.end);
    let lag = stage.rng.range(0.0, 25_000.0) as i64;
    for i in 1..=1 + stage.rng.below(3.min(plan.services - 1)) {
        let t = (s + i) % plan.services;
        let rate = *stage.rng.pick(&[0.97, 0.97, 0.5]);
        (stage.onset, stage.end) = (onset + lag, end + lag);
        stage.put(
            Scope::Dependant(t, s),
            Shape::Rate(rate),
            &[Kind::Status5xx, Kind::Timeout],
            true,
        );
        stage.staged.needs.push((t, s));
    }
    (stage.onset, stage.end) = (onset, end);
}

/// Faults near those who look, and of nothing that is to be told.
fn of_places(plan: &Plan, truth: &Truth, stage: &mut Stage<'_>, s: usize) {
    let region = stage.rng.below(truth.regions);
    let agent = stage.rng.below(plan.agents);
    let provider = truth.places[agent].provider;
    let part = stage.rng.range(0.35, 0.7);
    match plan.family.as_str() {
        "region" => stage.put(Scope::Region(region), FULL, &NETWORK, true),
        "region_lossy" => stage.put(Scope::Region(region), Shape::Rate(part), &NETWORK, false),
        "region_slow" => {
            let times = stage.rng.range(3.0, 6.0);
            stage.put(Scope::Region(region), Shape::Slow(times), &[], false);
        }
        "provider" => stage.put(Scope::Provider(provider), FULL, &NETWORK, true),
        "agent" => stage.put(Scope::Agent(agent), FULL, &NETWORK, true),
        "agent_lossy" => stage.put(Scope::Agent(agent), Shape::Rate(part), &NETWORK, false),
        "path" => {
            stage.put(Scope::Path(agent, s), FULL, &[Kind::Timeout, Kind::Reset], true);
        }
        "reference_down" => {
            stage.put(Scope::Service(plan.services), FULL, &[Kind::Timeout], true);
        }
        "collector" => {
            let until = stage.onset + (stage.rng.range(5.0, 12.0) * INTERVAL_MS as f64) as i64;
            let onset = stage.onset;
            stage.end = until;
            stage.staged.silences = (0..plan.agents).map(|a| (a, onset, until)).collect();
            stage.put(Scope::Collector, FULL, &[], true);
        }
        "agent_silent" => stage.staged.silences.push((agent, stage.onset, stage.end)),
        _ => {}
    }
}
