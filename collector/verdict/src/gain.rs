//! How much better the looks of a set are explained if it was at fault for a while.
//!
//! For every suspect, every failure rate `q` and every stretch of time: the sum over its looks of
//! `ln P(look | fault) − ln P(look | as known)`. A failure of a path that fails with chance `x` as
//! known gains `ln((x + (1−x)q) / x)`, a success `ln(1−q)`. The best stretch falls out of one pass
//! from the newest look to the oldest (Kadane's scan), so the change point is exact.
//!
//! A [`Sheet`] is that sum for every suspect of a case, as far as looks are explained already. Explaining
//! a look changes only the suspects that share it; the others keep their stretch.

use crate::case::Case;
use crate::ledger::{Entry, Ledger};

/// Failure rates that are tried. The last one finds a partial outage of one look in twelve.
pub(crate) const FAIL_RATES: [f64; 6] = [0.97, 0.85, 0.6, 0.35, 0.18, 0.08];
/// Shares of slow looks that are tried.
pub(crate) const SLOW_RATES: [f64; 3] = [0.95, 0.7, 0.4];
/// How many rates that makes.
pub(crate) const RATES: usize = FAIL_RATES.len() + SLOW_RATES.len();
/// Looks whose kinds count fully. Kinds are one shared trait of a fault, not independent news.
const KIND_LOOKS: f64 = 4.0;
/// Slowness has more innocent reasons than failure.
const SLOW_COST: f64 = 2.0;
/// What a fault must gain beyond its cost to be part of an explanation.
pub(crate) const NET_MIN: f64 = 0.5;
/// Sums of the same nats in another order differ by less.
const ROUNDING: f64 = 1e-6;

/// The best stretch of one suspect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stretch {
    /// Nats gained within the stretch, kinds included, cost not.
    pub(crate) gain: f64,
    /// … of which the kinds of error.
    pub(crate) kinds: f64,
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

/// Nats that a bad look is worth at each rate; those of the lower ones are wanted for few looks, and
/// are not a number until then.
type Nats = [f64; FAIL_RATES.len()];

/// The value of the look before: how likely it was as explained so far, as bits, and whether it was slow.
#[derive(Debug, Default)]
struct Same {
    usual: u32,
    slow: bool,
    nats: f64,
}

/// What every bad look of a case is worth, as explained so far, and the stretches that follow.
#[derive(Debug, Clone)]
pub(crate) struct Sheet<'a> {
    case: &'a Case,
    ledger: &'a Ledger,
    /// Chance of each bad look to be as bad as it was, as explained so far.
    usual: Vec<f32>,
    nats: Vec<Nats>,
    found: Vec<Found>,
}

/// What is known of a suspect's best stretch.
#[derive(Debug, Clone, Copy)]
enum Found {
    /// It has to be looked for: looks of it were explained since. It gains no more than this, as what is
    /// explained is worth less.
    Stale(f64),
    /// … and once its cost is out of reach it stays so.
    Known(Option<Best>),
}

/// The best of some rates.
#[derive(Debug, Clone, Copy)]
struct Best {
    stretch: Stretch,
    /// What no stretch can gain, kinds included, whatever is explained later.
    most: f64,
}

impl<'a> Sheet<'a> {
    /// Nothing is explained yet.
    pub(crate) fn new(case: &'a Case, ledger: &'a Ledger) -> Self {
        let usual: Vec<f32> = ledger.looks.iter().map(|&l| case.looks[l as usize].usual).collect();
        let found = vec![Found::Stale(f64::INFINITY); case.suspects.len()];
        let nats = vec![Nats::default(); usual.len()];
        let mut sheet = Self { case, ledger, usual, nats, found };
        let mut same = Same::default();
        (0..sheet.usual.len()).for_each(|bad| sheet.value(bad, &mut same));
        sheet
    }

