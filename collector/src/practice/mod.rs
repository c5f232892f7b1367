//! `parallax try`: a small world on loopback, a story staged in it, and a judge who says whether
//! Parallax told it right.
//!
//! ```text
//! agent ──link──▶ service          five agents, each with its own link
//!   └────link──▶ collector         to every server and to the collector
//! ```
//!
//! Reading order: [`map`] (who and what there is), [`link`] and [`service`] (what can be broken),
//! [`world`] (all of it together), [`story`] (what happens), [`stage`] (makes it happen), [`judge`]
//! (was it told right), [`tell`] (to the terminal), [`routes`] (the visitor's hands).
//!
//! Contract: agents, probes, the road and the collector are the real ones; only what lies between
//! them is staged. The judge sees what the edges see.
//! Never: leave loopback, or touch a folder other than the one given or a temporary one.

mod error;
pub mod judge;
pub mod link;
pub mod map;
#[cfg(test)]
mod rehearsal;
pub mod routes;
pub mod service;
pub mod stage;
pub mod story;
pub mod tell;
pub mod world;

use std::fmt;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use parallax_agent::Agent;
use tempfile::TempDir;
use tokio::signal;
use tokio::sync::mpsc;

use crate::app::{self, Collector};
use crate::config::HTTP_PORT;

pub use error::PracticeError;

use map::PLACES;
use stage::Stage;
use story::STORY;
use tell::Teller;
use world::World;

/// Visitors' deeds that wait to be told; more at once are done and not told.
const DEEDS_MAX: usize = 32;

/// Where the collector keeps its data, beside what the agents have.
pub const COLLECTOR_FOLDER: &str = "collector";

/// How `try` is asked for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// End with the story.
    pub once: bool,
    /// Where the data stays; none: a temporary folder.
    pub data: Option<PathBuf>,
    /// Where page and API are served; none: the usual port, or a free one.
    pub http: Option<SocketAddr>,
    /// Tell with colour.
    pub colour: bool,
}

/// Opens the world, plays the story, and without `once` stays until told to stop.
pub async fn run<W: Write>(options: Options, out: W) -> Result<(), PracticeError> {
    let data = Data::open(options.data.as_deref())?;
    let world = Arc::new(World::open().await?);
    let (tell, visitors) = mpsc::channel(DEEDS_MAX);
    let routes = routes::router(Arc::clone(&world), tell);
    let (collector, elsewhere) = start_collector(&options, data.path(), routes).await?;
    world.collector_at(collector.grpc_addr());

    let mut teller = Teller::new(out, options.colour);
    teller.welcome(&format!("http://{}/", collector.http_addr()), elsewhere, &data.to_string());
    let stage = Stage::new(Arc::clone(&world), collector.view(), teller)?;
    let agents = start_agents(&world, data.path()).await?;
    let told = tell_story(options.once, stage, visitors).await;

    for agent in agents {
        agent.stop().await;
    }
    collector.stop().await;
    told
}

/// Starts the collector, and says whether it had to take another port than the usual one.
async fn start_collector(
    options: &Options,
    data: &Path,
    more: Router,
) -> Result<(Collector, bool), PracticeError> {
    let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let start = |http| {
        let config = map::config(http, loopback(0), data.join(COLLECTOR_FOLDER));
        let more = more.clone();
        async {
            Ok(Collector::start(
                config?,
                app::Options { more, practice: true, ..app::Options::default() },
            )
            .await?)
        }
    };
    let usual = if options.once { 0 } else { HTTP_PORT };
    match start(options.http.unwrap_or(loopback(usual))).await {
        Err(error @ PracticeError::Collector(_)) if options.http.is_none() && error.is_in_use() => {
            Ok((start(loopback(0)).await?, true))
        }
        started => Ok((started?, false)),
    }
}

async fn start_agents(world: &World, data: &Path) -> Result<Vec<Agent>, PracticeError> {
    let mut agents = Vec::new();
    for place in PLACES {
        let config = world.agent_config(place, data)?;
        let started = Agent::start(config).await;
        let agent = place.agent;
        agents.push(started.map_err(|source| PracticeError::Agent { agent, source })?);
    }
    Ok(agents)
}

async fn tell_story<W: Write>(
    once: bool,
    mut stage: Stage<W>,
    mut visitors: mpsc::Receiver<String>,
) -> Result<(), PracticeError> {
    let story = async {
        let rulings = stage.play(STORY).await?;
        if !once {
            return Err(stage.linger(&mut visitors).await);
        }
        match rulings.iter().filter(|ruling| !ruling.is_right()).count() {
            0 => Ok(()),
            wrong => Err(PracticeError::ToldWrong(wrong)),
        }
    };
    tokio::select! {
        told = story => told,
        () = asked_to_stop() => if once { Err(PracticeError::Stopped) } else { Ok(()) },
    }
}

/// Ctrl-C, or a supervisor's request.
async fn asked_to_stop() {
    let terminated = async {
        #[cfg(unix)]
        if let Ok(mut signal) = signal::unix::signal(signal::unix::SignalKind::terminate()) {
            signal.recv().await;
            return;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        _ = signal::ctrl_c() => {}
        () = terminated => {}
    }
}

/// Where collector and agents keep their data.
#[derive(Debug)]
enum Data {
    Kept(PathBuf),
    Temporary(TempDir),
}

impl Data {
    fn open(folder: Option<&Path>) -> Result<Self, PracticeError> {
        if let Some(folder) = folder {
            return Ok(Self::Kept(folder.to_owned()));
        }
        let made = tempfile::Builder::new().prefix("parallax-try-").tempdir();
        made.map(Self::Temporary)
            .map_err(|source| PracticeError::Folder { folder: std::env::temp_dir(), source })
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(folder) => folder,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept(folder) => write!(f, "{}", folder.display()),
            Self::Temporary(folder) => {
                write!(f, "{} (removed at the end)", folder.path().display())
            }
        }
    }
}

#[cfg(test)]
mod tests;
