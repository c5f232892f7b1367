//! `parallax replay`.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use parallax_model::{Locus, NoRule, Rule};

use super::progress::Progress;
use super::{Failure, complain, show};
use crate::replay::{Replay, ReplayError, Score, Scores, Summary, run as replay};
use crate::view::words;

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  parallax replay --fleet fleet.toml --results results.csv
  parallax replay --fleet fleet.toml --results results.csv --output /dev/null --policy any,majority,count:3
  zcat results.csv.gz | parallax replay --fleet fleet.toml --results - --output verdicts.jsonl

`parallax export results` writes both files of what your own collector heard. Results are plain
CSV: a packed file is unpacked by its own tool and piped in, as above. The exit code is 1 for a
malformed row, 2 where a file is not there or not what it should be.

A line has an event: \"opened\", \"updated\" or \"closed\" of a fault, or \"policy\" where a rule turns,
those that targets of FLEET.toml have as their own (policy = \"count:2\") included.")]
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
    /// Skip malformed rows (they are counted) instead of stopping at the first, and take results in whatever order
    #[arg(long)]
    lenient: bool,
    /// Rules to hold beside the engine: any, majority, all, count:N
    #[arg(
        long = "policy",
        value_name = "RULE[,RULE…]",
        value_delimiter = ',',
        value_parser = rule,
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
    // verdicts that scroll by on the same terminal say themselves how far it is
    let progress = Progress::new(args.output.is_some() || !io::stdout().is_terminal());
    let mut warn = |warning: &str| {
        progress.end();
        complain(&format!("warning: {warning}"));
    };
    let begun = Instant::now();
    let done = replay(&wanted, &mut warn, &mut |rows, at| progress.show(rows, at));
    progress.end();
    match done {
        Ok(done) => {
            // the table of rules says the same, and more
            if args.rules.is_empty() {
                complain(&summary(&done, begun.elapsed()));
            } else {
                complain(&scores(&done.scores));
            }
            Ok(())
        }
        // stdout's pipe is closed: whoever read had enough
        Err(ReplayError::File { why, .. })
            if args.output.is_none() && why.kind() == io::ErrorKind::BrokenPipe =>
        {
            Ok(())
        }
        // the wrong file was named
        Err(why @ (ReplayError::Fleet(_) | ReplayError::Named { .. })) => Err(Failure::usage(why)),
        Err(why @ (ReplayError::File { .. } | ReplayError::Row { .. })) => Err(why.into()),
    }
}

