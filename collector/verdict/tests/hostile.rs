//! Whatever one agent says, and whatever its clock: nobody else's word changes, and nothing breaks.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(unreachable_pub, dead_code, reason = "modules shared with other tests")]

#[path = "story/rng.rs"]
mod rng;
#[path = "story/scale.rs"]
mod scale;
mod small;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use parallax_model::{Change, ErrorKind, Fault, FaultId, Outcome, Timestamp};
use parallax_verdict::{Engine, Fleet, Observation};

use rng::Rng;
use small::{START_MS, Said, apart, fleet, look, looks, play, said, tick_until};

const HONEST: usize = 6;
const LIAR: usize = HONEST;
const BROKEN: Option<ErrorKind> = Some(ErrorKind::Status5xx);
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const YEAR_MS: i64 = 365 * DAY_MS;

/// The first of three services is down from 600 s to 900 s, as six agents see it; the seventh says
/// whatever it likes.
fn outage(lie: Option<&dyn Fn(&mut Observation)>) -> Vec<Said> {
    let agents = HONEST + usize::from(lie.is_some());
    let fleet = fleet(&apart(agents), &[5, 5, 5]);
    let mut all = looks(&fleet, 1_200, |at, _, t| {
        BROKEN.filter(|_| t == 0 && (600_000..900_000).contains(&at))
    });
    // those who are honest look when they do, with the liar and without
    for o in &mut all {
        let n: usize = o.agent.as_str().get(1..).unwrap().parse().unwrap();
        let shift = Duration::from_millis(n as u64 * (5_000 / HONEST - 5_000 / agents) as u64);
        (o.started, o.received) = (o.started + shift, o.received + shift);
        if let Some(lie) = lie.filter(|_| n == LIAR) {
            lie(o);
        }
    }
    all.sort_by_key(|o| o.received);
    let mut told = said(&play(&fleet, &all));
    // what is said of the liar, and of where it stands, is another matter
    let of_liar = [format!("a{LIAR}"), format!("r{LIAR}"), format!("p{LIAR}")];
    told.retain(|s| s.change != "updated" && !of_liar.iter().any(|own| s.locus.contains(own)));
    told
}

/// Sets a clock by so much, from a second on.
fn set(o: &mut Observation, from_s: i64, by_ms: i64) {
    if o.received.millis() >= START_MS + from_s * 1000 {
        o.started = Timestamp::from_millis(o.started.millis() + by_ms);
    }
}

/// Anything of an observation, from its time and its target.
fn dice(o: &Observation) -> u64 {
    let target = u64::from(o.target.as_str().as_bytes()[1]);
    Rng::new(o.received.millis() as u64 ^ target << 48).next()
}

/// What a liar does, and how it does it to a result.
type Lie<'a> = (&'a str, &'a dyn Fn(&mut Observation));

