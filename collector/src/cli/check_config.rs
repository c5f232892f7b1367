//! `parallax check-config F`.

use std::path::PathBuf;

use super::{Failure, complain, say};
use crate::config;
use crate::view::words;

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  parallax check-config /etc/parallax/parallax.toml

What is allowed and can hardly be meant is warned of, on stderr; the exit code is 0 then.")]
pub(super) struct Args {
    /// The configuration file; files in conf.d/ beside it are read too
    file: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let config = config::load(&args.file).map_err(Failure::usage)?;
    for doubt in config::few_of(&config.doubts) {
        complain(&format!("warning: {doubt}"));
    }
    let [agents, targets] = [(config.agents.len(), "agent"), (config.targets.len(), "target")]
        .map(|(n, word)| words::plural(n as u64, word));
    say(&format!("{}: ok: {agents}, {targets}", args.file.display()));
    Ok(())
}
