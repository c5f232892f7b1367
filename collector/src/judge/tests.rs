use parallax_model::fault::TargetState;
use parallax_model::{
    Batch, Check, Epoch, ErrorKind, Locus, Outcome, ProbeResult, Region, Role, Rule, Selector,
    Sensitivity, Seq, Stages, TargetName, TcpCheck, Votes,
};

use super::*;
use crate::store::WriteStore;
use crate::store::memory::Memory;

const SECOND: Duration = Duration::from_secs(1);
const AGENTS: [&str; 4] = ["a", "b", "c", "d"];

fn at(s: i64) -> Timestamp {
    Timestamp::from_millis(1_000_000_000 + s * 1000)
}

fn agents() -> Vec<AgentSpec> {
    let agent = |name: &&str| {
        let mut spec = AgentSpec::unlabelled(AgentName::new(name).unwrap());
        spec.region = Some(Region::new(name).unwrap());
        spec.provider = Some(format!("provider-{name}").parse().unwrap());
        spec
    };
    AGENTS.iter().map(agent).collect()
}

fn targets() -> Vec<Target> {
    let target = |name: &str, role| Target {
        name: TargetName::new(name).unwrap(),
        role,
        interval: SECOND,
        timeout: SECOND,
        depends_on: vec![],
        agents: Selector::default(),
        sensitivity: Sensitivity::default(),
        policy: None,
        check: Check::Tcp(TcpCheck::to("127.0.0.1:1")),
    };
    vec![
        target("shop", Role::Service),
        target("bank", Role::Service),
        target("ref", Role::Reference),
    ]
}

/// What one agent sees in one second.
fn look(agent: &str, s: i64, shop_is_up: bool) -> Arrival {
    let result = |target: &str, ok: bool| ProbeResult {
        target: TargetName::new(target).unwrap(),
        started: at(s),
        latency: Duration::from_millis(20),
        outcome: if ok { Outcome::Ok } else { Outcome::Fail(ErrorKind::Status5xx) },
        stages: Stages::default(),
        status: None,
        peer: None,
        clues: None,
        detail: None,
        seen: None,
        asked: false,
    };
    let results = vec![result("shop", shop_is_up), result("bank", true), result("ref", true)];
    let batch = Batch::of_results(Epoch(1), Seq(3 * s as u64 + 1), results).unwrap();
    Arrival { agent: AgentName::new(agent).unwrap(), received: at(s) + SECOND / 10, batch }
}

/// Hears all agents from `from` to `to`; what was said but for asks.
fn sit(judge: &mut Judge, from: i64, to: i64, shop_is_up: bool) -> Vec<Change> {
    let mut said = Vec::new();
    for s in from..to {
        for agent in AGENTS {
            judge.hear(&look(agent, s, shop_is_up), &mut said);
        }
        judge.tick(at(s + 1), &mut said);
    }
    said.retain(|c| !matches!(c, Change::Ask(_)));
    said
}

fn store_of(from: i64, to: i64, up_until: i64) -> Memory {
    let mut store = Memory::default();
    let looks = (from..to).flat_map(|s| AGENTS.map(|a| look(a, s, s < up_until)));
    store.append(&looks.collect::<Vec<_>>()).unwrap();
    store
}

fn loci(judge: &Judge) -> Vec<Locus> {
    judge.open_faults().map(|f| f.locus.clone()).collect()
}

fn shop() -> Locus {
    Locus::Service { target: TargetName::new("shop").unwrap() }
}

#[test]
fn an_outage_is_opened_and_closed_under_the_first_number() {
    let mut judge = Judge::new(&agents(), &targets(), FaultId(7));
    assert_eq!(sit(&mut judge, 0, 30, true), []);
    let said = sit(&mut judge, 30, 50, false);
    let Some(Change::Opened(fault)) = said.first() else { panic!("{said:?}") };
    assert_eq!((fault.id, &fault.locus), (FaultId(7), &shop()));
    let said = sit(&mut judge, 50, 110, true);
    assert!(said.iter().any(|c| matches!(c, Change::Closed(f) if f.id == FaultId(7))), "{said:?}");
}

/// What the engine and its own rule say of the shop: state, state, since which second, votes.
fn shop_stands(judge: &Judge) -> (TargetState, Option<(TargetState, i64, Votes)>) {
    let standing = judge.standings().into_iter().find(|s| s.target.as_str() == "shop").unwrap();
    let seconds = |at_: Timestamp| (at_.millis() - at(0).millis()) / 1000;
    let policy = standing.policy.and_then(|p| Some((p.state(), seconds(p.word?.since), p.votes)));
    (standing.state, policy)
}

