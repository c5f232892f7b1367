//! What systemd is told; without systemd, nothing is.
//!
//! The watchdog is fed by the court's own loop: a collector that does not judge any more is killed and
//! started again. A store that refuses is no reason: that is told by `/readyz`, and a restart would not
//! help.

use sd_notify::NotifyState;

use crate::view::View;

/// The collector hears agents and answers questions.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The court is in session.
pub(super) fn alive(view: &View) {
    let agents = view.agents();
    let there = agents.iter().filter(|a| a.now.connected).count();
    let status = status(there, agents.len(), view.open_faults().len());
    tell(&[NotifyState::Watchdog, NotifyState::Status(&status)]);
}

/// The end has begun.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

fn status(connected: usize, agents: usize, open: usize) -> String {
    format!("{connected} of {agents} agents connected; {open} open faults")
}

fn tell(words: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(words) {
        tracing::debug!(%error, "systemd was not told");
    }
}
