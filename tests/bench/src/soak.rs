//! Millions of looks by the real agent, at half of what a core gives: nothing may grow, nothing be
//! missed.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;

use crate::figures::{Size, size};
use crate::peers;
use crate::suite::{Bench, PAGES};

/// Between two readings of the agent's size.
const READ_EVERY: Duration = Duration::from_secs(2);

/// A fleet that looks as often as a target may be looked at.
const INTERVAL_MS: u64 = 100;

/// The first tenth warms up; what the last is larger by has grown.
const GROWTH_MAX_KB: u64 = 1024;

/// Connections under way come and go with the looks.
const FILES_GROWTH_MAX: u64 = 64;

/// The agent tells what it missed every few seconds.
const TOLD_WITHIN: Duration = Duration::from_secs(7);

#[derive(Debug, Args)]
pub(crate) struct Soak {
    /// How many looks
    #[arg(long, default_value_t = 2_000_000)]
    looks: u64,
    /// Targets, each looked at ten times a second
    #[arg(long, default_value_t = 250)]
    targets: usize,
    /// Where the binaries are; beside this one, unless told
    #[arg(long)]
    bin: Option<std::path::PathBuf>,
}

pub(crate) fn run(soak: &Soak) -> Result<()> {
    let bench = Bench::new(soak.bin.as_deref())?;
    let nginx = peers::nginx(bench.folder())?;
    let world = bench.world(soak.targets, Duration::from_millis(INTERVAL_MS), "http")?;
    let per_second = soak.targets as u64 * 1000 / INTERVAL_MS;
    crate::tell(&format!("{} looks, {per_second} a second", soak.looks));
    crate::wait(READ_EVERY);
    // once as many looks under way, and as many results waiting, as may be: what they leave in the heap is
    // no growth later, when a busy machine holds something up
    for held_up in [nginx.pid(), world.collector.pid(), world.agent.pid()] {
        hold(held_up)?;
    }
    crate::wait(TOLD_WITHIN);
    let missed_before = missed()?;
    let (begun, first) = (Instant::now(), peers::requests()?);
    let deadline = begun + Duration::from_secs(60 + 2 * soak.looks / per_second);
    let mut sizes = Vec::new();
    let looks = loop {
        crate::wait(READ_EVERY);
        sizes.push(size(world.agent.pid())?);
        // each question is a request, too
        let looks = peers::requests()? - first - sizes.len() as u64;
        if looks >= soak.looks {
            break looks;
        }
        anyhow::ensure!(Instant::now() < deadline, "only {looks} looks in {:?}", begun.elapsed());
    };
    let seconds = begun.elapsed().as_secs_f64();
    crate::wait(TOLD_WITHIN);
    let missed = missed()? - missed_before;
    let (early, late) = ends(&sizes)?;
    crate::say(&format!(
        "{looks} looks in {seconds:.0} s ({:.0} a second): RSS {} -> {} kB, open files {} -> {}, \
         threads {}, missed slots {missed}",
        looks as f64 / seconds,
        early.rss_kb,
        late.rss_kb,
        early.files,
        late.files,
        late.threads
    ));
    anyhow::ensure!(late.rss_kb <= early.rss_kb + GROWTH_MAX_KB, "its memory grows");
    anyhow::ensure!(late.files <= early.files + FILES_GROWTH_MAX, "it leaks files");
    anyhow::ensure!(missed == 0, "it missed {missed} slots");
    Ok(())
}

/// Stops a process for several intervals. While servers are stopped all targets' looks are under way, while
/// the collector is, results wait; after the agent was, all targets are due at once.
fn hold(pid: u32) -> Result<()> {
    for (signal, then) in [("STOP", 5 * INTERVAL_MS), ("CONT", 0)] {
        let done = Command::new("kill").args(["-s", signal, &pid.to_string()]).status()?;
        anyhow::ensure!(done.success(), "kill -s {signal} {pid}");
        crate::wait(Duration::from_millis(then));
    }
    Ok(())
}

/// What was largest in the second and in the last tenth.
fn ends(sizes: &[Size]) -> Result<(Size, Size)> {
    let tenth = (sizes.len() / 10).max(1);
    let largest = |sizes: &[Size]| {
        let most = |of: fn(&Size) -> u64| sizes.iter().map(of).max();
        Some(Size {
            rss_kb: most(|s| s.rss_kb)?,
            rss_max_kb: most(|s| s.rss_max_kb)?,
            threads: most(|s| s.threads)?,
            files: most(|s| s.files)?,
        })
    };
    let early = sizes.get(tenth..2 * tenth).and_then(largest).context("too short a soak")?;
    let late = sizes.get(sizes.len() - tenth..).and_then(largest).context("too short a soak")?;
    Ok((early, late))
}

/// What the agent told its collector.
fn missed() -> Result<u64> {
    let told: serde_json::Value =
        serde_json::from_str(&crate::http::get(PAGES, "/api/v1/agents")?)?;
    told["agents"][0]["missed_slots"].as_u64().context("the agent told nothing")
}
