//! Who the agent is, by the word of the collector that it joined.
//!
//! ```text
//! token ──▶ Request (key, CSR) ──▶ collector ──▶ Granted ──▶ Credential (a file) ──▶ Identity
//! ```
//!
//! Contract: the key is made here and never leaves this machine; `credential.json` (0600) holds it, is
//! replaced whole or not at all, and belongs to whoever owns the data folder. A collector is known by
//! its authority and by nothing else: by the hash in the token while the agent joins, by the authority's
//! certificate from then on. The name in its address only serves to find it. TLS 1.3 alone is spoken.
//!
//! Never: a connection or a message (those are the uplink's), a key in a log.

mod credential;
mod pem;
mod request;
#[cfg(test)]
pub(crate) mod tests;
mod tls;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parallax_model::{AgentName, InvalidName};
use rustls::ClientConfig;
use rustls_pki_types::CertificateDer;

pub use credential::{Credential, Room};
pub use request::{Granted, Request};
pub use tls::{Untrusted, joining, untrusted};

/// The file, in the data folder.
pub const FILE: &str = "credential.json";

/// An agent that joined: its credential, ready for use.
#[derive(Debug, Clone)]
pub struct Identity {
    folder: PathBuf,
    credential: Credential,
    name: AgentName,
    certificate: CertificateDer<'static>,
    tls: Arc<ClientConfig>,
}

/// Why there is no identity, or no new one.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The agent has not joined.
    #[error(
        "no credential in {}: join with the line that `parallax token create` prints on the \
         collector's machine", file.display()
    )]
    Missing {
        /// The file.
        file: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file makes no sense.
    #[error("{} is damaged ({why}): join again with a new token and --force", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The agent has joined before.
    #[error("this agent has joined already ({}): add --force to replace who it is", file.display())]
    Exists {
        /// The file.
        file: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot keep the credential in {}: {source}{}", folder.display(), sudo(source))]
    Write {
        /// The data folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody joined anew while a certificate was being renewed.
    #[error("{} was replaced meanwhile; it stays as it is", file.display())]
    Replaced {
        /// The file.
        file: PathBuf,
    },
    /// The system gives no key.
    #[error("cannot make a key: {0}")]
    Key(#[from] rcgen::Error),
    /// The collector answered something that is of no use.
    #[error("the collector's answer is of no use: {0}")]
    Answer(String),
    /// TLS does not take what is in the credential.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
}

fn sudo(why: &io::Error) -> &'static str {
    let denied = why.kind() == io::ErrorKind::PermissionDenied;
    if denied {
        "; run it as root (sudo), or name a folder of your own with --data-dir"
    } else {
        ""
    }
}

impl From<InvalidName> for IdentityError {
    fn from(why: InvalidName) -> Self {
        Self::Answer(why.to_string())
    }
}

impl Identity {
    /// Reads what is in the data folder.
    pub fn load(folder: &Path) -> Result<Self, IdentityError> {
        Self::of(folder, Credential::read(&folder.join(FILE))?)
    }

    /// Says whether there is one, without reading it.
    pub fn exists(folder: &Path) -> bool {
        folder.join(FILE).exists()
    }

    /// Keeps a new credential in the data folder, which is made if it is not there, and uses it.
    pub fn keep(folder: &Path, credential: Credential) -> Result<Self, IdentityError> {
        let identity = Self::of(folder, credential)?;
        let broken = |source| IdentityError::Write { folder: folder.to_owned(), source };
        identity.credential.write(folder, FILE).map_err(broken)?;
        Ok(identity)
    }

    fn of(folder: &Path, credential: Credential) -> Result<Self, IdentityError> {
        let damaged = |why: String| IdentityError::Damaged { file: folder.join(FILE), why };
        let name = AgentName::new(&credential.name).map_err(|why| damaged(why.to_string()))?;
        let certificate =
            pem::certificate(&credential.certificate).map_err(|e| damaged(e.to_string()))?;
        let authority = pem::certificate(&credential.ca).map_err(|e| damaged(e.to_string()))?;
        let key = pem::key(&credential.key).map_err(|e| damaged(e.to_string()))?;
        let tls = tls::joined(authority, certificate.clone(), key)
            .map_err(|why| damaged(why.to_string()))?;
        Ok(Self { folder: folder.to_owned(), credential, name, certificate, tls: Arc::new(tls) })
    }

    /// The agent's name.
    pub const fn name(&self) -> &AgentName {
        &self.name
    }

    /// What the file says.
    pub const fn credential(&self) -> &Credential {
        &self.credential
    }

    /// The folder it lies in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the file is.
    pub fn file(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    /// TLS with this certificate, towards the collector of this authority and no other.
    pub fn tls(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.tls)
    }

    /// What lies in the folder now, if it is another credential than this.
    pub fn replaced(&self) -> Result<Option<Self>, IdentityError> {
        let now = Self::load(&self.folder)?;
        Ok((now.certificate != self.certificate).then_some(now))
    }

    /// The same agent with the certificate that `request` was answered with, kept. `now_ms` is this
    /// machine's clock, Unix ms.
    pub fn renewed(
        &self,
        request: &Request,
        granted: &Granted,
        now_ms: u64,
    ) -> Result<Self, IdentityError> {
        if granted.name != self.credential.name {
            let why = format!("it is for {:?}, and we are {:?}", granted.name, self.name.as_str());
            return Err(IdentityError::Answer(why));
        }
        let renewed = request.credential(&self.credential.collector, granted, now_ms)?;
        if renewed.ca != self.credential.ca {
            let why = "it is of another authority than the one we joined".to_owned();
            return Err(IdentityError::Answer(why));
        }
        if self.replaced()?.is_some() {
            return Err(IdentityError::Replaced { file: self.file() });
        }
        Self::keep(&self.folder, renewed)
    }
}
