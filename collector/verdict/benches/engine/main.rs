//! What a result costs the engine, in time and memory, beside a plain k-of-n counter in the same run.
//!
//! `cargo bench -p parallax-verdict` measures the times; `cargo bench -p parallax-verdict -- --table` prints one
//! table with the ratio, the cost of what is suspicious alone, memory, and results replayed in a second.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measuring program prints its figures and fails by panicking"
)]

mod counter;
mod looks;
mod memory;

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use parallax_model::{Change, FaultId, Rule, Timestamp};
use parallax_verdict::Engine;
use parallax_verdict::policy::Polls;

use counter::Counter;
use looks::{INTERVAL_MS, Looks, Wrong};

#[global_allocator]
static COUNTING: memory::Counting = memory::Counting;

const AGENTS: usize = 20;
const TARGETS: usize = 1_000;
/// Rounds that make a path known: more than its window.
const KNOWN_ROUNDS: usize = 24;
/// One look in so many fails for no reason: as the Internet is.
const NOISE: u64 = 300;
/// Time passes for the engine once a second, as in the collector.
const TICK_MS: i64 = 1_000;

/// The engine, its looks, and time.
struct Bench {
    engine: Engine,
    looks: Looks,
    out: Vec<Change>,
    ticked: i64,
    changes: usize,
}

impl Bench {
    /// A fleet that is known and well.
    fn known(agents: usize, targets: usize) -> Self {
        let looks = Looks::new(agents, targets, Wrong::Nothing);
        let engine = Engine::new(looks.fleet(), FaultId(1));
        let mut bench = Self { engine, looks, out: Vec::new(), ticked: 0, changes: 0 };
        let rounds = bench.looks.paths() * KNOWN_ROUNDS;
        bench.hear(rounds as u64);
        assert_eq!(bench.changes, 0, "nothing is said of what is well");
        bench
    }

    fn hear(&mut self, count: u64) {
        for _ in 0..count {
            let look = self.looks.look();
            let now = look.received.millis();
            if now >= self.ticked + TICK_MS {
                self.ticked = now;
                self.engine.tick(Timestamp::from_millis(now), &mut self.out);
            }
            self.engine.observe(look, &mut self.out);
            self.changes += self.out.len();
            self.out.clear();
        }
    }

    fn timed(&mut self, count: u64) -> Duration {
        let begin = Instant::now();
        self.hear(count);
        begin.elapsed()
    }
}

fn counted(looks: &mut Looks, counter: &mut Counter, count: u64) -> Duration {
    let begin = Instant::now();
    (0..count).for_each(|_| counter.hear(looks.look()));
    begin.elapsed()
}

fn polled(looks: &mut Looks, polls: &mut Polls, count: u64) -> Duration {
    let begin = Instant::now();
    for _ in 0..count {
        assert_eq!(polls.observe(looks.look()), [], "all is well");
    }
    begin.elapsed()
}

fn main() {
    if std::env::args().any(|arg| arg == "--table") {
        return table();
    }
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("result");
    group.throughput(Throughput::Elements(1));
    let mut well = Bench::known(AGENTS, TARGETS);
    group.bench_function("healthy", |b| b.iter_custom(|count| well.timed(count)));
    well.looks.set(Wrong::OneIn(NOISE));
    group.bench_function("one in 300 fails", |b| b.iter_custom(|count| well.timed(count)));
    drop(well);
    let mut broken = Bench::known(AGENTS, TARGETS);
    broken.looks.set(Wrong::FirstTarget);
    group.bench_function("one target is down", |b| b.iter_custom(|count| broken.timed(count)));
    drop(broken);
    let mut looks = Looks::new(AGENTS, TARGETS, Wrong::Nothing);
    let mut counter = Counter::new(&looks.fleet());
    group.bench_function("k-of-n counter, healthy", |b| {
        b.iter_custom(|count| counted(&mut looks, &mut counter, count));
    });
    group.finish();
    criterion.final_summary();
}

/// Each figure once, for people: the shortest of some turns, which other work on the machine prolongs least.
fn table() {
    for (agents, targets) in [(AGENTS, TARGETS), (100, 10_000)] {
        size(agents, targets);
    }
    let round = (AGENTS * TARGETS) as u64;
    let ns = |time: Duration, of: u64| time.as_nanos() as f64 / of.max(1) as f64;
    let least = |turn: &mut dyn FnMut() -> f64| (0..9).map(|_| turn()).fold(f64::MAX, f64::min);
    let mut looks = Looks::new(AGENTS, TARGETS, Wrong::Nothing);
    let mut counter = Counter::new(&looks.fleet());
    let plain = least(&mut || ns(counted(&mut looks, &mut counter, round), round));
    assert_eq!(counter.down, 0, "all is well");
    let mut bench = Bench::known(AGENTS, TARGETS);
    let healthy = least(&mut || ns(bench.timed(round), round));
    let mut fleet = looks.fleet();
    fleet.targets.iter_mut().for_each(|t| t.policy = Some(Rule::Majority));
    let before = memory::allocated();
    let mut polls = Polls::new(Vec::new(), &fleet);
    polled(&mut looks, &mut polls, round * 2);
    let bytes = (memory::allocated() - before) as u64 / round;
    let ruled = least(&mut || ns(polled(&mut looks, &mut polls, round), round));
    println!("{AGENTS} agents, {TARGETS} targets, {} s apart", INTERVAL_MS / 1000);
    println!("k-of-n counter, a healthy result            {plain:9.1} ns");
    println!(
        "healthy result                              {healthy:9.1} ns   {:.2} of the counter",
        healthy / plain
    );
    println!("more for a rule of the target's own         {ruled:9.1} ns   {bytes} bytes a path");
    for (name, wrong, rounds) in [
        ("one look in 300 fails", Wrong::OneIn(NOISE), 20),
        ("one target is down, while it is open", Wrong::FirstTarget, 20),
    ] {
        let mut bench = bench_with(wrong);
        let time = bench.timed(round * rounds);
        let all = ns(time, round * rounds);
        let each = (time.as_nanos() as f64 - healthy * (round * rounds) as f64)
            / bench.looks.failed as f64;
        println!("{name:44}{all:9.1} ns a result, {each:9.0} ns more for each that fails");
        let replayed = 1e3 / all;
        println!("  replayed in process                       {replayed:9.2} M results a second");
    }
}

/// A known fleet in which something has been wrong for a while.
fn bench_with(wrong: Wrong) -> Bench {
    let mut bench = Bench::known(AGENTS, TARGETS);
    bench.looks.set(wrong);
    bench.hear((AGENTS * TARGETS * 2) as u64);
    bench.looks.set(wrong);
    bench
}

fn size(agents: usize, targets: usize) {
    let looks = Looks::new(agents, targets, Wrong::Nothing);
    let fleet = looks.fleet();
    let (before, resident) = (memory::allocated(), memory::resident());
    let engine = Engine::new(fleet, FaultId(1));
    let mut bench = Bench { engine, looks, out: Vec::new(), ticked: 0, changes: 0 };
    bench.hear((agents * targets * 2) as u64);
    let bytes = memory::allocated() - before;
    let each = bytes as f64 / (agents * targets) as f64;
    let mb = |bytes: usize| bytes as f64 / 1e6;
    let grown = memory::resident().zip(resident).map(|(now, then)| now.saturating_sub(then));
    let grown = grown.map_or(String::from("unknown"), |bytes| format!("{:.0} MB", mb(bytes)));
    println!(
        "{agents} agents, {targets} targets: {:.0} MB, {each:.0} bytes a path; resident memory grew by {grown}",
        mb(bytes)
    );
}
