//! Scores as a table.

use crate::score::Score;

/// The heading of the rows.
pub fn heading() -> String {
    format!(
        "{:20}{:>6}{:>6}{:>6}{:>6}{:>8}{:>6}{:>6}{:>6}{:>6}{:>6}{:>6}{:>8}{:>8}{:>8}{:>8}",
        "family",
        "faults",
        "found",
        "exact",
        "state",
        "depend",
        "wrong",
        "mispl",
        "inv",
        "fglob",
        "flaps",
        "extra",
        "ttd50",
        "ttd95",
        "close50",
        "close95"
    )
}

/// One row.
pub fn row(name: &str, s: &Score) -> String {
    format!(
        "{name:20}{:6}{:6}{:6}{:6}{:>8}{:6}{:6}{:6}{:6}{:6}{:6}{:8.1}{:8.1}{:8.0}{:8.0}",
        s.faults,
        s.found,
        s.exact,
        s.state_ok,
        format!("{}/{}", s.attributed, s.dependants),
        s.wrongly_listed,
        s.misplaced,
        s.invented,
        s.false_global,
        s.flaps,
        s.extra,
        quantile(&s.detect_s, 0.5),
        quantile(&s.detect_s, 0.95),
        quantile(&s.close_s, 0.5),
        quantile(&s.close_s, 0.95)
    )
}

/// What a table of rows comes to.
pub fn footing(s: &Score) -> String {
    format!(
        "recall {:.4}  exact {:.4}  state {:.4}  dependants {:.4}  wrong per 100 target-hours {:.3}  \
         false global {} in {:.0} h  flaps {:.4}  extra {:.4}  never closed {}  brier {:.4}  ece {:.4}",
        per(s.found, s.faults),
        per(s.exact, s.faults),
        per(s.state_ok, s.faults),
        if s.dependants == 0 { 1.0 } else { per(s.attributed, s.dependants) },
        100.0 * (s.misplaced + s.invented) as f64 / s.target_hours,
        s.false_global,
        s.target_hours,
        per(s.flaps, s.faults),
        per(s.extra, s.faults),
        s.never_closed,
        s.brier(),
        s.ece()
    )
}

/// How many of how many, as a share; nothing of nothing is none.
pub fn per(n: usize, of: usize) -> f64 {
    n as f64 / of.max(1) as f64
}

/// The value that this share of `of` things stays below; endless where it is one of those without a value.
pub fn typical(values: &[f64], of: usize, share: f64) -> f64 {
    let mut all = values.to_vec();
    all.resize(of.max(values.len()), f64::INFINITY);
    quantile(&all, share)
}

/// The value that this share of `values` stays below; NaN of none.
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len() as f64 * share) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}
