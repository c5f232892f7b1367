//! The account as a document: what was to be reached, what was, by fleet and noise and family, and
//! how the rules that most people use do on the same looks.

mod belief;
mod beside;
mod families;
mod pictures;

use std::fmt::Write as _;

use crate::account::{Cell, Outcome};
use crate::goals::{GOALS, Goal};
use beside::beside;
use families::families;

/// Families that are told of together: total outages.
const FULL: [&str; 3] = ["down_5xx", "down_timeout", "down_dns"];

/// Files by name: the document and its plots.
pub fn files(cells: &[Cell], command: &str) -> Vec<(String, String)> {
    let mut files = vec![("accuracy.md".to_owned(), text(cells, command))];
    if let Some(cell) = main_cell(cells) {
        files.push(("accuracy-detect.svg".to_owned(), pictures::detect(cell)));
        files.push(("accuracy-recall.svg".to_owned(), pictures::recall(cell)));
        files.push(("accuracy-false.svg".to_owned(), pictures::false_globals(cells)));
    }
    files.push(("accuracy-calibration.svg".to_owned(), belief::plot(&all(cells))));
    files
}

/// The fleet that the plots show: eighteen agents at normal noise, or what comes first.
fn main_cell(cells: &[Cell]) -> Option<&Cell> {
    let normal = |c: &&Cell| c.agents == 18 && (c.noise - 1.0).abs() < 0.01;
    cells.iter().find(normal).or(cells.first())
}

fn all(cells: &[Cell]) -> Outcome {
    let mut sum = Outcome::default();
    for cell in cells {
        sum.add(&cell.sum(false, |_| true));
        sum.add(&cell.sum(true, |_| true));
    }
    sum
}

fn text(cells: &[Cell], command: &str) -> String {
    let mut md = String::from(INTRO);
    writeln!(md, "\n```\n{command}\n```\n").unwrap();
    ran(&mut md, cells);
    md.push_str(INTRO_AFTER);
    short(&mut md, cells);
    md.push_str("\n## What was to be reached\n\n");
    md.push_str("Bold is what was missed. A figure without a goal beside it has none: most goals are set for eighteen agents or more, and those for total
outages differ without second opinion and with it.\n");
    for agents in fleets(cells) {
        goals_table(&mut md, cells, agents);
    }
    beside(&mut md, cells);
    belief::table(&mut md, &all(cells));
    families(&mut md, cells);
    md
}

/// What was run.
fn ran(md: &mut String, cells: &[Cell]) {
    md.push_str("| fleet | noise | seeds | worlds | target-hours | looks | asked for |\n|---|---|---|---|---|---|---|\n");
    for cell in cells {
        let (off, on) = (cell.sum(false, |_| true), cell.sum(true, |_| true));
        let last = cell.from + cell.seeds - 1;
        writeln!(
            md,
            "| {} agents | ×{} | {}–{last} | {} | {:.0} | {:.1} M | {:.1} % |",
            cell.agents,
            cell.noise,
            cell.from,
            cell.families.len() as u64 * cell.seeds,
            off.engine.target_hours,
            off.results as f64 / 1e6,
            100.0 * on.asked as f64 / on.results.max(1) as f64
        )
        .unwrap();
    }
}

const INTRO: &str = "# How right the engine is

Worlds are made from seeds: a fleet in places, targets, noise, and one fault of a known kind, begin and end
(`tests/accuracy`). The engine and the rules that most people use today hear the very same looks, and one scorer
judges them all. The engine was not changed for what these seeds show before they were measured. This page and its plots are written by
";

const INTRO_AFTER: &str = "
Each world is run without second opinion and with it: then what the engine asks for is looked at, 80 ms later, with three
seconds to answer where looks usually take less than a quarter of that, and the rules hear that as well. A world lasts an hour and a half (0.9 h with 1,000 agents) at one look per path in 30 s; noise is loss of
single looks and in bursts, hiccups of agents, blips of regions, lossy and dead paths, wrong labels, skewed clocks, late
and repeated results; “×3” is three times as much of it. A time to detect counts from when there is something to
see; a fault that was never found counts as never, so a median of “never” means that fewer than half were found.
A ramp takes five to twenty minutes here, and counts from when one look in twenty fails. The goal for it was set on a ramp of
eight minutes, counted from when one look in ten fails: the figure here is the harder one to reach.
";

fn fleets(cells: &[Cell]) -> Vec<usize> {
    let mut fleets: Vec<usize> = cells.iter().map(|c| c.agents).collect();
    fleets.dedup();
    fleets
}

/// Every goal missed, in words.
fn short(md: &mut String, cells: &[Cell]) {
    md.push_str("\n## Where it falls short\n\n");
    let before = md.len();
    for cell in cells {
        for opinion in [false, true] {
            let missed = missed(cell, opinion);
            if !missed.is_empty() {
                writeln!(
                    md,
                    "- {} agents, noise ×{}, {} second opinion: {}.",
                    cell.agents,
                    cell.noise,
                    if opinion { "with" } else { "without" },
                    missed.join("; ")
                )
                .unwrap();
            }
        }
    }
    if md.len() == before {
        md.push_str("Nowhere in what was run.\n");
    }
}

fn missed(cell: &Cell, opinion: bool) -> Vec<String> {
    let missed = |goal: &Goal| {
        let (value, limit) = (goal.value(cell, opinion)?, goal.limit(cell, opinion)?);
        let text = || format!("{} {} ({})", goal.name, goal.show(value), goal.wanted(limit));
        (!goal.is_met(value, limit)).then(text)
    };
    GOALS.iter().filter_map(missed).collect()
}

fn goals_table(md: &mut String, cells: &[Cell], agents: usize) {
    let mine: Vec<&Cell> = cells.iter().filter(|c| c.agents == agents).collect();
    write!(md, "\n### {agents} agents\n\n| |").unwrap();
    for cell in &mine {
        write!(md, " noise ×{} | … with second opinion |", cell.noise).unwrap();
    }
    md.push_str("\n|---|");
    md.push_str(&"---|".repeat(mine.len() * 2));
    md.push('\n');
    for goal in GOALS {
        write!(md, "| {} |", goal.name).unwrap();
        for cell in &mine {
            for opinion in [false, true] {
                write!(md, " {} |", goal_text(goal, cell, opinion)).unwrap();
            }
        }
        md.push('\n');
    }
}

fn goal_text(goal: &Goal, cell: &Cell, opinion: bool) -> String {
    let Some(value) = goal.value(cell, opinion) else { return "–".to_owned() };
    let shown = goal.show(value);
    match goal.limit(cell, opinion) {
        Some(limit) if goal.is_met(value, limit) => format!("{shown} ({})", goal.wanted(limit)),
        Some(limit) => format!("**{shown}** ({})", goal.wanted(limit)),
        None => shown,
    }
}
