//! What is said of a fault keeps up with it, from its first look to its last.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::time::Duration;

use parallax_model::{
    AgentName, AgentSpec, Change, ErrorKind, Evidence, Fault, FaultId, Outcome, Provider, Region,
    Role, TargetName, Timestamp, Witness,
};
use parallax_verdict::{Engine, Fleet, Observation, TargetSpec};

const START_MS: i64 = 1_900_000_000_000;
const AGENTS: usize = 6;
const TARGETS: [&str; 3] = ["shop", "mail", "ref"];
const INTERVAL_S: usize = 5;

fn fleet() -> Fleet {
    let agents = (0..AGENTS).map(|a| AgentSpec {
        region: Some(Region::new(&format!("r{a}")).unwrap()),
        provider: Some(Provider::new(&format!("p{a}")).unwrap()),
        ..AgentSpec::unlabelled(AgentName::new(&format!("a{a}")).unwrap())
    });
    let targets = TARGETS.iter().map(|name| TargetSpec {
        role: if *name == "ref" { Role::Reference } else { Role::Service },
        interval: Duration::from_secs(INTERVAL_S as u64),
        ..TargetSpec::unknown(TargetName::new(name).unwrap())
    });
    Fleet { agents: agents.collect(), targets: targets.collect() }
}

/// Half an hour and what was said; `fails(second, agent, target)`.
fn play(fails: impl Fn(usize, usize, &str) -> bool) -> Vec<Change> {
    let mut engine = Engine::new(fleet(), FaultId(1));
    let mut out = Vec::new();
    for second in 0..1_800 {
        for agent in 0..AGENTS {
            for (t, target) in TARGETS.iter().enumerate() {
                if (second + agent * 2 + t) % INTERVAL_S != 0 {
                    continue;
                }
                let at = START_MS + second as i64 * 1000;
                let observation = Observation {
                    received: Timestamp::from_millis(at + 90),
                    started: Timestamp::from_millis(at),
                    agent: AgentName::new(&format!("a{agent}")).unwrap(),
                    target: TargetName::new(target).unwrap(),
                    outcome: if fails(second, agent, target) {
                        Outcome::Fail(ErrorKind::Status5xx)
                    } else {
                        Outcome::Ok
                    },
                    latency: Duration::from_millis(50),
                };
                engine.observe(&observation, &mut out);
            }
        }
        engine.tick(Timestamp::from_millis(START_MS + second as i64 * 1000 + 950), &mut out);
    }
    out
}

fn told(changes: &[Change]) -> Vec<&Fault> {
    let mut faults = Vec::new();
    for change in changes {
        match change {
            Change::Opened(f) | Change::Updated(f) | Change::Closed(f) => faults.push(&**f),
            Change::Ask(_) => {}
        }
    }
    faults
}

fn agents(witnesses: &[Witness]) -> BTreeSet<&str> {
    witnesses.iter().map(|w| w.agent.as_str()).collect()
}

fn second(at: Timestamp) -> i64 {
    (at.millis() - START_MS) / 1000
}

#[test]
fn those_who_join_an_outage_join_its_evidence() {
    let changes = play(|s, _, t| s >= 600 && t == "shop");
    let told = told(&changes);
    let first = told.first().unwrap();
    assert!(agents(&first.evidence.witnesses_for).len() < AGENTS, "told before all had looked");
    let soon = told.iter().find(|f| agents(&f.evidence.witnesses_for).len() == AGENTS).unwrap();
    assert!(second(soon.updated) <= 612, "{}", second(soon.updated));
    // what else a few looks could be is chance
    let other = first.evidence.alternative.as_ref().unwrap();
    assert_eq!(other.locus, None);
    assert!(other.behind_nats >= 6.0, "a margin is what it is told by: {}", other.behind_nats);
    // and it is not said again and again
    assert!(told.len() <= 4, "{}", told.len());
}

#[test]
fn what_those_who_fail_see_well_speaks_too() {
    let changes = play(|s, a, t| s >= 600 && t == "shop" && a < 4);
    let told = told(&changes);
    let Evidence { witnesses_for, witnesses_against: against, against_count, .. } =
        &told.last().unwrap().evidence;
    assert_eq!(agents(witnesses_for), BTreeSet::from(["a0", "a1", "a2", "a3"]));
    let of = |target: &str| {
        let at = against.iter().filter(|w| w.target.as_str() == target);
        at.map(|w| w.agent.as_str()).collect::<BTreeSet<_>>()
    };
    assert_eq!(of("shop"), BTreeSet::from(["a4", "a5"]));
    assert_eq!(of("ref"), BTreeSet::from(["a0", "a1", "a2", "a3"]));
    assert_eq!(of("mail"), BTreeSet::from(["a0", "a1", "a2", "a3"]));
    assert_eq!(*against_count, 10);
    assert!(against.iter().all(|w| w.fail == 0 && w.ok > 0));
}

#[test]
fn a_fault_that_is_about_to_end_is_said_to_recover() {
    let changes = play(|s, _, t| (600..1_200).contains(&s) && t == "shop");
    let told = told(&changes);
    let (last, open) = told.split_last().unwrap();
    assert!(last.ended.is_some());
    let recovering: Vec<i64> =
        open.iter().filter_map(|f| f.evidence.good_since).map(second).collect();
    assert!(!recovering.is_empty());
    assert!(recovering.iter().all(|s| (1_200..1_210).contains(s)), "{recovering:?}");
    // those who failed are still named: it is their word that it was
    assert_eq!(agents(&last.evidence.witnesses_for).len(), AGENTS);
}

#[test]
fn no_single_witness_of_six_decides_also_while_it_ends() {
    let changes = play(|s, _, t| (600..1_200).contains(&s) && t == "shop");
    let faults = told(&changes);
    let since = |s: i64| faults.iter().filter(move |f| second(f.updated) >= s);
    assert!(since(1_200).count() >= 2, "told while it ends");
    for fault in since(630) {
        let without = &fault.evidence.without;
        assert_eq!(without.len(), 3);
        assert!(without.iter().all(|w| w.confidence.get() >= 0.99), "{without:?}");
    }
}

#[test]
fn the_only_witness_decides() {
    // of all agents in its region: without it nothing is left
    let changes = play(|s, a, t| (600..1_200).contains(&s) && t == "shop" && a == 2);
    let faults = told(&changes);
    assert!(!faults.is_empty());
    for fault in faults.iter().filter(|f| f.ended.is_none()) {
        let without = &fault.evidence.without;
        assert_eq!(without[0].agent.as_str(), "a2");
        assert!(without[0].confidence.get() < 0.1, "{without:?}");
    }
}

#[test]
fn a_pause_is_called_recovering_until_it_fails_again() {
    let changes =
        play(|s, _, t| t == "shop" && ((600..640).contains(&s) || (655..1_300).contains(&s)));
    let faults = told(&changes);
    let good: Vec<bool> = faults.iter().map(|f| f.evidence.good_since.is_some()).collect();
    let first = good.iter().position(|g| *g).unwrap();
    assert!(good[first..].contains(&false), "{good:?}");
    assert_eq!(faults.iter().filter(|f| f.ended.is_some()).count(), 1, "one outage");
}
