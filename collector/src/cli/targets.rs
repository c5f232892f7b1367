//! `parallax targets`.

use super::Failure;
use super::ask;
use super::show;
use crate::api::dto::{CellJson, TargetJson, TargetsJson};

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  parallax targets\n  parallax targets --output json")]
pub(super) struct Args {
    #[command(flatten)]
    ask: ask::Ask,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let collector = args.ask.collector()?;
    let ask = async { collector.get::<TargetsJson>(&["targets"]).await.map_err(Failure::from) };
    let answer = super::block_on(ask)?;
    show::print(args.ask.output, &answer, |answer| table(&answer.targets))
}

/// Targets, and how each region sees them.
pub(super) fn table(targets: &[TargetJson]) -> String {
    let Some(first) = targets.first() else { return "no target is configured".to_owned() };
    let regions = first.regions.iter().map(|c| c.region.as_str());
    let header: Vec<&str> = ["target", "state", "seen from"].into_iter().chain(regions).collect();
    show::table(&header, targets.iter().map(row))
}

fn row(target: &TargetJson) -> Vec<String> {
    // the engine judges services; of a reference only what it answers is told
    let state = if target.role == "reference" { "reference" } else { &target.state };
    let fine = target.regions.iter().filter(|c| c.state == "fine").count();
    let seen = match target.role.as_str() {
        "reference" => format!("{fine} of {}", target.regions.len()),
        _ => format!("{} of {}", target.coverage.domains, target.coverage.assigned),
    };
    let cells = target.regions.iter().map(cell);
    [target.name.clone(), state.to_owned(), seen].into_iter().chain(cells).collect()
}

/// What a region sees, in a word or two.
pub(super) fn cell(cell: &CellJson) -> String {
    match cell.state.as_str() {
        "fine" => show::latency(cell.latency_ms).unwrap_or_default(),
        "failing" => cell.error.clone().unwrap_or_default(),
        "partly" => format!("{} of {} fail", cell.failing, cell.heard),
        "unable" => "cannot look".to_owned(),
        other => other.to_owned(),
    }
}
