use parallax_model::{
    Alternative, Confidence, Coverage, ErrorKind, Evidence, Fault, FaultId, FaultState, Locus,
    Reason, Stage, TargetName, Timestamp, Without, Witness,
};

use super::FaultJson;

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(name: &str) -> T {
    name.parse().unwrap()
}

fn fault(locus: Locus) -> Fault {
    let witness = |agent: &str, fail: u32| Witness {
        agent: name(agent),
        target: name("shop"),
        ok: 3,
        fail,
        kind: (fail > 0).then_some(ErrorKind::Status5xx),
        stage: (fail > 0).then_some(Stage::Assert),
        last: Timestamp::from_millis(1_766_703_136_400),
    };
    Fault {
        id: FaultId(1),
        locus,
        state: FaultState::Down,
        reason: Some(Reason::Slow),
        onset: Timestamp::from_millis(1_766_703_132_900),
        opened: Timestamp::from_millis(1_766_703_136_512),
        updated: Timestamp::from_millis(1_766_703_136_512),
        ended: None,
        confidence: Confidence::new(0.994),
        coverage: Coverage { domains: 6, assigned: 6 },
        affected_targets: vec![name("cart")],
        regions: vec![name("eu-west")],
        evidence: Evidence {
            witnesses_for: vec![witness("eu-west-1", 4)],
            witnesses_against: vec![witness("us-east-1", 0)],
            for_count: 1,
            against_count: 1,
            kinds: vec![(ErrorKind::Status5xx, 3), (ErrorKind::Timeout, 1)],
            failure_rate: 0.97,
            alternative: Some(Alternative {
                locus: Some(Locus::Collector),
                parts: 3,
                behind_nats: 11.25,
            }),
            without: vec![Without { agent: name("eu-west-1"), confidence: Confidence::new(0.5) }],
            good_since: Some(Timestamp::from_millis(1_766_703_136_100)),
            calibration: 1,
        },
    }
}

#[test]
fn every_locus_comes_back() {
    let (target, region) = (|| name::<TargetName>("shop"), || name("eu-west"));
    for locus in [
        Locus::Service { target: target() },
        Locus::ServiceRegion { target: target(), region: region() },
        Locus::ServiceProvider { target: target(), provider: name("aws") },
        Locus::Dependency { target: target(), dependency: name("auth") },
        Locus::Region { region: region() },
        Locus::Provider { provider: name("aws") },
        Locus::Agent { agent: name("eu-west-1") },
        Locus::Path { agent: name("eu-west-1"), target: target() },
        Locus::Collector,
    ] {
        let fault = fault(locus);
        let text = serde_json::to_string(&FaultJson::from(&fault)).unwrap();
        let json: FaultJson = serde_json::from_str(&text).unwrap();
        assert_eq!(Fault::try_from(&json).unwrap(), fault, "{text}");
    }
}

#[test]
fn chance_comes_back_as_the_best_other_explanation() {
    let mut fault = fault(Locus::Service { target: name("shop") });
    fault.evidence.alternative = Some(Alternative { locus: None, parts: 0, behind_nats: 12.1 });
    let json = serde_json::to_value(FaultJson::from(&fault)).unwrap();
    assert_eq!(
        json["evidence"]["alternative"],
        serde_json::json!({ "locus": "noise", "parts": 0, "behind_nats": 12.1 })
    );
    let json: FaultJson = serde_json::from_value(json).unwrap();
    assert_eq!(Fault::try_from(&json).unwrap(), fault);
}

#[test]
fn the_keys_are_those_of_the_contract() {
    let json = FaultJson::from(&fault(Locus::ServiceRegion {
        target: name("shop"),
        region: name("eu-west"),
    }));
    let json = serde_json::to_value(json).unwrap();
    assert_eq!(json["id"], "f-1");
    assert_eq!(json["locus"], "service_region");
    assert_eq!((&json["target"], &json["region"]), (&"shop".into(), &"eu-west".into()));
    assert_eq!(json["onset_ms"], 1_766_703_132_900_i64);
    assert_eq!(json["coverage"]["assigned"], 6);
    assert_eq!(json["evidence"]["kinds"]["status_5xx"], 3);
    assert_eq!(json.get("end_ms"), None);
}

#[test]
fn what_is_no_fault_says_which_key() {
    let mut json = FaultJson::from(&fault(Locus::Service { target: name("shop") }));
    json.locus.target = None;
    assert_eq!(Fault::try_from(&json).unwrap_err().to_string(), "target: missing for this locus");
    json.locus.locus = "galaxy".into();
    assert!(Fault::try_from(&json).unwrap_err().to_string().contains("galaxy"));
}
