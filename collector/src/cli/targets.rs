//! `parallax targets`.

use parallax_model::Rule;

use super::Failure;
use super::ask;
use super::show;
use crate::api::dto::{CellJson, TargetJson, TargetsJson};
use crate::api::policy::PolicyJson;
use crate::view::words;

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
    let ruled = targets.iter().any(|t| t.policy.is_some());
    let rule = ruled.then_some("your rule");
    let header = ["target", "state"].into_iter().chain(rule).chain(["seen from"]).chain(regions);
    show::table(&header.collect::<Vec<_>>(), targets.iter().map(|target| row(target, ruled)))
}

fn row(target: &TargetJson, ruled: bool) -> Vec<String> {
    // the engine judges services; of a reference only whether it answers is told
    let state = match (target.role.as_str(), target.state.as_str()) {
        ("reference", "down") => "reference, fails",
        ("reference", _) => "reference",
        (_, state) => state,
    };
    let fine = target.regions.iter().filter(|c| c.state == "fine").count();
    let seen = match target.role.as_str() {
        "reference" => format!("{fine} of {}", target.regions.len()),
        _ => format!("{} of {}", target.coverage.domains, target.coverage.assigned),
    };
    let cells = target.regions.iter().map(cell);
    let rule = ruled.then(|| target.policy.as_ref().map(rule).unwrap_or_default());
    let begin = [target.name.clone(), state.to_owned()].into_iter();
    begin.chain(rule).chain([seen]).chain(cells).collect()
}

/// What a service's own rule says: `down (count:2)`.
fn rule(policy: &PolicyJson) -> String {
    let rule: Option<Rule> = policy.rule.parse().ok();
    let never = rule.is_some_and(|rule| (1..rule.takes()).contains(&policy.domains_assigned));
    let looks = || format!(", only {}", words::looks(policy.domains_assigned));
    format!("{} ({}{})", policy.state, policy.rule, never.then(looks).unwrap_or_default())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::View;
    use crate::view::made_up::{self, NOW};
    use crate::view::made_up_store::Faults;

    #[test]
    fn the_column_of_rules_is_there_where_somebody_has_one() {
        let view = View::new(std::sync::Arc::new(Faults::default()));
        let rows = || view.targets(NOW).iter().map(Into::into).collect::<Vec<TargetJson>>();
        view.take(made_up::config());
        assert!(!table(&rows()).contains("YOUR RULE"), "{}", table(&rows()));
        for news in made_up::story() {
            view.take(news);
        }
        let table = table(&rows());
        let line = |begin: &str| {
            let line = table.lines().find(|line| line.starts_with(begin)).unwrap();
            line.split_whitespace().take(5).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(line("TARGET"), "TARGET STATE YOUR RULE SEEN");
        assert_eq!(line("shop"), "shop down down (count:2) 5");
        assert_eq!(line("mail"), "mail up 5 of 5");
        let mut policy = rows().iter().find_map(|row| row.policy.clone()).unwrap();
        policy.domains_assigned = 1;
        assert_eq!(rule(&policy), "down (count:2, only 1 place looks)");
        (policy.rule, policy.domains_assigned) = ("count:5".to_owned(), 3);
        assert_eq!(rule(&policy), "down (count:5, only 3 places look)");
    }
}
