use std::time::Duration;

use parallax_model::{Check, Epoch, Role, Selector, Sensitivity, TcpCheck};
use parallax_proto::SpoolState;

use super::*;

fn name(text: &str) -> AgentName {
    AgentName::new(text).unwrap()
}

fn target(text: &str) -> Target {
    Target {
        name: TargetName::new(text).unwrap(),
        role: Role::Service,
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        depends_on: vec![],
        agents: Selector::default(),
        sensitivity: Sensitivity::default(),
        policy: None,
        check: Check::Tcp(TcpCheck::to("127.0.0.1:1")),
    }
}

fn hello(agent: &str) -> Hello {
    let build = "0.1.0".to_owned();
    Hello {
        protocol_min: 1,
        protocol_max: 1,
        agent: name(agent),
        build,
        epoch: Epoch(1),
        instance: 1,
    }
}

/// Somebody in the clear.
fn guest(port: u16) -> Guest {
    Guest { address: ([127, 0, 0, 1], port).into(), proven: false }
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn spec(text: &str) -> AgentSpec {
    AgentSpec::unlabelled(name(text))
}

fn fleet(agents: &[&str]) -> Arc<Fleet> {
    let agents = agents.iter().map(|a| spec(a));
    Fleet::new(agents, vec![target("shop")], at(1000), Box::new(|_| {}))
}

fn ask(agents: &[&str]) -> AskFor {
    let target = TargetName::new("shop").unwrap();
    AskFor { target, agents: agents.iter().map(|a| name(a)).collect() }
}

fn presence(fleet: &Fleet, agent: &str) -> Presence {
    fleet.presences().into_iter().find(|p| p.agent == name(agent)).unwrap()
}

#[test]
fn a_stranger_is_told_what_to_add() {
    let refused = fleet(&["a"]).enter(&hello("b"), guest(1), at(1)).unwrap_err().to_string();
    let told = "agent b is not in the collector's configuration: add [[agents]] name = \"b\" to it, or \
                let it join with a token (`parallax token create`)";
    assert_eq!(refused, told);
}

#[test]
fn what_an_agent_tells_is_known_and_passed_on() {
    let (told, heard) = std::sync::mpsc::channel();
    let tell = Box::new(move |p: Presence| told.send((p.connected, p.last_heard)).unwrap());
    let fleet = Fleet::new([spec("a")], vec![], at(0), tell);
    let seat = fleet.enter(&hello("a"), guest(1), at(5)).unwrap();
    let spool = SpoolState { records: 3, bytes: 99, lost: 1, degraded: true };
    seat.beat(
        &Heartbeat { sent: at(0), assignment: 7, spool, missed_slots: 2, fitness: None },
        at(6),
    );
    let now = presence(&fleet, "a");
    assert_eq!((now.spool, now.missed_slots, now.assignment), (spool, Some(2), 7));
    drop(seat);
    let all: Vec<_> = heard.try_iter().collect();
    assert_eq!(all, [(true, Some(at(5))), (true, Some(at(6))), (false, Some(at(6)))]);
}

#[tokio::test]
async fn a_newer_stream_wins_and_the_older_cannot_undo_it() {
    let fleet = fleet(&["a"]);
    let mut older = fleet.enter(&hello("a"), guest(1), at(1)).unwrap();
    let mut newer = fleet.enter(&hello("a"), guest(1), at(2)).unwrap();
    assert_eq!(older.order().await, Order::Leave);
    older.heard(at(9));
    drop(older);
    let now = presence(&fleet, "a");
    assert_eq!((now.connected, now.last_heard), (true, Some(at(2))));
    assert_eq!(fleet.ask(&ask(&["a"])), 1);
    assert_eq!(newer.order().await, Order::ProbeNow(vec![TargetName::new("shop").unwrap()]));
}

#[tokio::test]
async fn only_new_content_makes_a_new_assignment() {
    let fleet = fleet(&["a", "b"]);
    let mut seat = fleet.enter(&hello("a"), guest(1), at(1)).unwrap();
    assert_eq!(seat.assignment().version, 1000);
    fleet.set([spec("a"), spec("b")], vec![target("shop")], at(2000));
    assert_eq!(fleet.ask(&ask(&["a"])), 1);
    // the order that comes first is not an assignment
    assert!(matches!(seat.order().await, Order::ProbeNow(_)));
    // the clock may have stepped back meanwhile
    fleet.set([spec("a")], vec![target("shop"), target("bank")], at(3));
    let Order::Assign(assignment) = seat.order().await else { panic!("no assignment") };
    assert_eq!((assignment.version, assignment.targets.len()), (1001, 2));
    fleet.set([spec("c")], vec![target("shop")], at(4));
    assert_eq!(fleet.presences().len(), 1);
    let mut orders = vec![seat.order().await, seat.order().await];
    orders.retain(|o| *o == Order::Leave);
    assert!(!orders.is_empty(), "an agent that is not named any more is cut");
}

#[tokio::test]
async fn an_agent_is_assigned_the_targets_that_select_it() {
    let in_eu = |on: &str| {
        let regions = vec!["eu".parse().unwrap()];
        Target { agents: Selector { regions, ..Selector::default() }, ..target(on) }
    };
    let eu = AgentSpec { region: Some("eu".parse().unwrap()), ..spec("a") };
    let names = |a: &Assignment| -> Vec<String> {
        a.targets.iter().map(|t| t.name.as_str().to_owned()).collect()
    };
    let both = || vec![target("shop"), in_eu("bank")];
    let fleet = Fleet::new([eu.clone(), spec("b")], both(), at(1000), Box::new(|_| {}));
    let mut a = fleet.enter(&hello("a"), guest(1), at(1)).unwrap();
    let mut b = fleet.enter(&hello("b"), guest(1), at(1)).unwrap();
    assert_eq!(names(&a.assignment()), ["shop", "bank"]);
    assert_eq!(names(&b.assignment()), ["shop"]);

    // what changes for one does not trouble the other
    fleet.set([eu, spec("b")], vec![target("shop"), in_eu("bank"), in_eu("post")], at(2000));
    let Order::Assign(more) = a.order().await else { panic!("no assignment") };
    assert_eq!((more.version, names(&more).len()), (2000, 3));
    assert_eq!(fleet.ask(&ask(&["b"])), 1);
    assert!(matches!(b.order().await, Order::ProbeNow(_)));
    assert_eq!(b.assignment().version, 1000);

    // an agent that moves is assigned what is looked at from there
    fleet.set([spec("a"), spec("b")], both(), at(3000));
    let Order::Assign(moved) = a.order().await else { panic!("no assignment") };
    assert_eq!(names(&moved), ["shop"]);
}

#[test]
fn those_who_are_away_or_slow_are_not_asked() {
    let fleet = fleet(&["a", "b"]);
    let _seat = fleet.enter(&hello("a"), guest(1), at(1)).unwrap();
    assert_eq!(fleet.ask(&ask(&["a", "b", "c"])), 1);
    let asked: usize = (0..100).map(|_| fleet.ask(&ask(&["a"]))).sum();
    assert_eq!(asked, ORDERS_WAITING_MAX - 1);
}

#[test]
fn a_stream_from_before_an_agent_was_removed_cannot_undo_a_later_one() {
    let fleet = fleet(&["a"]);
    let before = fleet.enter(&hello("a"), guest(1), at(1)).unwrap();
    fleet.set([], vec![], at(2));
    fleet.set([spec("a")], vec![target("shop")], at(3));
    let _after = fleet.enter(&hello("a"), guest(1), at(4)).unwrap();
    drop(before);
    assert!(presence(&fleet, "a").connected);
    assert_eq!(fleet.ask(&ask(&["a"])), 1);
}

#[test]
fn a_second_machine_with_the_same_key_is_refused_while_the_first_is_there() {
    let fleet = fleet(&["a"]);
    let proven = |port| Guest { proven: true, ..guest(port) };
    let of = |instance| Hello { instance, ..hello("a") };
    let first = fleet.enter(&of(7), proven(1), at(1)).unwrap();
    let refused = fleet.enter(&of(8), proven(2), at(2)).unwrap_err();
    let address = |port| guest(port).address;
    let both = NoSeat::Taken { agent: name("a"), there: address(1), here: address(2) };
    assert_eq!(refused, both);
    assert_eq!(fleet.speaks_from(&name("a")), Some(address(1)));
    // the same process comes again on a new stream; one that hides which it is does not
    let again = fleet.enter(&of(7), proven(3), at(3)).unwrap();
    assert!(fleet.enter(&of(0), proven(4), at(4)).is_err());
    drop((first, again));
    assert_eq!(fleet.speaks_from(&name("a")), None);
    let _next = fleet.enter(&of(8), proven(2), at(5)).unwrap();
}
