//! `parallax serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Failure, block_on, complain, say, systemd};
use crate::app::{Collector, Options};
use crate::config::{self, Config};

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  parallax serve --config /etc/parallax/parallax.toml
  parallax serve --config parallax.toml --http 127.0.0.1:8080
  kill -HUP $(pidof parallax)          take a changed configuration into force")]
pub(super) struct Args {
    /// The configuration file; files in conf.d/ beside it are read too. SIGHUP reads them again
    #[arg(long)]
    config: PathBuf,
    /// Where agents come to, instead of what the file says
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Where page and API are served, instead of what the file says
    #[arg(long, value_name = "ADDRESS")]
    http: Option<SocketAddr>,
    /// Where data is kept, instead of what the file says [default: parallax-data]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

impl Args {
    fn load(&self) -> Result<Config, config::Mistakes> {
        let mut config = config::load(&self.config)?;
        let collector = &mut config.collector;
        collector.listen = self.listen.unwrap_or(collector.listen);
        collector.http = self.http.unwrap_or(collector.http);
        collector.data_dir = self.data_dir.clone().or_else(|| collector.data_dir.take());
        Ok(config)
    }
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let config = args.load().map_err(Failure::usage)?;
    block_on(serve(args, config))
}

async fn serve(args: &Args, config: Config) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    let options = Options { beat: Some(systemd::alive), ..Options::default() };
    let collector = Collector::start(config, options).await?;
    // it listens, its store is open, and what was before the restart is remembered
    systemd::ready();
    say(&format!(
        "page and API on http://{}, agents on {}, data in {}",
        collector.http_addr(),
        collector.grpc_addr(),
        collector.data_dir().display()
    ));
    let ended = loop {
        tokio::select! {
            asked = signals.next() => match asked {
                Asked::Reload => reload(args, &collector).await,
                Asked::Stop => break Ok(()),
            },
            () = collector.broken() => break Err(broken()),
        }
    };
    systemd::stopping();
    collector.stop().await;
    ended
}

/// What is said when a part of the collector died under us.
pub(super) fn broken() -> Failure {
    anyhow::anyhow!("a part of the collector died: the log says which; start it again").into()
}

async fn reload(args: &Args, collector: &Collector) {
    match args.load() {
        Ok(config) => collector.reload(config).await,
        Err(mistakes) => {
            collector.refused_reload();
            tracing::error!(
                mistakes = mistakes.all().len(),
                "the new configuration has mistakes, the old one stays in force"
            );
            complain(&mistakes.to_string());
        }
    }
}

/// What the outside asks of a running command.
pub(super) enum Asked {
    Reload,
    Stop,
}

/// SIGHUP asks to reload; SIGTERM and SIGINT ask to stop.
pub(super) struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.hangup.recv() => Asked::Reload,
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
        }
    }
}
