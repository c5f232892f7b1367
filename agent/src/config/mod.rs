//! What an agent must know to start: its name, its collector, its folder.
//!
//! Contract: a [`Config`] that can be constructed from a file or from flags is valid; a mistake says
//! file, line, what is wrong and what to do. Nothing is opened or bound here.
//!
//! An agent that joined has its name and its collector from its credential.
//!
//! Never: region, provider or site: the collector knows those by the agent's name.

mod belongings;
mod collector;
mod file;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use parallax_model::AgentName;

use crate::identity::Identity;

pub use belongings::Declared;
pub use collector::{CollectorUrl, InvalidCollector};
pub use file::{ConfigError, Settings};

/// Most bytes the spool keeps on disk unless told otherwise: about four months of 100 targets looked
/// at every 30 s.
pub const SPOOL_BYTES_DEFAULT: u64 = 512 << 20;

/// Where an agent keeps everything unless told otherwise.
pub const DATA_DIR_DEFAULT: &str = "/var/lib/parallax-agent";

/// What is read where no file and no flag is given, if it is there.
pub const FILE_DEFAULT: &str = "/etc/parallax-agent/agent.toml";

/// Least a spool can be bounded to: eight segments of 64 KiB.
pub const SPOOL_BYTES_MIN: u64 = 512 << 10;

/// Most looks under way at once unless told otherwise: 1,500 targets looked at every 30 s of which none
/// answers within the usual 5 s.
pub const LOOKS_AT_ONCE_DEFAULT: usize = 256;

/// Tokens that a key may spend a day unless told otherwise: a look of 50 tokens every minute, and no bill
/// that anybody would notice.
pub const TOKENS_PER_DAY_DEFAULT: u64 = 100_000;

/// How one agent is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// The name by which the collector knows the agent.
    pub name: AgentName,
    /// Where it reports to.
    pub collector: CollectorUrl,
    /// Who it is, if it joined; without, it speaks in the clear, which stays on this machine.
    pub identity: Option<Identity>,
    /// Where spool and last assignment are kept; one agent a folder.
    pub data_dir: PathBuf,
    /// Host names of targets, in lower case, and the address to connect to instead of resolving them.
    pub connect_to: BTreeMap<String, SocketAddr>,
    /// Most bytes the spool keeps on disk.
    pub spool_bytes_max: u64,
    /// Most looks under way at once.
    pub looks_at_once: usize,
    /// PEM file with certificates that are trusted beside the system's roots.
    pub extra_ca: Option<PathBuf>,
    /// Asked when a name does not resolve or a look at it fails; none: the system's second server.
    pub second_resolver: Option<SocketAddr>,
    /// What looks may use.
    pub looks: Declared,
}

impl Config {
    /// An agent with everything else at its default.
    pub fn new(name: AgentName, collector: CollectorUrl, data_dir: PathBuf) -> Self {
        Self {
            name,
            collector,
            identity: None,
            data_dir,
            connect_to: BTreeMap::new(),
            spool_bytes_max: SPOOL_BYTES_DEFAULT,
            looks_at_once: LOOKS_AT_ONCE_DEFAULT,
            extra_ca: None,
            second_resolver: None,
            looks: Declared::default(),
        }
    }
}
