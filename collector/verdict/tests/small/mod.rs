//! Small fleets, looks by hand, and what the engine says of them.

use std::time::Duration;

use parallax_model::{
    AgentName, AgentSpec, Change, Coverage, ErrorKind, Fault, FaultId, Locus, Outcome, Provider,
    Region, TargetName, Timestamp,
};
use parallax_verdict::{Engine, Fleet, Observation, TargetSpec};

pub const START_MS: i64 = 1_900_000_000_000;

/// How long a look is under way to the collector.
const WAY_MS: i64 = 40;
/// How long a look takes.
const TOOK_MS: i64 = 50;

pub fn agent(n: usize) -> AgentName {
    AgentName::new(&format!("a{n}")).unwrap()
}

pub fn target(n: usize) -> TargetName {
    TargetName::new(&format!("t{n}")).unwrap()
}

/// An agent in a region, by a provider.
pub fn spec(n: usize, (region, provider): (usize, usize)) -> AgentSpec {
    AgentSpec {
        region: Some(Region::new(&format!("r{region}")).unwrap()),
        provider: Some(Provider::new(&format!("p{provider}")).unwrap()),
        ..AgentSpec::unlabelled(agent(n))
    }
}

/// Agents by region and provider, services by their intervals in seconds.
pub fn fleet(places: &[(usize, usize)], intervals_s: &[i64]) -> Fleet {
    let agents = places.iter().enumerate().map(|(n, place)| spec(n, *place));
    let targets = intervals_s.iter().enumerate().map(|(n, interval)| TargetSpec {
        interval: Duration::from_secs(*interval as u64),
        ..TargetSpec::unknown(target(n))
    });
    Fleet { agents: agents.collect(), targets: targets.collect() }
}

/// As many agents, each in a place of its own.
pub fn apart(agents: usize) -> Vec<(usize, usize)> {
    (0..agents).map(|n| (n, n)).collect()
}

/// A look begun at a time, ms from [`START_MS`].
pub fn look(at_ms: i64, a: usize, t: usize, failed: Option<ErrorKind>) -> Observation {
    let started = START_MS + at_ms;
    Observation {
        received: Timestamp::from_millis(started + TOOK_MS + WAY_MS),
        started: Timestamp::from_millis(started),
        agent: agent(a),
        target: target(t),
        outcome: failed.map_or(Outcome::Ok, Outcome::Fail),
        latency: Duration::from_millis(TOOK_MS as u64),
    }
}

/// Every look of a fleet on schedule, in the order they are heard; `fails(ms, agent, target)`.
pub fn looks(
    fleet: &Fleet,
    seconds: i64,
    fails: impl Fn(i64, usize, usize) -> Option<ErrorKind>,
) -> Vec<Observation> {
    let mut all = Vec::new();
    for a in 0..fleet.agents.len() {
        for (t, spec) in fleet.targets.iter().enumerate() {
            let interval_ms = spec.interval.as_millis() as i64;
            // spread over the interval, as schedules are
            let first = a as i64 * interval_ms / fleet.agents.len() as i64 + t as i64 * 370;
            for at in (first..seconds * 1000).step_by(interval_ms as usize) {
                all.push(look(at, a, t, fails(at, a, t)));
            }
        }
    }
    all.sort_by_key(|o| o.received);
    all
}

/// The engine over looks, with a tick a second; until a second after the last of them.
pub fn play(fleet: &Fleet, looks: &[Observation]) -> Vec<Change> {
    let mut engine = Engine::new(fleet.clone(), FaultId(1));
    let mut out = Vec::new();
    let mut clock = START_MS;
    for o in looks {
        tick_until(&mut engine, &mut clock, o.received.millis(), &mut out);
        engine.observe(o, &mut out);
    }
    engine.tick(Timestamp::from_millis(clock + 1000), &mut out);
    out
}

/// A tick a second, up to an instant.
pub fn tick_until(engine: &mut Engine, clock: &mut i64, now: i64, out: &mut Vec<Change>) {
    while *clock + 1000 <= now {
        *clock += 1000;
        engine.tick(Timestamp::from_millis(*clock), out);
    }
}

/// Everything that was said, but what was asked for.
pub fn faults(changes: &[Change]) -> Vec<(&'static str, &Fault)> {
    let said = changes.iter().filter_map(|change| match change {
        Change::Opened(f) => Some(("opened", &**f)),
        Change::Updated(f) => Some(("updated", &**f)),
        Change::Closed(f) => Some(("closed", &**f)),
        Change::Ask(_) => None,
    });
    said.collect()
}

/// One thing that was said, as far as it must not depend on names or order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Said {
    pub at_ms: i64,
    pub change: &'static str,
    pub locus: String,
    pub state: &'static str,
    /// In millionths: sums of the same numbers in another order differ by less.
    pub sure: i64,
    pub for_count: u32,
    pub onset_ms: i64,
    pub ended_ms: Option<i64>,
}

pub fn said(changes: &[Change]) -> Vec<Said> {
    let since = |at: Timestamp| at.millis() - START_MS;
    let mut said: Vec<Said> = faults(changes)
        .into_iter()
        .map(|(change, f)| Said {
            at_ms: since(f.updated),
            change,
            locus: f.locus.to_string(),
            state: f.state.as_str(),
            sure: (f.confidence.get() * 1e6).round() as i64,
            for_count: f.evidence.for_count,
            onset_ms: since(f.onset),
            ended_ms: f.ended.map(since),
        })
        .collect();
    // what is said at one instant has no order
    said.sort();
    said
}

/// Targets that were said to be at fault for everybody.
pub fn globals(changes: &[Change]) -> Vec<String> {
    let mut targets = Vec::new();
    for (_, fault) in faults(changes) {
        if let Locus::Service { target } = &fault.locus {
            targets.push(target.to_string());
        }
    }
    targets
}

/// The most that may be said with so many domains bearing witness.
pub fn cap(coverage: Coverage) -> f64 {
    match coverage.domains {
        0 | 1 => 0.7,
        2 => 0.95,
        _ => 0.999,
    }
}
