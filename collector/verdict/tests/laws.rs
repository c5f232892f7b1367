//! Laws that hold for every outage, not just for the told ones.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(unreachable_pub, dead_code, reason = "modules shared with other tests")]

#[path = "story/scale.rs"]
mod scale;
mod small;

use std::time::Duration;

use parallax_model::fault::TargetState;
use parallax_model::{Change, ErrorKind, Fault, FaultId, Locus, Timestamp};
use parallax_verdict::{Engine, Fleet, Observation};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use small::{START_MS, Said, cap, fleet, globals, play, said};

const TARGETS: usize = 3;
const AGENTS_MAX: usize = 16;
/// All targets, seconds.
const INTERVAL: i64 = 5;
/// Until then only noise fails, and after that nothing else again.
const ONSET: i64 = 200;
const END: i64 = 300;
const SECONDS: i64 = 340;
/// Shares of looks that fail, percent.
const RATES: [u64; 6] = [0, 0, 0, 30, 60, 97];
const KINDS: [ErrorKind; 5] = [
    ErrorKind::Status5xx,
    ErrorKind::Timeout,
    ErrorKind::Unreachable,
    ErrorKind::Blocked,
    ErrorKind::Reset,
];

/// Who looks from where, and what fails.
#[derive(Debug, Clone)]
struct World {
    /// Region and provider of each agent.
    places: Vec<(usize, usize)>,
    /// Share of failing looks by agent and target, percent.
    rates: Vec<Vec<u64>>,
    /// Looks that fail for no reason, of a thousand.
    noise: u64,
    seed: u64,
}

impl World {
    /// A look as it must come out, whoever else looks: percent of its dice, and its kind.
    fn dice(&self, second: i64, agent: usize, target: usize) -> u64 {
        let mut z = self.seed ^ (second as u64) << 20 ^ (agent as u64) << 8 ^ target as u64;
        for _ in 0..2 {
            z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^= z >> 31;
        }
        z
    }

    fn ends(&self, second: i64, agent: usize, target: usize) -> Option<ErrorKind> {
        let dice = self.dice(second, agent, target);
        let staged = (ONSET..END).contains(&second) && dice % 100 < self.rates[agent][target];
        let failed = staged || dice / 100 % 1000 < self.noise;
        failed.then(|| KINDS[(dice >> 40) as usize % KINDS.len()])
    }

    fn fleet(&self) -> Fleet {
        fleet(&self.places, &[INTERVAL; TARGETS])
    }

    /// All looks: no two are begun at one time, as order within a hundredth of a second is nobody's to know; those at
    /// the first target are heard one by one, all others of a second together.
    fn looks(&self) -> Vec<Observation> {
        let mut all = Vec::new();
        for second in 0..SECONDS {
            for agent in 0..self.places.len() {
                for target in 0..TARGETS {
                    if (second + agent as i64 * 2 + target as i64) % INTERVAL == 0 {
                        let begun_ms = second * 1000 + (agent * TARGETS + target) as i64 * 15;
                        let failed = self.ends(second, agent, target);
                        let mut look = small::look(begun_ms, agent, target, failed);
                        if target > 0 {
                            look.received = Timestamp::from_millis(START_MS + second * 1000 + 900);
                        }
                        all.push(look);
                    }
                }
            }
        }
        all.sort_by_key(|o| o.received);
        all
    }

    fn changes(&self) -> Vec<Change> {
        play(&self.fleet(), &self.looks())
    }

    /// With one agent more, from a place where nobody else is, that sees everything well.
    fn and_a_healthy_one(&self) -> Self {
        let mut more = self.clone();
        more.places.push((90, 90));
        more.rates.push(vec![0; TARGETS]);
        more
    }
}

/// A world of agents in some of so many regions, by so many providers: what fails, fails for a service, for an agent, or for
/// each on its own.
fn world_of(
    agents: std::ops::RangeInclusive<usize>,
    regions: usize,
    providers: usize,
) -> impl Strategy<Value = World> {
    let places = prop::collection::vec((0..regions, 0..providers), agents);
    let each = || select(&RATES[..]);
    let rates = (
        0..3_u8,
        prop::collection::vec(prop::collection::vec(each(), TARGETS), AGENTS_MAX),
        prop::collection::vec(each(), TARGETS),
        prop::collection::vec(each(), AGENTS_MAX),
    );
    (places, rates, 0..=10_u64, any::<u64>()).prop_map(
        |(places, (shape, each, of_targets, of_agents), noise, seed)| {
            let rate = |agent: usize, target: usize| match shape {
                0 => each[agent][target],
                1 => of_targets[target],
                _ => of_targets[target].max(of_agents[agent]),
            };
            let rates = (0..places.len()).map(|a| (0..TARGETS).map(|t| rate(a, t)).collect());
            World { rates: rates.collect(), places, noise, seed }
        },
    )
}

fn world() -> impl Strategy<Value = World> {
    world_of(3..=10, 4, 3)
}

/// Other names for everything.
#[derive(Debug, Clone)]
struct Names {
    agents: Vec<usize>,
    regions: Vec<usize>,
    providers: Vec<usize>,
    targets: Vec<usize>,
}

fn names() -> impl Strategy<Value = Names> {
    let shuffled = |n: usize| Just((0..n).collect::<Vec<usize>>()).prop_shuffle();
    (shuffled(10), shuffled(4), shuffled(3), shuffled(TARGETS)).prop_map(
        |(agents, regions, providers, targets)| Names { agents, regions, providers, targets },
    )
}

impl Names {
    fn other(&self, word: &str) -> Option<String> {
        let (letter, number) = word.split_at_checked(1)?;
        let of = match letter {
            "a" => &self.agents,
            "r" => &self.regions,
            "p" => &self.providers,
            "t" => &self.targets,
            _ => return None,
        };
        let other = of.get(number.parse::<usize>().ok()?)?;
        Some(format!("{letter}{other}"))
    }

    /// The locus in these names.
    fn locus(&self, locus: &str) -> String {
        let ends = |c: char| !c.is_alphanumeric() && c != '_';
        let words = locus.split_inclusive(ends).map(|part| {
            let (word, mark) = part
                .strip_suffix(ends)
                .map_or((part, ""), |word| (word, part.get(word.len()..).unwrap()));
            self.other(word).unwrap_or_else(|| word.to_owned()) + mark
        });
        words.collect()
    }

    /// The same fleet by these names, and in their order.
    fn fleet(&self, world: &World) -> Fleet {
        let mut fleet = world.fleet();
        let agents = world.places.iter().enumerate().map(|(n, (region, provider))| {
            small::spec(self.agents[n], (self.regions[*region], self.providers[*provider]))
        });
        fleet.agents = agents.collect();
        fleet.agents.sort_by(|a, b| a.name.cmp(&b.name));
        fleet
    }

    fn looks(&self, looks: &[Observation]) -> Vec<Observation> {
        let number = |name: &str| name.get(1..).unwrap().parse::<usize>().unwrap();
        let renamed = looks.iter().map(|o| Observation {
            agent: small::agent(self.agents[number(o.agent.as_str())]),
            target: small::target(self.targets[number(o.target.as_str())]),
            ..o.clone()
        });
        renamed.collect()
    }
}

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
