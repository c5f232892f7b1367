//! Faults in words: each sentence, on made-up evidence.

mod references;
mod who_looks;

use std::time::Duration;

use parallax_model::{
    AgentName, AgentSpec, Alternative, Check, Confidence, Coverage, ErrorKind, Evidence, Fault,
    FaultId, FaultState, Fitness, HttpCheck, Locus, Reason, Role, Ruling, Selector, Sensitivity,
    Target, TargetName, Timestamp, Unfit, Votes, Without, Witness, Word,
};

use std::sync::Arc;

use parallax_model::fault::TargetState;

use super::super::references::Mute;
use super::*;

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(name: &str) -> T {
    name.parse().unwrap()
}

fn target(target: &str, role: Role) -> Target {
    Target {
        name: name(target),
        role,
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        depends_on: vec![],
        agents: Selector::default(),
        sensitivity: Sensitivity::default(),
        policy: None,
        check: Check::Http(HttpCheck::get(format!("https://{target}.example/"))),
    }
}

const REGIONS: [&str; 5] = ["eu-west", "eu-north", "us-east", "us-west", "ap-south"];

fn fleet() -> Fleet {
    let agent = |region: &&str| AgentSpec {
        region: Some(name(region)),
        ..AgentSpec::unlabelled(name(&format!("{region}-1")))
    };
    let targets = ["shop", "mail"].map(|t| target(t, Role::Service));
    let references = ["ref-a", "ref-b"].map(|t| target(t, Role::Reference));
    Fleet::new(REGIONS.iter().map(agent).collect(), targets.into_iter().chain(references).collect())
}

/// One witness for each pair of region and target; failing with `kind` or fine.
fn witnesses(regions: &[&str], targets: &[&str], kind: Option<ErrorKind>) -> Vec<Witness> {
    let pairs = regions.iter().flat_map(|r| targets.iter().map(move |t| (r, t)));
    pairs
        .map(|(region, target)| Witness {
            agent: name(&format!("{region}-1")),
            target: name(target),
            ok: if kind.is_some() { 0 } else { 20 },
            fail: if kind.is_some() { 4 } else { 0 },
            kind,
            stage: kind.map(ErrorKind::stage),
            last: Timestamp::from_millis(1_766_703_136_400),
        })
        .collect()
}

fn fault(locus: Locus, evidence: Evidence) -> Fault {
    let at = Timestamp::from_millis(1_766_703_132_900);
    Fault {
        id: FaultId(1),
        locus,
        state: FaultState::Down,
        reason: None,
        onset: at,
        opened: at,
        updated: at,
        ended: None,
        confidence: Confidence::new(0.992),
        coverage: Coverage { domains: 5, assigned: 5 },
        affected_targets: vec![],
        regions: vec![],
        evidence,
    }
}

fn evidence(witnesses_for: Vec<Witness>, witnesses_against: Vec<Witness>) -> Evidence {
    let kind = witnesses_for.first().and_then(|w| w.kind);
    Evidence {
        for_count: witnesses_for.len() as u32,
        against_count: witnesses_against.len() as u32,
        kinds: kind.into_iter().map(|k| (k, witnesses_for.len() as u32 * 4)).collect(),
        witnesses_for,
        witnesses_against,
        failure_rate: 0.99,
        ..Evidence::default()
    }
}

fn told(fault: &Fault) -> String {
    let story = story(fault, &fleet());
    format!("{} ({}). {}", story.title, story.aside, story.sentences().join(" "))
}

fn shop() -> TargetName {
    name("shop")
}

const SEEN: &str = "Confidence 99.2 %, with 5 of 5 places bearing witness.";

