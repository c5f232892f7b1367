//! The parts that are at work while a collector runs.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::now;
use crate::fleet::Fleet;
use crate::ingest::Ingest;
use crate::store::writer::{Health as StoreHealth, Writer};
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

pub(super) fn hear(
    ends: &Ends,
    edge: &Edge,
    fleet: &Arc<Fleet>,
    writer: Writer,
    listener: TcpListener,
) -> Task {
    let waiting = writer.waiting();
    let ingest = Ingest::new(Arc::clone(fleet), writer, now, edge.closing.clone());
    let health = Arc::clone(&edge.health);
    let counters = ingest.counters();
    health.metered_by(move || Traffic {
        streams: counters.streams.get(),
        streams_refused: counters.refused.get(),
        messages_invalid: counters.invalid.get(),
        batches: counters.batches.get(),
        batches_refused: counters.batches_refused.get(),
        acked: counters.acked.get(),
        from_the_future: counters.from_the_future.get(),
        waiting: waiting(),
    });
    ends.start(async move {
        if let Err(why) = ingest.serve(listener).await {
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
