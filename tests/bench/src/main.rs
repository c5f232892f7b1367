//! How light and how exact an agent is, beside others, on this machine.
//!
//! Without a command: everything, as a table with ratios. The commands are what it starts, pinned to
//! one core each, and print one line of JSON.
#![forbid(unsafe_code)]

mod blackbox;
mod delay;
mod figures;
mod http;
mod limit;
mod ours;
mod peers;
mod soak;
mod suite;
mod table;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

/// Between two bursts everybody rests, so that each begins with an idle machine.
const REST: Duration = Duration::from_millis(50);

/// How light and how exact an agent is, beside others, on this machine.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  tests/bench/run                  builds what is needed, installs the peers, prints the table
  tests/bench/run --rounds 1       once instead of the median of three
  tests/bench/run soak             two million looks by the real agent
  tests/bench/run --only timing    one part: saturated, scheduled, size or timing")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    suite: suite::Options,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Looks one after the other, as many at once as told, by the limit client
    LimitFlat(Flat),
    /// … by Parallax's probe room
    OursFlat(Flat),
    /// … by `blackbox_exporter`
    BlackboxFlat {
        #[command(flatten)]
        run: Flat,
        #[command(flatten)]
        exporter: Exporter,
    },
    /// Looks on a schedule, by the limit client
    LimitPaced(Paced),
    /// … by `blackbox_exporter`
    BlackboxPaced {
        #[command(flatten)]
        run: Paced,
        #[command(flatten)]
        exporter: Exporter,
    },
    /// Looks that are all due in one instant, by the limit client
    LimitBurst(Burst),
    /// … by Parallax's schedule
    OursBurst(Burst),
    /// … by `blackbox_exporter`
    BlackboxBurst {
        #[command(flatten)]
        run: Burst,
        #[command(flatten)]
        exporter: Exporter,
    },
    /// Millions of looks by the real agent: nothing may grow, nothing be missed
    Soak(soak::Soak),
    /// The server that keeps requests for a told time
    ServeDelay {
        /// Where to listen
        #[arg(long)]
        port: u16,
    },
}

/// As many looks as go.
#[derive(Debug, Clone, Args)]
struct Flat {
    #[arg(long)]
    url: String,
    /// PEM file with the root of an https server
    #[arg(long)]
    ca: Option<PathBuf>,
    #[arg(long, default_value_t = 32)]
    at_once: usize,
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

/// Every target once an interval.
#[derive(Debug, Clone, Args)]
struct Paced {
    #[arg(long)]
    url: String,
    #[arg(long)]
    ca: Option<PathBuf>,
    #[arg(long, default_value_t = 1000)]
    targets: usize,
    /// In seconds
    #[arg(long, default_value_t = 10)]
    interval: u64,
    #[arg(long, default_value_t = 20)]
    seconds: u64,
}

/// Looks at the server of `serve-delay`, all due at once, several times.
#[derive(Debug, Clone, Args)]
struct Burst {
    #[arg(long)]
    port: u16,
    /// How long the server keeps a request
    #[arg(long)]
    delay_us: u64,
    #[arg(long)]
    at_once: usize,
    #[arg(long)]
    rounds: usize,
}

impl Burst {
    fn path(&self, id: usize) -> String {
        format!("/{}/{id}", self.delay_us)
    }

    fn url(&self, id: usize) -> String {
        format!("http://127.0.0.1:{}{}", self.port, self.path(id))
    }
}

/// A running `blackbox_exporter`.
#[derive(Debug, Clone, Args)]
struct Exporter {
    #[arg(long)]
    exporter_port: u16,
    #[arg(long)]
    exporter_pid: u32,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let figures = match cli.command {
        None => return suite::run(&cli.suite),
        Some(Command::Soak(soak)) => return soak::run(&soak),
        Some(Command::ServeDelay { port }) => return delay::serve(port),
        Some(Command::LimitFlat(run)) => limit::flat(&run),
        Some(Command::OursFlat(run)) => ours::flat(&run),
        Some(Command::BlackboxFlat { run, exporter: e }) => {
            blackbox::flat(&run, e.exporter_port, e.exporter_pid)
        }
        Some(Command::LimitPaced(run)) => limit::paced(&run),
        Some(Command::BlackboxPaced { run, exporter: e }) => {
            blackbox::paced(&run, e.exporter_port, e.exporter_pid)
        }
        Some(Command::LimitBurst(run)) => limit::burst(&run),
        Some(Command::OursBurst(run)) => ours::burst(&run),
        Some(Command::BlackboxBurst { run, exporter: e }) => {
            blackbox::burst(&run, e.exporter_port, e.exporter_pid)
        }
    };
    figures?.print()
}

/// Lets time pass: what is measured here is what others do meanwhile.
#[expect(clippy::disallowed_methods, reason = "a bench waits for the clock, and holds up nobody")]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

/// What was measured goes to standard output, what happens meanwhile to standard error.
#[expect(clippy::print_stdout, reason = "this is what the program is for")]
fn say(line: &str) {
    println!("{line}");
}

#[expect(clippy::print_stderr, reason = "this is where progress is told")]
fn tell(line: &str) {
    eprintln!("# {line}");
}