#[test]
fn a_global_outage() {
    let mut e = evidence(
        witnesses(&REGIONS, &["shop"], Some(ErrorKind::Status5xx)),
        witnesses(&REGIONS, &["mail", "ref-a"], None),
    );
    e.alternative = Some(Alternative {
        locus: Some(Locus::Region { region: name("eu-west") }),
        parts: 1,
        behind_nats: 11.3,
    });
    e.without = vec![Without { agent: name("eu-west-1"), confidence: Confidence::new(0.987) }];
    let mut fault = fault(Locus::Service { target: shop() }, e);
    assert_eq!(
        told(&fault),
        "shop is down everywhere (not your network). 5 of 5 agents in 5 regions get status_5xx \
         (server error). DNS, route and TLS work: it is the service that answers so. Their \
         references answer. They still reach mail. Confidence 99.2 %, with 5 of 5 places bearing \
         witness. Next best: the network of eu-west, 11.3 nats behind (4,790 to 1 against it). \
         Without eu-west-1 the confidence would be 98.7 %."
    );
    let next_best = |fault: &mut Fault, locus: Option<Locus>, parts| {
        fault.evidence.alternative = Some(Alternative { locus, parts, behind_nats: 11.3 });
        told(fault)
    };
    let region = Locus::Region { region: name("eu-west") };
    let several = next_best(&mut fault, Some(region), 4);
    assert!(several.contains("Next best: the network of eu-west and 3 other faults at once, 11.3"));
    let chance = next_best(&mut fault, None, 0);
    assert!(
        chance.contains("Next best: no other fault, only chance, 11.3 nats behind (4,790 to 1")
    );
    fault.evidence.without[0].confidence = Confidence::new(0.9924);
    assert!(!told(&fault).contains("Without"), "what changes nothing is not worth a sentence");
    fault.evidence.good_since = Some(fault.onset);
    assert!(told(&fault).starts_with("shop is down everywhere, recovering (not your network)."));
    assert!(told(&fault).contains(
        "Looks are good again since 2025-12-25 22:52:12 UTC: over once that has lasted."
    ));
    fault.evidence.good_since = None;
    fault.state = FaultState::Degraded;
    fault.evidence.failure_rate = 0.2;
    fault.regions = vec![name("eu-west"), name("us-east"), name("us-west")];
    fault.affected_targets = vec![name("mail")];
    let told = told(&fault);
    assert!(told.starts_with("shop is degraded in eu-west, us-east and us-west (n"), "{told}");
    assert!(told.contains("About 20 % of the looks fail."), "{told}");
    assert!(told.contains("Suffers with it: mail."), "{told}");
}

#[test]
fn a_service_that_refuses_all_says_why_it_is_not_down() {
    let refused = witnesses(&REGIONS, &["shop"], Some(ErrorKind::Blocked));
    let mut fault = fault(Locus::Service { target: shop() }, evidence(refused, vec![]));
    fault.state = FaultState::Degraded;
    fault.evidence.failure_rate = 1.0;
    let words = "A refusal is no outage: it may work for others.";
    assert!(told(&fault).contains(words), "{}", told(&fault));
    fault.evidence.kinds = vec![(ErrorKind::Status5xx, 9)];
    assert!(!told(&fault).contains(words), "{}", told(&fault));
}

#[test]
fn one_region_or_provider_of_a_service() {
    let e = evidence(
        witnesses(&["eu-west"], &["shop"], Some(ErrorKind::ConnectTimeout)),
        [
            witnesses(&["eu-west"], &["mail", "ref-a"], None),
            witnesses(&REGIONS[1..], &["shop"], None),
        ]
        .concat(),
    );
    let locus = Locus::ServiceRegion { target: shop(), region: name("eu-west") };
    assert_eq!(
        told(&fault(locus, e.clone())),
        format!(
            "shop is down in eu-west (others reach it). eu-west-1 (eu-west) gets \
             connect_timeout (no answer to the connection attempt). It gets no further than \
             the connection. Its references answer. 4 agents in 4 regions reach it. It still \
             reaches mail. {SEEN}"
        )
    );
    let mut blocked = e;
    blocked.kinds = vec![(ErrorKind::Blocked, 4)];
    let locus = Locus::ServiceProvider { target: shop(), provider: name("aws") };
    assert!(told(&fault(locus.clone(), blocked.clone())).starts_with("shop refuses aws ("));
    blocked.kinds = vec![(ErrorKind::Timeout, 4), (ErrorKind::Reset, 2)];
    let told = told(&fault(locus, blocked));
    assert!(told.starts_with("shop is down for aws (others reach it)."), "{told}");
    assert!(told.contains("gets timeout (4×) and reset (2×)."), "{told}");
}

#[test]
fn a_dependency() {
    let e = evidence(witnesses(&REGIONS, &["shop"], Some(ErrorKind::Status5xx)), vec![]);
    let locus = Locus::Dependency { target: shop(), dependency: name("auth") };
    let told = told(&fault(locus, e));
    assert!(told.starts_with("shop is down because of auth (not the service's own"), "{told}");
}

