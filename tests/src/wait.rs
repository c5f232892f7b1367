//! Waiting for something to become true.

use std::time::{Duration, Instant};

/// How often a condition is looked at.
const STEP: Duration = Duration::from_millis(20);

/// Polls until `look` gives a value; panics with `what` and the last word of `look` after `deadline`.
pub fn until<T>(what: &str, deadline: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + deadline;
    loop {
        match look() {
            Ok(value) => return value,
            Err(why) if Instant::now() > end => panic!("{what}: not within {deadline:?}: {why}"),
            Err(_) => pause(STEP),
        }
    }
}

/// Lets other processes work for a moment between two looks.
pub fn pause(time: Duration) {
    std::thread::park_timeout(time);
}
