//! The rooms of one collector, joined.
//!
//! ```text
//! ingest ─▶ writer ─▶ court: judge ─▶ incident ─▶ desk ─▶ mailbox of the writer ─▶ outbox ─▶ notifier
//!   │  ◀─ acks ┘        │  └─ asks ─▶ fleet ─▶ ingest
//!   ├─▶ identity ◀─ control ◀─ commands on this machine
//!   └─▶ fleet ─────────▶ view ◀─ results, and verdicts once they are stored
//!                         └─▶ api, page, export
//! ```
//!
//! Contract: [`Collector::start`] binds, opens and remembers before it returns, or says in one line
//! why it cannot; [`Collector::stop`] ends in order within [`STOP_WITHIN`]: streams drain, what is
//! under way is committed and acked, the court has its last word, the store closes.
//! Never: a rule of its own; it only joins.

mod clock;
mod court;
mod error;
mod parts;
mod prepare;
mod roll;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use parallax_model::AgentSpec;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::config::{CollectorConfig, Config};
use crate::control::Reach;
use crate::notify::{Desk, Notifier, Rounds, Webhook};
use crate::store::sqlite::Opened;
use crate::store::writer::writer;
use crate::store::{ReadOutbox, ReadStore};
use crate::view::{Edge, News, View};

pub use clock::now;
use court::Court;
pub use error::StartError;
use parts::{Ends, Task, control, ended, hear, show, watch_store};
pub use prepare::FLEET_FILE;
use prepare::{address, bind, edge, fleet, identity, keep_fleet, open, remember};
use roll::{InForce, Kept};

/// Where data is kept when neither flag nor file says it.
pub const DATA_DIR_DEFAULT: &str = "parallax-data";

/// How long an orderly end may take.
pub const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Commits that wait for the court. When it falls this far behind, the writer waits, then the
/// streams, then the agents, which have disks.
const COMMITS_WAITING_MAX: usize = 64;

/// How often the court beats. Whoever listens gives it several times as long before it counts as hung.
pub const BEAT_EVERY: Duration = Duration::from_secs(5);

/// What is added to a collector by whoever embeds it.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// More routes beside API and pages.
    pub more: Router,
    /// True if an agent runs in the same process: it finds a door of its own at [`Collector::local_addr`].
    pub embedded: bool,
    /// True in a practice world.
    pub practice: bool,
    /// Called by the court's own loop every [`BEAT_EVERY`]: when judging hangs, it stops. It must not
    /// wait.
    pub beat: Option<fn(&View)>,
}

/// One running collector. Dropping it ends its tasks at once; [`Collector::stop`] ends them in order.
#[derive(Debug)]
pub struct Collector {
    edge: Edge,
    in_force: Arc<InForce>,
    webhooks: watch::Sender<Arc<[Webhook]>>,
    kept: CollectorConfig,
    http: SocketAddr,
    grpc: SocketAddr,
    local: SocketAddr,
    data_dir: PathBuf,
    tasks: Tasks,
    _lock: File,
}

#[derive(Debug)]
struct Tasks {
    ends: Ends,
    /// Cancelled when ingest has ended: the court has its last word.
    adjourn: CancellationToken,
    ingest: Task,
    http: Task,
    court: Task,
    notify: Task,
    writer: Task,
    watch: Task,
    /// None where the data folder's path is too long for a socket.
    control: Option<Task>,
}

