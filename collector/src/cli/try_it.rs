//! `parallax try`.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::{Failure, block_on};
use crate::practice;

const EXAMPLES: &str = "\
Examples:
  parallax try           the story, then the world is yours to break at http://127.0.0.1:7480/
  parallax try --once    the story alone; exits 0 only if every verdict was right and in time
  parallax try --once --data kept && parallax export results --data kept --out trace
                         what its agents saw, for `parallax replay`";

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Play the story once and exit: 0 if every verdict was right and in time, else 1
    #[arg(long)]
    once: bool,
    /// Keep the data in DIR [default: a temporary folder, removed at the end]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Serve page and API at ADDR [default: 127.0.0.1:7480, or a free port if that one is taken;
    /// with --once always a free port]
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let options = practice::Options {
        once: args.once,
        data: args.data.clone(),
        http: args.http,
        colour: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
    };
    block_on(async { Ok(practice::run(options, std::io::stdout()).await?) })
}
