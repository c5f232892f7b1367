//! What arrives against what is held: the rule that every store keeps.

use parallax_model::{IntervalSet, Span};

use super::{HELD_SPANS_MAX, Kept};

/// Takes `span` into `held` and says what of it was new; refuses what would make too many holes.
pub(super) fn take(held: &mut IntervalSet, span: Span) -> Kept {
    let fresh = held.missing(span);
    // a span can add one at most, and those that fill holes are always welcome
    let melts = held.spans().iter().any(|s| {
        s.first() <= span.last().saturating_add(1) && span.first() <= s.last().saturating_add(1)
    });
    if held.spans().len() >= HELD_SPANS_MAX && !melts {
        return Kept { refused: true, ..Kept::default() };
    }
    let new: u64 = fresh.iter().map(|s| s.count()).sum();
    held.insert(span);
    Kept { fresh, duplicates: span.count() - new, refused: false }
}

/// Spans as bytes: first and last of each, eight bytes little end first.
pub(super) fn to_bytes(held: &IntervalSet) -> Vec<u8> {
    held.spans()
        .iter()
        .flat_map(|s| [s.first().to_le_bytes(), s.last().to_le_bytes()])
        .flatten()
        .collect()
}

/// Spans from their bytes; none if these are no such bytes.
pub(super) fn from_bytes(bytes: &[u8]) -> Option<IntervalSet> {
    let (numbers, rest) = bytes.as_chunks::<8>();
    let (pairs, odd) = numbers.as_chunks::<2>();
    if !rest.is_empty() || !odd.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|[first, last]| Span::new(u64::from_le_bytes(*first), u64::from_le_bytes(*last)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(first: u64, last: u64) -> Span {
        Span::new(first, last).unwrap()
    }

    #[test]
    fn bytes_give_the_same_set_back() {
        let set: IntervalSet = [span(1, 4), span(9, u64::MAX)].into_iter().collect();
        assert_eq!(from_bytes(&to_bytes(&set)), Some(set));
        assert_eq!(from_bytes(&[]), Some(IntervalSet::new()));
        assert_eq!(from_bytes(&[1; 15]), None);
        assert_eq!(from_bytes(&[0; 16]), None);
    }

    #[test]
    fn too_many_holes_are_refused_until_they_are_filled() {
        let mut held: IntervalSet =
            (0..HELD_SPANS_MAX as u64).map(|n| span(10 * n + 1, 10 * n + 1)).collect();
        let before = held.clone();
        let far = 10 * HELD_SPANS_MAX as u64 + 5;
        assert!(take(&mut held, span(far, far)).refused);
        assert_eq!(held, before);
        let filling = take(&mut held, span(1, 12));
        assert_eq!((filling.refused, filling.duplicates), (false, 2));
        assert_eq!(filling.fresh, [span(2, 10), span(12, 12)]);
        assert!(!take(&mut held, span(far, far)).refused);
    }
}