#[test]
fn the_network_of_a_region_or_provider() {
    let all = ["shop", "mail", "ref-a", "ref-b"];
    let e = evidence(
        witnesses(&["eu-west"], &all, Some(ErrorKind::ConnectTimeout)),
        witnesses(&REGIONS[1..], &all, None),
    );
    assert_eq!(
        told(&fault(Locus::Region { region: name("eu-west") }, e.clone())),
        format!(
            "The network of eu-west is cut off (not the services). eu-west-1 (eu-west) gets \
             connect_timeout (no answer to the connection attempt) at mail, ref-a, ref-b and \
             shop. It gets no further than the connection. Its references fail too. 4 \
             agents in 4 regions reach the same. {SEEN}"
        )
    );
    let mut fault = fault(Locus::Provider { provider: name("aws") }, e);
    fault.evidence.without =
        vec![Without { agent: name("eu-west-1"), confidence: Confidence::new(0.0) }];
    assert!(told(&fault).ends_with("It all rests on what eu-west-1 sees."), "{}", told(&fault));
    fault.state = FaultState::Degraded;
    assert!(told(&fault).starts_with("The network of aws is in trouble (not the services)."));
    fault.reason = Some(Reason::Slow);
    let slow = told(&fault);
    assert!(slow.starts_with("The network of aws is slow (not the services)."));
    assert!(slow.contains("is answered far slower than usual at mail, ref-a"), "{slow}");
    assert!(slow.contains("Its references are slow too."), "{slow}");
    (fault.coverage, fault.confidence) =
        (Coverage { domains: 1, assigned: 1 }, Confidence::new(0.7));
    let alone = told(&fault);
    assert!(alone.contains("(one place cannot tell its network from the services)"), "{alone}");
    assert!(
        alone.contains("1 of 1 place bearing witness; one place alone is never surer."),
        "{alone}"
    );
}

#[test]
fn an_agent_a_path_and_the_collector() {
    let e = evidence(witnesses(&["eu-west"], &["shop"], Some(ErrorKind::DnsTimeout)), vec![]);
    let agent = Locus::Agent { agent: name("eu-west-1") };
    let mut silent = fault(agent, Evidence::default());
    assert!(told(&silent).starts_with("Agent eu-west-1 cannot see (no word about any service)."));
    silent.reason = Some(Reason::Silent);
    assert_eq!(
        told(&silent),
        format!(
            "Agent eu-west-1 has fallen silent (no word about any service). Nothing was heard \
             since 2025-12-25 22:52:12 UTC; nothing follows from that about any service. {SEEN}"
        )
    );
    let path = Locus::Path { agent: name("eu-west-1"), target: shop() };
    let mut over = fault(path.clone(), e.clone());
    over.ended = Some(over.updated);
    assert!(told(&over).starts_with("Only eu-west-1 could not reach shop (others reach it)."));
    assert_eq!(
        told(&fault(path, e)),
        format!(
            "Only eu-west-1 cannot reach shop (others reach it). eu-west-1 (eu-west) gets \
             dns_timeout (the resolver did not answer). It fails at the name. {SEEN}"
        )
    );
    let mut alone =
        fault(Locus::Path { agent: name("eu-west-1"), target: shop() }, Evidence::default());
    alone.coverage.assigned = 1;
    assert!(
        told(&alone).starts_with(
            "eu-west-1 cannot reach shop (seen from here alone: it may be this network)."
        ),
        "{}",
        told(&alone)
    );
    let collector = told(&fault(Locus::Collector, Evidence::default()));
    assert_eq!(
        collector,
        format!("This collector is cut off (nothing can be said of anything else). {SEEN}")
    );
}

