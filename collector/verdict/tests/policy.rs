//! Rules that count votes, each against what it must say when.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(unreachable_pub, dead_code, reason = "a module shared with the stories")]

#[path = "story/scale.rs"]
mod scale;

use std::collections::BTreeMap;
use std::time::Duration;

use parallax_model::fault::TargetState;
use parallax_model::{
    AgentName, AgentSpec, ErrorKind, Outcome, Provider, Region, Role, Rule, TargetName, Timestamp,
    Votes,
};
use parallax_verdict::policy::{Polls, Turn, out_of_reach};
use parallax_verdict::{Fleet, Observation, TargetSpec};
use proptest::prelude::*;

const RULES: [&str; 6] = ["any", "majority", "all", "count:2", "count:3", "count:9"];

const SHOP: &str = "shop";

/// Agents named after their domain and a number, e.g. `b2`; a service and a reference, every 10 s. The
/// service has a rule of its own, perhaps.
fn fleet(agents: &[&str], own: Option<&str>) -> Fleet {
    let spec = |name: &&str| AgentSpec {
        region: Some(Region::new(name.get(..1).unwrap()).unwrap()),
        provider: Some(Provider::new("p").unwrap()),
        ..AgentSpec::unlabelled(AgentName::new(name).unwrap())
    };
    let target = |name: &str, role, policy: Option<&str>| TargetSpec {
        role,
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(2),
        policy: policy.map(|rule| rule.parse().unwrap()),
        ..TargetSpec::unknown(TargetName::new(name).unwrap())
    };
    let targets = vec![
        target(SHOP, Role::Service, own),
        target("bank", Role::Service, None),
        target("ref", Role::Reference, None),
    ];
    Fleet { agents: agents.iter().map(spec).collect(), targets }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(second * 1000)
}

/// A look that ends when it is heard.
fn look(second: i64, agent: &str, target: &str, outcome: Outcome) -> Observation {
    Observation {
        received: at(second),
        started: at(second) - Duration::from_millis(20),
        agent: AgentName::new(agent).unwrap(),
        target: TargetName::new(target).unwrap(),
        outcome,
        latency: Duration::from_millis(20),
    }
}

const FAILED: Outcome = Outcome::Fail(ErrorKind::Timeout);

/// Plays looks, written `SECOND AGENT+` (fine), `SECOND AGENT-` (failed) or `SECOND AGENT?` (the agent's own
/// fault), and `@SECOND` after that if it was made earlier than it was heard.
fn hear(polls: &mut Polls, looks: &str) -> Vec<String> {
    let mut said = Vec::new();
    for text in looks.split(',') {
        let (second, rest) = text.trim().split_once(' ').unwrap();
        let (rest, made) = rest.split_once('@').map_or((rest, second), |(r, made)| (r, made));
        let outcome = match rest.chars().last().unwrap() {
            '+' => Outcome::Ok,
            '-' => FAILED,
            _ => Outcome::Fail(ErrorKind::Internal),
        };
        let agent = rest.trim_end_matches(['+', '-', '?']);
        let mut look = look(second.parse().unwrap(), agent, SHOP, outcome);
        look.started = at(made.parse().unwrap()) - Duration::from_millis(20);
        for turn in polls.observe(&look) {
            let state = if turn.down { "down" } else { "up" };
            said.push(format!("{second} {} {state}", turn.rule));
        }
    }
    said
}

/// The same by all rules; answers the turns as `SECOND RULE down|up`.
fn play(agents: &[&str], looks: &str) -> Vec<String> {
    let rules = RULES.iter().map(|rule| rule.parse().unwrap()).collect();
    hear(&mut Polls::new(rules, &fleet(agents, None)), looks)
}

/// Rule, state, since which second, and the votes: down, and all.
type Says = (String, TargetState, Option<i64>, (u32, u32));

/// What the shop's own rule says.
fn ruling(polls: &Polls, second: i64) -> Option<Says> {
    let ruling = polls.ruling(&TargetName::new(SHOP).unwrap(), at(second))?;
    let since = ruling.word.map(|word| word.since.millis() / 1000);
    let votes = (ruling.votes.down, ruling.votes.voting);
    Some((ruling.rule.to_string(), ruling.state(), since, votes))
}

