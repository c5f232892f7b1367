//! The engine beside the rules that most people use: a table for each fleet and noise.

use std::fmt::Write as _;

use super::FULL;
use crate::account::{Cell, Outcome};
use crate::baseline::RULES;
use crate::score::Score;
use crate::table::{per, typical};

/// The engine and the rules, a table for each fleet and noise.
pub(super) fn beside(md: &mut String, cells: &[Cell]) {
    md.push_str(
        "\n## Beside the rules that most people use\n
*Majority of 3*: more than half of the agents failed three times in a row. *Any 2*: two agents failed their last look.
*Route 53*: not more than 18 % of the agents are well, each unwell after three failures in a row. *All locations*, *25 %*: the
last look of all agents, or of a quarter, failed. A rule can only say that a service is down: what it says of a fault elsewhere is misplaced.\n
![Time to detect](accuracy-detect.svg)\n
![Recall by family](accuracy-recall.svg)\n
![False global outages](accuracy-false.svg)\n",
    );
    for cell in cells {
        writeln!(
            md,
            "\n### {} agents, noise ×{}\n\n| | second opinion | recall | exact | state | false globals in 1,000 h | wrong in 100 h | full: median / p95 | partial | 8–15 % | ramp | slow | flaps | close | Brier |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
            cell.agents, cell.noise
        ).unwrap();
        for opinion in [false, true] {
            let pick = |o: Outcome| o.engine;
            beside_row(md, cell, "**Parallax**", opinion, pick);
        }
        for (at, rule) in RULES.into_iter().enumerate() {
            for opinion in [false, true] {
                beside_row(md, cell, rule.name(), opinion, |o| o.rules[at].clone());
            }
        }
    }
}

fn beside_row(
    md: &mut String,
    cell: &Cell,
    name: &str,
    opinion: bool,
    pick: impl Fn(Outcome) -> Score,
) {
    let s = pick(cell.sum(opinion, |_| true));
    let of = |family: &str| {
        let s = pick(cell.sum(opinion, |f| f == family));
        seconds(typical(&s.detect_s, s.faults, 0.5))
    };
    let full = pick(cell.sum(opinion, |f| FULL.contains(&f)));
    writeln!(
        md,
        "| {name} | {} | {:.3} | {:.3} | {:.3} | {:.1} | {:.2} | {} / {} | {} | {} | {} | {} | {:.3} | {} | {:.3} |",
        if opinion { "yes" } else { "no" },
        per(s.found, s.faults),
        per(s.exact, s.faults),
        per(s.state_ok, s.faults),
        1000.0 * s.false_global as f64 / s.target_hours,
        100.0 * (s.misplaced + s.invented) as f64 / s.target_hours,
        seconds(typical(&full.detect_s, full.faults, 0.5)),
        seconds(typical(&full.detect_s, full.faults, 0.95)),
        of("partial"),
        of("low"),
        of("ramp"),
        of("slow"),
        per(s.flaps, s.faults),
        seconds(typical(&s.close_s, s.close_s.len() + s.never_closed, 0.5)),
        s.brier()
    ).unwrap();
}

fn seconds(s: f64) -> String {
    if s.is_finite() { format!("{s:.1} s") } else { "never".to_owned() }
}
