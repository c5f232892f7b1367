//! `parallax-agent run`

use std::path::Path;
use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{FAILED, Run, USAGE, fail, systemd};
use crate::config::{ConfigError, DATA_DIR_DEFAULT, FILE_DEFAULT, Settings};
use crate::{Agent, Config};

impl Run {
    pub(super) async fn run(self) -> ExitCode {
        let config = match self.config() {
            Ok(config) => config,
            Err(mistakes) => return fail(USAGE, mistakes),
        };
        let collector = config.collector.to_string();
        // before anything is open: a signal that comes early is not lost
        let (mut term, mut int) =
            match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
                (Ok(term), Ok(int)) => (term, int),
                (Err(error), _) | (_, Err(error)) => return fail(FAILED, error),
            };
        let mut agent = match Agent::start_heard(config, systemd::listener()).await {
            Ok(agent) => agent,
            Err(error) => return fail(FAILED, error),
        };
        tracing::info!(agent = %agent.name(), collector, "started");
        let broken = tokio::select! {
            () = either(&mut term, &mut int) => false,
            () = agent.broken() => true,
        };
        tracing::info!("stopping; a second signal ends at once");
        systemd::stopping();
        tokio::select! {
            () = agent.stop() => {
                if broken {
                    return fail(FAILED, "a part of the agent died: the log says which; start it again");
                }
                tracing::info!("stopped");
                ExitCode::SUCCESS
            }
            () = either(&mut term, &mut int) => fail(FAILED, "ended at once by a second signal"),
        }
    }

    fn config(self) -> Result<Config, ConfigError> {
        let bare = self.name.is_none() && self.collector.is_none() && self.data_dir.is_none();
        let packaged = Path::new(FILE_DEFAULT);
        let file = match self.config.as_deref() {
            Some(file) => Settings::read(file)?,
            // the package's file goes with the package's folder
            None if bare && packaged.exists() => Settings::read(packaged)?
                .above(Settings { data_dir: Some(DATA_DIR_DEFAULT.into()), ..Settings::default() }),
            None => Settings::default(),
        };
        let flags = Settings {
            name: self.name,
            collector: self.collector,
            data_dir: self.data_dir,
            ..Settings::default()
        };
        let settings = flags.above(file);
        let identity = settings.identity()?;
        settings.check(identity)
    }
}

async fn either(term: &mut Signal, int: &mut Signal) {
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}