#[test]
fn the_headline_says_the_worst_first() {
    let seen = Coverage { domains: 5, assigned: 5 };
    let up = |n: &str| (name::<TargetName>(n), TargetState::Up, seen);
    let say = |open: &[Fault], services: &[(TargetName, TargetState, Coverage)]| {
        let told = |fault: &Fault| {
            let story = story(fault, &fleet());
            super::super::Told { story, fault: Arc::new(fault.clone()) }
        };
        let open: Vec<_> = open.iter().map(told).collect();
        let headline = headline(&open, services, true);
        (headline.text, headline.tone)
    };
    assert_eq!(say(&[], &[]), ("No service is watched yet".into(), Tone::Unknown));
    assert_eq!(
        say(&[], &[up("shop"), up("mail")]),
        ("All 2 services are fine, seen from 5 of 5 places".into(), Tone::Fine)
    );
    let unknown = (shop(), TargetState::Unknown, Coverage { domains: 1, assigned: 5 });
    assert_eq!(
        say(&[], &[unknown, up("mail")]),
        (
            "1 of 2 services are fine; too few places bear witness to speak of shop".into(),
            Tone::Unknown
        )
    );
    let unclear = (shop(), TargetState::Unknown, seen);
    assert_eq!(
        say(&[], std::slice::from_ref(&unclear)),
        ("No look at shop succeeds; where the fault is, is not clear yet".into(), Tone::Unknown)
    );
    let region = fault(Locus::Region { region: name("eu-west") }, Evidence::default());
    let service = fault(Locus::Service { target: shop() }, Evidence::default());
    let agent = fault(Locus::Agent { agent: name("eu-west-1") }, Evidence::default());
    assert_eq!(
        say(std::slice::from_ref(&service), &[]),
        ("shop is down everywhere — not your network".into(), Tone::Bad)
    );
    assert_eq!(
        say(&[agent, region, service], &[]),
        (
            "shop is down everywhere. The network of eu-west is cut off. And 1 more fault".into(),
            Tone::Bad
        )
    );
}

#[test]
fn small_words() {
    assert_eq!(percent(0.9999), "over 99.9 %");
    assert_eq!(percent(0.5), "50 %");
    assert_eq!(say::odds(0.1), "a tie");
    assert_eq!(say::odds(2.0), "4 to 1 against it");
    assert_eq!(say::odds(100.0), "over a million to 1 against it");
    assert_eq!(say::list(&["a", "b", "c"], 2), "a, b and 1 more");
    for (s, words) in
        [(0, "0 ms"), (59, "59 s"), (60, "1 min"), (7_500, "2 h 5 min"), (90_000, "1 d 1 h")]
    {
        assert_eq!(duration(Duration::from_secs(s)), words);
    }
}

#[test]
fn a_rule_and_the_engine_are_told_in_one_sentence() {
    let path = Locus::Path { agent: name("us-east-1"), target: name("shop") };
    let path = fault(path, Evidence::default());
    let word = |down| Some(Word { down, since: Timestamp::from_millis(1_766_703_132_900) });
    let ruling = |rule: &str, word, down, voting| Ruling {
        rule: name(rule),
        word,
        votes: Votes { down, voting },
        assigned: 5,
    };
    let (up, degraded, unknown) = (TargetState::Up, TargetState::Degraded, TargetState::Unknown);
    for (ruling, state, faults, words) in [
        (
            ruling("any", word(true), 1, 5),
            degraded,
            &[&path][..],
            "Your rule any says down since 2025-12-25 22:52:12 UTC (1 of 5 places down); the engine says \
             degraded: the path from us-east-1 to shop.",
        ),
        (
            ruling("count:2", word(false), 0, 1),
            up,
            &[],
            "Your rule count:2 says up since 2025-12-25 22:52:12 UTC (0 of 1 place down); the engine says up.",
        ),
        (
            ruling("all", word(true), 0, 0),
            unknown,
            &[],
            "Your rule all says nothing, as nobody votes; the engine says unknown.",
        ),
        (
            ruling("all", None, 0, 0),
            unknown,
            &[],
            "Your rule all says nothing, as nobody votes; the engine says unknown.",
        ),
        (
            Ruling { assigned: 3, ..ruling("count:4", word(false), 0, 3) },
            up,
            &[],
            "Your rule count:4 says up since 2025-12-25 22:52:12 UTC (0 of 3 places down), and cannot say down, as \
             only 3 places look; the engine says up.",
        ),
        (
            Ruling { assigned: 1, ..ruling("count:2", None, 0, 0) },
            unknown,
            &[],
            "Your rule count:2 says nothing, as nobody votes, and cannot say down, as only 1 place looks; the \
             engine says unknown.",
        ),
    ] {
        assert_eq!(policy(&ruling, state, faults), words);
    }
}
