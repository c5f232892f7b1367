//! Lets agents join, and gives those that did their next certificate.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use parallax_model::{AgentName, Timestamp};
use parallax_proto::pb;
use parallax_proto::pb::joining_server::Joining;
use rustls_pki_types::CertificateDer;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::door::{Caller, Way};
use super::failures::Failures;
use super::{Counters, Ingest, caller};
use crate::fleet::{Fleet, NoSeat};
use crate::identity::{Application, Granted, Identity, Refusal, Roll};

/// The two calls of joining.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    identity: Arc<Identity>,
    roll: Arc<dyn Roll>,
    fleet: Arc<Fleet>,
    now: fn() -> Timestamp,
    counters: Arc<Counters>,
    failures: Arc<Mutex<Failures>>,
}

impl Gate {
    pub(super) fn new(ingest: &Ingest) -> Self {
        Self {
            identity: Arc::clone(&ingest.needs.identity),
            roll: Arc::clone(&ingest.needs.roll),
            fleet: Arc::clone(&ingest.needs.fleet),
            now: ingest.needs.now,
            counters: ingest.counters(),
            failures: Arc::default(),
        }
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn join(&self, asked: pb::EnrollRequest) -> Result<Granted, Refusal> {
        let token = asked.token.parse().map_err(|_| Refusal::UnknownToken)?;
        let name = match asked.name.as_str() {
            "" => None,
            name => Some(AgentName::new(name).map_err(|e| Refusal::Request(e.to_string()))?),
        };
        let their_now = i64::try_from(asked.now_ms).unwrap_or(i64::MAX);
        let declared = self.roll.declared();
        let now = (self.now)();
        on_disk(&self.identity, move |identity| {
            let application = Application {
                token,
                csr: &asked.csr,
                name,
                now: Timestamp::from_millis(their_now),
            };
            let of = |name: &AgentName| declared.iter().find(|a| a.name == *name).cloned();
            identity.enroll(&application, of, now)
        })
        .await
    }

    /// Refuses, and says so on both sides.
    fn refused(&self, why: &Refusal, from: SocketAddr) -> Status {
        self.counters.refused.add(1);
        tracing::warn!(%from, %why, "an agent was refused");
        status(why)
    }
}

/// Asks the register, which may write, off the threads that must not wait.
pub(super) async fn on_disk<T: Send + 'static>(
    identity: &Arc<Identity>,
    work: impl FnOnce(&Identity) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let identity = Arc::clone(identity);
    let done = tokio::task::spawn_blocking(move || work(&identity)).await;
    done.unwrap_or_else(|why| Err(Refusal::NotKept(why.to_string())))
}

/// What the agent makes of a refusal hangs on its code: `UNAUTHENTICATED` stops its looks.
pub(super) fn status(why: &Refusal) -> Status {
    let words = why.to_string();
    match why {
        Refusal::UnknownToken | Refusal::ExpiredToken | Refusal::UsedToken => {
            Status::permission_denied(words)
        }
        Refusal::Clock { .. } | Refusal::NoName | Refusal::Elsewhere { .. } | Refusal::NotYet => {
            Status::failed_precondition(words)
        }
        Refusal::Taken(_) | Refusal::KnownKey => Status::already_exists(words),
        Refusal::Request(_) => Status::invalid_argument(words),
        Refusal::NoCertificate
        | Refusal::InTheClear(_)
        | Refusal::TlsOnly
        | Refusal::Foreign
        | Refusal::Expired { .. }
        | Refusal::Replaced
        | Refusal::OtherName { .. }
        | Refusal::Revoked { .. } => Status::unauthenticated(words),
        Refusal::NobodyNamed(_) | Refusal::AlreadyRevoked(_) | Refusal::NoToken(_) => {
            Status::not_found(words)
        }
        Refusal::TooMany(_) => Status::resource_exhausted(words),
        Refusal::NotKept(_) => Status::unavailable(words),
    }
}

/// The certificate that was shown.
pub(super) fn shown(caller: &Caller) -> Result<Arc<CertificateDer<'static>>, Refusal> {
    match &caller.way {
        Way::Tls(Some(certificate)) => Ok(Arc::clone(certificate)),
        Way::Tls(None) | Way::Clear => Err(Refusal::NoCertificate),
    }
}

fn credential(granted: Granted) -> pb::Credential {
    let ms = |time: Timestamp| u64::try_from(time.millis()).unwrap_or(0);
    pb::Credential {
        certificate: granted.certificate,
        ca: granted.authority,
        name: granted.name.as_str().to_owned(),
        region: granted.place.region,
        provider: granted.place.provider,
        site: granted.place.site.unwrap_or_default(),
        not_before_ms: ms(granted.now),
        not_after_ms: ms(granted.until),
        now_ms: ms(granted.now),
    }
}

#[tonic::async_trait]
impl Joining for Gate {
    async fn enroll(
        &self,
        request: Request<pb::EnrollRequest>,
    ) -> Result<Response<pb::EnrollResponse>, Status> {
        let Caller { address: from, way, .. } = caller(&request)?;
        if matches!(way, Way::Clear) {
            return Err(Status::failed_precondition(
                "a token is not said in the clear: use https://",
            ));
        }
        if !self.failures().begin(from.ip(), Instant::now()) {
            self.counters.refused.add(1);
            return Err(Status::resource_exhausted("too many failed tries: try again in a minute"));
        }
        let asked = request.into_inner();
        let build = asked.build.clone();
        let it = self.clone();
        // carried through, also if the agent hangs up: who stands in the register is in force
        let joined = tokio::spawn(async move {
            let granted = it.join(asked).await?;
            it.roll.changed().await;
            Ok(granted)
        });
        let joined = joined.await.unwrap_or_else(|why| Err(Refusal::NotKept(why.to_string())));
        let granted = joined.map_err(|why| self.refused(&why, from))?;
        self.failures().forgive(from.ip());
        self.counters.joined.add(1);
        tracing::info!(%from, agent = %granted.name, %build, "an agent joined");
        Ok(Response::new(pb::EnrollResponse { credential: Some(credential(granted)) }))
    }

    async fn renew(
        &self,
        request: Request<pb::RenewRequest>,
    ) -> Result<Response<pb::RenewResponse>, Status> {
        let caller = caller(&request)?;
        let from = caller.address;
        let shown = shown(&caller).map_err(|why| self.refused(&why, from))?;
        let (csr, now) = (request.into_inner().csr, (self.now)());
        let identity = &self.identity;
        let member = on_disk(identity, move |i| i.judge(&shown, now)).await;
        let member = member.map_err(|why| self.refused(&why, from))?;
        // an agent renews on the connection of its stream: anybody else has a copy of its key
        if let Some(there) = self.fleet.speaks_from(&member.name).filter(|there| *there != from) {
            let copy = NoSeat::Taken { agent: member.name.clone(), there, here: from };
            self.counters.refused.add(1);
            tracing::warn!(%from, why = %copy, "an agent was refused");
            return Err(Status::already_exists(copy.to_string()));
        }
        let granted = on_disk(identity, move |i| i.renew(&member, &csr, now)).await;
        let granted = granted.map_err(|why| self.refused(&why, from))?;
        self.counters.renewed.add(1);
        tracing::info!(%from, agent = %granted.name, "an agent renewed its certificate");
        Ok(Response::new(pb::RenewResponse { credential: Some(credential(granted)) }))
    }
}
