//! `parallax replay`.

use std::path::PathBuf;

use parallax_model::Rule;

use super::{Failure, complain, show};
use crate::replay::{Replay, ReplayError, Score, Scores, run as replay};

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  parallax replay --fleet fleet.toml --results results.csv
  parallax replay --fleet fleet.toml --results results.csv --output /dev/null --policy any,majority,count:3
  zcat results.csv.gz | parallax replay --fleet fleet.toml --results - --output verdicts.jsonl

`parallax export results` writes both files of what your own collector heard. Results are plain CSV: packed
ones are unpacked on the way. The exit code is 1 for a malformed row, 2 where a file is not there or not what it
should be.

A line has an event: \"opened\", \"updated\" or \"closed\" of a fault, or \"policy\" where a rule turns, those
that targets of FLEET.toml have as their own (policy = \"count:2\") included.")]
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
    /// Rules to hold beside the engine: any, majority, all, count:N
    #[arg(
        long = "policy",
        value_name = "RULE[,RULE…]",
        value_delimiter = ',',
        help = "Rules to hold beside the engine: any, majority, all, count:N (failure domains of which most \
                agents' newest looks failed); a line of the output says when one turned, a table on stderr how each did"
    )]
    rules: Vec<Rule>,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let wanted = Replay {
        fleet: args.fleet.clone(),
        results: args.results.clone(),
        output: args.output.clone(),
        lenient: args.lenient,
        rules: rules(&args.rules),
    };
    match replay(&wanted, &mut |warning| complain(&format!("warning: {warning}"))) {
        Ok(done) => {
            if !args.rules.is_empty() {
                complain(&scores(&done.scores));
            }
            Ok(())
        }
        // the wrong file was named
        Err(why @ (ReplayError::Fleet(_) | ReplayError::Results { .. })) => {
            Err(Failure::usage(why))
        }
        Err(why @ (ReplayError::File { .. } | ReplayError::Row { .. })) => Err(why.into()),
    }
}

/// Each once, as it was first named.
fn rules(named: &[Rule]) -> Vec<Rule> {
    let mut rules = Vec::new();
    for rule in named {
        if !rules.contains(rule) {
            rules.push(*rule);
        }
    }
    rules
}

fn scores(scores: &Scores) -> String {
    let later = |score: &Score| match score.later_ms {
        None => "-".to_owned(),
        Some(ms) if ms < 0 => format!("{:.1} s earlier", -ms as f64 / 1000.0),
        Some(ms) => format!("{:.1} s later", ms as f64 / 1000.0),
    };
    let rows = scores.rules.iter().map(|score| {
        let alone = score.alarms - score.shared;
        let counts = [score.alarms, score.shared, alone, score.missed].map(|n| n.to_string());
        std::iter::once(score.rule.to_string()).chain(counts).chain([later(score)]).collect()
    });
    let header = ["policy", "alarms", "shared", "alone", "missed", "than the engine"];
    let table = show::table(&header, rows);
    let beyond = match scores.beyond {
        0 => String::new(),
        n => format!("\n{n} more are not compared"),
    };
    format!(
        "the engine told {} faults of services, once for each service in them\n{table}{beyond}",
        scores.faults
    )
}