    /// The best stretch of a suspect; none where its cost is out of reach.
    pub(crate) fn stretch(&mut self, set: usize) -> Option<Stretch> {
        if let Found::Known(found) = self.found[set] {
            return found.map(|best| best.stretch);
        }
        let ledger = self.ledger;
        let by_fail = self.best_rate(set, ledger.fails(set), &FAIL_RATES, false);
        let by_slow = self.best_rate(set, ledger.slows(set), &SLOW_RATES, true);
        let best = match (by_fail, by_slow) {
            (Some(f), Some(s)) => Some(Best {
                stretch: if s.stretch.gain > f.stretch.gain { s } else { f }.stretch,
                most: f.most.max(s.most),
            }),
            (best, other) => best.or(other),
        };
        self.found[set] = Found::Known(best);
        best.map(|best| best.stretch)
    }

    /// True if a suspect gains what it costs, as far as nothing else explains its looks.
    pub(crate) fn could_pay(&mut self, set: usize) -> bool {
        let cost = self.case.suspects[set].cost;
        self.stretch(set).is_some_and(|s| s.gain > cost + NET_MIN)
    }

    /// No stretch of a suspect that could pay gains more than this; exact where the stretch is known.
    pub(crate) fn bound(&self, set: usize) -> f64 {
        match self.found[set] {
            Found::Stale(most) => most,
            Found::Known(best) => best.map_or(0.0, |b| b.stretch.gain),
        }
    }

    /// Counts the looks of a stretch of that suspect as explained by it.
    pub(crate) fn apply(&mut self, set: usize, stretch: &Stretch) {
        let q = stretch.rate as f32;
        let ledger = self.ledger;
        let entries = if stretch.slow { ledger.slows(set) } else { ledger.fails(set) };
        let mut same = Same::default();
        for entry in entries {
            let bad = entry.bad as usize;
            let look = ledger.looks[bad];
            if (stretch.last..=stretch.first).contains(&look) {
                self.usual[bad] += (1.0 - self.usual[bad]) * q;
                self.value(bad, &mut same);
                let path = self.case.looks[look as usize].path;
                for &touched in self.case.paths[path as usize].sets() {
                    let found = &mut self.found[touched as usize];
                    if let Found::Known(Some(best)) = *found {
                        *found = Found::Stale(best.most);
                    }
                }
            }
        }
    }

    /// Values a bad look at the highest rate; `same` is the last answer, as most looks are alike.
    fn value(&mut self, bad: usize, same: &mut Same) {
        let slow = self.case.looks[self.ledger.looks[bad] as usize].mark.is_slow();
        let usual = self.usual[bad];
        if (same.usual, same.slow) != (usual.to_bits(), slow) {
            let rate = if slow { SLOW_RATES[0] } else { FAIL_RATES[0] };
            *same = Same { usual: usual.to_bits(), slow, nats: worth(usual, rate) };
        }
        self.nats[bad] = [f64::NAN; FAIL_RATES.len()];
        self.nats[bad][0] = same.nats;
    }

    /// … and at the others; most looks are alike.
    fn value_all(&mut self, bad: &[Entry], rates: &[f64]) {
        let mut same = (f32::NAN, Nats::default());
        for bad in bad.iter().map(|entry| entry.bad as usize) {
            if self.nats[bad][1].is_nan() {
                let usual = self.usual[bad];
                if same.0.to_bits() != usual.to_bits() {
                    let mut nats = self.nats[bad];
                    for (nats, &rate) in nats.iter_mut().zip(rates).skip(1) {
                        *nats = worth(usual, rate);
                    }
                    same = (usual, nats);
                }
                self.nats[bad] = same.1;
            }
        }
    }

    fn best_rate(&mut self, set: usize, bad: &[Entry], rates: &[f64], slow: bool) -> Option<Best> {
        // no rate gains more than the highest would if nothing worked
        let most: f64 = bad.iter().map(|e| self.nats[e.bad as usize][0]).sum();
        let kinds = bad.iter().map(|e| e.kind).fold(0.0, f64::max) * KIND_LOOKS;
        if most + kinds <= self.case.suspects[set].cost + NET_MIN {
            return None;
        }
        self.value_all(bad, rates);
        // what each would gain if nothing worked
        let all = bad.iter().fold(Nats::default(), |mut sums, e| {
            sums.iter_mut().zip(&self.nats[e.bad as usize]).for_each(|(sum, nats)| *sum += nats);
            sums
        });
        let (mut best, mut sum): (Option<Stretch>, f64) = (None, 0.0);
        for (column, (&rate, most)) in rates.iter().zip(all).enumerate() {
            // … and a little for the order of the sum
            if best.is_some_and(|b| most + kinds + ROUNDING < b.gain) {
                break;
            }
            let Some(mut found) = self.scan(bad, column, rate, slow) else { continue };
            if slow {
                found.gain -= SLOW_COST;
            }
            sum = sum.max(found.gain - found.kinds);
            if best.is_none_or(|b| found.gain > b.gain) {
                best = Some(found);
            }
        }
        best.map(|stretch| Best { stretch, most: sum.max(stretch.gain) + kinds + ROUNDING })
    }

