//! Laws that hold for every outage, not just for the told ones.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(unreachable_pub, dead_code, reason = "modules shared with the stories")]

#[path = "story/scale.rs"]
mod scale;

use std::time::Duration;

use parallax_model::fault::TargetState;
use parallax_model::{
    AgentName, AgentSpec, Change, ErrorKind, Fault, FaultId, Locus, Outcome, Provider, Region,
    TargetName, Timestamp,
};
use parallax_verdict::{Engine, Fleet, Observation, TargetSpec};
use proptest::prelude::*;

const START_MS: i64 = 1_900_000_000_000;
const TARGETS: usize = 3;

/// One look: second, agent, target, and how it ended (0 is fine).
type Look = (i64, usize, usize, u8);

/// Agents by (region, provider).
fn fleet(agents: &[(usize, usize)]) -> Fleet {
    let agents = agents.iter().enumerate().map(|(i, (region, provider))| {
        let mut spec = AgentSpec::unlabelled(AgentName::new(&format!("a{i}")).unwrap());
        spec.region = Some(Region::new(&format!("r{region}")).unwrap());
        spec.provider = Some(Provider::new(&format!("p{provider}")).unwrap());
        spec
    });
    let targets = (0..TARGETS).map(|t| {
        let mut spec = TargetSpec::unknown(TargetName::new(&format!("t{t}")).unwrap());
        spec.interval = Duration::from_secs(5);
        spec
    });
    Fleet { agents: agents.collect(), targets: targets.collect() }
}

fn observation((second, agent, target, ending): Look) -> Observation {
    let kinds =
        [ErrorKind::Status5xx, ErrorKind::Timeout, ErrorKind::Unreachable, ErrorKind::Blocked];
    Observation {
        received: Timestamp::from_millis(START_MS + second * 1000 + 90),
        started: Timestamp::from_millis(START_MS + second * 1000),
        agent: AgentName::new(&format!("a{agent}")).unwrap(),
        target: TargetName::new(&format!("t{target}")).unwrap(),
        outcome: match ending {
            0 => Outcome::Ok,
            kind => Outcome::Fail(kinds[usize::from(kind - 1) % kinds.len()]),
        },
        latency: Duration::from_millis(50),
    }
}

fn run(fleet: &Fleet, looks: &[Look]) -> Vec<Change> {
    let mut engine = Engine::new(fleet.clone(), FaultId(1));
    let mut out = Vec::new();
    let mut clock = 0;
    for &look in looks {
        while clock < look.0 {
            clock += 1;
            engine.tick(Timestamp::from_millis(START_MS + clock * 1000), &mut out);
        }
        engine.observe(&observation(look), &mut out);
    }
    engine.tick(Timestamp::from_millis(START_MS + (clock + 1) * 1000), &mut out);
    out
}

/// `PARALLAX_LONG=1` tries a thousand cases of each law.
fn cases() -> u32 {
    scale::cases(24, 1_000)
}

/// What was opened and closed, and when; without what was asked for.
fn told(changes: &[Change]) -> Vec<(String, i64, bool)> {
    let one = |f: &Fault| (f.locus.to_string(), f.updated.millis(), f.ended.is_some());
    let said = changes.iter().filter_map(|c| match c {
        Change::Opened(f) | Change::Closed(f) => Some(one(f)),
        Change::Updated(_) | Change::Ask(_) => None,
    });
    said.collect()
}

/// Global faults that were told of.
fn globals(changes: &[Change]) -> usize {
    let global = |c: &&Change| matches!(c, Change::Opened(f) | Change::Updated(f) if matches!(f.locus, Locus::Service { .. }));
    changes.iter().filter(global).count()
}

