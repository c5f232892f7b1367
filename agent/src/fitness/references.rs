//! How the references were last seen.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use parallax_model::{Role, Target, TargetName};

/// A reference that was not looked at for so many of its intervals is not looked at any more.
const FRESH_INTERVALS: u32 = 3;

/// Most references that are remembered; a handful is usual.
const REFERENCES_MAX: usize = 1000;

/// The last look at each reference.
#[derive(Debug, Default)]
pub struct References(Mutex<HashMap<TargetName, Seen>>);

#[derive(Debug)]
struct Seen {
    ok: bool,
    at: Instant,
    fresh_for: Duration,
}

impl References {
    /// Takes note of a look, if it was at a reference.
    pub fn saw(&self, target: &Target, ok: bool, at: Instant) {
        if target.role != Role::Reference {
            return;
        }
        let fresh_for = target.interval.saturating_mul(FRESH_INTERVALS) + target.timeout;
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() < REFERENCES_MAX || seen.contains_key(&target.name) {
            let look = Seen { ok, at, fresh_for };
            seen.insert(target.name.clone(), look);
        }
    }

    /// How many are looked at, and how many of them could not be seen.
    pub(super) fn count(&self, now: Instant) -> (u32, u32) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, s| now.saturating_duration_since(s.at) <= s.fresh_for);
        (seen.len() as u32, seen.values().filter(|s| !s.ok).count() as u32)
    }
}

#[cfg(test)]
mod tests {
    use parallax_model::{Check, Selector, Sensitivity, TcpCheck};

    use super::*;

    #[test]
    fn the_last_look_counts_as_long_as_it_is_fresh() {
        let references = References::default();
        let start = Instant::now();
        let look = |name: &str, role, ok, at| {
            let target = Target {
                name: TargetName::new(name).unwrap(),
                role,
                interval: Duration::from_secs(10),
                timeout: Duration::from_secs(5),
                depends_on: vec![],
                agents: Selector::default(),
                sensitivity: Sensitivity::default(),
                policy: None,
                check: Check::Tcp(TcpCheck { address: "a:1".into(), talk: vec![] }),
            };
            references.saw(&target, ok, start + Duration::from_secs(at));
        };
        look("shop", Role::Service, false, 0);
        look("ref-a", Role::Reference, false, 0);
        look("ref-b", Role::Reference, false, 0);
        look("ref-a", Role::Reference, true, 30);
        let count = |at| references.count(start + Duration::from_secs(at));
        assert_eq!(count(35), (2, 1));
        assert_eq!(count(36), (1, 0));
        assert_eq!(count(66), (0, 0));
    }
}