    /// What the best stretch up to the latest bad look gains at most, at each rate of failing and of slowness, as explained so
    /// far, and when that look was begun; none without one.
    pub(crate) fn up_to_latest(&mut self, set: usize) -> Option<(i64, [f64; RATES])> {
        let ledger = self.ledger;
        let (fails, slows) = (ledger.fails(set), ledger.slows(set));
        let newest = fails.first().into_iter().chain(slows.first()).map(|e| e.bad).min()?;
        self.value_all(fails, &FAIL_RATES);
        self.value_all(slows, &SLOW_RATES);
        let mut nats = [0.0; RATES];
        let (by_fail, by_slow) = nats.split_at_mut(FAIL_RATES.len());
        for (column, (nats, rate)) in by_fail.iter_mut().zip(FAIL_RATES).enumerate() {
            *nats = self.best_from_latest(fails, column, rate);
        }
        for (column, (nats, rate)) in by_slow.iter_mut().zip(SLOW_RATES).enumerate() {
            *nats = self.best_from_latest(slows, column, rate);
        }
        Some((self.case.looks[ledger.looks[newest as usize] as usize].at, nats))
    }

    fn best_from_latest(&self, bad: &[Entry], column: usize, rate: f64) -> f64 {
        let ok = (1.0 - rate).ln();
        let (mut sum, mut best) = (0.0_f64, 0.0_f64);
        for (index, b) in bad.iter().enumerate() {
            let between = if index == 0 { 0.0 } else { f64::from(b.newer_ok) * ok };
            sum += between + self.nats[b.bad as usize][column] + b.kind.max(0.0);
            best = best.max(sum);
        }
        best
    }

    /// Kadane's scan at one rate. Good looks only ever lose, so a stretch begins and ends with a bad
    /// one, and runs of good ones count at once.
    fn scan(&self, bad: &[Entry], column: usize, rate: f64, slow: bool) -> Option<Stretch> {
        let ok = (1.0 - rate).ln();
        let mut run = Run::default();
        let (mut all, mut top) = (0.0_f64, Run::default());
        for b in bad {
            let between = f64::from(b.newer_ok) * ok;
            all += between;
            run.sum += between;
            if run.sum <= 0.0 {
                run = Run { last: b.bad, before: all, ..Run::default() };
            }
            let nats = self.nats[b.bad as usize][column];
            all += nats;
            run.sum += nats;
            run.kinds += b.kind;
            run.count += 1;
            run.first = b.bad;
            if run.sum > top.sum {
                top = run;
            }
        }
        (top.sum > 0.0).then(|| {
            let weight = (KIND_LOOKS / f64::from(top.count)).min(1.0);
            Stretch {
                gain: top.sum + top.kinds * weight,
                kinds: top.kinds * weight,
                after: top.before.min(0.0),
                rate,
                slow,
                first: self.ledger.looks[top.first as usize],
                last: self.ledger.looks[top.last as usize],
                bad: top.count,
            }
        })
    }
}

/// A stretch as it is scanned.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    /// Nats gained, kinds not counted, and what those add up to.
    sum: f64,
    kinds: f64,
    /// Nats of all looks after it.
    before: f64,
    /// Bad looks, and which of them is its first and its last.
    count: u32,
    first: u32,
    last: u32,
}

/// Nats by which a bad look is better explained if its path fails at that rate.
pub(crate) fn worth(usual: f32, rate: f64) -> f64 {
    let x = f64::from(usual);
    ((x + (1.0 - x) * rate) / x).ln()
}
