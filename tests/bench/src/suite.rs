//! Everything in one run: the peers, the limit and Parallax take turns, on the same core, against the
//! same servers.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;

use crate::figures::{Figures, Meter, Size, median, size};
use crate::peers::{self, DELAY, EXPORTER, HTTP, HTTPS, Running};
use crate::table::Table;

/// Ports of the collector that Parallax's agent reports to.
pub(crate) const PAGES: u16 = 9880;
const ROAD: u16 = 9881;

/// An agent has looked at everything once, and settled.
const WARM_UP: Duration = Duration::from_secs(12);

/// An agent without targets has connected.
const IDLE: Duration = Duration::from_secs(4);

/// How long the server of the timing runs keeps a request.
const DELAY_US: u64 = 20_000;

/// Due at once in the timing runs, and in how many rounds.
const BURSTS: [(usize, usize); 3] = [(1, 100), (50, 20), (200, 10)];

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where the binaries are; beside this one, unless told
    #[arg(long)]
    bin: Option<PathBuf>,
    /// Runs of which the median counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// One part: saturated, scheduled, size or timing
    #[arg(long)]
    only: Option<String>,
}

/// What every part needs.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
    bin: PathBuf,
    ca: PathBuf,
}

/// One part of a run.
type Part = fn(&mut Suite) -> Result<()>;

struct Suite {
    bench: Bench,
    rounds: usize,
    table: Table,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let bench = Bench::new(options.bin.as_deref())?;
    let _nginx = peers::nginx(bench.folder())?;
    let mut suite = Suite { bench, rounds: options.rounds.max(1), table: Table::default() };
    let parts: [(&str, Part); 4] = [
        ("saturated", Suite::saturated),
        ("scheduled", Suite::scheduled),
        ("size", Suite::sizes),
        ("timing", Suite::timing),
    ];
    for (name, part) in parts {
        if options.only.as_ref().is_none_or(|only| only == name) {
            crate::tell(name);
            part(&mut suite)?;
        }
    }
    crate::say(&suite.table.render());
    Ok(())
}

impl Suite {
    /// As many looks as one core gives, 32 at once.
    fn saturated(&mut self) -> Result<()> {
        for (scheme, port, limits) in [("http", HTTP, (1.25, 0.143)), ("https", HTTPS, (1.2, 0.30))]
        {
            let url = format!("--url={scheme}://localhost:{port}/");
            let ca = format!("--ca={}", self.bench.ca.display());
            let (mut limit, mut ours, mut blackbox) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..self.rounds {
                limit.push(peers::figures(true, &args(["limit-flat", &url, &ca]))?);
                ours.push(peers::figures(true, &args(["ours-flat", &url, &ca]))?);
                blackbox.push(self.bench.exporter("blackbox-flat", &[&url, &ca])?);
            }
            let (limit, ours, blackbox) = three(limit, ours, blackbox)?;
            self.cost(
                &format!("CPU per {scheme} look, 32 at once"),
                &limit,
                &ours,
                &blackbox,
                limits,
            );
            let least = if scheme == "http" { 15_000.0 } else { 2_600.0 };
            self.table.row(
                &format!("{scheme} looks a second of one core"),
                &[limit.per_core_second(), ours.per_core_second(), blackbox.per_core_second()],
                "/s",
                &format!("≥ {least}"),
                ours.per_core_second() >= least,
            );
        }
        Ok(())
    }