#[test]
fn a_services_own_rule_stands_beside_the_engine() {
    let (agents, mut targets) = (agents(), targets());
    targets[0].policy = Some(Rule::Any);
    let mut judge = Judge::new(&agents, &targets, FaultId(1));
    sit(&mut judge, 0, 30, true);
    let votes = |down, voting| Votes { down, voting };
    let (up, down) = (TargetState::Up, TargetState::Down);
    assert_eq!(shop_stands(&judge), (up, Some((up, 0, votes(0, 4)))));
    // one of four fails: down by the rule, and for the engine it is that agent's way
    let mut said = Vec::new();
    for s in 30..60 {
        for agent in AGENTS {
            judge.hear(&look(agent, s, agent != "b"), &mut said);
        }
        judge.tick(at(s + 1), &mut said);
    }
    assert_eq!(shop_stands(&judge), (TargetState::Degraded, Some((down, 30, votes(1, 4)))));
    let [locus] = &loci(&judge)[..] else { panic!("{:?}", loci(&judge)) };
    assert!(!matches!(locus, Locus::Service { .. }), "{locus}");

    // another rule is in force at once, and no rule is none
    targets[0].policy = Some(Rule::Majority);
    judge.set_fleet(&agents, &targets, at(60), &mut said);
    assert_eq!(shop_stands(&judge).1, Some((up, 60, votes(1, 4))));
    targets[0].policy = None;
    judge.set_fleet(&agents, &targets, at(60), &mut said);
    assert_eq!(shop_stands(&judge).1, None);
}

#[test]
fn what_a_rule_said_is_known_after_a_restart_and_silence_is_not_up() {
    let mut targets = targets();
    targets[0].policy = Some(Rule::Count(3));
    let mut judge = Judge::new(&agents(), &targets, FaultId(1));
    judge.remember(&store_of(0, 50, 30), at(51)).unwrap();
    let votes = Votes { down: 4, voting: 4 };
    assert_eq!(shop_stands(&judge).1, Some((TargetState::Down, 30, votes)));
    judge.tick(at(120), &mut Vec::new());
    let none = Votes::default();
    assert_eq!(shop_stands(&judge).1, Some((TargetState::Unknown, 30, none)));
}

#[test]
fn an_outage_that_goes_on_is_known_after_a_restart() {
    let store = store_of(0, 50, 30);
    let mut judge = Judge::new(&agents(), &targets(), FaultId(1));
    assert_eq!(judge.remember(&store, at(55)).unwrap(), 600);
    assert_eq!(loci(&judge), [shop()]);
}

#[test]
fn an_outage_that_was_over_before_a_restart_stays_over() {
    // five seconds of good looks end it live, so they must when the journal is heard again
    let mut store = Memory::default();
    let looks = (0..45).flat_map(|s| AGENTS.map(|a| look(a, s, !(25..40).contains(&s))));
    store.append(&looks.collect::<Vec<_>>()).unwrap();
    let mut judge = Judge::new(&agents(), &targets(), FaultId(1));
    judge.remember(&store, at(50)).unwrap();
    assert_eq!(loci(&judge), []);
}

#[test]
fn nobody_is_called_silent_for_the_time_we_were_away() {
    let store = store_of(0, 50, 50);
    let mut judge = Judge::new(&agents(), &targets(), FaultId(1));
    judge.remember(&store, at(300)).unwrap();
    let mut said = Vec::new();
    for s in 300..305 {
        judge.tick(at(s), &mut said);
    }
    assert_eq!(said, []);
    assert_eq!(sit(&mut judge, 305, 330, true), []);
    assert_eq!(loci(&judge), []);
}

#[test]
fn a_journal_from_the_future_is_left_alone() {
    let store = store_of(1000, 1010, 1010);
    let mut judge = Judge::new(&agents(), &targets(), FaultId(1));
    assert_eq!(judge.remember(&store, at(500)).unwrap(), 0);
}

#[test]
fn nobody_is_called_silent_while_the_store_takes_nothing() {
    let mut judge = Judge::new(&agents(), &targets(), FaultId(1));
    assert_eq!(sit(&mut judge, 0, 30, true), []);
    let mut said = Vec::new();
    for s in 30..200 {
        judge.excuse(at(s));
        judge.tick(at(s), &mut said);
    }
    assert_eq!(said, []);
    assert_eq!(sit(&mut judge, 200, 230, true), []);
    // an agent that does not come back after all is silent
    for s in 230..260 {
        for agent in &AGENTS[1..] {
            judge.hear(&look(agent, s, true), &mut said);
        }
        judge.tick(at(s + 1), &mut said);
    }
    let silent = Locus::Agent { agent: AgentName::new("a").unwrap() };
    assert_eq!(loci(&judge), [silent]);
}

#[test]
fn what_was_removed_from_the_configuration_is_not_judged() {
    let store = store_of(0, 50, 30);
    // while we were away, agent a and the failing shop went
    let (agents, targets) = (&agents()[1..], &targets()[1..]);
    let mut judge = Judge::new(agents, targets, FaultId(1));
    judge.remember(&store, at(55)).unwrap();
    assert_eq!((loci(&judge), judge.standings().len()), (vec![], 1));
    let mut said = Vec::new();
    for s in 56..120 {
        for agent in &AGENTS[1..] {
            // looks under way still tell of the shop
            judge.hear(&look(agent, s, false), &mut said);
        }
        judge.tick(at(s + 1), &mut said);
    }
    assert_eq!(said, []);
}

#[test]
fn the_grace_follows_the_shortest_interval_and_covers_a_reconnect() {
    assert_eq!(grace(&targets()), GRACE_MIN);
    let mut rare = targets();
    rare[0].interval = SECOND * 86_400;
    assert_eq!(grace(&rare), GRACE_MIN);
    for target in &mut rare {
        target.interval = SECOND * 60;
    }
    assert_eq!(grace(&rare), SECOND * 362);
}
