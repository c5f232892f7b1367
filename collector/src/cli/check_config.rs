//! `parallax check-config F`.

use std::path::PathBuf;

use super::{Failure, say};
use crate::config;

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  parallax check-config /etc/parallax/parallax.toml")]
pub(super) struct Args {
    /// The configuration file; files in conf.d/ beside it are read too
    file: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let config = config::load(&args.file).map_err(Failure::usage)?;
    say(&format!(
        "{}: ok: {} agents, {} targets",
        args.file.display(),
        config.agents.len(),
        config.targets.len()
    ));
    Ok(())
}
