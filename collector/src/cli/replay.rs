//! `parallax replay`.

use std::path::PathBuf;

use super::{Failure, complain};
use crate::replay::{Replay, ReplayError, run as replay};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The fleet: agents and targets, in the collector's own configuration
    #[arg(long, value_name = "FLEET.toml")]
    fleet: PathBuf,
    /// The results, one a row, in the order they were received; "-" is stdin
    #[arg(long, value_name = "RESULTS.csv")]
    results: PathBuf,
    /// Where verdicts go, one JSON object a line, instead of stdout
    #[arg(long, value_name = "F")]
    output: Option<PathBuf>,
    /// Skip malformed rows (they are counted) instead of stopping at the first
    #[arg(long)]
    lenient: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let wanted = Replay {
        fleet: args.fleet.clone(),
        results: args.results.clone(),
        output: args.output.clone(),
        lenient: args.lenient,
    };
    match replay(&wanted, &mut |warning| complain(&format!("warning: {warning}"))) {
        Ok(_) => Ok(()),
        Err(ReplayError::Fleet(mistakes)) => Err(Failure::usage(mistakes)),
        Err(why) => Err(why.into()),
    }
}
