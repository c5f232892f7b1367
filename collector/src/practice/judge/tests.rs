//! Made-up sequences of changes, each with a judgement known beforehand.

use std::sync::Arc;
use std::time::Duration;

use parallax_model::fault::{Standing, TargetState};
use parallax_model::{
    AgentName, Confidence, Coverage, Evidence, Fault, FaultId, FaultState, Locus, Region,
    TargetName, Timestamp,
};

use super::{Judge, Remark};
use crate::practice::story::STORY;
use crate::view::EventBody;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn fault(id: u64, locus: Locus) -> Arc<Fault> {
    Arc::new(Fault {
        id: FaultId(id),
        locus,
        state: FaultState::Down,
        reason: None,
        onset: Timestamp::EPOCH,
        opened: Timestamp::EPOCH,
        updated: Timestamp::EPOCH,
        ended: None,
        confidence: Confidence::new(0.9),
        coverage: Coverage::default(),
        affected_targets: Vec::new(),
        regions: Vec::new(),
        evidence: Evidence::default(),
    })
}

fn opened(id: u64, locus: Locus) -> EventBody {
    EventBody::Opened(fault(id, locus))
}

fn updated(id: u64, locus: Locus) -> EventBody {
    EventBody::Updated(fault(id, locus))
}

fn closed(id: u64, locus: Locus) -> EventBody {
    EventBody::Closed(fault(id, locus))
}

fn eu_west() -> Locus {
    Locus::Region { region: Region::new("eu-west").unwrap() }
}

fn us_east() -> Locus {
    Locus::Region { region: Region::new("us-east").unwrap() }
}

fn shop() -> Locus {
    Locus::Service { target: TargetName::new("shop").unwrap() }
}

fn shop_in_eu_west() -> Locus {
    Locus::ServiceRegion {
        target: TargetName::new("shop").unwrap(),
        region: Region::new("eu-west").unwrap(),
    }
}

fn target(name: &str) -> TargetName {
    TargetName::new(name).unwrap()
}

fn stands(name: &str, state: TargetState, domains: u32) -> EventBody {
    let coverage = Coverage { domains, assigned: 5 };
    EventBody::Standing(Standing { target: target(name), state, coverage, policy: None })
}

fn judge() -> Judge {
    Judge::new(vec![target("shop"), target("search")], 5)
}

/// What happens in a step of a made-up run: seconds after the deed, and what is said then.
type Acts = Vec<(u64, EventBody)>;

/// Plays the story with a step every 10 s.
fn play(acts: Vec<Acts>) -> Judge {
    let mut judge = judge();
    for (at, (step, acts)) in STORY.iter().zip(acts).enumerate() {
        let deed = s(10 * at as u64);
        judge.begin(deed, *step);
        for (after, said) in acts {
            judge.hear(deed + s(after), &said);
        }
    }
    judge
}

fn right_acts() -> Vec<Acts> {
    use TargetState::{Degraded, Down, Up};
    vec![
        vec![(1, stands("shop", Up, 4)), (2, stands("search", Up, 5)), (3, stands("shop", Up, 5))],
        vec![
            (2, opened(1, eu_west())),
            (2, stands("shop", Degraded, 4)),
            (4, updated(1, eu_west())),
        ],
        vec![(3, closed(1, eu_west()))],
        vec![(1, opened(2, shop())), (1, stands("shop", Down, 5))],
        vec![(5, closed(2, shop()))],
    ]
}

fn rights(judge: &Judge) -> Vec<bool> {
    judge.rulings().iter().map(super::Ruling::is_right).collect()
}

/// The ruling of the step that went wrong, in words, and that no other did.
fn only_wrong(acts: Vec<Acts>, at: usize) -> String {
    let judge = play(acts);
    let mut expected = vec![true; STORY.len()];
    expected[at] = false;
    assert_eq!(rights(&judge), expected, "{:#?}", judge.rulings());
    judge.rulings()[at].to_string()
}

#[test]
fn the_story_told_right_is_right() {
    let judge = play(right_acts());
    assert_eq!(rights(&judge), [true; 5]);
    let after: Vec<_> = judge.rulings().iter().map(|ruling| ruling.after).collect();
    assert_eq!(after, [3, 2, 3, 1, 5].map(|at| Some(s(at))));
    assert_eq!(judge.rulings()[1].to_string(), "right");
}

#[test]
fn the_wrong_place_is_wrong_and_the_right_one_is_missing() {
    let mut acts = right_acts();
    acts[1] = vec![(2, opened(1, shop_in_eu_west()))];
    acts[2].push((4, closed(1, eu_west())));
    assert_eq!(
        only_wrong(acts, 1),
        "wrong: no word of \"region eu-west\"; \
         said falsely: service_region{target=shop, region=eu-west} at 2.0 s"
    );
}