/// The outage is told in the same place and, within a second, at the same time, and so is its end.
fn moves_nobody(lies: &[Lie<'_>]) {
    let honest = outage(None);
    assert_eq!(honest.len(), 2, "{honest:?}");
    let same = |a: &Said, b: &Said| {
        (a.change, &a.locus) == (b.change, &b.locus) && (a.at_ms - b.at_ms).abs() <= 1_000
    };
    let mut moved = Vec::new();
    for (what, lie) in lies {
        let told = outage(Some(lie));
        if honest.len() != told.len() || !honest.iter().zip(&told).all(|(a, b)| same(a, b)) {
            moved.push(format!("{what}: {told:?}"));
        }
    }
    assert!(moved.is_empty(), "without: {honest:?}\n{}", moved.join("\n"));
}

#[test]
fn a_liar_moves_nobody() {
    let failed = Outcome::Fail(ErrorKind::Timeout);
    let lies: [Lie<'_>; 12] = [
        ("fails always", &|o| o.outcome = failed),
        ("fails and answers in turn", &|o| {
            let odd = o.received.millis() / 5_000 % 2 == 0;
            o.outcome = if odd { failed } else { Outcome::Ok };
        }),
        ("fails at random", &|o| {
            o.outcome = if dice(o).is_multiple_of(2) { failed } else { Outcome::Ok }
        }),
        ("is years behind", &|o| set(o, 0, -10 * YEAR_MS)),
        ("is years ahead", &|o| set(o, 0, 10 * YEAR_MS)),
        ("is set 300 days back", &|o| set(o, 300, -300 * DAY_MS)),
        ("is set an hour ahead", &|o| set(o, 300, HOUR_MS)),
        ("is set an hour back", &|o| set(o, 300, -HOUR_MS)),
        ("is anywhere within ten years", &|o| {
            set(o, 0, dice(o) as i64 % (20 * YEAR_MS) - 10 * YEAR_MS);
        }),
        ("takes hours", &|o| o.latency = Duration::from_secs(dice(o) % 36_000)),
        ("takes no time", &|o| o.latency = Duration::ZERO),
        ("takes weeks", &|o| o.latency = Duration::from_hours(1_000)),
    ];
    moves_nobody(&lies);
}

#[test]
fn a_clock_that_is_set_ahead_by_months_hides_nothing() {
    moves_nobody(&[
        ("is set ahead in time of peace", &|o| set(o, 300, 300 * DAY_MS)),
        ("is set ahead just before", &|o| set(o, 596, 300 * DAY_MS)),
        ("is set ahead while it is down", &|o| set(o, 610, 300 * DAY_MS)),
        ("is set ahead again and again", &|o| {
            let minutes = (o.received.millis() - START_MS) / 60_000;
            set(o, 300, minutes * 50 * DAY_MS);
        }),
    ]);
}

#[test]
fn a_latency_that_cannot_be_breaks_nothing() {
    moves_nobody(&[
        ("takes for ever", &|o| o.latency = Duration::MAX),
        ("takes for ever at times", &|o| {
            if dice(o).is_multiple_of(20) {
                o.latency = Duration::MAX;
            }
        }),
    ]);
}

#[test]
fn a_flood_of_one_path_moves_nobody() {
    let flood = scale::cases(100_000_i64, 1_000_000);
    let fleet = fleet(&apart(HONEST), &[5, 5, 5]);
    let all = looks(&fleet, 900, |at, _, t| BROKEN.filter(|_| t == 0 && at >= 600_000));
    let told = |failed: Option<Option<ErrorKind>>| {
        let mut engine = Engine::new(fleet.clone(), FaultId(1));
        let (mut out, mut clock, mut asked) = (Vec::new(), START_MS, 0);
        for o in &all {
            let now = o.received.millis();
            tick_until(&mut engine, &mut clock, now, &mut out);
            engine.observe(o, &mut out);
            if let Some(failed) = failed.filter(|_| now == START_MS + 300_090) {
                for n in 0..flood {
                    // begun over the last three of its intervals, in no order
                    let mut more = look(300_000 - n * 7_919 % 15_000, 0, 0, failed);
                    more.received = Timestamp::from_micros(now * 1000 + n * 1_000_000 / flood);
                    engine.observe(&more, &mut out);
                }
            }
            asked += out.iter().filter(|c| matches!(c, Change::Ask(_))).count();
            out.retain(|c| !matches!(c, Change::Ask(_)));
        }
        let mut told = said(&out);
        told.retain(|s| s.change != "updated");
        (told, asked)
    };
    let (without, _) = told(None);
    assert_eq!(without.len(), 1, "{without:?}");
    for failed in [None, BROKEN, Some(ErrorKind::Timeout)] {
        let (with, asked) = told(Some(failed));
        let own = |s: &&Said| s.at_ms < 600_000 && !s.locus.starts_with("service{");
        let others: Vec<Said> = with.iter().filter(|s| !own(s)).cloned().collect();
        assert_eq!(others.len(), 1, "{failed:?}: {with:?}");
        assert_eq!(others[0].locus, without[0].locus);
        assert!((others[0].at_ms - without[0].at_ms).abs() <= 1_000, "{with:?} {without:?}");
        // whatever is heard, at most one look in ten is asked for: more is not heard of one path in that time
        assert!(asked <= 300, "{asked}");
    }
}

/// Agents and targets that come and go, clocks that are set, results that come twice, late, or make no sense; and an
/// outage in the middle of it.
struct Chaos {
    fleet: Fleet,
    rng: Rng,
    /// What each agent's clock is off by, ms.
    off_ms: Vec<i64>,
    now_ms: i64,
}

const CHAOS_TARGETS: usize = 3;
const CHAOS_SECONDS: i64 = 700;

impl Chaos {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let agents = 3 + rng.below(4);
        let places: Vec<_> = (0..agents).map(|_| (rng.below(4), rng.below(3))).collect();
        let fleet = fleet(&places, &[*rng.pick(&[2, 5]), 5, *rng.pick(&[5, 30])]);
        Self { fleet, rng, off_ms: vec![0; agents], now_ms: START_MS }
    }

    /// Mostly nothing; else some clock is set by seconds, hours, months or years.
    fn set_a_clock(&mut self) {
        let by_ms = *self.rng.pick(&[7_000, HOUR_MS, 300 * DAY_MS, 3 * YEAR_MS, 300 * YEAR_MS]);
        let by_ms = if self.rng.chance(0.5) { by_ms } else { -by_ms };
        let agent = self.rng.below(self.off_ms.len());
        self.off_ms[agent] = if self.rng.chance(0.3) { 0 } else { self.off_ms[agent] + by_ms };
    }

    /// Somebody leaves or moves, a target goes or has another interval; perhaps all is as it was.
    fn other_fleet(&mut self) -> Fleet {
        let mut other = self.fleet.clone();
        let (a, t) = (self.rng.below(other.agents.len()), self.rng.below(CHAOS_TARGETS));
        match self.rng.below(6) {
            0 => drop(other.agents.remove(a)),
            1 => drop(other.targets.remove(t)),
            2 => other.agents[a].region = None,
            3 => other.agents[a] = small::spec(a, (self.rng.below(4), self.rng.below(3))),
            4 => other.targets[t].interval = Duration::from_mins(1),
            _ => {}
        }
        other
    }

    /// The results of one look: one as it should be, mostly.
    fn results(&mut self, at_ms: i64, a: usize, t: usize) -> Vec<Observation> {
        let down = t == 0 && (300_000..500_000).contains(&at_ms) || self.rng.chance(0.003);
        let mut o = look(at_ms, a, t, BROKEN.filter(|_| down));
        o.started = Timestamp::from_millis(o.started.millis().saturating_add(self.off_ms[a]));
        if self.rng.chance(0.01) {
            let odd = [0, 1, HOUR_MS as u64, 1_000 * HOUR_MS as u64];
            o.latency = Duration::from_millis(*self.rng.pick(&odd));
        }
        if self.rng.chance(0.01) {
            let late_ms = self.rng.next() as i64 % HOUR_MS;
            o.started = Timestamp::from_millis(o.started.millis().saturating_sub(late_ms));
        }
        if self.rng.chance(0.002) {
            o.started = Timestamp::from_micros(self.rng.next() as i64);
        }
        if self.rng.chance(0.002) {
            o.agent = small::agent(9);
        }
        let times = if self.rng.chance(0.05) { 2 } else { 1 };
        vec![o; times]
    }

    /// All that was said, and what is open at the end.
    fn play(mut self) -> (Vec<Change>, BTreeSet<FaultId>) {
        let mut engine = Engine::new(self.fleet.clone(), FaultId(1));
        let mut out = Vec::new();
        for second in 0..CHAOS_SECONDS {
            if self.rng.chance(0.01) {
                self.set_a_clock();
            }
            if self.rng.chance(0.004) {
                let other = self.other_fleet();
                engine.set_fleet(other, Timestamp::from_millis(self.now_ms), &mut out);
            }
            for a in 0..self.off_ms.len() {
                for t in 0..CHAOS_TARGETS {
                    let interval = self.fleet.targets[t].interval.as_secs() as i64;
                    if (second + 2 * a as i64 + t as i64) % interval == 0 {
                        for o in self.results(second * 1000 + a as i64 * 30, a, t) {
                            self.now_ms = self.now_ms.max(o.received.millis());
                            engine.observe(&o, &mut out);
                        }
                    }
                }
            }
            engine.tick(Timestamp::from_millis(START_MS + second * 1000 + 990), &mut out);
        }
        (out, engine.open_faults().map(|f| f.id).collect())
    }
}

