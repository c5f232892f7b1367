//! How right the engine is on made-up worlds:
//! `cargo bench -p parallax-verdict --bench accuracy -- [--agents 18] [--seeds 10] [--noise 1]
//! [--from 1] [--families a,b] [--answer] [--notes]`
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::semicolon_if_nothing_returned,
    clippy::wildcard_enum_match_arm,
    clippy::type_complexity,
    clippy::match_same_arms,
    clippy::needless_for_each,
    clippy::doc_markdown,
    reason = "a measuring program and its tables"
)]
#[path = "../tests/world/mod.rs"]
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use world::score::{Score, score};
use world::{Plan, World};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let value = |name: &str| args.iter().position(|a| a == name).and_then(|i| args.get(i + 1));
    let number = |name: &str, or: f64| value(name).and_then(|v| v.parse().ok()).unwrap_or(or);
    let agents = number("--agents", 18.0) as usize;
    let services = number("--services", if agents <= 5 { 4.0 } else { 12.0 }) as usize;
    let families: Vec<&str> = match value("--families") {
        Some(list) => list.split(',').collect(),
        None => world::faults::FAMILIES.to_vec(),
    };
    let (seeds, from) = (number("--seeds", 4.0) as u64, number("--from", 1.0) as u64);
    let plans: Vec<Plan> = families
        .iter()
        .flat_map(|family| {
            (from..from + seeds).map(|seed| Plan {
                seed: seed * 1000 + family.len() as u64,
                agents,
                services,
                references: 3,
                interval_ms: number("--interval", 30_000.0) as i64,
                hours: number("--hours", 1.5),
                noise: number("--noise", 1.0),
                family: (*family).to_owned(),
            })
        })
        .collect();
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Score, usize, usize)>> = Mutex::new(Vec::new());
    let answer = args.iter().any(|a| a == "--answer");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(plan) = plans.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let at = plans.iter().position(|p| std::ptr::eq(p, plan)).unwrap();
                    let world = World::new(plan);
                    let (changes, count, extra) = world::run::run(&world, answer);
                    done.lock().unwrap().push((at, score(&world, &changes), count, extra));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|d| d.0);
    println!(
        "{:20}{:>6}{:>6}{:>6}{:>6}{:>9}{:>6}{:>6}{:>6}{:>6}{:>8}{:>8}{:>8}{:>8}",
        "family",
        "n",
        "found",
        "state",
        "dep",
        "depwrong",
        "mispl",
        "inv",
        "fglob",
        "flaps",
        "ttd50",
        "ttd95",
        "close50",
        "close95"
    );
    let mut total = Score::default();
    let (mut rows, mut extra) = (0, 0);
    for family in &families {
        let mut sum = Score::default();
        for (at, s, count, asked) in &done {
            if plans[*at].family == *family {
                sum.add(s.clone());
                rows += count;
                extra += asked;
            }
        }
        print_row(family, &sum);
        total.add(sum);
    }
    print_row("all", &total);
    let brier = total.brier.iter().map(|(c, g)| (c - f64::from(u8::from(*g))).powi(2)).sum::<f64>()
        / total.brier.len().max(1) as f64;
    let mut bins = [(0.0, 0.0); 10];
    for (c, g) in &total.brier {
        let bin = &mut bins[((c * 10.0) as usize).min(9)];
        *bin = (bin.0 + c, bin.1 + f64::from(u8::from(*g)));
    }
    let ece =
        bins.iter().map(|(c, g)| (c - g).abs()).sum::<f64>() / total.brier.len().max(1) as f64;
    println!(
        "target-hours {:.0}  wrong/100h {:.3}  false global/1000h {:.2}  never closed {}  brier {brier:.4} ece {ece:.4}  rows {rows} asked {extra}",
        total.hours,
        100.0 * (total.misplaced + total.invented) as f64 / total.hours,
        1000.0 * total.false_global as f64 / total.hours,
        total.never_closed
    );
    if args.iter().any(|a| a == "--notes") {
        total.notes.iter().for_each(|n| println!("{n}"));
    }
}

fn print_row(name: &str, s: &Score) {
    let q = |v: &[f64], p: f64| {
        let mut v = v.to_vec();
        v.sort_by(f64::total_cmp);
        v.get(((v.len() as f64 * p) as usize).min(v.len().saturating_sub(1)))
            .copied()
            .unwrap_or(f64::NAN)
    };
    println!(
        "{name:20}{:6}{:6}{:6}{:>6}{:9}{:6}{:6}{:6}{:6}{:8.1}{:8.1}{:8.0}{:8.0}",
        s.faults,
        s.found,
        s.state_ok,
        format!("{}/{}", s.dep_found, s.dep),
        s.dep_wrong,
        s.misplaced,
        s.invented,
        s.false_global,
        s.flaps,
        q(&s.ttd, 0.5),
        q(&s.ttd, 0.95),
        q(&s.close, 0.5),
        q(&s.close, 0.95)
    );
}
