//! How much better the looks of a set are explained if it was at fault for a while.
//!
//! For every suspect, every failure rate `q` and every stretch of time: the sum over its looks of
//! `ln P(look | fault) − ln P(look | as known)`. A failure of a path that fails with chance `x` as
//! known gains `ln((x + (1−x)q) / x)`, a success `ln(1−q)`. The best stretch falls out of one pass
//! from the newest look to the oldest (Kadane's scan), so the change point is exact.

use crate::case::Case;

/// Failure rates that are tried. The last one finds a partial outage of one look in twelve.
pub(crate) const FAIL_RATES: [f64; 6] = [0.97, 0.85, 0.6, 0.35, 0.18, 0.08];
/// Shares of slow looks that are tried.
pub(crate) const SLOW_RATES: [f64; 3] = [0.95, 0.7, 0.4];
/// Looks whose kinds count fully. Kinds are one shared trait of a fault, not independent news.
const KIND_LOOKS: f64 = 4.0;
/// Slowness has more innocent reasons than failure.
const SLOW_COST: f64 = 2.0;

/// The best stretch of one suspect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stretch {
    /// Nats gained within the stretch, kinds included, cost not.
    pub(crate) gain: f64,
    /// Nats lost by all looks after it (≤ 0): by how much it seems to be over.
    pub(crate) after: f64,
    /// Share of looks that fail, or are slow.
    pub(crate) rate: f64,
    pub(crate) slow: bool,
    /// First and last bad look: indices into the case, `first ≥ last` as the newest come first.
    pub(crate) first: u32,
    pub(crate) last: u32,
    /// Bad looks in it.
    pub(crate) bad: u32,
}

/// A bad look of a suspect: which, how many good ones lie between it and the next newer bad one,
/// its chance as known, and what its kind says.
#[derive(Debug, Clone, Copy)]
struct Bad {
    look: u32,
    newer_ok: u32,
    usual: f64,
    kind: f64,
}

/// The best stretch of every suspect in `wanted`, by their index; none where nothing is gained.
/// `usual` is each look's chance to be as bad as it was, as explained so far.
pub(crate) fn stretches(case: &Case, usual: &[f32], wanted: &[bool]) -> Vec<Option<Stretch>> {
    let (fails, slows) = bad_looks(case, usual, wanted);
    (0..case.suspects.len())
        .map(|set| {
            let by_fail = best_rate(&fails[set], &FAIL_RATES, false);
            let by_slow = best_rate(&slows[set], &SLOW_RATES, true);
            match (by_fail, by_slow) {
                (Some(f), Some(s)) => Some(if s.gain > f.gain { s } else { f }),
                (found, other) => found.or(other),
            }
        })
        .collect()
}

/// The failures and the slow looks of every suspect, newest first. A failure says nothing for or
/// against slowness; a slow look did not fail.
fn bad_looks(case: &Case, usual: &[f32], wanted: &[bool]) -> (Vec<Vec<Bad>>, Vec<Vec<Bad>>) {
    let sets = case.suspects.len();
    let (mut fails, mut slows) = (vec![Vec::new(); sets], vec![Vec::new(); sets]);
    let mut ok = vec![(0_u32, 0_u32); sets];
    for (at, look) in case.looks.iter().enumerate() {
        for &set in case.paths[look.path as usize].sets() {
            let set = set as usize;
            if !wanted[set] {
                continue;
            }
            let (since_fail, since_slow) = &mut ok[set];
            let bad = |newer_ok: u32, kind: f64| Bad {
                look: at as u32,
                newer_ok,
                usual: f64::from(usual[at]),
                kind,
            };
            if look.mark.is_fail() {
                let what = case.suspects[set].what;
                let kind = look.mark.kind().map_or(0.0, |k| what.kind_nats(k));
                fails[set].push(bad(std::mem::take(since_fail), kind));
            } else {
                *since_fail += 1;
                if look.mark.is_slow() {
                    slows[set].push(bad(std::mem::take(since_slow), 0.0));
                } else {
                    *since_slow += 1;
                }
            }
        }
    }
    (fails, slows)
}

fn best_rate(bad: &[Bad], rates: &[f64], slow: bool) -> Option<Stretch> {
    let mut best: Option<Stretch> = None;
    for &rate in rates {
        let Some(mut found) = scan(bad, rate, slow) else { continue };
        if slow {
            found.gain -= SLOW_COST;
        }
        if best.is_none_or(|b| found.gain > b.gain) {
            best = Some(found);
        }
    }
    best
}

/// Kadane's scan at one rate. Good looks only ever lose, so a stretch begins and ends with a bad
/// one, and runs of good ones count at once.
fn scan(bad: &[Bad], rate: f64, slow: bool) -> Option<Stretch> {
    let ok = (1.0 - rate).ln();
    let (mut sum, mut all, mut before, mut kinds) = (0.0_f64, 0.0_f64, 0.0_f64, 0.0_f64);
    let (mut last, mut count) = (0, 0);
    let (mut top, mut best) = (0.0, None);
    for b in bad {
        let between = f64::from(b.newer_ok) * ok;
        all += between;
        sum += between;
        if sum <= 0.0 {
            (sum, kinds, count, last, before) = (0.0, 0.0, 0, b.look, all);
        }
        let nats = ((b.usual + (1.0 - b.usual) * rate) / b.usual).ln();
        all += nats;
        sum += nats;
        kinds += b.kind;
        count += 1;
        if sum > top {
            top = sum;
            let weight = (KIND_LOOKS / f64::from(count)).min(1.0);
            best = Some(Stretch {
                gain: sum + kinds * weight,
                after: before.min(0.0),
                rate,
                slow,
                first: b.look,
                last,
                bad: count,
            });
        }
    }
    best
}