#[test]
fn each_rule_turns_when_enough_domains_do() {
    let three = ["a1", "b1", "c1"];
    let cases: &[(&[&str], &str, &[&str])] = &[
        // one domain after the other, and back
        (
            &three,
            "0 a1+, 1 b1+, 2 c1+, 10 a1-, 11 b1-, 12 c1-, 20 a1+, 21 b1+, 22 c1+",
            &[
                "10 any down",
                "11 majority down",
                "11 count:2 down",
                "12 all down",
                "12 count:3 down",
                "20 all up",
                "20 count:3 up",
                "21 majority up",
                "21 count:2 up",
                "22 any up",
            ],
        ),
        // the first to look are all there is: one look decides whatever is not counted
        (
            &three,
            "0 a1-, 1 b1+, 2 c1+",
            &["0 any down", "0 majority down", "0 all down", "1 majority up", "1 all up"],
        ),
        // who is silent for three intervals and a timeout votes no more
        (
            &three,
            "0 a1+, 1 b1+, 2 c1-, 32 c1-, 33 c1-, 34 c1-",
            &["2 any down", "34 majority down", "34 all down"],
        ),
        // a domain is one vote, and it takes more than half of it
        (
            &["a1", "a2", "a3", "b1"],
            "0 a1+, 1 a2+, 2 a3+, 3 b1+, 10 a1-, 11 a2-, 12 a3-, 13 b1-",
            &["11 any down", "13 majority down", "13 all down", "13 count:2 down"],
        ),
        // one domain alone
        (
            &["a1"],
            "0 a1-, 10 a1+",
            &[
                "0 any down",
                "0 majority down",
                "0 all down",
                "10 any up",
                "10 majority up",
                "10 all up",
            ],
        ),
        // flapping turns each time
        (
            &["a1", "b1"],
            "0 a1+, 1 b1+, 10 a1-, 20 a1+, 30 a1-",
            &["10 any down", "20 any up", "30 any down"],
        ),
        // a look that the agent could not make is no vote, and the one before it stands
        (&["a1", "b1"], "0 a1+, 1 b1+, 10 a1?, 11 b1?, 20 a1-, 30 a1?, 31 b1+", &["20 any down"]),
        // what comes late is no newer than it was: the newest look stands, and an old one is no vote
        (
            &["a1", "b1"],
            "0 a1+, 1 b1+, 60 a1+, 61 a1-@20, 61 a1-@30, 61 a1-@50, 62 b1-@29, 64 b1-@60",
            &["64 any down"],
        ),
    ];
    for (agents, looks, expected) in cases {
        assert_eq!(play(agents, looks), *expected, "{agents:?}: {looks}");
    }
}

#[test]
fn references_are_not_voted_on() {
    let mut polls = Polls::new(vec![Rule::Any], &fleet(&["a1"], None));
    assert_eq!(polls.observe(&look(0, "a1", "ref", FAILED)), []);
    assert_eq!(polls.observe(&look(0, "a1", "bank", FAILED)).len(), 1);
}

#[test]
fn a_rule_of_its_own_is_for_one_service() {
    let mut polls = Polls::new(Vec::new(), &fleet(&["a1", "b1", "c1"], Some("count:2")));
    let shop = |state, since, votes| Some(("count:2".to_owned(), state, since, votes));
    assert_eq!(ruling(&polls, 0), shop(TargetState::Unknown, None, (0, 0)));
    assert_eq!(hear(&mut polls, "0 a1+, 1 b1+, 2 c1+, 10 a1-"), [] as [&str; 0]);
    assert_eq!(ruling(&polls, 10), shop(TargetState::Up, Some(0), (1, 3)));
    assert_eq!(hear(&mut polls, "11 b1-"), ["11 count:2 down"]);
    assert_eq!(ruling(&polls, 11), shop(TargetState::Down, Some(11), (2, 3)));
    // votes fade, the last word stands, and silence is neither up nor down
    assert_eq!(ruling(&polls, 42), shop(TargetState::Down, Some(11), (2, 2)));
    assert_eq!(ruling(&polls, 43), shop(TargetState::Down, Some(11), (1, 1)));
    assert_eq!(ruling(&polls, 44), shop(TargetState::Unknown, Some(11), (0, 0)));
    // the bank has none
    assert_eq!(polls.observe(&look(12, "a1", "bank", FAILED)), []);
    assert_eq!(polls.ruling(&TargetName::new("bank").unwrap(), at(12)), None);
}

#[test]
fn another_fleet_keeps_the_votes_of_those_who_still_look() {
    let agents = ["a1", "b1", "c1"];
    let mut polls = Polls::new(Vec::new(), &fleet(&agents, Some("count:2")));
    hear(&mut polls, "0 a1-, 1 b1-, 2 c1+");
    // the same again changes nothing
    polls.set_fleet(&fleet(&agents, Some("count:2")), at(3));
    let down = TargetState::Down;
    assert_eq!(ruling(&polls, 3), Some(("count:2".to_owned(), down, Some(1), (2, 3))));
    // another rule counts the votes that are there
    polls.set_fleet(&fleet(&agents, Some("majority")), at(4));
    assert_eq!(ruling(&polls, 4), Some(("majority".to_owned(), down, Some(4), (2, 3))));
    // who left votes no more
    polls.set_fleet(&fleet(&agents[1..], Some("majority")), at(5));
    let up = TargetState::Up;
    assert_eq!(ruling(&polls, 5), Some(("majority".to_owned(), up, Some(5), (1, 2))));
    polls.set_fleet(&fleet(&agents[1..], None), at(6));
    assert_eq!(ruling(&polls, 6), None);
    polls.set_fleet(&fleet(&agents[1..], Some("majority")), at(7));
    assert_eq!(ruling(&polls, 7).map(|(_, state, ..)| state), Some(TargetState::Unknown));
}

