//! The looks of a case in order, newest first: a few thousand each sitting, in hundredths of a second.

use crate::case::Look;

/// Fewer looks than this are compared with one another.
const FEW: usize = 64;
/// Values of one digit.
const DIGITS: usize = 256;

/// Sorts looks, given in the order of their paths, by their begin, newest first; ties stay in the order of
/// paths. Begins are whole hundredths of a second before (or, for a clock that was set, after) `now`.
pub(crate) fn newest_first(now: i64, looks: &mut Vec<Look>) {
    if looks.len() < FEW {
        looks.sort_by_key(|l| (std::cmp::Reverse(l.at), l.path));
        return;
    }
    let age = |l: &Look| (now - l.at) / 10;
    let (mut least, mut most) = (i64::MAX, i64::MIN);
    for look in &*looks {
        (least, most) = (least.min(age(look)), most.max(age(look)));
    }
    let mut other = looks.clone();
    let mut shift = 0;
    while (most - least) >> shift > 0 {
        pass(looks, &mut other, |l| (((age(l) - least) >> shift) as usize) % DIGITS);
        std::mem::swap(looks, &mut other);
        shift += DIGITS.ilog2();
    }
}

/// Moves the looks over in the order of one digit of theirs; equals stay in their order.
fn pass(from: &[Look], to: &mut [Look], digit: impl Fn(&Look) -> usize) {
    let mut next = [0_usize; DIGITS];
    for look in from {
        next[digit(look)] += 1;
    }
    let mut sum = 0;
    for place in &mut next {
        sum += std::mem::replace(place, sum);
    }
    for look in from {
        let place = &mut next[digit(look)];
        to[*place] = *look;
        *place += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::Mark;

    #[test]
    fn many_looks_come_out_as_comparing_them_would_have_it() {
        for (count, spread) in [(40_u32, 900), (500, 3), (2_000, 70_000), (3_000, 30_000_000)] {
            let look = |n: u32| {
                let at = 5_000_000 - i64::from(n.wrapping_mul(2_654_435_761) % spread) * 10;
                Look { at, path: n / 16, mark: Mark::OK, raw: n, usual: 0.001 }
            };
            let mut looks: Vec<Look> = (0..count).map(look).collect();
            let mut expected = looks.clone();
            expected.sort_by_key(|l| (std::cmp::Reverse(l.at), l.path));
            newest_first(4_000_000, &mut looks);
            let order = |looks: &[Look]| looks.iter().map(|l| (l.at, l.path)).collect::<Vec<_>>();
            assert_eq!(order(&looks), order(&expected), "{count} over {spread}");
        }
    }
}
