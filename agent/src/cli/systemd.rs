//! What systemd is told; without systemd, nothing is.
//!
//! The watchdog is fed by the loop that decides when to look, through [`Pulse`]: an agent that hangs is
//! killed and started again.

use sd_notify::NotifyState;

use crate::Pulse;

/// Listens to a starting agent: its first pulse makes it ready, the others keep it alive.
pub(super) fn listener() -> impl FnMut(Pulse) + Send + 'static {
    let mut ready = false;
    move |pulse| {
        if !std::mem::replace(&mut ready, true) {
            tell(&[NotifyState::Ready]);
        }
        tell(&[NotifyState::Watchdog, NotifyState::Status(&status(pulse))]);
    }
}

/// The end has begun.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

fn status(pulse: Pulse) -> String {
    let Pulse { targets, waiting, refused } = pulse;
    if let Some(why) = refused {
        return format!("looking at nothing: the collector does not take this agent: {why}");
    }
    if targets == 0 {
        return "waiting for targets from the collector".to_owned();
    }
    format!("looking at {targets} targets; {waiting} results wait for the collector")
}

fn tell(words: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(words) {
        tracing::debug!(%error, "systemd was not told");
    }
}