/// Two hundred quiet seconds, then looks that fail for some agents.
fn looks(agents: usize, failing: &[bool], kind: u8, seconds: i64) -> Vec<Look> {
    let mut looks = Vec::new();
    for second in 0..seconds {
        for agent in 0..agents {
            for target in 0..TARGETS {
                if (second + agent as i64 * 2 + target as i64) % 5 == 0 {
                    let bad = second >= 200 && target == 0 && failing[agent % failing.len()];
                    looks.push((second, agent, target, if bad { kind } else { 0 }));
                }
            }
        }
    }
    looks
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn the_order_of_simultaneous_results_does_not_matter(
        failing in prop::collection::vec(any::<bool>(), 5),
        kind in 1..5_u8,
        seed in any::<u64>(),
    ) {
        let fleet = fleet(&[(0, 0), (1, 1), (2, 2), (3, 0), (0, 1)]);
        let one = looks(5, &failing, kind, 240);
        let mut two = one.clone();
        two.sort_by_key(|l| (l.0, (l.1 as u64 * 31 + l.2 as u64 * 17) ^ (seed % 64)));
        // what is asked for may differ: the first failure heard is another one
        let told = |all: Vec<Change>| -> Vec<String> {
            let told = all.iter().filter(|c| !matches!(c, Change::Ask(_)));
            told.map(|c| match c {
                Change::Opened(f) | Change::Updated(f) | Change::Closed(f) => f.locus.to_string(),
                Change::Ask(_) => String::new(),
            }).collect()
        };
        prop_assert_eq!(told(run(&fleet, &one)), told(run(&fleet, &two)));
        prop_assert_eq!(run(&fleet, &one), run(&fleet, &one));
    }

    #[test]
    fn one_domain_is_never_a_global_outage_however_many_agents_it_has(
        agents in 1..9_usize,
        kind in 1..5_u8,
    ) {
        // all of the failing ones stand in r0 on p0; two others look from elsewhere
        let mut places = vec![(0, 0); agents];
        places.extend([(1, 1), (2, 2)]);
        let mut failing = vec![true; agents];
        failing.extend([false, false]);
        let changes = run(&fleet(&places), &looks(places.len(), &failing, kind, 300));
        prop_assert_eq!(globals(&changes), 0, "{:?}", changes);
    }

    #[test]
    fn a_healthy_witness_more_makes_nothing_more_global(
        failing in prop::collection::vec(any::<bool>(), 4),
        kind in 1..5_u8,
    ) {
        let mut places = vec![(0, 0), (1, 1), (2, 2), (3, 3)];
        let before = globals(&run(&fleet(&places), &looks(4, &failing, kind, 260)));
        places.push((4, 4));
        let mut more = failing;
        more.push(false);
        let changes = run(&fleet(&places), &looks(5, &more, kind, 260));
        if before == 0 {
            prop_assert_eq!(globals(&changes), 0, "{:?}", changes);
        }
    }

    #[test]
    fn what_is_heard_twice_counts_once(
        failing in prop::collection::vec(any::<bool>(), 4),
        kind in 1..5_u8,
        every in 1..4_usize,
    ) {
        let fleet = fleet(&[(0, 0), (1, 1), (2, 2), (0, 1)]);
        let once = looks(4, &failing, kind, 250);
        let repeated = |(at, look): (usize, &Look)| vec![*look; 1 + usize::from(at % every == 0)];
        let twice: Vec<Look> = once.iter().enumerate().flat_map(repeated).collect();
        prop_assert_eq!(told(&run(&fleet, &once)), told(&run(&fleet, &twice)));
    }

    #[test]
    fn silence_is_neither_up_nor_down(
        failing in prop::collection::vec(any::<bool>(), 4),
        kind in 1..5_u8,
        quiet_s in 60..4_000_i64,
    ) {
        let fleet = fleet(&[(0, 0), (1, 1), (2, 2), (0, 1)]);
        let mut engine = Engine::new(fleet, FaultId(1));
        let mut out = Vec::new();
        for look in looks(4, &failing, kind, 230) {
            engine.observe(&observation(look), &mut out);
        }
        // what was heard may still be spoken of
        engine.tick(Timestamp::from_millis(START_MS + 231_000), &mut out);
        let opened = told(&out).len();
        for second in 232..=231 + quiet_s {
            engine.tick(Timestamp::from_millis(START_MS + second * 1000), &mut out);
        }
        let now = Timestamp::from_millis(START_MS + (231 + quiet_s) * 1000);
        for standing in engine.standings(now) {
            prop_assert_eq!(standing.state, TargetState::Unknown, "{:?}", standing);
        }
        let new: Vec<_> = told(&out).split_off(opened);
        let known = |said: &(String, i64, bool)| said.2 || said.0.starts_with("agent") || said.0 == "collector";
        prop_assert!(new.iter().all(known), "{:?}", new);
    }

    #[test]
    fn names_and_their_order_mean_nothing(
        failing in prop::collection::vec(any::<bool>(), 5),
        kind in 1..5_u8,
    ) {
        let places = [(0, 0), (1, 1), (2, 2), (3, 0), (0, 1)];
        let one = looks(5, &failing, kind, 250);
        let mut two: Vec<Look> = one.iter().map(|l| (l.0, 4 - l.1, l.2, l.3)).collect();
        two.sort_by_key(|l| (l.0, l.1, l.2));
        let reversed: Vec<_> = places.iter().rev().copied().collect();
        let renamed = |locus: &str| {
            let agent = (0..5).find(|a| locus.contains(&format!("agent=a{a}")));
            agent.map_or(locus.to_owned(), |a| locus.replace(&format!("agent=a{a}"), &format!("agent=a{}", 4 - a)))
        };
        let mut here: Vec<_> = told(&run(&fleet(&places), &one)).into_iter().map(|(l, at, end)| (at, end, l)).collect();
        let mut there: Vec<_> = told(&run(&fleet(&reversed), &two))
            .into_iter()
            .map(|(l, at, end)| (at, end, renamed(&l)))
            .collect();
        here.sort();
        there.sort();
        prop_assert_eq!(here, there);
    }

    #[test]
    fn nothing_that_can_be_heard_makes_it_panic(
        rows in prop::collection::vec((any::<i64>(), any::<i64>(), 0..7_usize, 0..5_usize, 0..6_u8, any::<u64>()), 0..200),
    ) {
        let fleet = fleet(&[(0, 0), (1, 1), (2, 2)]);
        let mut engine = Engine::new(fleet.clone(), FaultId(1));
        let mut out = Vec::new();
        for (received, started, agent, target, ending, took) in rows {
            let mut o = observation((0, agent, target, ending));
            (o.received, o.started) = (Timestamp::from_micros(received), Timestamp::from_micros(started));
            o.latency = Duration::from_micros(took);
            engine.observe(&o, &mut out);
            engine.tick(o.received, &mut out);
        }
        engine.set_fleet(Fleet { agents: fleet.agents[..1].to_vec(), targets: fleet.targets }, Timestamp::EPOCH, &mut out);
        prop_assert_eq!(engine.standings(Timestamp::EPOCH).len(), TARGETS);
    }
}

