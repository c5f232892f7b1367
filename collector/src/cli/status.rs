//! `parallax status`.

use super::Failure;
use super::ask;
use super::show::{self, Feel};
use super::targets;
use crate::api::dto::{OverviewJson, ToldJson};
use crate::view::words;

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  parallax status\n  parallax status --url http://127.0.0.1:7480 \
                        --output json\n\nThe exit code is 0 whenever a collector answers, also \
                        when something is wrong."
)]
pub(super) struct Args {
    #[command(flatten)]
    ask: ask::Ask,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let collector = args.ask.collector()?;
    let ask = async { collector.get::<OverviewJson>(&["overview"]).await.map_err(Failure::from) };
    let answer = super::block_on(ask)?;
    show::print(args.ask.output, &answer, text)
}

fn text(o: &OverviewJson) -> String {
    let tone = match o.tone.as_str() {
        "fine" => Feel::Good,
        "bad" => Feel::Bad,
        _ => Feel::Odd,
    };
    let mut parts = vec![show::feel(&o.headline, tone)];
    if !o.faults.is_empty() {
        let header = ["fault", "what", "state", "for", "sure", "seen from"];
        let table = show::table(&header, o.faults.iter().map(|f| row(f, o.at_ms)));
        let hint = show::feel("`parallax explain FAULT` says why", Feel::Soft);
        parts.push(format!("{table}\n{hint}"));
    }
    parts.push(targets::table(&o.targets));
    let away: Vec<&str> =
        o.agents.iter().filter(|a| !a.connected).map(|a| a.name.as_str()).collect();
    if !away.is_empty() {
        parts.push(format!("away: {}", away.join(", ")));
    }
    parts.join("\n\n")
}

fn row(told: &ToldJson, now_ms: i64) -> Vec<String> {
    let fault = &told.fault;
    vec![
        fault.id.clone(),
        told.title.clone(),
        fault.reason.clone().unwrap_or_else(|| fault.state.clone()),
        show::ago(fault.onset_ms, now_ms),
        words::percent(fault.confidence),
        format!("{} of {}", fault.coverage.domains, fault.coverage.assigned),
    ]
}
