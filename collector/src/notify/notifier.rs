//! Sends out the couriers, and others when the configuration changes.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Webhook;
use super::courier::Courier;
pub use super::courier::Rounds;
use crate::store::letter::LETTERS_MAX;

/// Delivers to all webhooks.
pub struct Notifier {
    rounds: Rounds,
    webhooks: watch::Receiver<Arc<[Webhook]>>,
}

impl Notifier {
    /// For the webhooks that are in force at each time.
    pub const fn new(rounds: Rounds, webhooks: watch::Receiver<Arc<[Webhook]>>) -> Self {
        Self { rounds, webhooks }
    }

    /// Works until `stop`. What is not delivered then waits in the store.
    pub async fn work(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let webhooks = Arc::clone(&self.webhooks.borrow_and_update());
            self.sweep(&webhooks).await;
            let halt = stop.child_token();
            let mut couriers = self.send_out(&webhooks, &halt);
            tokio::select! {
                () = stop.cancelled() => {}
                changed = self.webhooks.changed() => if changed.is_err() {
                    stop.cancelled().await;
                },
            }
            halt.cancel();
            while couriers.join_next().await.is_some() {}
        }
    }

    fn send_out(&self, webhooks: &[Webhook], halt: &CancellationToken) -> JoinSet<()> {
        let mut couriers = JoinSet::new();
        for webhook in webhooks {
            match Courier::new(webhook, &self.rounds) {
                Ok(courier) => drop(couriers.spawn(courier.work(halt.clone()))),
                Err(why) => tracing::error!(webhook = webhook.name, why, "no messages can be sent"),
            }
        }
        couriers
    }

    /// Drops what waits for webhooks that are not configured any more.
    async fn sweep(&self, webhooks: &[Webhook]) {
        let names: HashSet<String> = webhooks.iter().map(|w| w.name.clone()).collect();
        self.rounds.health.keep_webhooks(&names);
        let read = Arc::clone(&self.rounds.read);
        let orphans = tokio::task::spawn_blocking(move || {
            let outbox = read.outbox()?.into_keys().filter(|name| !names.contains(name));
            outbox.map(|name| Ok((read.waiting(&name, LETTERS_MAX)?, name))).collect()
        });
        let orphans: Result<Vec<_>, crate::store::StoreError> = match orphans.await {
            Ok(orphans) => orphans,
            Err(_) => return,
        };
        match orphans {
            Ok(orphans) => {
                for (letters, webhook) in orphans {
                    let ids: Vec<_> = letters.iter().map(|l| l.id).collect();
                    tracing::warn!(
                        webhook,
                        messages = ids.len(),
                        "dropped what waited for a webhook that is not configured any more"
                    );
                    self.rounds.writer.forget_letters(&ids);
                }
            }
            Err(why) => tracing::error!(%why, "the outbox cannot be read"),
        }
    }
}