#[test]
fn the_right_place_by_way_of_a_wrong_one_is_wrong() {
    let mut acts = right_acts();
    acts[1] = vec![(2, opened(1, shop_in_eu_west())), (3, updated(1, eu_west()))];
    assert!(only_wrong(acts, 1).starts_with("wrong; said falsely: service_region"));
}

#[test]
fn late_is_wrong() {
    let mut acts = right_acts();
    acts[3] = vec![(6, opened(2, shop()))];
    assert_eq!(only_wrong(acts, 3), "wrong: later than 5 s");
}

#[test]
fn one_more_fault_is_wrong_even_beside_the_right_one() {
    let mut acts = right_acts();
    acts[1].push((5, opened(7, us_east())));
    assert_eq!(only_wrong(acts, 1), "wrong; said falsely: region{region=us-east} at 5.0 s");
}

#[test]
fn a_fault_in_the_calm_or_after_healing_is_wrong() {
    let mut acts = right_acts();
    acts[0].push((5, opened(9, shop())));
    assert!(only_wrong(acts, 0).contains("service{target=shop}"));
    let mut acts = right_acts();
    acts[2].push((6, opened(9, eu_west())));
    assert!(only_wrong(acts, 2).contains("region{region=eu-west} at 6.0 s"));
}

#[test]
fn an_end_before_the_end_is_wrong() {
    let mut acts = right_acts();
    acts[1].push((6, closed(1, eu_west())));
    acts[2] = vec![];
    let judge = play(acts);
    assert_eq!(rights(&judge), [true, false, false, true, true]);
    assert_eq!(judge.rulings()[2].to_string(), "wrong: no word of \"region eu-west over\"");
}

#[test]
fn said_twice_is_wrong() {
    let mut acts = right_acts();
    acts[3].push((4, opened(3, shop())));
    assert!(only_wrong(acts, 3).contains("service{target=shop} at 4.0 s"));
}

#[test]
fn a_target_called_down_that_is_not_is_wrong() {
    let mut acts = right_acts();
    acts[1].push((5, stands("shop", TargetState::Down, 4)));
    assert_eq!(only_wrong(acts, 1), "wrong; said falsely: shop is down at 5.0 s");
    let mut acts = right_acts();
    acts[3].push((5, stands("search", TargetState::Degraded, 5)));
    assert_eq!(only_wrong(acts, 3), "wrong; said falsely: search is degraded at 5.0 s");
}

#[test]
fn more_evidence_and_agents_that_come_are_no_statements() {
    let mut judge = judge();
    judge.begin(s(0), STORY[1]);
    let dublin = EventBody::Agent { agent: AgentName::new("dublin").unwrap(), connected: true };
    assert_eq!(judge.hear(s(1), &dublin), Remark::Detail);
    assert!(!judge.has_concluded());
    assert_eq!(judge.hear(s(2), &opened(1, eu_west())), Remark::Concluded { after: s(2) });
    assert!(judge.has_concluded());
    assert_eq!(judge.hear(s(3), &updated(1, eu_west())), Remark::Detail);
}

#[test]
fn calm_is_no_calm_while_a_fault_is_open() {
    let mut judge = judge();
    judge.begin(s(0), STORY[0]);
    judge.hear(s(1), &stands("search", TargetState::Up, 5));
    assert_eq!(judge.hear(s(1), &opened(1, shop())), Remark::False);
    assert_eq!(judge.hear(s(2), &stands("shop", TargetState::Up, 5)), Remark::Detail);
    assert_eq!(judge.hear(s(3), &closed(1, shop())), Remark::Concluded { after: s(3) });
    assert!(!judge.rulings()[0].is_right(), "what was said falsely stays");
}

#[test]
fn a_fault_remembered_from_before_is_not_held_against_the_story() {
    use TargetState::{Down, Up};
    let mut judge = judge();
    judge.hear(s(0), &opened(1, shop()));
    judge.begin(s(0), STORY[0]);
    assert_eq!(judge.hear(s(1), &stands("shop", Down, 5)), Remark::Detail);
    judge.hear(s(2), &closed(1, shop()));
    judge.hear(s(2), &stands("search", Up, 5));
    assert_eq!(judge.hear(s(3), &stands("shop", Up, 5)), Remark::Concluded { after: s(3) });
    assert!(judge.rulings()[0].is_right());
    assert_eq!(judge.hear(s(4), &stands("shop", Down, 5)), Remark::False, "it is over");
}

#[test]
fn calm_that_is_remembered_is_calm_at_once() {
    let mut judge = judge();
    judge.hear(s(0), &stands("shop", TargetState::Up, 5));
    judge.hear(s(0), &stands("search", TargetState::Up, 5));
    assert_eq!(judge.begin(s(2), STORY[0]), Remark::Concluded { after: s(0) });
}
