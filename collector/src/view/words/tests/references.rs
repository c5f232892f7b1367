//! How those who fail see their references, as the words put it.

use super::*;

fn outage(against: Vec<Witness>) -> Fault {
    let failing = witnesses(&REGIONS, &["shop"], Some(ErrorKind::Status5xx));
    fault(Locus::Service { target: shop() }, evidence(failing, against))
}

fn seen(fault: &Fault, looked: usize, answered: usize) -> String {
    let sight = Some(Sight { looked, answered, nowhere: false });
    let story = story_with(fault, &fleet(), sight, None);
    format!("{} ({}). {}", story.title, story.aside, story.sentences().join(" "))
}

/// Nothing clears the network of those who fail, however many they are.
#[test]
fn references_that_fail_as_well_take_the_network_back_in() {
    let outage = outage(vec![]);
    let blind = "shop is down everywhere (the references fail there, too: it may be the network of all who \
                 look). 5 of 5 agents in 5 regions get status_5xx (server error). DNS, route and TLS work: \
                 whatever answers there answers so. Their references fail too. Confidence";
    assert!(seen(&outage, 5, 0).starts_with(blind), "{}", seen(&outage, 5, 0));
    let some = seen(&outage, 2, 0);
    let words = "2 of these 5 looked at their references since it began: they fail too.";
    assert!(some.contains(words) && some.contains("(the references fail there"), "{some}");
    let needed = Locus::Dependency { target: shop(), dependency: name("mail") };
    assert!(
        seen(&Fault { locus: needed, ..outage.clone() }, 5, 0).contains("(the references fail")
    );
    // those who fail look at none, and nobody else has an answer either
    let nowhere = Some(Sight { nowhere: true, ..Sight::default() });
    let nowhere = story_with(&outage, &fleet(), nowhere, None);
    assert!(nowhere.aside.starts_with("the references fail"));
    assert!(nowhere.fails.unwrap().contains(" No reference answers anybody."));
    // nobody looked yet: nothing follows from that
    assert!(told(&outage).starts_with("shop is down everywhere (not your network)."));
    assert_eq!(seen(&outage, 0, 0), told(&outage));
}

#[test]
fn references_that_nobody_looked_at_yet_are_not_taken_for_dead() {
    let outage = outage(witnesses(&["eu-west"], &["ref-a"], None));
    let words = "1 of these 5 looked at its references since it began: they answer.";
    assert!(seen(&outage, 1, 1).contains(words), "{}", seen(&outage, 1, 1));
    let words = "3 of these 5 looked at their references since it began: those of 2 answer.";
    assert!(seen(&outage, 3, 2).contains(words), "{}", seen(&outage, 3, 2));
    assert!(seen(&outage, 5, 5).contains("Their references answer."));
    // what is not heard again after a restart stands in the evidence
    let words = "1 of these 5 saw a reference answer since it began.";
    assert!(seen(&outage, 0, 0).contains(words), "{}", seen(&outage, 0, 0));
    assert!(told(&outage).contains(words) && told(&outage).contains("(not your network)"));
}

#[test]
fn slowness_is_told_in_figures() {
    let mut slow = outage(vec![]);
    slow.reason = Some(Reason::Slow);
    let ms = Duration::from_millis;
    let says = |pace| story_with(&slow, &fleet(), None, pace).fails.unwrap();
    assert!(says(None).contains("reach it far slower than usual."));
    let both = says(Some(Pace { now: ms(1_240), usual: Some(ms(95)) }));
    assert!(both.contains("reach it far slower than usual, in 1.24 s instead of 95 ms."), "{both}");
    let now = says(Some(Pace { now: ms(812), usual: None }));
    assert!(now.contains("reach it far slower than usual, in 812 ms."), "{now}");
}

#[test]
fn references_that_answer_nobody_are_named() {
    let since = Timestamp::from_millis(1_766_703_132_900);
    let of = |target: &str, agents, since| Mute { target: name(target), agents, since };
    let (a, b) = (of("ref-a", 5, Some(since)), of("ref-b", 1, None));
    assert_eq!(
        mute(&[a.clone(), b], false).unwrap(),
        "No reference answers: ref-a (0 of 5 agents, since 2025-12-25 22:52:12 UTC) and ref-b (0 of 1 agent). By \
         them agents judge their own sight, so verdicts stand on less."
    );
    let words = "ref-a (0 of 5 agents, since 2025-12-25 22:52:12 UTC) answers nobody: verdicts stand on less.";
    assert_eq!(mute(&[a], true).unwrap(), words);
    assert_eq!(mute(&[], true), None);
    let up = [(shop(), TargetState::Up, Coverage { domains: 5, assigned: 5 })];
    let quiet = headline(&[], &up, false);
    let words = "shop is fine, seen from 5 of 5 places, but no reference answers";
    assert_eq!((quiet.text.as_str(), quiet.tone), (words, Tone::Watch));
}
