//! What the kernel says of the wall clock.

use std::time::Duration;

/// How the wall clock stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct State {
    /// Whether something holds it to a better one, where the kernel says.
    pub(super) synchronised: Option<bool>,
    /// The estimate of how far it is off, where it is synchronised.
    pub(super) error: Option<Duration>,
}

#[cfg(target_os = "linux")]
pub(super) fn read() -> State {
    let Some(timex) = query() else { return State::default() };
    let synchronised = timex.status & libc::STA_UNSYNC == 0;
    let error = u64::try_from(timex.esterror).ok().map(Duration::from_micros);
    State { synchronised: Some(synchronised), error: error.filter(|_| synchronised) }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn read() -> State {
    State::default()
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no crate of ours wraps adjtimex")]
fn query() -> Option<libc::timex> {
    // SAFETY: `timex` holds nothing but integers, for which all zeros is a value. With `modes` at 0 the
    // call changes nothing; it writes the struct that it is given, which outlives it.
    unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&raw mut timex) >= 0).then_some(timex)
    }
}