#[test]
fn a_duplicate_says_nothing_new() {
    let fleet = fleet(&[(0, 0), (1, 1), (2, 2)]);
    let mut looks = looks(3, &[false], 1, 205);
    looks.extend(std::iter::repeat_n((206, 0, 0, 1), 40));
    looks.extend(std::iter::repeat_n((206, 1, 0, 1), 40));
    assert_eq!(globals(&run(&fleet, &looks)), 0);
}

#[test]
fn a_path_asked_again_within_its_interval_is_no_other_witness() {
    let fleet = fleet(&[(0, 0), (1, 1), (2, 2), (3, 3)]);
    let mut looks = looks(4, &[false], 1, 217);
    looks.retain(|l| l.1 != 0 || l.2 != 0 || l.0 < 200);
    // its look at 200 s fails, and so do those that were asked for; the next on schedule is fine
    looks.extend((200..204).map(|second| (second, 0, 0, 1)));
    // its other targets are fine meanwhile, and so is t0 elsewhere
    looks.extend((200..204).flat_map(|second| [(second, 0, 1, 0), (second, 0, 2, 0)]));
    looks.extend((200..204).flat_map(|second| (1..4).map(move |agent| (second, agent, 0, 0))));
    looks.push((205, 0, 0, 0));
    looks.sort_unstable();
    assert_eq!(told(&run(&fleet, &looks)), []);
    // the same number of failures of the same path, an interval apart, is a fault of that region
    looks.retain(|l| l.1 != 0 || l.2 != 0 || l.0 < 200);
    looks.extend((200..216).step_by(5).map(|second| (second, 0, 0, 1)));
    let told = told(&run(&fleet, &looks));
    assert!(told.iter().any(|(locus, ..)| locus.contains("target=t0")), "{told:?}");
}

#[test]
fn what_left_the_fleet_is_closed_and_what_stays_is_kept() {
    let all = fleet(&[(0, 0), (1, 1), (2, 2)]);
    let mut engine = Engine::new(all.clone(), FaultId(1));
    let mut out = Vec::new();
    for look in looks(3, &[true], 1, 230) {
        engine.observe(&observation(look), &mut out);
    }
    assert_eq!(engine.open_faults().count(), 1);
    let smaller = Fleet { targets: all.targets[..2].to_vec(), ..all.clone() };
    engine.set_fleet(smaller, Timestamp::from_millis(START_MS + 230_000), &mut out);
    assert_eq!(engine.open_faults().count(), 1, "t0 is still there");
    let gone = Fleet { targets: all.targets[1..].to_vec(), ..all };
    out.clear();
    engine.set_fleet(gone, Timestamp::from_millis(START_MS + 231_000), &mut out);
    assert_eq!(engine.open_faults().count(), 0);
    assert!(matches!(out.as_slice(), [Change::Closed(f)] if f.ended.is_some()), "{out:?}");
}
