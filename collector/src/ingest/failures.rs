//! How often somebody may try to join and fail.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::time::Instant;

/// Within so long.
const WINDOW: Duration = Duration::from_mins(1);

/// From one address, and from everywhere. A secret has 128 bits: this does not keep it from being guessed,
/// but the log from being filled and the processor from being kept busy.
const OF_ONE_MAX: u32 = 10;
const OF_ALL_MAX: u32 = 100;

/// Tries since a window began that did not succeed, or not yet; never more addresses than [`OF_ALL_MAX`].
#[derive(Debug, Default)]
pub(super) struct Failures {
    since: Option<Instant>,
    of_all: u32,
    of_one: HashMap<IpAddr, u32>,
}

impl Failures {
    /// Counts a try as failed until it is forgiven; false if `from` may not try now.
    pub(super) fn begin(&mut self, from: IpAddr, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.duration_since(since) >= WINDOW) {
            *self = Self { since: Some(now), ..Self::default() };
        }
        let full = self.of_all >= OF_ALL_MAX;
        if full || self.of_one.get(&one(from)).is_some_and(|n| *n >= OF_ONE_MAX) {
            return false;
        }
        self.of_all += 1;
        *self.of_one.entry(one(from)).or_default() += 1;
        true
    }

    /// A try succeeded.
    pub(super) fn forgive(&mut self, from: IpAddr) {
        if let Entry::Occupied(mut n) = self.of_one.entry(one(from)) {
            *n.get_mut() -= 1;
            if *n.get() == 0 {
                n.remove();
            }
            self.of_all -= 1;
        }
    }
}

/// What one machine has of addresses: of IPv6 a whole /64.
fn one(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
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
                taken += u32::from(failures.begin(address(n), start));
            }
            let expected = if n < 10 { 10 * (u32::from(n) + 1) } else { 100 };
            assert_eq!(taken, expected, "after address {n}");
        }
        assert!(!failures.begin(address(99), start + WINDOW - Duration::from_millis(1)));
        assert!(failures.begin(address(0), start + WINDOW));
    }

    #[test]
    fn who_succeeds_is_not_held_to_have_failed_and_a_network_is_one() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        let v4 = IpAddr::from([192, 0, 2, 1]);
        for _ in 0..500 {
            assert!(failures.begin(v4, now));
            failures.forgive(v4);
        }
        assert!(failures.of_one.is_empty());
        let of = |n: u16| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n]);
        let taken = (0..50).filter(|n| failures.begin(of(*n), now)).count();
        assert_eq!(taken, 10);
    }
}
