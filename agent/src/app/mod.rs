//! The rooms of one agent, joined by bounded channels.
//!
//! ```text
//! runner ──results──▶ keeper (owns the spool) ──live──▶ uplink ──▶ collector
//!    ▲                     ▲───── acks, reads ────────────┘ │
//!    └───────────── assignment, probe-now ──────────────────┘
//! ```

mod keeper;
mod lock;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parallax_model::{AgentName, Fitness, Target, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Config;
use crate::config::Declared;
use crate::fitness::{self, References};
use crate::probe::{Belongings, Doctor, Keys, Surroundings, TlsError, look_within};
use crate::schedule::{Beat, Order, Punctual, Runner};
use crate::spool::{Folder, Spool};
use crate::uplink::{Condition, DISMISSED_FOR, Standing, Uplink, Wanted};
use keeper::Keeper;

/// Results on their way to the spool. When it is full, looks wait and slots are missed, and counted.
const RESULTS_MAX: usize = 1024;

/// Orders on their way to the schedule; the uplink waits when it is full.
const ORDERS_MAX: usize = 8;

/// Durable records on their way to the uplink. What does not fit is read from the spool later.
const LIVE_MAX: usize = 64;

/// Acks and reads on their way to the spool; the uplink waits when it is full.
const ASKS_MAX: usize = 64;

/// How long the disk may take to make the last results durable.
const SPOOL_WITHIN: Duration = Duration::from_secs(1);

/// How long what is left may take to be sent and acked at the end.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// One running agent. Dropping it ends its tasks at once; [`Agent::stop`] ends them in order.
#[derive(Debug)]
pub struct Agent {
    name: AgentName,
    /// Ends the looking; then the keeper ends by itself.
    stop: CancellationToken,
    /// The last result is durable: the uplink may end.
    finish: CancellationToken,
    runner: JoinSet<()>,
    keeper: JoinSet<()>,
    uplink: JoinSet<()>,
}

/// What a running agent says of itself every few seconds, from the loop that decides when to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulse {
    /// Targets it looks at; none before the first assignment.
    pub targets: usize,
    /// Results that wait for the collector's ack.
    pub waiting: u64,
    /// Why the collector does not take this agent, in its words, while it does not.
    pub refused: Option<Arc<str>>,
}

/// Why an agent did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another agent works in the same data folder.
    #[error("{folder} is in use by another agent: give each its own --data-dir")]
    InUse {
        /// The folder.
        folder: String,
    },
    /// The data folder cannot be used.
    #[error("cannot use the data folder {folder}: {source}")]
    Folder {
        /// The folder.
        folder: String,
        /// What the system said.
        source: io::Error,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Agent {
    /// Starts an agent on the current tokio runtime. It returns before the collector is reached: that
    /// may take as long as it takes.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Self::start_heard(config, |_| ()).await
    }

    /// The same, with somebody who listens whether it goes on: silence of several
    /// [`BEAT_EVERY`](crate::schedule::BEAT_EVERY) means that it hangs. `pulse` must not wait.
    pub async fn start_heard(
        config: Config,
        mut pulse: impl FnMut(Pulse) + Send + 'static,
    ) -> Result<Self, StartError> {
        let folder = config.data_dir.display().to_string();
        let prepared = tokio::task::spawn_blocking(move || prepare(config)).await;
        let broken = |e| StartError::Folder { folder, source: io::Error::other(e) };
        let Prepared { config, lock, spool, around } = prepared.map_err(broken)??;
        let (results, results_in) = mpsc::channel(RESULTS_MAX);
        let (orders, orders_in) = mpsc::channel(ORDERS_MAX);
        let (live, live_in) = mpsc::channel(LIVE_MAX);
        let (asks, asks_in) = mpsc::channel(ASKS_MAX);
        let standing = Standing { epoch: spool.epoch(), state: spool.state() };
        let (standing, standing_in) = watch::channel(standing);
        let (punctual, references) =
            (Arc::new(Punctual::default()), Arc::new(References::default()));
        let (refusal, refused) = watch::channel(None);
        let (condition, condition_in) = watch::channel(Condition::default());
        let (stop, finish) = (CancellationToken::new(), CancellationToken::new());

        let (around, seen) = (Arc::new(around), Arc::clone(&references));
        let doctor = Doctor::new(Arc::clone(&around));
        let look = move |target: Arc<Target>, within, asked| {
            let (around, seen) = (Arc::clone(&around), Arc::clone(&seen));
            let doctor = Arc::clone(&doctor);
            async move {
                let mut result = look_within(within, &target, &around, now(), asked).await;
                doctor.saw(&target, &mut result);
                seen.saw(&target, result.outcome.is_ok(), Instant::now());
                result
            }
        };
        let name = config.name.clone();
        let spool_now = standing_in.clone();
        let counts = Arc::clone(&punctual);
        let beat: Beat = Box::new(move |targets| {
            let fitness = fitness::measure(counts.turn(), &references, Instant::now());
            let missed_slots = counts.missed();
            let before =
                condition.send_replace(Condition { missed_slots, fitness: Some(fitness.clone()) });
            say(&fitness, before.fitness.as_ref());
            let (waiting, refused) = (spool_now.borrow().state.records, refused.borrow().clone());
            pulse(Pulse { targets, waiting, refused });
        });
        let runner =
            Runner::new(name.clone(), config.looks_at_once, look, results, punctual).heard_by(beat);
        let keeper = Keeper::new(spool, live, standing, finish.clone(), lock);
        let uplink = Uplink::<Order> {
            agent: name.clone(),
            instance: fastrand::u64(1..),
            collector: config.collector.as_str().to_owned(),
            identity: config.identity,
            dismissed_for: DISMISSED_FOR,
            refusal,
            assignment_file: config.data_dir.join("assignment"),
            live: live_in,
            spool: standing_in,
            keeper: asks,
            orders,
            condition: condition_in,
        };
        Ok(Self {
            name,
            runner: one(runner.run(orders_in, stop.clone())),
            keeper: one(keeper.run(results_in, asks_in)),
            uplink: one(uplink.run(finish.clone())),
            stop,
            finish,
        })
    }

    /// The agent's name.
    pub fn name(&self) -> &AgentName {
        &self.name
    }

    /// Waits until a part ends that should not: whoever runs the agent should end, too, and be started
    /// again.
    pub async fn broken(&mut self) {
        let ended = tokio::select! {
            ended = self.runner.join_next() => ended,
            ended = self.keeper.join_next() => ended,
            ended = self.uplink.join_next() => ended,
        };
        if let Some(Err(error)) = ended {
            tracing::error!(%error, "a part of the agent broke down");
        }
    }

    /// Stops in order: no new looks, running ones get 5 s, results become durable, and what is left is
    /// sent for at most 2 s.
    pub async fn stop(mut self) {
        self.stop.cancel();
        // the runner bounds itself
        ended(&mut self.runner).await;
        // without a source of results the keeper writes the last ones and lets the uplink finish
        let durable = tokio::time::timeout(SPOOL_WITHIN, self.finish.cancelled()).await;
        if durable.is_err() {
            tracing::error!("the spool's disk does not answer; the last results may be lost");
        }
        if tokio::time::timeout(FLUSH_WITHIN, ended(&mut self.uplink)).await.is_err() {
            tracing::warn!("results are left in the spool for the next start");
            self.uplink.shutdown().await;
        }
        if tokio::time::timeout(SPOOL_WITHIN, ended(&mut self.keeper)).await.is_err() {
            tracing::warn!("the spool was not closed in time");
        }
    }
}