/// Domains are counted, and only those that are to look at it.
#[test]
fn a_rule_that_takes_more_than_there_are_is_out_of_reach() {
    let six = ["a1", "a2", "b1", "b2", "c1", "c2"];
    let beyond = |fleet: &Fleet| {
        let out: Vec<_> =
            out_of_reach(fleet).into_iter().map(|(name, _, n)| (name.to_string(), n)).collect();
        let polls = Polls::new(Vec::new(), fleet);
        let ruling = polls.ruling(&TargetName::new(SHOP).unwrap(), at(0)).unwrap();
        assert_eq!(ruling.is_out_of_reach(), !out.is_empty());
        out
    };
    assert_eq!(beyond(&fleet(&six, Some("count:3"))), []);
    assert_eq!(beyond(&fleet(&six, Some("count:4"))), [(SHOP.to_owned(), 3)]);
    let mut some = fleet(&six, Some("count:3"));
    some.targets[0].agents.names = ["a1", "b1", "b2"].map(|n| AgentName::new(n).unwrap()).to_vec();
    assert_eq!(beyond(&some), [(SHOP.to_owned(), 2)]);
    assert_eq!(beyond(&fleet(&[], Some("any"))), [(SHOP.to_owned(), 0)]);

    let mut polls = Polls::new(Vec::new(), &fleet(&six, Some("count:3")));
    polls.set_fleet(&fleet(&six[..4], Some("count:3")), at(1));
    let ruling = polls.ruling(&TargetName::new(SHOP).unwrap(), at(1)).unwrap();
    assert_eq!(ruling.assigned, 2);
}

/// Who votes how: by the definition, over everything that was ever heard.
fn counted_anew(heard: &[(i64, &str, bool)], now: i64) -> Votes {
    let mut newest: BTreeMap<&str, (i64, bool)> = BTreeMap::new();
    for &(second, agent, failed) in heard {
        newest.insert(agent, (second, failed));
    }
    let mut domains: BTreeMap<&str, Vec<bool>> = BTreeMap::new();
    for (agent, (second, failed)) in newest {
        if now - second <= 32 {
            domains.entry(agent.get(..1).unwrap()).or_default().push(failed);
        }
    }
    let is_down = |votes: &&Vec<bool>| votes.iter().filter(|f| **f).count() * 2 > votes.len();
    let down = domains.values().filter(is_down).count() as u32;
    Votes { down, voting: domains.len() as u32 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(scale::cases(1_000, 20_000)))]

    #[test]
    fn what_is_remembered_of_the_votes_is_as_good_as_all_of_them(
        looks in prop::collection::vec((0_i64..20, 0_usize..6, prop::bool::weighted(0.4)), 1..80)
    ) {
        let agents = ["a1", "a2", "a3", "b1", "b2", "c1"];
        let mut polls = Polls::new(vec![Rule::Count(2)], &fleet(&agents, None));
        let (mut now, mut down, mut heard) = (0, false, Vec::new());
        for (later, agent, failed) in looks {
            now += later;
            heard.push((now, agents[agent], failed));
            let outcome = if failed { FAILED } else { Outcome::Ok };
            let turns = polls.observe(&look(now, agents[agent], SHOP, outcome));
            let votes = counted_anew(&heard, now);
            let is = votes.down >= 2;
            let turn = Turn {
                rule: Rule::Count(2),
                target: TargetName::new(SHOP).unwrap(),
                down: is,
                votes,
            };
            let wanted = if is == down { vec![] } else { vec![turn] };
            prop_assert_eq!(turns, wanted, "second {}", now);
            down = is;
        }
    }
}

#[test]
fn what_is_no_rule_is_refused_with_those_that_are() {
    for text in ["", "Any", "count", "count:", "count:0", "count:-1", "count:2.5", "most"] {
        let said = text.parse::<Rule>().unwrap_err().to_string();
        assert_eq!(
            said,
            format!("{text:?} is no rule: any, majority, all, or count:N with N from 1 on")
        );
    }
    for text in RULES {
        assert_eq!(text.parse::<Rule>().unwrap().to_string(), text);
    }
}
