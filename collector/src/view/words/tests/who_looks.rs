//! Those who look: how few they are, who is not counted, who is unfit, and what they found out.

use super::*;

/// Nobody elsewhere looked: neither "everywhere" nor "not your network" follows.
#[test]
fn one_place_alone_does_not_speak_for_everywhere() {
    let shop = Locus::Service { target: shop() };
    let one = witnesses(&["eu-west"], &["shop"], Some(ErrorKind::Status5xx));
    let mut alone =
        fault(shop.clone(), evidence(one.clone(), witnesses(&["eu-west"], &["mail"], None)));
    alone.coverage = Coverage { domains: 1, assigned: 1 };
    alone.confidence = Confidence::new(0.7);
    let words = "shop is down, seen from one place only (one place cannot tell its network from the service). eu-west-1 \
                 (eu-west) gets status_5xx (server error). DNS, route and TLS work: whatever answers there answers so. It \
                 still reaches mail. Confidence 70 %, with 1 of 1 place bearing witness; one place alone is never surer.";
    assert_eq!(told(&alone), words);
    // two agents in one place are no more
    alone.evidence =
        evidence([one.clone(), witnesses(&["us-east"], &["shop"], None)].concat(), vec![]);
    assert!(
        told(&alone).starts_with("shop is down, seen from one place only ("),
        "{}",
        told(&alone)
    );

    // of five that were to look one did
    let mut lonely = fault(shop, evidence(one, witnesses(&REGIONS, &["mail"], None)));
    lonely.coverage = Coverage { domains: 1, assigned: 5 };
    assert!(
        told(&lonely).starts_with("shop is down, seen from one place only ("),
        "{}",
        told(&lonely)
    );
    lonely.locus = Locus::Path { agent: name("eu-west-1"), target: self::shop() };
    assert!(
        told(&lonely).starts_with("eu-west-1 cannot reach shop (seen from here alone"),
        "{}",
        told(&lonely)
    );
    // more than one saw it, of whom one still does
    lonely.locus = Locus::Service { target: self::shop() };
    lonely.evidence.witnesses_for = witnesses(&REGIONS, &["shop"], Some(ErrorKind::Status5xx));
    assert!(told(&lonely).starts_with("shop is down everywhere ("), "{}", told(&lonely));
}

#[test]
fn who_is_not_counted_is_named_with_the_fault_that_says_why() {
    let rest = &REGIONS[1..];
    let seen = evidence(witnesses(rest, &["shop"], Some(ErrorKind::Status5xx)), vec![]);
    let mut outage = fault(Locus::Service { target: shop() }, seen);
    let cut = Fault {
        id: FaultId(2),
        ..fault(Locus::Region { region: name("eu-west") }, Evidence::default())
    };
    let says = |outage: &Fault, others: &[&Fault]| {
        left_out(outage, &fleet(), others.iter().copied().chain([outage]))
    };
    let words = "Not counted: eu-west-1, as the network of eu-west is at fault (f-2).";
    assert_eq!(says(&outage, &[&cut]).as_deref(), Some(words));
    assert_eq!(says(&outage, &[]), None, "what it does is not known");
    let blind = Fault { locus: Locus::Agent { agent: name("eu-west-1") }, ..cut.clone() };
    assert!(says(&outage, &[&blind]).unwrap().contains("as agent eu-west-1 alone is at fault"));
    // it fails as the others do, and counts
    let elsewhere = Fault { locus: Locus::Region { region: name("us-east") }, ..cut.clone() };
    assert_eq!(says(&outage, &[&elsewhere]), None);
    outage.evidence.for_count = 99;
    assert_eq!(says(&outage, &[&cut]), None, "more fail than are listed");
    outage.evidence.for_count = 4;
    outage.ended = Some(outage.onset);
    assert_eq!(says(&outage, &[&cut]), None);
}

#[test]
fn a_witness_that_holds_itself_for_unfit_is_named() {
    let failing = witnesses(&["eu-west"], &["shop"], Some(ErrorKind::Timeout));
    let mut fault = fault(Locus::Service { target: shop() }, evidence(failing, vec![]));
    let unfit = |unfit: &[Unfit]| Fitness { unfit: unfit.to_vec(), ..Fitness::default() };
    let says = |fault: &Fault, fitness: &Fitness| doubtful(fault, |_| Some(fitness));
    let late = unfit(&[Unfit::References, Unfit::Late, Unfit::Cpu]);
    let words = "By its own word eu-west-1 starts its looks late and is short of CPU.";
    assert_eq!(says(&fault, &late).as_deref(), Some(words));
    // its references are evidence already, and a fit one is not doubted
    assert_eq!(says(&fault, &unfit(&[Unfit::References])), None);
    assert_eq!(doubtful(&fault, |_| None), None);
    // what it says now is not of a fault that is over
    fault.ended = Some(fault.onset);
    assert_eq!(says(&fault, &late), None);
}

#[test]
fn what_agents_found_out_is_told_once_and_while_it_lasts() {
    let agents = ["eu-west", "us-east", "ap-south"];
    let failing = witnesses(&agents, &["shop"], Some(ErrorKind::DnsNxdomain));
    let mut fault = fault(Locus::Service { target: shop() }, evidence(failing, vec![]));
    let found = |agent: &AgentName, _: &TargetName| match agent.as_str() {
        "eu-west-1" | "us-east-1" => Some("resolver 9.9.9.9: dns_nxdomain"),
        _ => Some("2 of 2 references answer"),
    };
    assert_eq!(
        diagnosed(&fault, found).as_deref(),
        Some(
            "ap-south-1 looked closer: 2 of 2 references answer. \
             eu-west-1 looked closer: resolver 9.9.9.9: dns_nxdomain."
        )
    );
    assert_eq!(diagnosed(&fault, |_, _| None), None);
    fault.ended = Some(fault.onset);
    assert_eq!(diagnosed(&fault, found), None);
}