/// Says that this agent is unfit, or fit again, when that changes.
fn say(now: &Fitness, before: Option<&Fitness>) {
    let unfit_before = before.map_or(&[][..], |before| &before.unfit);
    if now.unfit == unfit_before {
        return;
    }
    if now.is_fit() {
        tracing::info!("this agent is fit again");
        return;
    }
    let why: Vec<&str> = now.unfit.iter().map(|unfit| unfit.says()).collect();
    tracing::warn!(
        delay_p99_us = now.delay_p99.as_micros() as u64,
        late_slots = now.late_slots,
        "this agent is unfit: it {}",
        why.join(", ")
    );
}

fn one(task: impl Future<Output = ()> + Send + 'static) -> JoinSet<()> {
    let mut set = JoinSet::new();
    set.spawn(task);
    set
}

async fn ended(task: &mut JoinSet<()>) {
    while let Some(ended) = task.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a part of the agent broke down");
        }
    }
}

struct Prepared {
    config: Config,
    lock: std::fs::File,
    spool: Spool<Folder>,
    around: Surroundings,
}

/// Everything that waits for the disk.
fn prepare(config: Config) -> Result<Prepared, StartError> {
    let lock = lock::take(&config.data_dir)?;
    let now_ms = now().millis().unsigned_abs();
    let spool = open_spool(&config.data_dir.join("spool"), config.spool_bytes_max, now_ms);
    let folder = || config.data_dir.display().to_string();
    let spool = spool.map_err(|source| StartError::Folder { folder: folder(), source })?;
    let around = Surroundings::new(config.extra_ca.as_deref(), config.connect_to.clone())?;
    let mut around = around.with(belongings(&config));
    if let Some(server) = config.second_resolver {
        around = around.asking_second(server);
    }
    Ok(Prepared { config, lock, spool, around })
}

/// What looks may use; what keys spend is kept beside the spool.
fn belongings(config: &Config) -> Belongings {
    let Declared { keys, authorities, certificates, proxies } = config.looks.clone();
    let keys = Keys::new(keys, Some(config.data_dir.join("tokens")));
    Belongings { keys, authorities, certificates, proxies }
}

fn open_spool(folder: &Path, bytes_max: u64, now_ms: u64) -> io::Result<Spool<Folder>> {
    Spool::open(Folder::new(folder)?, bytes_max, now_ms)
}

/// The wall clock.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(since.as_micros() as i64)
}

impl From<Wanted> for Order {
    fn from(wanted: Wanted) -> Self {
        match wanted {
            Wanted::Assign(targets) => Self::Assign(targets),
            Wanted::Look(names) => Self::Look(names),
        }
    }
}
