//! Laws that hold for every outage, not just for the told ones.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(unreachable_pub, dead_code, reason = "modules shared with other tests")]

#[path = "laws/names.rs"]
mod names;
#[path = "story/scale.rs"]
mod scale;
mod small;
#[path = "laws/world.rs"]
mod world;

use std::time::Duration;

use parallax_model::fault::TargetState;
use parallax_model::{Change, ErrorKind, Fault, FaultId, Locus, Timestamp};
use parallax_verdict::{Engine, Fleet, Observation};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use names::names;
use small::{START_MS, Said, cap, fleet, globals, play, said};
use world::{INTERVAL, KINDS, SECONDS, TARGETS, World, world, world_of};

/// The confidence of everything that was not said of silence, and what it may be at most.
fn confidences(changes: &[Change]) -> impl Iterator<Item = (f64, f64)> {
    let told = small::faults(changes).into_iter().filter(|(_, f)| f.reason.is_none());
    told.flat_map(|(_, f)| {
        let alone = f.evidence.without.iter().map(|w| w.confidence.get());
        let most = cap(f.coverage);
        std::iter::once(f.confidence.get()).chain(alone).map(move |sure| (sure, most))
    })
    .collect::<Vec<_>>()
    .into_iter()
}

/// `PARALLAX_LONG=1` tries a thousand cases of each law.
fn cases() -> ProptestConfig {
    ProptestConfig::with_cases(scale::cases(24, 1_000))
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_same_looks_give_the_same_words(world in world()) {
        prop_assert_eq!(world.changes(), world.changes());
    }

    #[test]
    fn names_and_their_order_mean_nothing(world in world(), names in names()) {
        let here = said(&world.changes());
        let mut renamed: Vec<Said> = here
            .into_iter()
            .map(|said| Said { locus: names.locus(&said.locus), ..said })
            .collect();
        renamed.sort();
        let there = play(&names.fleet(&world), &names.looks(&world.looks()));
        prop_assert_eq!(renamed, said(&there));
    }

    #[test]
    fn a_healthy_witness_more_makes_nothing_more_global(mut world in world()) {
        // one service fails wholly in one or two regions, and is said to everywhere; all else is below
        let regions = 1 + world.seed as usize % 2;
        for (rates, (region, _)) in world.rates.iter_mut().zip(&world.places) {
            *rates = vec![if *region < regions { 100 } else { 0 }, 0, 0];
        }
        world.noise = 0;
        let everywhere = |changes: &[Change]| {
            let everywhere = |f: &Fault| matches!(f.locus, Locus::Service { .. }) && f.regions.is_empty();
            small::faults(changes).iter().any(|(_, fault)| everywhere(fault))
        };
        let before = everywhere(&world.changes());
        prop_assert!(before || !everywhere(&world.and_a_healthy_one().changes()));
    }

    #[test]
    fn what_is_heard_twice_counts_once(world in world(), every in 1..7_usize, later in 0..9_usize) {
        let once = world.looks();
        let mut twice = Vec::new();
        for (at, look) in once.iter().enumerate() {
            twice.push(look.clone());
            // again at once, or after some others: heard when they are
            if let Some(again) = at.checked_sub(later).filter(|at| at % every == 0) {
                twice.push(Observation { received: look.received, ..once[again].clone() });
            }
        }
        prop_assert_eq!(said(&play(&world.fleet(), &once)), said(&play(&world.fleet(), &twice)));
    }

    #[test]
    fn one_domain_is_never_a_global_outage_however_many_agents_it_has(
        mut world in world_of(1..=14, 1, 1),
    ) {
        // two others look from elsewhere, and see all of it well
        world.places.extend([(1, 1), (2, 2)]);
        world.rates.extend([vec![0; TARGETS], vec![0; TARGETS]]);
        world.noise = 0;
        let changes = world.changes();
        prop_assert_eq!(globals(&changes), [""; 0], "{:?}", said(&changes));
    }

    #[test]
    fn nothing_is_surer_than_those_who_bear_witness_allow(world in world()) {
        for (sure, most) in confidences(&world.changes()) {
            prop_assert!(sure <= most, "{} of {}", sure, most);
        }
    }

    #[test]
    fn one_domain_is_never_surer_than_seven_in_ten_however_many_agents_it_has(
        world in world_of(1..=16, 1, 1),
    ) {
        for (sure, _) in confidences(&world.changes()) {
            prop_assert!(sure <= 0.7, "{}", sure);
        }
    }

    #[test]
    fn two_domains_are_never_surer_than_nineteen_in_twenty(
        world in prop_oneof![world_of(2..=16, 2, 1), world_of(2..=16, 1, 2)],
    ) {
        for (sure, _) in confidences(&world.changes()) {
            prop_assert!(sure <= 0.95, "{}", sure);
        }
    }

    #[test]
    fn silence_is_neither_up_nor_down(
        world in world(),
        heard_s in 150..SECONDS,
        quiet_s in 60..4_000_i64,
    ) {
        let mut engine = Engine::new(world.fleet(), FaultId(1));
        let (mut out, mut clock) = (Vec::new(), START_MS);
        for look in world.looks() {
            let now = look.received.millis();
            if now < START_MS + heard_s * 1000 {
                small::tick_until(&mut engine, &mut clock, now, &mut out);
                engine.observe(&look, &mut out);
            }
        }
        // what was heard may still be spoken of, as long as it is fresh: three intervals, and the time of a look
        let fresh_ms = INTERVAL * 3_000 + 5_000;
        clock = START_MS + heard_s * 1000;
        let stale = clock + fresh_ms;
        small::tick_until(&mut engine, &mut clock, stale, &mut out);
        out.clear();
        let end = clock + quiet_s * 1000;
        small::tick_until(&mut engine, &mut clock, end, &mut out);
        for standing in engine.standings(Timestamp::from_millis(end)) {
            prop_assert_eq!(standing.state, TargetState::Unknown, "{:?}", standing);
        }
        let of_silence = |l: &Locus| matches!(l, Locus::Agent { .. } | Locus::Collector);
        for (change, fault) in small::faults(&out) {
            prop_assert!(change != "opened" || of_silence(&fault.locus), "{:?}", fault);
        }
    }
}

