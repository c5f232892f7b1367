//! How right the engine is on made-up worlds, as a table by family and fleet.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a measuring program prints its figures and fails by panicking"
)]

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use parallax_accuracy::account::Cell;
use parallax_accuracy::stage::FAMILIES;
use parallax_accuracy::{Plan, Score, World, document, run, score, table, trace};

const HELP: &str = "usage: accuracy [OPTION VALUE]...
Makes worlds from seeds, runs the verdict engine over them and prints how right it was.
  --agents 3,18,50     fleet sizes                             (default 18)
  --seeds 4            worlds for each family, or as many for each fleet: 20,20,4 (default 4)
  --from 1             the first seed; from 1000 on they are held out from work on the engine
  --noise 1,3          how much goes wrong for no reason       (default 1)
  --families a,b       only these
  --hours 1.5          how long each world lasts
  --second-opinion on  looks that the engine asks for are made (default off)
  --notes on           every fault missed and every wrong word
  --jobs 2             threads
  --document docs/     writes accuracy.md and its plots there: the engine and the rules that most people
                       use over the same worlds, all families; rewritten after each fleet
  --trace DIR          writes fleet.toml and results.csv of the first world there, for parallax replay;
                       nothing that is there is written over
example: cargo run --release -p parallax-accuracy -- --agents 3,18,50 --seeds 20 --from 1000";

struct Options(Vec<String>);

impl Options {
    fn parse() -> Result<Self, String> {
        let words: Vec<String> = std::env::args().skip(1).collect();
        for pair in words.chunks(2) {
            let known = HELP.contains(&format!("  {} ", pair[0])) && pair[0].starts_with("--");
            if !known || pair.len() < 2 {
                return Err(pair[0].clone());
            }
        }
        Ok(Self(words))
    }

    fn get<'a>(&'a self, name: &str, or: &'a str) -> &'a str {
        let pair = self.0.chunks(2).find(|pair| pair[0] == name);
        pair.map_or(or, |pair| pair[1].as_str())
    }

    fn number<T: std::str::FromStr>(&self, name: &str, or: &str) -> T {
        parsed(name, self.get(name, or))
    }

    fn list<T: std::str::FromStr>(&self, name: &str, or: &str) -> Vec<T> {
        self.get(name, or).split(',').map(|v| parsed(name, v)).collect()
    }

    fn is_on(&self, name: &str) -> bool {
        self.get(name, "off") == "on"
    }
}

fn parsed<T: std::str::FromStr>(name: &str, text: &str) -> T {
    text.parse().unwrap_or_else(|_| {
        eprintln!("accuracy: {name} {text:?} is no value of its kind (try --help)");
        std::process::exit(2)
    })
}

fn main() {
    let options = match Options::parse() {
        Ok(options) => options,
        Err(word) if matches!(word.as_str(), "--help" | "-h") => return println!("{HELP}"),
        Err(word) => {
            eprintln!("accuracy: {word:?} is no option, or has no value (try --help)");
            std::process::exit(2);
        }
    };
    if !options.get("--trace", "").is_empty() {
        return write_trace(&options);
    }
    if !options.get("--document", "").is_empty() {
        return document(&options);
    }
    let all = FAMILIES.join(",");
    let families: Vec<String> = options.list("--families", &all);
    for noise in options.list::<f64>("--noise", "1") {
        for agents in options.list::<usize>("--agents", "18") {
            measure(&options, &families, agents, noise);
        }
    }
}

/// One world as files.
fn write_trace(options: &Options) {
    let family = options.list::<String>("--families", "quiet").swap_remove(0);
    let agents = options.list("--agents", "18")[0];
    let mut plan = Plan::new(&family, agents, options.number("--from", "1"));
    plan.noise = options.list("--noise", "1")[0];
    plan.hours = options.number("--hours", &plan.hours.to_string());
    let folder = Path::new(options.get("--trace", ""));
    let files = ["fleet.toml", "results.csv"].map(|file| folder.join(file));
    if let Some(there) = files.iter().find(|file| file.exists()) {
        eprintln!(
            "accuracy: {} is there already: name another folder, or remove it",
            there.display()
        );
        std::process::exit(2);
    }
    let world = World::new(&plan);
    std::fs::create_dir_all(folder).unwrap();
    let [fleet, results] = files;
    std::fs::write(&fleet, trace::fleet(&world)).unwrap();
    std::fs::write(&results, trace::results(&world)).unwrap();
    println!("wrote {} and {}", fleet.display(), results.display());
}

