//! Who may speak as whom: the authority, its tokens, and the register of agents that joined.
//!
//! ```text
//! token create ─▶ JoinToken ─▶ enroll (token, CSR) ─▶ certificate ─▶ judge (each stream) ─▶ Member
//!                                 renew (CSR) ─▶ certificate       revoke ─▶ refused from then on
//! ```
//!
//! Contract: everything lies in `DATA/identity` (0700): the authority's certificate and key, and
//! `register.json`, replaced whole and fsynced before anything that it grants is handed out. A token's
//! secret is kept as its SHA-256 and compared in constant time. A certificate is believed if the authority
//! signed it, its dates hold, and the register has its key; place and name come from the register alone.
//! Time is an argument.
//! Never: a socket, a clock, a secret in a log or an error.

mod authority;
mod files;
mod grant;
mod refusal;
mod register;
mod roll;
#[cfg(test)]
mod tests;
mod tls;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use parallax_model::{AgentName, AgentSpec, Timestamp};
use parallax_proto::JoinToken;

pub use authority::Own;
pub use grant::{Application, Granted};
pub use refusal::Refusal;
pub use register::{MemberRow, Place, TokenRow};
pub use roll::Roll;

use authority::{Authority, Key};
use register::{Register, Shown};

/// How long an agent's certificate holds; it is renewed after two thirds.
pub const LIFETIME: Duration = Duration::from_hours(30 * 24);

/// The folder, in the data folder; made at a collector's first start.
pub const FOLDER: &str = "identity";

/// A collector's identity, and whom it knows.
#[derive(Debug)]
pub struct Identity {
    authority: Authority,
    file: PathBuf,
    register: Mutex<Arc<Register>>,
    turn: Mutex<()>,
    lifetime: Duration,
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read or written.
    #[error("cannot {what} {}: {why}", file.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        file: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
    /// A file makes no sense.
    #[error(
        "{} is damaged ({why}): put it back from a backup; without it every agent has to join anew",
        file.display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Keys or certificates cannot be made.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// TLS does not take them.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// An agent whose certificate holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: AgentName,
    /// When its certificate ends.
    pub until: Timestamp,
    /// The key of that certificate.
    key: Key,
}

impl Member {
    /// What is said when its time is over.
    pub fn over(&self) -> Refusal {
        let (name, until) = (self.name.as_str().to_owned(), refusal::date(self.until));
        Refusal::Expired { name, until }
    }
}

impl Identity {
    /// Opens what is in `data`, or makes it. `own` is an authority of the owner's instead of ours.
    pub fn open(
        data: &Path,
        own: Option<&Own>,
        lifetime: Duration,
        now: Timestamp,
    ) -> Result<Arc<Self>, IdentityError> {
        let folder = data.join(FOLDER);
        files::make_folder(&folder)?;
        let authority = Authority::open(&folder, own, now)?;
        let file = folder.join("register.json");
        let register = Mutex::new(Arc::new(files::read_json(&file)?.unwrap_or_default()));
        Ok(Arc::new(Self { authority, file, register, turn: Mutex::new(()), lifetime }))
    }

    /// Says whether there is an authority of a collector's own in `data`.
    pub fn has_authority(data: &Path) -> bool {
        data.join(FOLDER).join(authority::CERTIFICATE).exists()
    }

    /// As it is now; nobody waits for the disk here.
    fn register(&self) -> Arc<Register> {
        Arc::clone(&self.register.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the register: on disk first, one change after the other. What fails changes nothing.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Register) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = (*self.register()).clone();
        let done = change(&mut next)?;
        files::write_json(&self.file, &next).map_err(|why| Refusal::NotKept(why.to_string()))?;
        *self.register.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        Ok(done)
    }

