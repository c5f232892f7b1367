//! Everything by family, folded away.

use std::fmt::Write as _;

use crate::account::{Cell, Outcome};
use crate::baseline::RULES;
use crate::table::typical;

/// Everything by family, folded away.
pub(super) fn families(md: &mut String, cells: &[Cell]) {
    md.push_str("\n## By family\n\nMisplaced, invented and false globals are counts; times are in seconds, median / p95.\n");
    for cell in cells {
        for opinion in [false, true] {
            writeln!(
                md,
                "\n<details><summary>{} agents, noise ×{}, {} second opinion</summary>\n\n| family | faults | found | exact | state | dependants | misplaced | invented | false global | flaps | detect | close |{}\n|---|---|---|---|---|---|---|---|---|---|---|---|{}",
                cell.agents,
                cell.noise,
                if opinion { "with" } else { "without" },
                RULES
                    .iter()
                    .fold(String::new(), |s, r| s + &format!(" {}: found, false |", r.name())),
                "---|".repeat(RULES.len())
            ).unwrap();
            for (family, both) in &cell.families {
                family_row(md, family, &both[usize::from(opinion)]);
            }
            md.push_str("\n</details>\n");
        }
    }
}

fn family_row(md: &mut String, family: &str, outcome: &Outcome) {
    let s = &outcome.engine;
    let times = |values: &[f64], of: usize| {
        if of == 0 {
            return String::new();
        }
        let show = |share| {
            let t = typical(values, of, share);
            if t.is_finite() { format!("{t:.1}") } else { "never".to_owned() }
        };
        format!("{} / {}", show(0.5), show(0.95))
    };
    write!(
        md,
        "| {family} | {} | {} | {} | {} | {}/{} | {} | {} | {} | {} | {} | {} |",
        s.faults,
        s.found,
        s.exact,
        s.state_ok,
        s.attributed,
        s.dependants,
        s.misplaced,
        s.invented,
        s.false_global,
        s.flaps,
        times(&s.detect_s, s.faults),
        times(&s.close_s, s.close_s.len() + s.never_closed)
    )
    .unwrap();
    for rule in &outcome.rules {
        write!(md, " {}, {} |", rule.found, rule.false_global).unwrap();
    }
    md.push('\n');
}
