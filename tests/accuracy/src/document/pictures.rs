//! The plots of the document.

use crate::account::Cell;
use crate::baseline::RULES;
use crate::plot::{Axis, dots};
use crate::score::Score;
use crate::table::typical;

/// Names of all who are measured: the engine without and with second opinion, and the rules without.
fn series() -> Vec<&'static str> {
    let mut names = vec!["Parallax", "… with second opinion"];
    names.extend(RULES.iter().map(|r| r.name()));
    names
}

/// One value for each of the series.
fn of_series(
    cell: &Cell,
    of: impl Fn(&str) -> bool + Copy,
    value: impl Fn(&Score) -> f64,
) -> Vec<f64> {
    let (off, on) = (cell.sum(false, of), cell.sum(true, of));
    let mut values = vec![value(&off.engine), value(&on.engine)];
    values.extend(off.rules.iter().map(value));
    values
}

/// How soon each family is told of.
pub(super) fn detect(cell: &Cell) -> String {
    let families = [
        "down_5xx",
        "down_timeout",
        "down_dns",
        "partial",
        "sticky",
        "low",
        "ramp",
        "slow",
        "brownout",
        "staged",
        "oscillate",
        "svc_region",
        "region",
        "provider",
        "agent",
        "path",
    ];
    let median = |s: &Score| typical(&s.detect_s, s.faults, 0.5);
    let rows: Vec<(String, Vec<f64>)> = families
        .iter()
        .map(|family| ((*family).to_owned(), of_series(cell, |f| f == *family, median)))
        .collect();
    let axis = Axis {
        name: "seconds to detect, median (no dot: fewer than half found)",
        range: (1.0, 2_000.0),
        ticks: &[1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0],
        log: true,
    };
    dots(&title("Time to detect", cell), axis, &series(), &rows)
}

/// How much of each family is found.
pub(super) fn recall(cell: &Cell) -> String {
    let found = |s: &Score| s.found as f64 / s.faults as f64;
    let rows: Vec<(String, Vec<f64>)> = cell
        .families
        .iter()
        .filter(|(_, both)| both[0].engine.faults > 0)
        .map(|(family, _)| ((*family).to_owned(), of_series(cell, |f| f == *family, found)))
        .collect();
    let axis = Axis {
        name: "share of faults found, at their place or a part of it",
        range: (0.0, 1.0),
        ticks: &[0.0, 0.25, 0.5, 0.75, 1.0],
        log: false,
    };
    dots(&title("Recall", cell), axis, &series(), &rows)
}

/// How often a service is said to be down for all that is not.
pub(super) fn false_globals(cells: &[Cell]) -> String {
    let rate = |s: &Score| 1000.0 * s.false_global as f64 / s.target_hours;
    let rows: Vec<(String, Vec<f64>)> = cells
        .iter()
        .map(|c| (format!("{} agents, ×{}", c.agents, c.noise), of_series(c, |_| true, rate)))
        .collect();
    let axis = Axis {
        name: "false global outages in 1,000 target-hours (left edge: at most 0.01)",
        range: (0.01, 1_000.0),
        ticks: &[0.01, 0.1, 1.0, 10.0, 100.0, 1_000.0],
        log: true,
    };
    dots("False global outages", axis, &series(), &rows)
}

fn title(what: &str, cell: &Cell) -> String {
    format!("{what}: {} agents, noise ×{}", cell.agents, cell.noise)
}