    /// Makes a token that lets `uses` agents join at `place` within `ttl`.
    pub fn create_token(
        &self,
        place: Place,
        name: Option<AgentName>,
        ttl: Duration,
        uses: u32,
        now: Timestamp,
    ) -> Result<JoinToken, Refusal> {
        let (id, secret) = (register::random()?, register::random()?);
        let token = JoinToken { authority: self.authority.hash(), id, secret };
        self.change(|r| r.add_token(&token, (place, name, uses), now + ttl, now))?;
        Ok(token)
    }

    /// The tokens that can still be used.
    pub fn tokens(&self, now: Timestamp) -> Vec<TokenRow> {
        self.register().tokens(now)
    }

    /// Makes a token useless. `id` as [`Identity::tokens`] has it.
    pub fn revoke_token(&self, id: &str) -> Result<(), Refusal> {
        self.change(|r| r.revoke_token(id))
    }

    /// The agents that joined, also those that were revoked.
    pub fn members(&self) -> Vec<MemberRow> {
        self.register().members()
    }

    /// The agents that joined and may speak, as if they were declared.
    pub fn agents(&self) -> Vec<AgentSpec> {
        self.register().agents()
    }

    /// True if `name` joined once, also if it was revoked since: it does not speak in the clear.
    pub fn has_joined(&self, name: &AgentName) -> bool {
        self.register().has_joined(name)
    }

    /// From here on the agent's certificate is refused.
    pub fn revoke_agent(&self, name: &AgentName, now: Timestamp) -> Result<(), Refusal> {
        self.change(|r| r.revoke_agent(name, now))
    }

    /// Says whose certificate this is, or why it is refused. When a renewed one is shown for the first time,
    /// the one before it is over.
    pub fn judge(&self, certificate: &[u8], now: Timestamp) -> Result<Member, Refusal> {
        let key = authority::key_of(certificate).ok_or(Refusal::Foreign)?;
        self.authority.verify(certificate, now, &|| self.register().name_of(&key))?;
        match self.register().shown(&key)? {
            Shown::Current(member) => Ok(member),
            Shown::Next => self.change(|r| r.take_over(&key)),
        }
    }

    /// Lets an agent join. `declared` is what the configuration says of an agent of that name, if anything.
    pub fn enroll(
        &self,
        application: &Application<'_>,
        declared: impl FnOnce(&AgentName) -> Option<AgentSpec>,
        now: Timestamp,
    ) -> Result<Granted, Refusal> {
        let (until, begin) = (now + self.lifetime, now);
        self.change(|r| {
            let place = r.redeem(&application.token, now)?;
            grant::clocks(application.now, now)?;
            let name = place.1.clone().or_else(|| application.name.clone());
            let name = name.ok_or(Refusal::NoName)?;
            let declared = declared(&name);
            if declared.is_none() {
                grant::plain(&name)?;
            }
            r.may_take(&name, &place.0, declared.as_ref())?;
            let signed = self.authority.sign(application.csr, &name, begin, until)?;
            r.add_member(&name, place.0.clone(), signed.key, until, now)?;
            r.count_use(&application.token.id);
            Ok(Granted::new(&self.authority, signed.certificate, name, &place.0, now, until))
        })
    }

    /// Gives an agent that was judged a new certificate for another key; not if it was revoked meanwhile, also
    /// if somebody joined under its name since.
    pub fn renew(&self, member: &Member, csr: &[u8], now: Timestamp) -> Result<Granted, Refusal> {
        let until = now + self.lifetime;
        self.change(|r| {
            let signed = self.authority.sign(csr, &member.name, now, until)?;
            let place = r.renew(&member.key, signed.key, until)?;
            let name = member.name.clone();
            Ok(Granted::new(&self.authority, signed.certificate, name, &place, now, until))
        })
    }

    /// TLS 1.3 for the port that agents come to: a certificate is taken, whatever it is, and judged by
    /// [`Identity::judge`] afterwards, so that whoever is refused hears why.
    pub fn tls(
        self: &Arc<Self>,
        now: fn() -> Timestamp,
    ) -> Result<rustls::ServerConfig, IdentityError> {
        tls::server(self, now)
    }
}