    /// 1,000 https targets looked at every 10 s, results on the road to a collector.
    fn scheduled(&mut self) -> Result<()> {
        let url = format!("--url=https://localhost:{HTTPS}/");
        let ca = format!("--ca={}", self.bench.ca.display());
        let (mut limit, mut ours, mut blackbox) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            limit.push(peers::figures(true, &args(["limit-paced", &url, &ca]))?);
            let world = self.bench.world(1000, Duration::from_secs(10), "https")?;
            crate::wait(WARM_UP);
            let (meter, before) = (Meter::of(world.agent.pid())?, peers::requests()?);
            crate::wait(Duration::from_secs(20));
            // the question itself is a request, too
            let looks = peers::requests()?.saturating_sub(before + 1);
            ours.push(meter.read(looks, looks)?);
            drop(world);
            blackbox.push(self.bench.exporter("blackbox-paced", &[&url, &ca])?);
        }
        let (limit, ours, blackbox) = three(limit, ours, blackbox)?;
        let what = "CPU per https look, 1,000 targets / 10 s";
        self.cost(what, &limit, &ours, &blackbox, (1.1, 0.45));
        Ok(())
    }

    /// Memory, threads, binary.
    fn sizes(&mut self) -> Result<()> {
        for (targets, interval, most_mb) in [(0, 10, 6.0), (1000, 10, 10.0), (10_000, 100, 30.0)] {
            let world = self.bench.world(targets, Duration::from_secs(interval), "https")?;
            crate::wait(if targets == 0 { IDLE } else { WARM_UP + WARM_UP });
            let Size { rss_kb, rss_max_kb, threads, files } = size(world.agent.pid())?;
            let mb = rss_kb as f64 / 1024.0;
            self.table.own(
                &format!("RSS with {targets} targets"),
                &format!("{mb:.1} MB (peak {:.1})", rss_max_kb as f64 / 1024.0),
                &format!("≤ {most_mb} MB"),
                mb <= most_mb,
            );
            if targets == 1000 {
                let told = format!("{threads} ({files} files)");
                self.table.own("threads", &told, "≤ 2", threads <= 2);
            }
        }
        let mb = self.bench.binary_bytes()? as f64 / f64::from(1 << 20);
        self.table.own("binary", &format!("{mb:.1} MB"), "≤ 12 MB stripped", mb <= 12.0);
        Ok(())
    }

    /// What is reported beyond what the server kept.
    fn timing(&mut self) -> Result<()> {
        let this = std::env::current_exe()?;
        let log = self.bench.folder().join("delay.log");
        let port = format!("--port={DELAY}");
        let _delay = peers::other(&this, ["serve-delay", &port], &log)?;
        peers::until_open(DELAY)?;
        for (at_once, rounds) in BURSTS {
            let burst = [
                port.clone(),
                format!("--delay-us={DELAY_US}"),
                format!("--at-once={at_once}"),
                format!("--rounds={rounds}"),
            ];
            let burst: Vec<&str> = burst.iter().map(String::as_str).collect();
            let with = |name| args([&[name], &burst[..]].concat());
            let limit = peers::figures(true, &with("limit-burst"))?;
            let ours = peers::figures(true, &with("ours-burst"))?;
            let blackbox = self.bench.exporter("blackbox-burst", &burst)?;
            let bounds = match at_once {
                1 => Some((400.0, 700.0)),
                200 => Some((1500.0, 4000.0)),
                _ => None,
            };
            self.errors(&format!("{at_once} due at once"), [&limit, &ours, &blackbox], bounds)?;
        }
        Ok(())
    }

    fn errors(&mut self, what: &str, of: [&Figures; 3], most: Option<(f64, f64)>) -> Result<()> {
        let error = |f: &Figures| f.error_us.context("no timing");
        let [limit, ours, blackbox] = of;
        let all = [error(limit)?, error(ours)?, error(blackbox)?];
        let (medians, p99s) = (all.map(|(median, _)| median), all.map(|(_, p99)| p99));
        let bound =
            |most: Option<f64>| most.map_or("–".to_owned(), |most| format!("≤ {most} µs"));
        let within = |is: f64, most: Option<f64>| most.is_none_or(|most| is <= most);
        let (median, p99) = (most.map(|m| m.0), most.map(|m| m.1));
        let row = format!("timing error, {what}: median");
        self.table.row(&row, &medians, "µs", &bound(median), within(medians[1], median));
        let row = format!("timing error, {what}: p99");
        self.table.row(&row, &p99s, "µs", &bound(p99), within(p99s[1], p99));
        let first = |f: &Figures| f.first_byte_error_us.map_or(f64::NAN, |(median, _)| median);
        let row = format!("… of the first byte, {what}: median");
        self.table.row(&row, &of.map(first), "µs", "–", true);
        Ok(())
    }

    fn cost(
        &mut self,
        what: &str,
        limit: &Figures,
        ours: &Figures,
        blackbox: &Figures,
        (of_limit, of_blackbox): (f64, f64),
    ) {
        let costs = [limit, ours, blackbox].map(|f| f.cpu_ms_per_look);
        let reached = costs[1] <= costs[0] * of_limit && costs[1] <= costs[2] * of_blackbox;
        let bound = format!("≤ {of_limit}× limit, ≤ {of_blackbox}× blackbox");
        self.table.row(what, &costs, "ms", &bound, reached);
        let failed = [limit, ours, blackbox].map(|f| f.looks - f.ok);
        if failed.iter().any(|n| *n > 0) {
            crate::tell(&format!("{what}: looks that failed: {failed:?}"));
        }
    }
}

