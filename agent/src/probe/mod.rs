//! One look at one target, as a value.
//!
//! Contract: [`look`] always returns a [`ProbeResult`], within the target's timeout ([`look_within`]: within the
//! time it is given); every stage that was begun has its time, also when it failed. Each look resolves anew,
//! connects anew and shakes hands anew: what a cache would hide is what we are here to see.
//!
//! Never: a log line about its result, a word to spool or network, a second try. What the answer
//! means is judged elsewhere; here it is only told apart, in the words of
//! [`ErrorKind`](parallax_model::ErrorKind).
//!
//! One file a kind of probe: `http` (with `http2` and `body`), `handshake` (the kind `tls`), `tcp`, `dns`,
//! `icmp` (its packets in `echo`), `grpc`, `llm`. What they share:
//! `resolve` (name to addresses), `connect` (addresses to a connection, with the `policy` asked of each
//! address), `proxy`, `tls` and `certificate`, `assertion`, `timing`
//! (which stage took how long), `failure` (errors into kinds and sentences). What the agent's owner gave it:
//! `keys` (with their budgets), `papers` (authorities and client certificates), and proxies. What is found out
//! when a look fails is `diagnose`'s.

mod assertion;
mod body;
mod certificate;
mod connect;
mod diagnose;
mod dns;
mod driven;
mod echo;
mod failure;
#[doc(hidden)]
pub mod fuzz;
mod grpc;
mod handshake;
mod http;
mod http2;
mod icmp;
mod keys;
mod llm;
mod meter;
mod papers;
mod policy;
mod proxy;
mod resolve;
mod tcp;
#[cfg(test)]
mod tests;
mod timing;
mod tls;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parallax_model::{Check, Outcome, ProbeResult, Target, Timestamp};

pub use diagnose::Doctor;
use failure::Failure;
pub use keys::{Key, Keys};
pub use papers::ClientCertificate;
pub use proxy::Proxy;
use resolve::Resolver;
use timing::{Course, Mark};
pub use tls::TlsError;

/// What looks need beside their target. Made once, shared by all looks of an agent.
#[derive(Debug, Clone)]
pub struct Surroundings {
    resolver: Resolver,
    /// Asked when a look failed.
    second: Option<Resolver>,
    tls: tls::Client,
    tls_h2: tls::Client,
    connect_to: BTreeMap<String, SocketAddr>,
    own: Belongings,
}

/// What an agent's owner gave it for its looks, by name. Targets say the names, and hold nothing of it.
#[derive(Debug, Clone, Default)]
pub struct Belongings {
    /// Keys.
    pub keys: Keys,
    /// PEM files with authorities that a target may trust instead of the usual roots.
    pub authorities: BTreeMap<String, PathBuf>,
    /// Certificates for servers that ask who we are.
    pub certificates: BTreeMap<String, ClientCertificate>,
    /// Proxies.
    pub proxies: BTreeMap<String, Proxy>,
}

impl Surroundings {
    /// Reads the system's roots, `extra_ca` and the resolver's configuration. `connect_to` holds host
    /// names in lower case and the addresses to connect to instead of resolving them.
    pub fn new(
        extra_ca: Option<&Path>,
        connect_to: BTreeMap<String, SocketAddr>,
    ) -> Result<Self, TlsError> {
        let tls = tls::client(extra_ca)?;
        let tls_h2 = tls::offering(&tls, &[b"h2", b"http/1.1"]);
        let resolver = Resolver::of_system();
        let second = Resolver::second_of_system();
        Ok(Self { resolver, second, tls, tls_h2, connect_to, own: Belongings::default() })
    }

    /// The same, with this resolver for second opinions.
    #[must_use]
    pub fn asking_second(self, server: SocketAddr) -> Self {
        Self { second: Some(Resolver::at(server)), ..self }
    }

    /// The same, with `host` at this address.
    fn pinned(&self, host: &str, at: SocketAddr) -> Self {
        let mut pinned = self.clone();
        pinned.connect_to.insert(host.to_owned(), at);
        pinned
    }

    /// The same, with what looks may use.
    #[must_use]
    pub fn with(self, own: Belongings) -> Self {
        Self { own, ..self }
    }
}

/// Looks at `target` once. `started` is the wall clock's now; `asked` says that the collector wants
/// this look outside the schedule.
pub async fn look(
    target: &Target,
    around: &Surroundings,
    started: Timestamp,
    asked: bool,
) -> ProbeResult {
    look_within(target.timeout, target, around, started, asked).await
}

/// The same, with a timeout for this look alone.
pub async fn look_within(
    timeout: Duration,
    target: &Target,
    around: &Surroundings,
    started: Timestamp,
    asked: bool,
) -> ProbeResult {
    let begun = Instant::now();
    let deadline = begun.checked_add(timeout).unwrap_or(begun + LATENCY_CAP);
    let mark = Mark::new(begun);
    let mut course = Course::new(&mark, deadline);
    let outcome = tokio::time::timeout_at(deadline.into(), async {
        match &target.check {
            Check::Http(check) => http::look(check, around, &mut course).await,
            Check::Tcp(check) => tcp::look(check, around, &mut course).await,
            Check::Dns(check) => dns::look(check, around, &mut course).await,
            Check::Icmp(check) => icmp::look(check, around, &mut course).await,
            Check::Grpc(check) => grpc::look(check, around, &mut course).await,
            Check::Llm(check) => llm::look(check, around, &mut course).await,
            Check::Tls(check) => handshake::look(check, around, &mut course).await,
        }
    })
    .await;
    let failure = match outcome {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some(failure),
        Err(_) => Some(Failure::timeout(&target.check, course.running(), timeout)),
    };
    let ended = Instant::now();
    course.end(ended);
    if failure.is_none() && !asked {
        // a request id a look would be a new clue every time
        course.clues.headers.clear();
    }
    ProbeResult {
        target: target.name.clone(),
        started,
        latency: course.latency.unwrap_or(ended - begun),
        outcome: failure.as_ref().map_or(Outcome::Ok, |failure| Outcome::Fail(failure.kind)),
        stages: course.stages,
        status: course.status,
        peer: course.peer.map(named),
        clues: (!course.clues.is_empty()).then(|| Arc::new(course.clues)),
        detail: failure.map(|failure| failure.detail),
        seen: course.seen.map(Box::new),
        asked,
    }
}

/// An echo goes to an address alone.
fn named(peer: SocketAddr) -> String {
    if peer.port() == 0 { peer.ip().to_string() } else { peer.to_string() }
}

/// The most a look takes, whatever its target says.
const LATENCY_CAP: Duration = parallax_model::result::LATENCY_MAX;
