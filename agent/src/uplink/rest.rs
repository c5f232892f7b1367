//! Between two connections: who we are by now, and how long to stay away.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Uplink, Wanted};
use crate::identity::Identity;

/// How often an agent that is not taken looks whether it has joined anew.
const LOOK_EVERY: Duration = Duration::from_secs(2);

impl<O: From<Wanted>> Uplink<O> {
    /// Takes up the credential that lies on disk, should it be another: somebody joined anew, or a
    /// renewal was kept when the connection broke.
    pub(super) async fn look_who_we_are(&mut self) -> bool {
        let Some(identity) = self.identity.clone() else { return false };
        let found = tokio::task::spawn_blocking(move || identity.replaced()).await;
        match found {
            Ok(Ok(Some(other))) => {
                tracing::info!(agent = %other.name(), "go on with the credential that is there now");
                self.take(other);
                true
            }
            Ok(Ok(None)) | Err(_) => false,
            // what we have may still do
            Ok(Err(error)) => {
                tracing::debug!(%error, "go on with the credential of before");
                false
            }
        }
    }

    pub(super) fn take(&mut self, identity: Identity) {
        // an address that the configuration gives stays
        if self.identity.as_ref().is_some_and(|old| old.credential().collector == self.collector) {
            self.collector.clone_from(&identity.credential().collector);
        }
        self.agent = identity.name().clone();
        self.identity = Some(identity);
    }

    /// Looks at nothing from here on, also after a restart, until the collector says at what.
    pub(super) async fn rest(&mut self, why: String, assigned: &mut u64) {
        self.refusal.send_replace(Some(why.into()));
        *assigned = 0;
        self.orders.send(Wanted::Assign(Vec::new()).into()).await.ok();
        let file = self.assignment_file.clone();
        let forgotten = tokio::task::spawn_blocking(move || std::fs::remove_file(file)).await;
        if let Ok(Err(error)) = forgotten
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "cannot forget the last assignment");
        }
    }

    /// Stays away for `pause`, or until somebody joined anew whom the collector did not take. False if
    /// the end comes meanwhile.
    pub(super) async fn stays_away(&mut self, pause: Duration, finish: &CancellationToken) -> bool {
        let pause = tokio::time::sleep(pause);
        tokio::pin!(pause);
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let refused = self.refusal.borrow().is_some();
            tokio::select! {
                () = &mut pause => return true,
                () = finish.cancelled() => return false,
                // what becomes durable meanwhile is backlog
                Some(_) = self.live.recv() => {}
                _ = look.tick(), if refused => if self.look_who_we_are().await {
                    return true;
                },
            }
        }
    }
}
