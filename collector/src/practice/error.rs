//! Why the practice world did not come up, or the story could not be told.

use std::io;
use std::path::PathBuf;

use crate::app::StartError;

/// Why the practice world did not come up, or the story could not be told.
#[derive(Debug, thiserror::Error)]
pub enum PracticeError {
    /// No socket on loopback.
    #[error("cannot open the practice world on 127.0.0.1: {0}")]
    Loopback(#[source] io::Error),
    /// No place for the data.
    #[error(
        "cannot use the folder {folder} for the practice data: {source}; choose one with --data"
    )]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The collector did not start.
    #[error(transparent)]
    Collector(#[from] StartError),
    /// An agent did not start.
    #[error("practice agent {agent}: {source}")]
    Agent {
        /// Its name.
        agent: &'static str,
        /// Why.
        source: parallax_agent::StartError,
    },
    /// The map of the world does not hold together.
    #[error("the map of the practice world is wrong: {0}")]
    Map(#[from] parallax_model::InvalidName),
    /// A link's address is no collector's.
    #[error(transparent)]
    Link(#[from] parallax_agent::config::InvalidCollector),
    /// Nothing leads to the collector.
    #[error("no link of {0} leads to the collector")]
    NoLink(&'static str),
    /// The events came faster than they were judged.
    #[error("{0} events were missed, so the story cannot be judged")]
    Missed(u64),
    /// Parallax said something wrong, or something right too late.
    #[error("{0} of the story's steps were not told right: see the summary")]
    ToldWrong(usize),
    /// Somebody stopped the story.
    #[error("stopped before the end of the story")]
    Stopped,
    /// The collector ended under the story.
    #[error("the collector stopped in the middle of the story")]
    Ended,
}

impl PracticeError {
    /// True if the collector's address is taken by somebody else.
    pub(super) fn is_in_use(&self) -> bool {
        match self {
            Self::Collector(StartError::Bind { why, .. }) => why.kind() == io::ErrorKind::AddrInUse,
            Self::Collector(_)
            | Self::Loopback(_)
            | Self::Folder { .. }
            | Self::Agent { .. }
            | Self::Map(_)
            | Self::Link(_)
            | Self::NoLink(_)
            | Self::Missed(_)
            | Self::ToldWrong(_)
            | Self::Stopped
            | Self::Ended => false,
        }
    }
}
