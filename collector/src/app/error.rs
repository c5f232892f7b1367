//! Why a collector did not start.

use std::io;
use std::net::SocketAddr;

use crate::identity::IdentityError;
use crate::store::StoreError;
use crate::store::sqlite::OpenError;

/// Why a collector did not start: one line that says what, where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address} for {what}: {}; {}", plain(.why), remedy(.why, .address, .flag))]
    Bind {
        /// The address.
        address: SocketAddr,
        /// For whom.
        what: &'static str,
        /// The flag that names another.
        flag: &'static str,
        /// What the system said.
        why: io::Error,
    },
    /// The system does not tell an address.
    #[error("cannot learn the address that is listened on: {0}")]
    Address(io::Error),
    /// The data folder cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is no authority, or none that can be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A thread died.
    #[error("a thread of the start died: {0}")]
    Thread(tokio::task::JoinError),
}

fn in_use(why: &io::Error) -> bool {
    why.kind() == io::ErrorKind::AddrInUse
}

fn plain(why: &io::Error) -> String {
    if in_use(why) { "the port is in use".to_owned() } else { why.to_string() }
}

fn remedy(why: &io::Error, address: &SocketAddr, flag: &str) -> String {
    if in_use(why) {
        let ip = address.ip();
        format!("stop what listens there or choose another with {flag} {ip}:PORT")
    } else {
        format!("choose another address with {flag}")
    }
}