impl Collector {
    /// Starts a collector on the current tokio runtime.
    pub async fn start(mut config: Config, options: Options) -> Result<Self, StartError> {
        let kept = config.collector.clone();
        let http = bind(kept.http, "pages", "--http").await?;
        let grpc = bind(kept.listen, "agents", "--listen").await?;
        let (http_addr, grpc_addr) = (address(&http)?, address(&grpc)?);
        let mut doors = vec![grpc];
        let mut local_addr = grpc_addr;
        if options.embedded && !grpc_addr.ip().is_loopback() {
            let local = bind((Ipv4Addr::LOCALHOST, 0).into(), "its own agent", "--listen").await?;
            local_addr = address(&local)?;
            doors.push(local);
        }
        let data_dir = kept.data_dir.clone().unwrap_or_else(|| DATA_DIR_DEFAULT.into());
        let Opened { write, read, lock, .. } = open(&data_dir).await?;
        let identity = identity(&data_dir, &kept).await?;
        let agents: Arc<[AgentSpec]> = config.agents.into();
        keep_fleet(&data_dir, &agents, &config.targets).await;
        config.agents = roll::agents(&agents, &identity);

        let edge = edge(Arc::clone(&read) as Arc<dyn ReadStore>, &options);
        let (committed, commits) = mpsc::channel(COMMITS_WAITING_MAX);
        let (writer, writing) = writer(Box::new(write), committed, edge.closing.clone());
        let fleet = fleet(&config, &edge);
        edge.view
            .take(News::Config { agents: config.agents.clone(), targets: config.targets.clone() });
        let remembered = remember(&config, Arc::clone(&read) as Arc<dyn ReadStore>, &edge).await?;
        let (declared, declarations) = mpsc::channel(1);
        let adjourn = CancellationToken::new();
        let (webhooks, declared_webhooks) = watch::channel(Arc::<[Webhook]>::from(config.webhooks));
        let first = Kept { agents, targets: config.targets, webhooks: webhooks.borrow().clone() };
        let in_force = InForce::new(identity, Arc::clone(&fleet), &edge, declared, first);
        let desk = Desk::new(webhooks.borrow().clone(), kept.public_url.clone(), &remembered.open);
        let court = Court::new(remembered, desk, &edge, Arc::clone(&fleet), writer.clone())
            .heard_by(options.beat);
        let rounds = Rounds {
            read: read as Arc<dyn ReadOutbox>,
            writer: writer.clone(),
            health: Arc::clone(&edge.health),
            now,
        };
        let notifier = Notifier::new(rounds, declared_webhooks);

        let ends = Ends { stop: edge.closing.clone(), broken: CancellationToken::new() };
        let reach = Reach { listen: grpc_addr, url: kept.url.clone() };
        let tasks = Tasks {
            writer: ends.start(writing),
            court: ends.start(court.sit(commits, declarations, adjourn.clone())),
            notify: ends.start(notifier.work(edge.closing.clone())),
            watch: ends.start(watch_store(writer.health(), Arc::clone(&edge.health))),
            control: control(&ends, &edge, &data_dir, &in_force, reach),
            ingest: hear(&ends, &edge, in_force.needs(writer, kept.tls_only), doors),
            http: show(&ends, &edge, http, http_addr, options.more),
            ends,
            adjourn,
        };
        edge.health.ready("store");
        edge.health.ready("agents");
        edge.health.reloaded(now(), true);
        tracing::info!(http = %http_addr, agents = %grpc_addr, data = %data_dir.display(), "collector started");
        Ok(Self {
            edge,
            in_force,
            webhooks,
            kept,
            http: http_addr,
            grpc: grpc_addr,
            local: local_addr,
            data_dir,
            tasks,
            _lock: lock,
        })
    }

    /// Where pages and API are.
    pub const fn http_addr(&self) -> SocketAddr {
        self.http
    }

    /// Where agents come to.
    pub const fn grpc_addr(&self) -> SocketAddr {
        self.grpc
    }

    /// Where an agent in the same process comes to.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Where the data is.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// What the edges see.
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.edge.view)
    }

    /// Waits until a part ends that should not: whoever runs the collector should end, too, and be
    /// started again.
    pub async fn broken(&self) {
        self.tasks.ends.broken.cancelled().await;
    }

    /// Puts another configuration in force. Addresses and the data folder need a restart.
    pub async fn reload(&self, config: Config) {
        if config.collector != self.kept {
            tracing::warn!("[collector] changed: restart to listen or keep data elsewhere");
        }
        let webhooks: Arc<[Webhook]> = config.webhooks.into();
        let (agents, targets): (Arc<[AgentSpec]>, _) = (config.agents.into(), config.targets);
        keep_fleet(&self.data_dir, &agents, &targets).await;
        self.in_force.set(Kept { agents, targets, webhooks: Arc::clone(&webhooks) }).await;
        self.webhooks.send_if_modified(|now| {
            let changed = *now != webhooks;
            *now = webhooks;
            changed
        });
        self.edge.health.reloaded(now(), true);
        tracing::info!("configuration reloaded");
    }

    /// A configuration was refused; the one before it stays in force.
    pub fn refused_reload(&self) {
        self.edge.health.reloaded(now(), false);
    }

    /// Ends in order, within [`STOP_WITHIN`].
    pub async fn stop(self) {
        let Tasks { ends, adjourn, ingest, http, court, notify, writer, watch, control } =
            self.tasks;
        ends.stop.cancel();
        let in_order = async {
            ended("ingest", ingest).await;
            adjourn.cancel();
            ended("court", court).await;
            ended("notify", notify).await;
            ended("writer", writer).await;
            ended("http", http).await;
            if let Some(control) = control {
                ended("control", control).await;
            }
        };
        if timeout(STOP_WITHIN, in_order).await.is_err() {
            tracing::warn!("not everything ended in time; agents keep what is not acked");
        } else {
            tracing::info!("collector stopped");
        }
        drop(watch);
    }
}