/// A rule of a list, which may be written with spaces.
fn rule(text: &str) -> Result<Rule, NoRule> {
    text.trim().parse()
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

/// That it ran: verdicts in a file, or none at all, do not say so.
fn summary(done: &Summary, took: Duration) -> String {
    let took = if took.as_secs() < 60 { words::latency(took) } else { words::duration(took) };
    let rows = words::plural(done.rows, "result");
    let faults = words::plural(told(&done.scores), "fault");
    format!("{rows} judged in {took}: {faults} told")
}

/// Faults that the engine told.
fn told(scores: &Scores) -> u64 {
    scores.told.iter().map(|(_, n)| *n as u64).sum()
}

/// Places of faults that are listed; more are counted.
const TOLD_MAX: usize = 20;

/// What the engine said, and below it how the rules did beside that.
fn scores(scores: &Scores) -> String {
    let told = told(scores);
    let services = words::plural(scores.faults as u64, "fault");
    let mut text = vec![format!("the engine told {}", words::plural(told, "fault"))];
    if told > 0 {
        let row = |(locus, n): &(Locus, usize)| {
            vec![n.to_string(), locus.kind().to_owned(), words::place(locus)]
        };
        let rows = scores.told.iter().take(TOLD_MAX).map(row);
        text.push(show::table(&["faults", "locus", "where"], rows));
    }
    if let more @ 1.. = scores.told.len().saturating_sub(TOLD_MAX) {
        text.push(format!("and in {}", words::plural(more as u64, "more place")));
    }
    text.push(format!(
        "\na rule says only that a service is down: held against {services} of locus service, \
         counted once for each service"
    ));
    text.push(rules_table(scores));
    text.push(COLUMNS.to_owned());
    text.extend(scores.rules.iter().filter_map(missed));
    if scores.beyond > 0 {
        text.push(format!("{} more are not compared", scores.beyond));
    }
    text.join("\n")
}

/// What the columns of rules mean.
const COLUMNS: &str = "alarms: times a rule said down; with the engine: at some time of it the engine said so, too; \
                       without it: it did not; missed: faults of the engine's without an alarm; told: the rule's \
                       word beside the engine's";

/// Faults that a rule missed, named where they are so few; of more the column gives the number.
const MISSED_MAX: usize = 3;

fn missed(score: &Score) -> Option<String> {
    let names = score.missed.iter().map(|(id, target)| format!("{id} ({target})"));
    let few = (1..=MISSED_MAX).contains(&score.missed.len());
    few.then(|| format!("{} missed {}", score.rule, names.collect::<Vec<_>>().join(", ")))
}

fn rules_table(scores: &Scores) -> String {
    let turned = |score: &Score| match score.later_ms {
        None => "-".to_owned(),
        Some(ms) if ms < 0 => format!("{:.1} s before it", -ms as f64 / 1000.0),
        Some(ms) => format!("{:.1} s after it", ms as f64 / 1000.0),
    };
    let rows = scores.rules.iter().map(|score| {
        let alone = score.alarms - score.shared;
        let counts = [score.alarms, score.shared, alone, score.missed.len()].map(|n| n.to_string());
        std::iter::once(score.rule.to_string()).chain(counts).chain([turned(score)]).collect()
    });
    let header = ["policy", "alarms", "with the engine", "without it", "missed", "told (median)"];
    show::table(&header, rows)
}

#[cfg(test)]
mod tests {
    use parallax_model::FaultId;

    use super::*;

    fn line(text: &str, begin: &str) -> String {
        let line = text.lines().find(|line| line.trim_start().starts_with(begin));
        line.unwrap_or_else(|| panic!("no {begin:?} in\n{text}"))
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn one_line_says_that_it_ran() {
        let service = Locus::Service { target: "shop".parse().unwrap() };
        let scores = Scores { told: vec![(service, 2)], ..Scores::default() };
        let done = Summary { rows: 135_137, scores, ..Summary::default() };
        let ran = |ms| summary(&done, Duration::from_millis(ms));
        assert_eq!(ran(300), "135137 results judged in 300 ms: 2 faults told");
        assert_eq!(ran(75_000), "135137 results judged in 1 min 15 s: 2 faults told");
        let quiet = Summary { rows: 1, ..Summary::default() };
        let quiet = summary(&quiet, Duration::from_millis(1));
        assert_eq!(quiet, "1 result judged in 1.0 ms: 0 faults told");
    }

    #[test]
    fn rules_may_be_listed_with_spaces() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: Args,
        }
        let line = |rules| ["replay", "--fleet", "f", "--results", "r", "--policy", rules];
        let parse = |rules| <Line as clap::Parser>::try_parse_from(line(rules));
        let rules = parse("any, majority ,count:2").ok().unwrap().args.rules;
        assert_eq!(rules, [Rule::Any, Rule::Majority, Rule::Count(2)]);
        assert!(parse("any, most").err().unwrap().to_string().contains("count:N"));
    }

    /// An alarm that the engine does not share may well be what it told as something else.
    #[test]
    fn the_table_says_what_the_engine_told_and_where() {
        let rule: Rule = "any".parse().unwrap();
        let score = Score { rule, alarms: 3, shared: 1, missed: vec![], later_ms: Some(-2_000) };
        let region = Locus::Region { region: "r1".parse().unwrap() };
        let service = Locus::Service { target: "shop".parse().unwrap() };
        let told = vec![(region, 2), (service, 1)];
        let all = Scores { told, faults: 1, rules: vec![score], beyond: 0 };
        let text = scores(&all);
        assert_eq!(line(&text, "the engine"), "the engine told 3 faults");
        assert_eq!(line(&text, "2 "), "2 region the network of r1");
        assert_eq!(line(&text, "1 "), "1 service shop itself");
        assert!(text.contains("held against 1 fault of locus service,"), "{text}");
        assert_eq!(line(&text, "any"), "any 3 1 2 0 2.0 s before it");

        assert!(text.contains("\nalarms: times a rule said down; with the engine: "), "{text}");
        assert!(!text.contains("any missed"), "{text}");
        let missing = |n: u64| {
            let missed = (1..=n).map(|id| (FaultId(id), "shop".parse().unwrap())).collect();
            let rules = vec![Score { missed, ..all.rules[0].clone() }];
            scores(&Scores { rules, ..all.clone() })
        };
        assert!(missing(2).ends_with("\nany missed f-1 (shop), f-2 (shop)"), "{}", missing(2));
        assert!(!missing(4).contains("any missed"), "{}", missing(4));

        let none = scores(&Scores { rules: all.rules.clone(), ..Scores::default() });
        assert!(none.starts_with("the engine told 0 faults\n"), "{none}");
        let many = |n: u64| (Locus::Region { region: format!("r{n}").parse().unwrap() }, 1);
        let many = scores(&Scores { told: (0..30).map(many).collect(), ..Scores::default() });
        assert!(many.contains("\nand in 10 more places\n"), "{many}");
    }
}
