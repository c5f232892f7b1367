//! Logs: to stderr, lower case, with fields.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// Where logs go and how much of them.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What to log: a level, or a filter such as "parallax=debug,info"
    /// [default: what `RUST_LOG` says, else info; with try and up: warn]
    #[arg(long, global = true)]
    log: Option<String>,
    /// How to log
    #[arg(long, global = true, value_enum, default_value = "text")]
    log_format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Starts logging for this process; `level` is what is logged unless asked otherwise.
pub(super) fn start(args: &Args, level: &str) -> anyhow::Result<()> {
    let wanted = args.log.clone().or_else(|| std::env::var("RUST_LOG").ok());
    let wanted = wanted.as_deref().unwrap_or(level);
    let filter = EnvFilter::try_new(wanted)
        .map_err(|why| anyhow::anyhow!("log filter {wanted:?}: {why}; try \"info\""))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = match args.log_format {
        Format::Text => builder.try_init(),
        Format::Json => builder.json().try_init(),
    };
    started.map_err(|why| anyhow::anyhow!("cannot start logging: {why}"))
}
