//! Sets of sequence numbers as disjoint inclusive spans.
//!
//! The collector keeps one per (agent, epoch): what is stored or declared lost. Live results travel
//! before backlog, so the set has holes while a backlog drains; it shrinks to one span when done.

use std::fmt;

/// Consecutive numbers, both ends included, `1 ≤ first ≤ last`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    first: u64,
    last: u64,
}

impl Span {
    /// From `first` to `last`, both included; none unless `1 ≤ first ≤ last`.
    pub const fn new(first: u64, last: u64) -> Option<Self> {
        if first >= 1 && first <= last { Some(Self { first, last }) } else { None }
    }

    /// The first number.
    pub const fn first(self) -> u64 {
        self.first
    }

    /// The last number.
    pub const fn last(self) -> u64 {
        self.last
    }

    /// How many numbers. Never 0; saturates for the whole range of `u64`.
    pub const fn count(self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..={}", self.first, self.last)
    }
}

/// Disjoint, sorted, never touching spans.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IntervalSet(Vec<Span>);

impl IntervalSet {
    /// The empty set.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The spans, ascending.
    pub fn spans(&self) -> &[Span] {
        &self.0
    }

    /// How many numbers are in the set.
    pub fn count(&self) -> u64 {
        self.0.iter().fold(0, |sum, span| sum.saturating_add(span.count()))
    }

    /// True if every number of `span` is in the set.
    pub fn covers(&self, span: Span) -> bool {
        let at = self.0.partition_point(|s| s.last < span.first);
        self.0.get(at).is_some_and(|s| s.first <= span.first && span.last <= s.last)
    }

    /// Adds `span`; returns the parts of it that were not in the set before, ascending.
    pub fn insert(&mut self, span: Span) -> Vec<Span> {
        let new = self.missing(span);
        // every span that overlaps or touches the new one melts into it
        let from = self.0.partition_point(|s| s.last.saturating_add(1) < span.first);
        let to = self.0.partition_point(|s| s.first <= span.last.saturating_add(1));
        let mut merged = span;
        if let Some(&[first, ..]) = self.0.get(from..to) {
            merged.first = merged.first.min(first.first);
        }
        if let Some(&[.., last]) = self.0.get(from..to) {
            merged.last = merged.last.max(last.last);
        }
        self.0.splice(from..to, [merged]);
        new
    }

    /// The parts of `span` that are not in the set, ascending.
    pub fn missing(&self, span: Span) -> Vec<Span> {
        let mut missing = Vec::new();
        let mut next = span.first;
        let from = self.0.partition_point(|s| s.last < span.first);
        for have in self.0.iter().skip(from).take_while(|s| s.first <= span.last) {
            if next < have.first {
                missing.push(Span { first: next, last: have.first - 1 });
            }
            match have.last.checked_add(1) {
                Some(after) => next = after,
                None => return missing,
            }
        }
        if next <= span.last {
            missing.push(Span { first: next, last: span.last });
        }
        missing
    }
}

impl FromIterator<Span> for IntervalSet {
    fn from_iter<I: IntoIterator<Item = Span>>(spans: I) -> Self {
        let mut set = Self::new();
        for span in spans {
            set.insert(span);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn span(first: u64, last: u64) -> Span {
        Span::new(first, last).unwrap()
    }

    #[test]
    fn the_edges_of_the_range_hold() {
        let mut set = IntervalSet::new();
        assert_eq!(set.insert(span(u64::MAX, u64::MAX)), [span(u64::MAX, u64::MAX)]);
        assert_eq!(set.insert(span(1, u64::MAX)), [span(1, u64::MAX - 1)]);
        assert_eq!(set.spans(), [span(1, u64::MAX)]);
        assert_eq!(set.missing(span(1, u64::MAX)), []);
        assert_eq!(Span::new(0, 3), None);
        assert_eq!(Span::new(3, 2), None);
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_plain_set(spans in prop::collection::vec((1..60u64, 0..8u64), 0..40)) {
            let (mut set, mut oracle) = (IntervalSet::new(), BTreeSet::new());
            for (first, more) in spans {
                let span = span(first, first + more);
                let new: Vec<u64> = (span.first()..=span.last()).filter(|n| !oracle.contains(n)).collect();
                prop_assert_eq!(set.covers(span), new.is_empty());
                let added: Vec<u64> = set.insert(span).iter().flat_map(|s| s.first()..=s.last()).collect();
                prop_assert_eq!(&added, &new);
                oracle.extend(new);
                prop_assert_eq!(set.count(), oracle.len() as u64);
                for pair in set.spans().windows(2) {
                    prop_assert!(pair[0].last() + 1 < pair[1].first(), "spans touch: {:?}", pair);
                }
            }
        }
    }
}
