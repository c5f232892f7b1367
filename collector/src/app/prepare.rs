//! What a collector needs before its parts can start.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use parallax_model::{AgentSpec, Change, Fault, FaultId, Target};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Options, StartError, now};
use crate::config::{CollectorConfig, Config, fleet_of};
use crate::fleet::{Fleet, Presence};
use crate::identity::{Identity, LIFETIME};
use crate::incident::Incidents;
use crate::judge::Judge;
use crate::store::sqlite::{self, Opened};
use crate::store::{FaultQuery, ReadStore};
use crate::view::{AgentNews, Edge, Health, News, View};

/// Most faults taken over from before a restart; nobody has seen more open at once.
const OPEN_FAULTS_MAX: usize = 10_000;

pub(super) async fn bind(
    address: SocketAddr,
    what: &'static str,
    flag: &'static str,
) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|why| StartError::Bind { address, what, flag, why })
}

pub(super) fn address(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(StartError::Address)
}

pub(super) async fn open(data_dir: &Path) -> Result<Opened, StartError> {
    let folder = data_dir.to_owned();
    blocking(move || Ok(sqlite::open(&folder, now())?)).await
}

/// The lifetime of agents' certificates, for tests that cannot wait for weeks.
const TEST_LIFETIME: &str = "PARALLAX_TEST_CERTIFICATE_LIFETIME";

pub(super) async fn identity(
    data_dir: &Path,
    config: &CollectorConfig,
) -> Result<Arc<Identity>, StartError> {
    let (folder, own) = (data_dir.to_owned(), config.ca.clone());
    let asked = std::env::var(TEST_LIFETIME).ok();
    let lifetime = asked.and_then(|text| humantime::parse_duration(&text).ok());
    let lifetime = lifetime.unwrap_or(LIFETIME);
    blocking(move || Ok(Identity::open(&folder, own.as_ref(), lifetime, now())?)).await
}

/// Where the fleet is kept in the data folder.
pub const FLEET_FILE: &str = "fleet.toml";

/// Keeps what is declared beside what is heard: `up` and `try` leave no configuration. Nothing waits for it, and
/// a collector without it works.
pub(super) async fn keep_fleet(data_dir: &Path, agents: &[AgentSpec], targets: &[Target]) {
    let (text, file) = (fleet_of(agents, targets), data_dir.join(FLEET_FILE));
    let kept = blocking(move || {
        let new = file.with_extension("toml.new");
        Ok(fs::write(&new, text).and_then(|()| fs::rename(&new, &file)))
    });
    if let Ok(Err(error)) = kept.await {
        tracing::warn!(%error, "the fleet is not kept: export needs the configuration then");
    }
}

/// Runs what waits for the disk where it may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StartError> + Send + 'static,
) -> Result<T, StartError> {
    tokio::task::spawn_blocking(work).await.map_err(StartError::Thread)?
}

pub(super) fn edge(read: Arc<dyn ReadStore>, options: &Options) -> Edge {
    Edge {
        view: Arc::new(View::new(read)),
        health: Arc::new(Health::new(now(), &["store", "agents"])),
        now,
        closing: CancellationToken::new(),
        practice: options.practice,
    }
}

pub(super) fn fleet(config: &Config, edge: &Edge) -> Arc<Fleet> {
    let view = Arc::clone(&edge.view);
    let tell = Box::new(move |presence| view.take(News::Agent(news_of(presence))));
    Fleet::new(config.agents.clone(), config.targets.clone(), now(), tell)
}

fn news_of(presence: Presence) -> AgentNews {
    AgentNews {
        agent: presence.agent,
        connected: presence.connected,
        last_heard: presence.last_heard,
        build: presence.build,
        spool_records: presence.spool.records,
        spool_bytes: presence.spool.bytes,
        lost: presence.spool.lost,
        spool_degraded: presence.spool.degraded,
        missed_slots: presence.missed_slots,
        fitness: presence.fitness,
    }
}

/// A court that remembers, and what it has to say first.
pub(super) struct Remembered {
    pub(super) judge: Judge,
    pub(super) incidents: Incidents,
    /// The faults that were open before the restart, as they were stored.
    pub(super) open: Vec<Fault>,
    /// What is news since.
    pub(super) news: Vec<Change>,
}

/// Brings the court to where it was before a restart, and tells the view what was open then.
pub(super) async fn remember(
    config: &Config,
    read: Arc<dyn ReadStore>,
    edge: &Edge,
) -> Result<Remembered, StartError> {
    let (agents, targets): (_, Vec<Target>) = (config.agents.clone(), config.targets.clone());
    let (view, now) = (Arc::clone(&edge.view), now());
    let remembered = blocking(move || {
        view.recall()?;
        let first = read.newest_fault()?.map_or(FaultId(1), |newest| FaultId(newest.0 + 1));
        let mut judge = Judge::new(&agents, &targets, first);
        let heard = judge.remember(&*read, now)?;
        let query = FaultQuery { open: Some(true), before: None, limit: OPEN_FAULTS_MAX };
        let open = read.faults(&query)?;
        tracing::info!(results = heard, open_faults = open.len(), "heard the journal again");
        let (incidents, news) =
            Incidents::take_over(judge.open_faults(), open.clone(), now, judge.grace());
        Ok(Remembered { judge, incidents, open, news })
    })
    .await?;
    let open = remembered.open.iter().cloned();
    edge.view.take(News::Verdict {
        at: now,
        changes: open.map(|f| Change::Opened(Box::new(f))).collect(),
        standings: remembered.judge.standings(),
    });
    Ok(remembered)
}