proptest! {
    #![proptest_config(cases())]

    /// Times from all that can be said; what is plausible is tried in `hostile.rs`.
    #[test]
    fn nothing_that_can_be_heard_makes_it_panic(
        rows in prop::collection::vec(
            (any::<i64>(), any::<i64>(), 0..7_usize, 0..5_usize, 0..=KINDS.len(), any::<u64>()),
            0..200,
        ),
    ) {
        let fleet = fleet(&small::apart(3), &[INTERVAL; TARGETS]);
        let mut engine = Engine::new(fleet.clone(), FaultId(1));
        let mut out = Vec::new();
        for (received, started, agent, target, kind, took) in rows {
            let mut o = small::look(0, agent, target, KINDS.get(kind).copied());
            (o.received, o.started) = (Timestamp::from_micros(received), Timestamp::from_micros(started));
            o.latency = Duration::from_micros(took);
            engine.observe(&o, &mut out);
            engine.tick(o.received, &mut out);
        }
        let smaller = Fleet { agents: fleet.agents[..1].to_vec(), targets: fleet.targets };
        engine.set_fleet(smaller, Timestamp::EPOCH, &mut out);
        prop_assert_eq!(engine.standings(Timestamp::EPOCH).len(), TARGETS);
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_order_of_simultaneous_results_does_not_matter(world in world(), salt in any::<u64>()) {
        let one = world.looks();
        let mut two = one.clone();
        let dice = |o: &Observation| {
            let number = |name: &str| name.get(1..).unwrap().parse::<usize>().unwrap();
            world.dice(salt as i64, number(o.agent.as_str()), number(o.target.as_str()))
        };
        two.sort_by_key(|o| (o.received, dice(o)));
        // whom it asks may differ: the first failure heard is another one
        prop_assert_eq!(said(&play(&world.fleet(), &one)), said(&play(&world.fleet(), &two)));
    }
}

/// Targets that are said to be at fault for everybody only once somebody more looks, who sees all of it well.
fn made_global_by_one_more(world: &World) -> Vec<String> {
    let before = globals(&world.changes());
    let mut after = globals(&world.and_a_healthy_one().changes());
    after.retain(|target| !before.contains(target));
    after
}

/// Where services fail in part, for each agent at a rate of its own, a little decides between several parts and the
/// whole (with the regions it shows in). It should never be a good look that makes it the whole, but where it fails for all.
#[test]
fn a_healthy_witness_more_rarely_makes_it_more_global_where_much_fails_in_part() {
    let mut runner = TestRunner::deterministic();
    let (strategy, worlds) = (world(), scale::cases(60, 1_000));
    let mut wrong = 0;
    for _ in 0..worlds {
        let world = strategy.new_tree(&mut runner).unwrap().current();
        let mut added = made_global_by_one_more(&world);
        let is_whole = |t: usize| world.rates.iter().all(|rates| rates[t] > 0);
        added.retain(|name| {
            !(0..TARGETS).any(|t| is_whole(t) && *name == small::target(t).as_str())
        });
        wrong += u32::from(!added.is_empty());
    }
    // 16 of 1,000
    assert!(wrong * 25 <= worlds, "{wrong} of {worlds}");
}

/// Agents that are each in a place of their own, and the first target fails for the first of them.
fn simple(agents: usize, failing: usize) -> World {
    let rates = (0..agents).map(|a| vec![if a < failing { 100 } else { 0 }, 0, 0]).collect();
    World { places: small::apart(agents), rates, noise: 0, seed: 1 }
}

fn before(mut looks: Vec<Observation>, second: i64) -> Vec<Observation> {
    looks.retain(|o| o.started.millis() < START_MS + second * 1000);
    looks
}

const BROKEN: Option<ErrorKind> = Some(ErrorKind::Status5xx);

#[test]
fn a_duplicate_says_nothing_new() {
    let world = simple(3, 0);
    let mut looks = before(world.looks(), 206);
    for agent in 0..2 {
        looks.extend(std::iter::repeat_n(small::look(206_000, agent, 0, BROKEN), 40));
    }
    assert_eq!(globals(&play(&world.fleet(), &looks)), [""; 0]);
}

#[test]
fn a_path_asked_again_within_its_interval_is_no_other_witness() {
    let world = simple(4, 0);
    let quiet = |second: i64| {
        let mut looks = before(world.looks(), second);
        let own = |o: &Observation| o.agent == small::agent(0) && o.target == small::target(0);
        looks.retain(|o| !own(o) || o.started.millis() < START_MS + 200_000);
        looks
    };
    let heard = |mut looks: Vec<Observation>| {
        looks.sort_by_key(|o| o.received);
        let changes = play(&world.fleet(), &looks);
        said(&changes).into_iter().map(|s| s.locus).collect::<Vec<_>>()
    };
    // its look at 200 s fails, and so do those that were asked for; the next on schedule is fine
    let mut once = quiet(217);
    once.extend((200..204).map(|second| small::look(second * 1000, 0, 0, BROKEN)));
    once.push(small::look(205_000, 0, 0, None));
    // its other targets are fine meanwhile, and so is the first elsewhere
    let others = [(0, 1), (0, 2), (1, 0), (2, 0), (3, 0)];
    let well = others.iter().flat_map(|&(a, t)| {
        (200..204).map(move |second| small::look(second * 1000 + 7, a, t, None))
    });
    once.extend(well);
    assert_eq!(heard(once), [""; 0]);
    // as many failures of the same path, an interval apart, are a fault of that region
    let mut again = quiet(217);
    again.extend((200..216).step_by(5).map(|second| small::look(second * 1000, 0, 0, BROKEN)));
    let told = heard(again);
    assert!(told.iter().any(|locus| locus.contains("target=t0")), "{told:?}");
}

#[test]
fn what_left_the_fleet_is_closed_and_what_stays_is_kept() {
    let world = simple(3, 3);
    let all = world.fleet();
    let mut engine = Engine::new(all.clone(), FaultId(1));
    let mut out = Vec::new();
    for look in before(world.looks(), 230) {
        engine.observe(&look, &mut out);
    }
    assert_eq!(engine.open_faults().count(), 1);
    let smaller = Fleet { targets: all.targets[..2].to_vec(), ..all.clone() };
    engine.set_fleet(smaller, Timestamp::from_millis(START_MS + 231_000), &mut out);
    assert_eq!(engine.open_faults().count(), 1, "t0 is still there");
    let gone = Fleet { targets: all.targets[1..].to_vec(), ..all };
    out.clear();
    engine.set_fleet(gone, Timestamp::from_millis(START_MS + 232_000), &mut out);
    assert_eq!(engine.open_faults().count(), 0);
    assert!(matches!(out.as_slice(), [Change::Closed(f)] if f.ended.is_some()), "{out:?}");
}
