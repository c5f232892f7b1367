//! The collector of this machine, for the commands that change whom it hears or read its folder.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::Failure;
use crate::app::{DATA_DIR_DEFAULT, FLEET_FILE, now};
use crate::config::{self, CollectorConfig};
use crate::control::{self, Answer, Ask, NoAnswer, Reach};
use crate::identity::FOLDER;
use crate::practice::COLLECTOR_FOLDER;
use crate::store::sqlite::lock;

/// What people call it who start the collector where they stand.
const CONFIG_HERE: &str = "parallax.toml";

/// Where packages keep things.
const CONFIG_PACKAGED: &str = "/etc/parallax/parallax.toml";
const DATA_PACKAGED: &str = "/var/lib/parallax";

/// Which collector.
#[derive(Debug, clap::Args)]
pub(super) struct Here {
    /// The collector's data folder
    #[arg(
        long,
        value_name = "FOLDER",
        help = "The collector's data folder; `parallax try --data DIR` has it in DIR/collector, and DIR will do \
                [default: what the configuration says, else parallax-data, else /var/lib/parallax]"
    )]
    data: Option<PathBuf>,
    /// The collector's configuration
    #[arg(
        long,
        value_name = "FILE",
        help = "The collector's configuration [default: parallax.toml here, else \
                /etc/parallax/parallax.toml, if it is there]"
    )]
    config: Option<PathBuf>,
}

/// A collector on this machine, running or not.
pub(super) struct Found {
    file: Option<PathBuf>,
    /// What its configuration says of it.
    config: CollectorConfig,
    data: PathBuf,
}

impl Here {
    /// Finds its folder.
    pub(super) fn find(&self) -> Result<Found, Failure> {
        let exists = |file: &str| Some(PathBuf::from(file)).filter(|file| file.exists());
        let here = || exists(CONFIG_HERE).filter(|_| self.data.is_none());
        let local = || self.data.is_some() || Path::new(DATA_DIR_DEFAULT).exists();
        let packaged = || exists(CONFIG_PACKAGED).filter(|_| !local());
        let file = self.config.clone().or_else(here).or_else(packaged);
        let config = file.as_deref().map(config::load).transpose().map_err(Failure::usage)?;
        let config = config.unwrap_or_default().collector;
        let usual = [DATA_DIR_DEFAULT, DATA_PACKAGED].map(PathBuf::from).into_iter();
        let named = self.data.clone().or_else(|| config.data_dir.clone());
        let mut data = None;
        // `try` keeps what its agents have beside what its collector has
        let practice = named.as_ref().map(|folder| folder.join(COLLECTOR_FOLDER));
        for folder in named.into_iter().chain(practice).chain(usual) {
            match folder.join(FOLDER).try_exists() {
                Ok(true) => data = data.or(Some(folder)),
                // what may not be looked into may well be the one
                Err(why) if data.is_none() && why.kind() == ErrorKind::PermissionDenied => {
                    return Err(NoAnswer::NotYours(folder).into());
                }
                Err(why) if data.is_none() => {
                    return Err(anyhow!("cannot look into {}: {why}", folder.display()).into());
                }
                Ok(false) | Err(_) => {}
            }
        }
        let data = data.ok_or_else(|| {
            Failure::usage(anyhow!(
                "no collector has kept anything here: start it first (parallax serve), or name its \
                 folder with --data FOLDER or its file with --config FILE"
            ))
        })?;
        Ok(Found { file, config, data })
    }
}

impl Found {
    /// Its configuration, or what its folder says of agents and targets, where there is either.
    pub(super) fn fleet_file(&self) -> Option<PathBuf> {
        let kept = || Some(self.data.join(FLEET_FILE)).filter(|file| file.exists());
        self.file.clone().or_else(kept)
    }

    /// Its folder.
    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    /// Where agents will come to, by its configuration.
    pub(super) fn reach(&self) -> Reach {
        Reach { listen: self.config.listen, url: self.config.url.clone() }
    }

    /// Asks it; one that does not run is asked by its folder.
    pub(super) fn ask(&self, ask: Ask) -> Result<Answer, Failure> {
        let answer = match control::ask(&self.data, &ask) {
            Err(NoAnswer::NotRunning(_)) => self.offline(ask)?,
            answered => answered?,
        };
        match answer {
            Answer::Refused { why } => Err(anyhow!(why).into()),
            answer @ (Answer::Token { .. }
            | Answer::Tokens { .. }
            | Answer::Members { .. }
            | Answer::Done) => Ok(answer),
        }
    }

    fn offline(&self, ask: Ask) -> Result<Answer, Failure> {
        control::may_work_offline(&self.data)?;
        let lock = lock(&self.data).map_err(|why| {
            anyhow!(
                "{why}; it runs, but does not listen on {}",
                self.data.join(control::SOCKET).display()
            )
        })?;
        let answer = control::offline(&self.data, self.config.ca.as_ref(), ask, now());
        drop(lock);
        Ok(answer?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_try_is_that_of_its_collector_and_says_who_looked() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("collector");
        std::fs::create_dir_all(data.join(FOLDER)).unwrap();
        let here = Here { data: Some(folder.path().to_owned()), config: None };
        let found = here.find().ok().unwrap();
        assert_eq!((found.data(), found.fleet_file()), (data.as_path(), None));
        std::fs::write(data.join(FLEET_FILE), "").unwrap();
        assert_eq!(found.fleet_file(), Some(data.join(FLEET_FILE)));
        // what is the collector's own folder is no other
        std::fs::create_dir(folder.path().join(FOLDER)).unwrap();
        assert_eq!(here.find().ok().unwrap().data(), folder.path());
    }
}
