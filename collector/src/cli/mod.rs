//! The commands of `parallax`.
//!
//! Contract: one file a command, each with its arguments and one `run`; what a command prints on
//! stdout is its interface, logs and complaints go to stderr. Exit codes: 0 done, 1 failed, 2 usage
//! or configuration.
//! Never: work that another part could use; commands call rooms.

mod agents;
mod ask;
mod check_config;
mod explain;
mod export;
mod faults;
mod here;
mod logs;
mod papers;
mod progress;
mod replay;
mod serve;
mod show;
mod status;
mod systemd;
mod targets;
mod token;
mod try_it;
mod up;
mod webhook;

use std::fmt;
use std::future::Future;
use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Says where a fault is: the service, a region, a provider, a path, or only the one who looked.
#[derive(Debug, Parser)]
#[command(name = "parallax", version, disable_help_subcommand = true)]
#[command(after_help = "Examples:
  parallax try                                   see what it is for, on this machine
  parallax up https://shop.example/              watch an address from here
  parallax serve --config parallax.toml          the collector, for agents in many places
  parallax token create --region eu --provider aws    let an agent join
  parallax status                                what is wrong now, and where")]
struct Cli {
    #[command(flatten)]
    logs: logs::Args,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// See Parallax at work: a staged world of five regions on this machine
    Try(try_it::Args),
    /// Watch addresses from this machine: collector and one agent in one
    Up(up::Args),
    /// Run the collector
    Serve(serve::Args),
    /// Run the verdict engine over recorded results
    Replay(replay::Args),
    /// Write what agents saw, for replay and for other tools
    Export(export::Args),
    /// Check a configuration file and name every mistake
    CheckConfig(check_config::Args),
    /// Say what is wrong right now
    Status(status::Args),
    /// List faults, also those that are over
    Faults(faults::Args),
    /// Say why a fault is thought to be where it is
    Explain(explain::Args),
    /// Let agents join: make, list and revoke tokens
    Token(token::Args),
    /// List the agents, or put one out
    Agents(agents::Args),
    /// List the targets
    Targets(targets::Args),
    /// Try out a webhook
    Webhook(webhook::Args),
    /// Print the manual page, or write one for each command
    #[command(hide = true)]
    Man(papers::Man),
    /// Print what a shell needs to complete commands
    #[command(hide = true)]
    Completions(papers::Completions),
}

impl Command {
    /// What is logged unless asked otherwise.
    const fn log_level(&self) -> &'static str {
        match self {
            // what they tell people stands on the terminal: comings and goings would bury it
            Self::Try(_) | Self::Up(_) => "warn",
            Self::Serve(_)
            | Self::Replay(_)
            | Self::Export(_)
            | Self::CheckConfig(_)
            | Self::Status(_)
            | Self::Faults(_)
            | Self::Explain(_)
            | Self::Token(_)
            | Self::Agents(_)
            | Self::Targets(_)
            | Self::Webhook(_)
            | Self::Man(_)
            | Self::Completions(_) => "info",
        }
    }
}

/// Why a command ended badly, and with which exit code.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    error: anyhow::Error,
}

impl Failure {
    /// Wrong usage or configuration: exit code 2.
    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { code: 2, error: error.into() }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    /// Everything else: exit code 1.
    fn from(error: E) -> Self {
        Self { code: 1, error: error.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

/// Reads the arguments, runs the command, says what went wrong.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let started = logs::start(&cli.logs, cli.command.log_level()).map_err(Failure::usage);
    let done = started.and_then(|()| run(cli.command));
    let Err(failure) = done else { return ExitCode::SUCCESS };
    complain(&failure.to_string());
    ExitCode::from(failure.code)
}

fn run(command: Command) -> Result<(), Failure> {
    // two providers in one process would make rustls panic at the first handshake: name ours
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        tracing::debug!("a crypto provider is already installed");
    }
    match command {
        Command::Try(args) => try_it::run(&args),
        Command::Up(args) => up::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Export(args) => export::run(&args),
        Command::CheckConfig(args) => check_config::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Faults(args) => faults::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Token(args) => token::run(args),
        Command::Agents(args) => agents::run(&args),
        Command::Targets(args) => targets::run(&args),
        Command::Webhook(args) => webhook::run(&args),
        Command::Man(args) => papers::man(&args),
        Command::Completions(args) => papers::completions(&args),
    }
}

/// Prints lines on stdout. A closed pipe is no error: whoever read had enough.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{text}").and_then(|()| out.flush()));
}

/// Prints lines on stderr.
pub(crate) fn complain(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

/// Runs a command that waits for things.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}
