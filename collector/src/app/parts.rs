//! The parts that are at work while a collector runs.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::now;
use super::roll::InForce;
use crate::control::{Control, Reach};
use crate::identity::Roll;
use crate::ingest::{Ingest, Needs};
use crate::store::writer::Health as StoreHealth;
use crate::view::{Edge, Health, Traffic};
use crate::{api, export, page};

/// A part at work; dropping it ends it at once.
pub(super) type Task = AbortOnDropHandle<()>;

/// How parts learn that it is over.
#[derive(Debug, Clone)]
pub(super) struct Ends {
    /// Cancelled first: streams drain.
    pub(super) stop: CancellationToken,
    /// Cancelled when a part ends before it was told to: nothing good comes after that.
    pub(super) broken: CancellationToken,
}

impl Ends {
    /// Starts a part that is to work until told to stop.
    pub(super) fn start(&self, work: impl Future<Output = ()> + Send + 'static) -> Task {
        let Self { stop, broken } = self.clone();
        AbortOnDropHandle::new(tokio::spawn(async move {
            // a panic drops the guard, too
            let guard = broken.drop_guard();
            work.await;
            if stop.is_cancelled() {
                drop(guard.disarm());
            }
        }))
    }
}

pub(super) async fn ended(what: &str, task: Task) {
    if let Err(why) = task.await {
        tracing::error!(what, %why, "a part of the collector did not end well");
    }
}

pub(super) fn hear(ends: &Ends, edge: &Edge, needs: Needs, listeners: Vec<TcpListener>) -> Task {
    let waiting = needs.writer.waiting();
    let ingest = Ingest::new(needs, edge.closing.clone());
    let health = Arc::clone(&edge.health);
    let counters = ingest.counters();
    health.metered_by(move || Traffic {
        streams: counters.streams.get(),
        streams_refused: counters.refused.get(),
        connections_closed: counters.closed.get(),
        joined: counters.joined.get(),
        renewed: counters.renewed.get(),
        messages_invalid: counters.invalid.get(),
        batches: counters.batches.get(),
        batches_refused: counters.batches_refused.get(),
        acked: counters.acked.get(),
        from_the_future: counters.from_the_future.get(),
        waiting: waiting(),
    });
    ends.start(async move {
        if let Err(why) = ingest.serve(listeners).await {
            tracing::error!(%why, "agents are not heard any more");
            health.not_ready("agents", why.to_string());
        }
    })
}

pub(super) fn show(
    ends: &Ends,
    edge: &Edge,
    listener: TcpListener,
    bound: SocketAddr,
    more: Router,
) -> Task {
    let edges = page::router(edge).merge(export::router(edge)).merge(more);
    let router = api::router(edge, bound, edges);
    let closing = edge.closing.clone().cancelled_owned();
    ends.start(async move {
        if let Err(why) = axum::serve(listener, router).with_graceful_shutdown(closing).await {
            tracing::error!(%why, "pages are not served any more");
        }
    })
}

pub(super) async fn watch_store(mut store: StoreHealth, health: Arc<Health>) {
    while store.changed().await.is_ok() {
        match &*store.borrow_and_update() {
            None => health.ready("store"),
            Some(why) => {
                health.store_failed();
                health.not_ready("store", why.clone());
            }
        }
    }
}

/// Answers commands. A collector without it does all the rest.
pub(super) fn control(
    ends: &Ends,
    edge: &Edge,
    data_dir: &Path,
    in_force: &Arc<InForce>,
    reach: Reach,
) -> Option<Task> {
    let (identity, roll) = (Arc::clone(&in_force.identity), Arc::clone(in_force) as Arc<dyn Roll>);
    let control = Control::listen(data_dir, identity, roll, reach, now)
        .inspect_err(|why| tracing::warn!(%why, "no commands are answered"));
    Some(ends.start(control.ok()?.work(edge.closing.clone())))
}
