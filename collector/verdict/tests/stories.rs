//! Outage stories as data: `stories/*.toml` say what the world does and what must be said of it,
//! by when, and nothing else. A bug report becomes a file there.
//! `STORY=name cargo test -p parallax-verdict --test stories` plays those whose names begin so.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(unreachable_pub, dead_code, reason = "modules shared with other tests")]

#[path = "story/scale.rs"]
mod scale;
mod story;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use story::Story;

/// The stories of a folder that were asked for, in the order of their names; it has at least `least`.
fn read(folder: &str, least: usize) -> Vec<(String, Story)> {
    let only = std::env::var("STORY").unwrap_or_default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == "toml"));
    files.sort();
    assert!(files.len() >= least, "only {} stories", files.len());
    let named = files.into_iter().map(|file| {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        let story = toml::from_str(&text).unwrap_or_else(|why| panic!("{name}: {why}"));
        (name, story)
    });
    named.filter(|(name, _)| name.starts_with(&only)).collect()
}

#[test]
fn every_story_ends_as_it_says() {
    let mut wrong = Vec::new();
    for (name, story) in read("stories", 15) {
        for seed in 0..story.seeds {
            if let Err(why) = story.check(seed) {
                wrong.push(format!("{name}, seed {seed}: {why}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Outages that everybody remembers, as far as the published reports tell them; what is said of them is
/// written down. `PARALLAX_LONG=1` plays them under every schedule, `UPDATE=1` writes anew.
#[test]
fn history_is_told_right_and_written_down() {
    let stories = read("stories/history", 12);
    let told: Vec<Mutex<(Vec<String>, String)>> =
        stories.iter().map(|_| Mutex::default()).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((name, story)) = stories.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let at = stories.iter().position(|(n, _)| n == name).unwrap();
                    *told[at].lock().unwrap() = play(name, story);
                }
            });
        }
    });
    let told: Vec<_> = told.into_iter().map(|t| t.into_inner().unwrap()).collect();
    let wrong: Vec<String> = told.iter().flat_map(|(wrong, _)| wrong.clone()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if std::env::var_os("STORY").is_none() {
        let tables: Vec<String> = told.into_iter().map(|(_, table)| table).collect();
        write_down(&format!("{HEAD}\n{}", tables.join("\n")));
    }
}

/// What was told wrong, and the table of what was told.
fn play(name: &str, story: &Story) -> (Vec<String>, String) {
    let seeds = scale::cases(1, story.seeds);
    let (mut missed, mut table) = (Vec::new(), String::new());
    for seed in 0..seeds {
        let told = story.run(seed).and_then(|all| {
            if seed == 0 {
                table = story.table(&all);
            }
            story.judge(&all)
        });
        missed.extend(told.err().map(|why| format!("{name}, seed {seed}: {why}")));
    }
    (missed, table)
}

fn write_down(text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("stories/HISTORY.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, text).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = written.lines().zip(text.lines()).find(|(was, is)| was != is);
    assert!(written == text, "stories/HISTORY.md is not what is said now ({differs:?}): {HOW}");
}

const HOW: &str = "write it anew with `UPDATE=1 cargo test -p parallax-verdict --test stories`";

const HEAD: &str = "\
# Outages that everybody remembers

What the engine says of them, from worlds that are staged after the published reports: the times, places, kinds
and shares of failing looks are theirs, the fleet of agents is ours. Each is a file in `stories/history`, with
what must be said by when. There is no second opinion in these runs: every word rests on scheduled looks, one in 30 s from
each agent where the file says nothing else. A time after midnight is the next day's. Once a dependency is well again, what needs it has three
minutes before its own trouble is told.
Written by `UPDATE=1 cargo test -p parallax-verdict --test stories`, and held to it by the test.
";