/// What holds of every fault that is told.
fn is_sound(f: &Fault) -> bool {
    let is_share = |p: f64| p.is_finite() && (0.0..=1.0).contains(&p);
    let e = &f.evidence;
    is_share(f.confidence.get())
        && is_share(e.failure_rate)
        && e.without.iter().all(|w| is_share(w.confidence.get()))
        && e.alternative.as_ref().is_none_or(|a| a.behind_nats.is_finite())
        && f.coverage.domains <= f.coverage.assigned
        && e.witnesses_for.len() <= e.for_count as usize
        && e.witnesses_against.len() <= e.against_count as usize
        && f.opened <= f.updated
}

#[test]
fn whatever_clocks_and_fleets_do_what_is_told_is_sound() {
    let mut of_services = 0;
    for seed in 0..scale::cases(40, 1_000) {
        let (changes, open) = Chaos::new(seed).play();
        let mut told: BTreeMap<FaultId, bool> = BTreeMap::new();
        let mut updated = Timestamp::EPOCH;
        for (change, fault) in small::faults(&changes) {
            assert!(is_sound(fault), "{seed}: {change} {fault:?}");
            assert!(updated <= fault.updated, "{seed}: {change} before what was said {fault:?}");
            updated = fault.updated;
            assert_eq!(fault.ended.is_some(), change == "closed", "{seed}: {fault:?}");
            let before = told.insert(fault.id, change != "closed");
            let expected = if change == "opened" { None } else { Some(true) };
            assert_eq!(before, expected, "{seed}: {change} {fault:?}");
            of_services +=
                u64::from(change == "opened" && fault.locus.kind().starts_with("service"));
        }
        let left: BTreeSet<FaultId> =
            told.into_iter().filter(|(_, open)| *open).map(|(id, _)| id).collect();
        assert_eq!(left, open, "{seed}");
    }
    // the outage comes through in half of them at least, or nothing of the court was tried
    assert!(of_services >= scale::cases(20, 500), "{of_services}");
}
