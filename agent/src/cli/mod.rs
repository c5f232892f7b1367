//! What a person types, and what they get to read.
//!
//! Contract: exit code 0 (well), 1 (it failed), 2 (usage or configuration); one line a mistake, on
//! standard error. Logs go to standard error too: standard output is for answers.

mod enroll;
mod lent;
mod papers;
mod probe;
mod run;
mod seen;
mod systemd;
mod url;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::config::DATA_DIR_DEFAULT;

/// It failed.
pub(crate) const FAILED: u8 = 1;

/// What was asked for makes no sense.
pub(crate) const USAGE: u8 = 2;

/// One witness of Parallax: looks at services, remembers what it saw, reports it.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Join a collector: the line that `parallax token create` prints there
    Enroll(Enroll),
    /// Look at what the collector assigns, until told to stop (SIGTERM or Ctrl-C)
    Run(Run),
    /// Look from here, once or again and again, and show every stage
    Probe(Probe),
    /// Print the manual page, or write one for each command
    #[command(hide = true)]
    Man(Man),
    /// Print what a shell needs to complete commands
    #[command(hide = true)]
    Completions(Completions),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  parallax-agent enroll --collector https://parallax.example:7481 --token plx1_…
  parallax-agent enroll --collector https://192.0.2.7 --token plx1_… --name fra-2 --data-dir agent")]
struct Enroll {
    /// The collector's address, such as <https://parallax.example:7481>
    #[arg(long, value_name = "URL")]
    collector: String,
    /// The token that `parallax token create` made
    #[arg(long)]
    token: String,
    /// Name to go by, unless the token has one [default: this machine's name]
    #[arg(long)]
    name: Option<String>,
    /// Folder for the credential, and for what is not reported yet; one agent each
    #[arg(long, value_name = "DIR", default_value = DATA_DIR_DEFAULT)]
    data_dir: PathBuf,
    /// Replace the credential that is there: this agent becomes another
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Without file and flags, the agent is whom `enroll` made it, as /etc/parallax-agent/agent.toml
says if that is there.

Examples:
  parallax-agent run
  parallax-agent run --data-dir agent
  parallax-agent run --name eu-west-1 --collector http://127.0.0.1:7481 --data-dir agent-1
  parallax-agent run --config agent.toml"
)]
struct Run {
    /// File with settings; flags stand above it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Name by which the collector knows this agent
    #[arg(long)]
    name: Option<String>,
    /// Where to report to in the clear, on this machine: <http://127.0.0.1:7481>
    #[arg(long, value_name = "URL")]
    collector: Option<String>,
    /// Folder for what is not reported yet; one agent each
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  parallax-agent probe https://shop.example/
  parallax-agent probe tcp://mail.shop.example:25 --timeout 2s
  parallax-agent probe 'dns://shop.example?type=AAAA&server=9.9.9.9:53' --output json
  parallax-agent probe 'tcp://mail.shop.example:25?expect=^220'
  parallax-agent probe 'icmp://192.0.2.1?count=5'
  parallax-agent probe https://shop.example/ --watch --interval 5s
  parallax-agent probe grpcs://cart.shop.example:443/shop.Cart --ca corp-ca.pem
  parallax-agent probe https://api.shop.example/ --client-certificate me.pem --client-key-file me.key
  parallax-agent probe https://shop.example/ --proxy proxy.example:3128
  parallax-agent probe 'openai+https://api.openai.com/v1/chat/completions?model=gpt-5-nano' \\
      --key-file openai.key --timeout 20s")]
struct Probe {
    /// `http(s)://…`, `tcp://HOST:PORT?send=…&expect=…`, `dns://NAME?type=AAAA&server=1.1.1.1:53`,
    /// `icmp://HOST?count=5`, `grpc(s)://HOST:PORT/SERVICE`, `openai+https://…?model=…`,
    /// `anthropic+https://…?model=…`
    url: String,
    #[command(flatten)]
    lent: lent::Lent,
    /// How to show it
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    /// Longest time the look may take
    #[arg(long, value_parser = humantime::parse_duration, default_value = "5s")]
    timeout: Duration,
    /// Look again and again, a line each, until interrupted
    #[arg(long)]
    watch: bool,
    /// Time from one look to the next
    #[arg(long, value_parser = humantime::parse_duration, default_value = "1s", requires = "watch")]
    interval: Duration,
    /// Stop after so many looks
    #[arg(long, value_name = "LOOKS", requires = "watch")]
    count: Option<u64>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  parallax-agent man | man -l -
  parallax-agent man /usr/share/man/man1")]
struct Man {
    /// Folder to write the pages of all commands to; without it, the program's own page is printed
    folder: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  parallax-agent completions bash > /etc/bash_completion.d/parallax-agent")]
struct Completions {
    /// For which shell
    shell: Shell,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Output {
    /// For people
    #[default]
    Table,
    /// For programs; times in microseconds
    Json,
}

impl Cli {
    /// Does what was typed.
    pub async fn run(self) -> ExitCode {
        match self.command {
            Command::Enroll(enroll) => enroll.run().await,
            Command::Run(run) => run.run().await,
            Command::Probe(probe) => probe.run().await,
            Command::Man(man) => man.run(),
            Command::Completions(completions) => completions.run(),
        }
    }
}

/// One line on standard error, and the code to exit with.
#[expect(clippy::print_stderr, reason = "this is where mistakes are told")]
fn fail(code: u8, why: impl std::fmt::Display) -> ExitCode {
    eprintln!("parallax-agent: {why}");
    ExitCode::from(code)
}
