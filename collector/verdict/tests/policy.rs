//! Rules that count votes, each against what it must say when.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use parallax_model::{
    AgentName, AgentSpec, ErrorKind, Outcome, Provider, Region, Role, TargetName, Timestamp,
};
use parallax_verdict::policy::{Polls, Rule};
use parallax_verdict::{Fleet, Observation, TargetSpec};

const RULES: [&str; 6] = ["any", "majority", "all", "count:2", "count:3", "count:9"];

/// Agents named after their domain and a number, e.g. `b2`; one target, every 10 s.
fn polls(agents: &[&str]) -> Polls {
    let spec = |name: &&str| AgentSpec {
        region: Some(Region::new(name.get(..1).unwrap()).unwrap()),
        provider: Some(Provider::new("p").unwrap()),
        ..AgentSpec::unlabelled(AgentName::new(name).unwrap())
    };
    let target = |name: &str, role| TargetSpec {
        role,
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(2),
        ..TargetSpec::unknown(TargetName::new(name).unwrap())
    };
    let targets = vec![target("shop", Role::Service), target("ref", Role::Reference)];
    let fleet = Fleet { agents: agents.iter().map(spec).collect(), targets };
    Polls::new(RULES.iter().map(|rule| rule.parse().unwrap()).collect(), &fleet)
}

/// Plays looks, written `SECOND AGENT+` (fine) or `SECOND AGENT-` (failed); answers the turns as
/// `SECOND RULE down|up`.
fn play(agents: &[&str], looks: &str) -> Vec<String> {
    let mut polls = polls(agents);
    let mut said = Vec::new();
    for look in looks.split(',') {
        let (second, rest) = look.trim().split_once(' ').unwrap();
        let failed = rest.ends_with('-');
        let at = Timestamp::from_millis(second.parse::<i64>().unwrap() * 1000);
        let turns = polls.observe(&Observation {
            received: at,
            started: at,
            agent: AgentName::new(rest.trim_end_matches(['+', '-'])).unwrap(),
            target: TargetName::new("shop").unwrap(),
            outcome: if failed { Outcome::Fail(ErrorKind::Timeout) } else { Outcome::Ok },
            latency: Duration::from_millis(20),
        });
        for turn in turns {
            said.push(format!(
                "{second} {} {}",
                RULES[turn.rule],
                if turn.down { "down" } else { "up" }
            ));
        }
    }
    said
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
    ];
    for (agents, looks, expected) in cases {
        assert_eq!(play(agents, looks), *expected, "{agents:?}: {looks}");
    }
}

#[test]
fn references_are_not_voted_on() {
    let mut polls = polls(&["a1"]);
    let at = Timestamp::from_millis(0);
    let turns = polls.observe(&Observation {
        received: at,
        started: at,
        agent: AgentName::new("a1").unwrap(),
        target: TargetName::new("ref").unwrap(),
        outcome: Outcome::Fail(ErrorKind::Timeout),
        latency: Duration::ZERO,
    });
    assert_eq!(turns, []);
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
