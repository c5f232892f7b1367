//! Whether the engine's confidence can be believed: what it said by bins, and what was.

use std::fmt::Write as _;

use crate::account::Outcome;
use crate::plot::reliability;
use crate::score::Score;
use crate::table::per;

/// Upper bounds of the bins of confidence.
const BINS: [f64; 8] = [0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 0.9985, 1.01];

/// Bins of confidence: name, mean confidence, share that was right, how many.
fn bins(score: &Score) -> Vec<(String, f64, f64, usize)> {
    let mut low = 0.0;
    BINS.iter()
        .map(|&high| {
            let of: Vec<&(f64, bool)> =
                score.sure.iter().filter(|(p, _)| (low..high).contains(p)).collect();
            let name = if high > 1.0 { format!("from {low}") } else { format!("{low}–{high}") };
            low = high;
            let said = of.iter().map(|(p, _)| p).sum::<f64>() / of.len().max(1) as f64;
            let was = per(of.iter().filter(|(_, is)| *is).count(), of.len());
            (name, said, was, of.len())
        })
        .collect()
}

/// The table.
pub(super) fn table(md: &mut String, all: &Outcome) {
    md.push_str(
        "\n## Whether its confidence can be believed\n
The confidence of every statement when it was first made, in all runs above, and the share of those statements that were right.\n
![Confidence and truth](accuracy-calibration.svg)\n
| confidence | mean | right | statements |\n|---|---|---|---|\n",
    );
    for (name, said, was, count) in bins(&all.engine) {
        if count > 0 {
            writeln!(md, "| {name} | {said:.3} | {was:.3} | {count} |").unwrap();
        }
    }
}

/// The same as a plot.
pub(super) fn plot(all: &Outcome) -> String {
    let bins: Vec<(f64, f64, usize)> = bins(&all.engine).iter().map(|b| (b.1, b.2, b.3)).collect();
    reliability("Confidence when first said, and how often it was right", &bins)
}
