//! How often somebody may try to join and fail.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

/// Within so long.
const WINDOW: Duration = Duration::from_mins(1);

/// From one address, and from everywhere. A secret has 128 bits: this does not keep it from being guessed,
/// but the log from being filled and the processor from being kept busy.
const OF_ONE_MAX: u32 = 10;
const OF_ALL_MAX: u32 = 100;

/// Failed tries since a window began; never more addresses than [`OF_ALL_MAX`].
#[derive(Debug, Default)]
pub(super) struct Failures {
    since: Option<Instant>,
    of_all: u32,
    of_one: HashMap<IpAddr, u32>,
}

impl Failures {
    /// True if `from` may try.
    pub(super) fn may_try(&mut self, from: IpAddr, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.duration_since(since) >= WINDOW) {
            *self = Self { since: Some(now), ..Self::default() };
        }
        self.of_all < OF_ALL_MAX && self.of_one.get(&from).is_none_or(|n| *n < OF_ONE_MAX)
    }

    /// A try failed.
    pub(super) fn count(&mut self, from: IpAddr) {
        self.of_all = self.of_all.saturating_add(1);
        *self.of_one.entry(from).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_failures_a_minute_close_the_door_to_one_address_and_a_hundred_to_all() {
        let (mut failures, start) = (Failures::default(), Instant::now());
        let address = |n: u8| IpAddr::from([192, 0, 2, n]);
        let mut taken = 0;
        for n in 0..30_u8 {
            for _ in 0..20 {
                if failures.may_try(address(n), start) {
                    failures.count(address(n));
                    taken += 1;
                }
            }
            let expected = if n < 10 { 10 * (u32::from(n) + 1) } else { 100 };
            assert_eq!(taken, expected, "after address {n}");
        }
        assert!(!failures.may_try(address(99), start + WINDOW - Duration::from_millis(1)));
        assert!(failures.may_try(address(0), start + WINDOW));
    }
}
