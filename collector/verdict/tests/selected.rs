//! Targets that only some agents look at: who counts, and whose silence means anything.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use parallax_model::fault::TargetState;
use parallax_model::{
    AgentName, AgentSpec, Change, Coverage, FaultId, Locus, Outcome, Region, Selector, TargetName,
    Timestamp,
};
use parallax_verdict::{Engine, Fleet, Observation, TargetSpec};

const START_MS: i64 = 1_900_000_000_000;

/// Five minutes for who joins later, and the tick after them.
const GRACE: Duration = Duration::from_secs(301);

fn name(n: u8) -> AgentName {
    AgentName::new(&format!("a{n}")).unwrap()
}

fn region(n: u8) -> Region {
    Region::new(&format!("r{n}")).unwrap()
}

/// Three agents in three regions; `wide` is looked at by all, `near` by those in `regions`.
fn fleet(with_wide: bool, regions: &[u8]) -> Fleet {
    let agent = |n| AgentSpec { region: Some(region(n)), ..AgentSpec::unlabelled(name(n)) };
    let target = |name: &str, regions: &[u8]| TargetSpec {
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        agents: Selector {
            regions: regions.iter().map(|n| region(*n)).collect(),
            ..Selector::default()
        },
        ..TargetSpec::unknown(TargetName::new(name).unwrap())
    };
    let wide = with_wide.then(|| target("wide", &[]));
    Fleet {
        agents: (0..3).map(agent).collect(),
        targets: wide.into_iter().chain([target("near", regions)]).collect(),
    }
}

/// A minute in which `agents` look at `target` once a second; answers what was said.
fn minute(engine: &mut Engine, from_s: i64, looks: &[(u8, &str)]) -> Vec<Change> {
    let mut said = Vec::new();
    for s in from_s..from_s + 60 {
        let now = Timestamp::from_millis(START_MS + s * 1000);
        for (agent, target) in looks {
            let seen = Observation {
                received: now,
                started: now,
                agent: name(*agent),
                target: TargetName::new(target).unwrap(),
                outcome: Outcome::Ok,
                latency: Duration::from_millis(20),
            };
            engine.observe(&seen, &mut said);
        }
        engine.tick(now, &mut said);
    }
    said.retain(|change| !matches!(change, Change::Ask(_)));
    said
}

#[test]
fn who_is_not_to_look_counts_for_nothing() {
    let mut engine = Engine::new(fleet(false, &[0]), FaultId(1));
    let said = minute(&mut engine, 0, &[(0, "near")]);
    // the other two look at nothing, and nobody waits for them
    assert_eq!(said, []);
    let now = Timestamp::from_millis(START_MS + 60_000);
    let standing = engine.standings(now).pop().unwrap();
    assert_eq!(standing.coverage, Coverage { domains: 1, assigned: 1 });
    assert_eq!(standing.state, TargetState::Up);
}

#[test]
fn an_agent_that_joins_later_has_five_minutes_to_be_heard() {
    let all = fleet(true, &[]);
    let (mut early, newcomer) = (all.clone(), name(2));
    early.agents.retain(|a| a.name != newcomer);
    let mut engine = Engine::new(early, FaultId(1));
    let two = [(0, "wide"), (1, "wide"), (0, "near"), (1, "near")];
    assert_eq!(minute(&mut engine, 0, &two), []);
    let joined = Timestamp::from_millis(START_MS + 60_000);
    let mut said = Vec::new();
    engine.set_fleet(all.clone(), joined, &mut said);
    // declared anew for another reason: it joined when it joined
    engine.set_fleet(all, joined + Duration::from_secs(3), &mut said);
    assert_eq!(said, []);
    let said: Vec<Change> = (1..=6).flat_map(|n| minute(&mut engine, n * 60, &two)).collect();
    let [Change::Opened(fault)] = &said[..] else { panic!("{said:?}") };
    let silent = Locus::Agent { agent: newcomer };
    assert_eq!((&fault.locus, fault.onset, fault.opened), (&silent, joined, joined + GRACE));
}

#[test]
fn an_agent_that_looks_no_more_is_not_silent() {
    let mut engine = Engine::new(fleet(true, &[]), FaultId(1));
    let all = [(0, "wide"), (1, "wide"), (2, "wide"), (0, "near"), (1, "near"), (2, "near")];
    assert_eq!(minute(&mut engine, 0, &all), []);
    let now = Timestamp::from_millis(START_MS + 60_000);
    let mut said = Vec::new();
    engine.set_fleet(fleet(false, &[0]), now, &mut said);
    said.extend(minute(&mut engine, 60, &[(0, "near")]));
    assert_eq!(said, []);
    let now = Timestamp::from_millis(START_MS + 120_000);
    let standing = engine.standings(now).pop().unwrap();
    assert_eq!(standing.coverage, Coverage { domains: 1, assigned: 1 });
}
