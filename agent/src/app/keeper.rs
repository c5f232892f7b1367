//! Owns the spool: groups results into batches, makes them durable, hands them on.

use std::fs::File;
use std::time::Duration;

use parallax_model::{Batch, Body, Epoch, ProbeResult, Span};
use parallax_proto::encode_batch;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::now;
use crate::spool::{Appended, Folder, Spool};
use crate::uplink::{Ask, Backlog, Standing};

/// Results that fill a batch before its time.
const BATCH_RESULTS: usize = 256;

/// An ordinary result waits at most so long for company: one sync of the disk serves all.
const GROUP_FOR: Duration = Duration::from_millis(200);

/// A failure, or a look that was asked for, waits at most so long: a verdict waits for it.
const GROUP_URGENT_FOR: Duration = Duration::from_millis(5);

/// How often the spool is looked after.
const MAINTAIN_EVERY: Duration = Duration::from_secs(5);

pub(super) struct Keeper {
    /// Away while the disk works on it.
    spool: Option<Spool<Folder>>,
    live: mpsc::Sender<Appended>,
    standing: watch::Sender<Standing>,
    waiting: Vec<ProbeResult>,
    flush_at: Option<Instant>,
    /// Told when the last result is durable.
    flushed: CancellationToken,
    /// Held as long as the spool is.
    lock: Option<File>,
}

impl Keeper {
    pub(super) fn new(
        spool: Spool<Folder>,
        live: mpsc::Sender<Appended>,
        standing: watch::Sender<Standing>,
        flushed: CancellationToken,
        lock: File,
    ) -> Self {
        let (spool, lock) = (Some(spool), Some(lock));
        Self { spool, live, standing, waiting: Vec::new(), flush_at: None, flushed, lock }
    }

    /// Keeps until no more results come and nobody asks any more, or the spool broke down.
    pub(super) async fn run(
        mut self,
        mut results: mpsc::Receiver<ProbeResult>,
        mut asks: mpsc::Receiver<Ask>,
    ) {
        let mut care = interval(MAINTAIN_EVERY);
        care.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut more_results, mut more_asks) = (true, true);
        while (more_results || more_asks) && self.spool.is_some() {
            let flush_at = self.flush_at.unwrap_or_else(Instant::now);
            tokio::select! {
                result = results.recv(), if more_results => if let Some(result) = result {
                    self.take(result).await;
                } else {
                    more_results = false;
                    self.flush().await;
                    self.flushed.cancel();
                },
                () = sleep_until(flush_at), if self.flush_at.is_some() => self.flush().await,
                ask = asks.recv(), if more_asks => match ask {
                    Some(ask) => self.answer(ask).await,
                    None => more_asks = false,
                },
                _ = care.tick() => self.maintain().await,
            }
        }
        self.maintain().await;
    }

    async fn take(&mut self, result: ProbeResult) {
        let now = Instant::now();
        let urgent = result.asked || !result.outcome.is_ok();
        let within = now + if urgent { GROUP_URGENT_FOR } else { GROUP_FOR };
        self.flush_at = Some(self.flush_at.map_or(within, |at| at.min(within)));
        self.waiting.push(result);
        if self.waiting.len() >= BATCH_RESULTS {
            self.flush().await;
        }
    }

    async fn flush(&mut self) {
        self.flush_at = None;
        if self.waiting.is_empty() {
            return;
        }
        let results = std::mem::take(&mut self.waiting);
        let now_ms = now().millis().unsigned_abs();
        let appended = self.with_spool(move |spool| {
            let count = results.len() as u64;
            let mut body = Body::Results(results);
            spool.append(count, now_ms, |epoch, first| encode(epoch, first, count, &mut body))
        });
        if let Some(Some(appended)) = appended.await {
            // the uplink reads from the spool what does not fit, or what it is not there for
            self.live.try_send(appended).ok();
        }
    }

    async fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Ack(epoch, spans) => {
                if let Some(spool) = &mut self.spool {
                    for span in spans {
                        spool.ack(epoch, span);
                    }
                }
                self.tell();
            }
            Ask::Read(from, reply) => {
                let backlog = self.with_spool(move |spool| {
                    let (records, next) = spool.read(from);
                    let gap_version = spool.state().gap_version;
                    Backlog { gap_version, gaps: spool.gaps(), records, next }
                });
                if let Some(backlog) = backlog.await {
                    // the connection that asked may be gone
                    reply.send(backlog).ok();
                }
            }
        }
    }

    async fn maintain(&mut self) {
        self.with_spool(Spool::maintain).await;
    }

    /// Works on the spool where waiting for the disk stops nobody else.
    async fn with_spool<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Spool<Folder>) -> T + Send + 'static,
    ) -> Option<T> {
        let (mut spool, lock) = (self.spool.take()?, self.lock.take());
        // the lock goes along: should this task be dropped meanwhile, the folder is free no sooner
        let worked = tokio::task::spawn_blocking(move || {
            let out = work(&mut spool);
            (out, spool, lock)
        });
        match worked.await {
            Ok((out, spool, lock)) => {
                (self.spool, self.lock) = (Some(spool), lock);
                self.tell();
                Some(out)
            }
            Err(error) => {
                tracing::error!(%error, "the spool broke down");
                None
            }
        }
    }

    fn tell(&self) {
        if let Some(spool) = &self.spool {
            self.standing.send_replace(Standing { epoch: spool.epoch(), state: spool.state() });
        }
    }
}

/// Encodes `body` at its numbers. It comes back whole, should it be needed at others.
fn encode(epoch: Epoch, first: u64, count: u64, body: &mut Body) -> Vec<u8> {
    let Some(span) = Span::new(first, first.saturating_add(count).saturating_sub(1)) else {
        return Vec::new();
    };
    let taken = std::mem::replace(body, Body::Results(Vec::new()));
    let batch = Batch { epoch, span, body: taken };
    let bytes = encode_batch(&batch);
    *body = batch.body;
    bytes
}