/// The whole account, fleet by fleet: what was run so far stands in the files at any time.
fn document(options: &Options) {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let command = format!("cargo run --release -p parallax-accuracy -- {}", words.join(" "));
    let folder = Path::new(options.get("--document", ""));
    let (from, jobs) = (options.number("--from", "1000"), options.number("--jobs", "2"));
    let seeds: Vec<u64> = options.list("--seeds", "4");
    let mut cells = Vec::new();
    for (at, agents) in options.list::<usize>("--agents", "18").into_iter().enumerate() {
        let seeds = *seeds.get(at).or(seeds.last()).unwrap_or(&4);
        for noise in options.list::<f64>("--noise", "1") {
            let begin = std::time::Instant::now();
            let cell = Cell::measure(agents, noise, from, seeds, jobs);
            println!("\n{agents} agents, noise x{noise}: {:.0} s", begin.elapsed().as_secs_f64());
            for opinion in [false, true] {
                let sum = cell.sum(opinion, |_| true);
                println!("{}", table::footing(&sum.engine));
                if options.is_on("--notes") {
                    sum.engine.notes.iter().for_each(|note| println!("{note}"));
                }
            }
            cells.push(cell);
            for (name, text) in document::files(&cells, &command) {
                std::fs::write(folder.join(name), text).unwrap();
            }
        }
    }
}

/// What came of one world.
#[derive(Default)]
struct Done {
    score: Score,
    results: usize,
    asked: usize,
}

fn measure(options: &Options, families: &[String], agents: usize, noise: f64) {
    let (from, seeds) = (options.number("--from", "1"), options.number::<u64>("--seeds", "4"));
    let hours = options.get("--hours", "");
    let plans: Vec<Plan> = families
        .iter()
        .flat_map(|f| (from..from + seeds).map(|seed| Plan::new(f, agents, seed)))
        .map(|mut plan| {
            plan.noise = noise;
            if !hours.is_empty() {
                plan.hours = parsed("--hours", hours);
            }
            plan
        })
        .collect();
    let second_opinion = options.is_on("--second-opinion");
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Done>> = Mutex::new(plans.iter().map(|_| Done::default()).collect());
    std::thread::scope(|scope| {
        for _ in 0..options.number("--jobs", "2") {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(plan) = plans.get(at) else { break };
                    let world = World::new(plan);
                    let said = run(&world, second_opinion);
                    let score = score(&world, &said);
                    done.lock().unwrap()[at] =
                        Done { score, results: said.results, asked: said.asked };
                }
            });
        }
    });
    let done = done.into_inner().unwrap();
    println!("\n{agents} agents, noise x{noise}, seeds {from}..{}", from + seeds - 1);
    println!("{}", table::heading());
    let mut total = Done::default();
    for family in families {
        let mut sum = Score::default();
        for (plan, one) in plans.iter().zip(&done).filter(|(p, _)| p.family == *family) {
            debug_assert_eq!(plan.family, *family);
            sum.add(&one.score);
            total.results += one.results;
            total.asked += one.asked;
        }
        println!("{}", table::row(family, &sum));
        total.score.add(&sum);
    }
    println!("{}", table::row("all", &total.score));
    println!("{}", table::footing(&total.score));
    let share = 100.0 * total.asked as f64 / total.results.max(1) as f64;
    println!("{} results, {} more asked for ({share:.1} %)", total.results, total.asked);
    if options.is_on("--notes") {
        total.score.notes.iter().for_each(|note| println!("{note}"));
    }
}