impl Bench {
    pub(crate) fn new(bin: Option<&Path>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let ca = peers::certificates(folder.path())?;
        let beside = std::env::current_exe()?.parent().map(Path::to_owned).context("no folder")?;
        Ok(Self { folder, bin: bin.map_or(beside, Path::to_owned), ca })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The agent's size on disk without what only a debugger reads, in bytes.
    fn binary_bytes(&self) -> Result<u64> {
        let (agent, bare) = (self.bin.join("parallax-agent"), self.folder().join("bare"));
        let stripped = Command::new("strip").arg("-o").arg(&bare).arg(agent).status()?;
        anyhow::ensure!(stripped.success(), "strip failed");
        Ok(std::fs::metadata(bare)?.len())
    }

    /// A fresh exporter, and a driver beside it.
    fn exporter(&self, command: &str, run: &[&str]) -> Result<Figures> {
        let exporter = peers::exporter(self.folder.path(), &self.ca)?;
        let (port, pid) = (EXPORTER.to_string(), exporter.pid().to_string());
        let more = ["--exporter-port", &port, "--exporter-pid", &pid];
        peers::figures(false, &args([&[command], run, &more].concat()))
    }

    /// A collector, and an agent that looks at so many targets.
    pub(crate) fn world(&self, targets: usize, interval: Duration, scheme: &str) -> Result<World> {
        let folder = tempfile::tempdir_in(self.folder.path())?;
        let w = folder.path().display();
        let mut config = format!(
            "[collector]\ndata_dir = \"{w}/collector\"\nhttp = \"127.0.0.1:{PAGES}\"\n\
             listen = \"127.0.0.1:{ROAD}\"\n[defaults]\ninterval = \"{}ms\"\n\
             [[agents]]\nname = \"a\"\n",
            interval.as_millis()
        );
        let port = if scheme == "http" { HTTP } else { HTTPS };
        for n in 0..targets {
            let url = format!("{scheme}://localhost:{port}/{n}");
            writeln!(config, "[[targets]]\nname = \"t{n}\"\nhttp = {{ url = \"{url}\" }}")?;
        }
        let agent = format!(
            "name = \"a\"\ncollector = \"http://127.0.0.1:{ROAD}\"\ndata_dir = \"{w}/agent\"\n\
             extra_ca = \"{}\"\n[connect_to]\nlocalhost = \"127.0.0.1:{port}\"\n",
            self.ca.display()
        );
        let (c, a) = (folder.path().join("collector.toml"), folder.path().join("agent.toml"));
        std::fs::write(&c, config)?;
        std::fs::write(&a, agent)?;
        let log = folder.path().join("log");
        let with = |command: &str, file: &Path| {
            args([command, "--config", file.to_str().unwrap_or_default()])
        };
        let collector = peers::other(&self.bin.join("parallax"), with("serve", &c), &log)?;
        peers::until_open(ROAD)?;
        let agent = peers::measured(&self.bin.join("parallax-agent"), with("run", &a), &log)?;
        Ok(World { agent, collector, _folder: folder })
    }
}

/// Ended in this order: the agent first.
pub(crate) struct World {
    pub(crate) agent: Running,
    pub(crate) collector: Running,
    _folder: tempfile::TempDir,
}

fn three(
    limit: Vec<Figures>,
    ours: Vec<Figures>,
    blackbox: Vec<Figures>,
) -> Result<(Figures, Figures, Figures)> {
    let middle = |runs| median(runs).context("no run");
    Ok((middle(limit)?, middle(ours)?, middle(blackbox)?))
}

fn args<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    words.into_iter().map(str::to_owned).collect()
}
