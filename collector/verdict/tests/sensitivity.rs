//! How sure a fault has to be: the less sensitive a target, the later it is told, and the surer.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "figures belong beside the result")]
#![allow(unreachable_pub, dead_code, reason = "a module shared with the stories")]

#[path = "story/scale.rs"]
mod scale;

use std::time::Duration;

use parallax_model::{
    AgentName, AgentSpec, Change, ErrorKind, Locus, Outcome, Provider, Region, Role, Sensitivity,
    TargetName, Timestamp,
};
use parallax_verdict::{Engine, Fleet, Observation, TargetSpec};

const START_MS: i64 = 1_766_700_000_000;
const INTERVAL_MS: i64 = 30_000;
const AGENTS: i64 = 6;
/// Healthy looks of every path before the trouble.
const BEFORE: i64 = 60;
const DURING: i64 = 40;
/// Seeds of each row of the table.
fn worlds() -> u64 {
    scale::cases(20, 1_000)
}
const TARGETS: [&str; 3] = ["shop", "bank", "ref"];

fn fleet(of_shop: Option<Sensitivity>) -> Fleet {
    let agent = |n: i64| AgentSpec {
        region: Some(Region::new(&format!("region-{n}")).unwrap()),
        provider: Some(Provider::new(&format!("provider-{n}")).unwrap()),
        ..AgentSpec::unlabelled(AgentName::new(&format!("agent-{n}")).unwrap())
    };
    let targets = TARGETS.iter().map(|name| TargetSpec {
        role: if *name == "ref" { Role::Reference } else { Role::Service },
        sensitivity: of_shop.filter(|_| *name == "shop").unwrap_or_default(),
        ..TargetSpec::unknown(TargetName::new(name).unwrap())
    });
    Fleet { agents: (0..AGENTS).map(agent).collect(), targets: targets.collect() }
}

/// Every change while `share` percent of the looks at the shop fail, from [`BEFORE`] on, and `noise` in a
/// thousand of all looks at any time.
fn said(of_shop: Option<Sensitivity>, [share, noise]: [u64; 2], seed: u64) -> Vec<Change> {
    let mut engine = Engine::new(fleet(of_shop), parallax_model::FaultId(1));
    let (mut out, mut dice) = (Vec::new(), seed);
    for n in 0..(BEFORE + DURING) * AGENTS {
        let (agent, at_ms) = (n % AGENTS, START_MS + n * INTERVAL_MS / AGENTS);
        for target in TARGETS {
            dice = dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let roll = (dice >> 33) % 1000;
            let hit = roll < share * 10 && target == "shop" && n >= BEFORE * AGENTS || roll < noise;
            let outcome = if hit { Outcome::Fail(ErrorKind::Timeout) } else { Outcome::Ok };
            let look = Observation {
                received: Timestamp::from_millis(at_ms + 100),
                started: Timestamp::from_millis(at_ms),
                agent: AgentName::new(&format!("agent-{agent}")).unwrap(),
                target: TargetName::new(target).unwrap(),
                outcome,
                latency: Duration::from_millis(50),
            };
            engine.observe(&look, &mut out);
        }
        engine.tick(Timestamp::from_millis(at_ms + 200), &mut out);
    }
    out
}

/// What is said first of the shop.
struct First {
    /// Since the beginning of the trouble; the whole time if nothing is said.
    seconds: i64,
    /// None if nothing is said.
    sure: Option<f64>,
    /// True if it is said to be in one place.
    misplaced: bool,
}

fn first(of_shop: Sensitivity, share: u64, seed: u64) -> First {
    let begin_ms = START_MS + BEFORE * INTERVAL_MS;
    let changes = said(Some(of_shop), [share, 0], seed);
    let opened = changes.iter().find_map(|change| match change {
        Change::Opened(fault) => Some(fault),
        Change::Updated(_) | Change::Closed(_) | Change::Ask(_) => None,
    });
    opened.map_or(
        First { seconds: DURING * INTERVAL_MS / 1000, sure: None, misplaced: false },
        |fault| First {
            seconds: (fault.updated.millis() - begin_ms) / 1000,
            sure: Some(fault.confidence.get()),
            misplaced: !matches!(fault.locus, Locus::Service { .. }),
        },
    )
}

#[test]
fn normal_is_as_if_nothing_was_said() {
    for (share, seed) in [(0, 1), (25, 2), (100, 3)] {
        assert_eq!(said(Some(Sensitivity::Normal), [share, 5], seed), said(None, [share, 5], seed));
    }
}

#[test]
fn the_less_sensitive_the_later_and_the_surer() {
    let worlds = worlds();
    eprintln!("failing    low normal   high   misplaced");
    for share in [15, 25, 50, 100] {
        let (mut sums, mut misplaced, mut unsure) = ([0; 3], [0; 3], 0);
        for seed in 1..=worlds {
            let firsts = Sensitivity::ALL.map(|level| first(level, share, seed));
            let [low, normal, high] = firsts.each_ref().map(|first| first.seconds);
            assert!(
                high <= normal && normal <= low,
                "{share} %, seed {seed}: {low} {normal} {high}"
            );
            // twelve nats; looks that came after those that are weighed may be some of them
            unsure += u64::from(firsts[0].sure.is_some_and(|sure| sure < 0.99));
            for (n, first) in firsts.iter().enumerate() {
                sums[n] += first.seconds;
                misplaced[n] += u32::from(first.misplaced);
            }
        }
        let [low, normal, high] = sums.map(|sum| sum as f64 / worlds as f64);
        eprintln!("{share:5} % {low:6.1} {normal:6.1} {high:6.1}   {misplaced:?} of {worlds}");
        assert!(unsure * 500 <= worlds, "{share} %: {unsure} of {worlds} are not sure");
        assert!(normal < low && misplaced[0] == 0 && misplaced.is_sorted(), "{share} %");
    }
}

#[test]
fn no_level_takes_stray_failures_for_a_fault() {
    for (noise, seeds) in [(2, 20), (10, 100), (20, 100)] {
        let seeds = scale::cases(seeds, 1_000);
        let told = Sensitivity::ALL.map(|level| {
            let opened = |c: &Change| matches!(c, Change::Opened(_));
            (1..=seeds)
                .map(|seed| said(Some(level), [0, noise], seed))
                .filter(|said| said.iter().any(opened))
                .count()
        });
        eprintln!("{noise} in a thousand: {told:?} of {seeds}");
        assert!(told.is_sorted(), "{told:?}");
        let [low, normal, high] = told;
        assert!(noise > 10 || [low, normal] == [0; 2] && high as u64 * 200 <= seeds, "{told:?}");
    }
}
