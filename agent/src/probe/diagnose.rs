//! What an agent finds out about a failure, beside the look that failed.
//!
//! Contract: the first failing look at a target begins an examination, and another at most every
//! [`AGAIN_AFTER`] while it fails: does another resolver know the name, is the target well at the address where
//! it last was, do references answer right now. It has [`EXAMINED_WITHIN`], at most [`AT_ONCE_MAX`] run
//! beside each other, and no look waits for one. What was found travels with the failing looks that follow, as a clue.
//!
//! Never: a result of its own, or a word about whose fault it is. A look that spends tokens is not repeated.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use parallax_model::{
    Check, ErrorKind, Family, Outcome, ProbeResult, Role, Target, TargetName, TcpCheck, Timestamp,
};
use tokio::task::JoinSet;
use url::Url;

use super::connect::host_and_port;
use super::{Surroundings, look};

/// How long a target is left alone after an examination.
const AGAIN_AFTER: Duration = Duration::from_mins(1);

/// The longest an examination may take.
const EXAMINED_WITHIN: Duration = Duration::from_secs(5);

/// Most examinations at once: when everything fails, two will do.
const AT_ONCE_MAX: usize = 2;

/// Most references that are asked.
const REFERENCES_MAX: usize = 3;

/// Most targets of which something is remembered: an assignment's.
const PATIENTS_MAX: usize = 20_000;

/// Most addresses that are named.
const ADDRESSES_SHOWN_MAX: usize = 3;

/// Examines targets that fail.
#[derive(Debug)]
pub struct Doctor {
    around: Arc<Surroundings>,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    patients: HashMap<TargetName, Patient>,
    references: Vec<Arc<Target>>,
    under_way: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Patient {
    /// Where it was when it was last well; none if it is an address itself.
    last_good: Option<SocketAddr>,
    examined: Option<Instant>,
    finding: Option<Box<str>>,
}

impl Doctor {
    /// One who looks as all looks do.
    pub fn new(around: Arc<Surroundings>) -> Arc<Self> {
        Arc::new(Self { around, book: Mutex::default() })
    }

    /// Takes note of a look, adds what is known of its failure, and begins to find out more where that is
    /// due. Does not wait.
    pub fn saw(self: &Arc<Self>, target: &Arc<Target>, result: &mut ProbeResult) {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        if target.role == Role::Reference {
            return book.know(target);
        }
        let named = Place::of(&target.check).is_some();
        match result.outcome {
            Outcome::Ok if !named => drop(book.patients.remove(&target.name)),
            Outcome::Ok => {
                let patient = book.patient(&target.name);
                let last_good = result.peer.as_deref().and_then(address).or(patient.last_good);
                *patient = Patient { last_good, ..Patient::default() };
            }
            Outcome::Fail(kind) if kind.is_ours() => {}
            Outcome::Fail(_) => {
                if let Some(finding) = &book.patient(&target.name).finding {
                    note(result, finding);
                }
                self.begin(&mut book, target, result);
            }
        }
    }

    /// Begins an examination, if one is due and there is room for it.
    fn begin(self: &Arc<Self>, book: &mut Book, target: &Arc<Target>, result: &ProbeResult) {
        while book.under_way.try_join_next().is_some() {}
        let room = book.under_way.len() < AT_ONCE_MAX;
        let references = book.references.clone();
        let patient = book.patient(&target.name);
        let now = Instant::now();
        if !room || patient.examined.is_some_and(|at| now - at < AGAIN_AFTER) {
            return;
        }
        patient.examined = Some(now);
        let failed_at = result.peer.as_deref().and_then(address);
        let examination = Examination {
            around: Arc::clone(&self.around),
            target: Arc::clone(target),
            failed_at,
            last_good: patient.last_good.filter(|at| Some(*at) != failed_at),
            references,
        };
        let doctor = Arc::clone(self);
        book.under_way.spawn(async move {
            let found = tokio::time::timeout(EXAMINED_WITHIN, examination.make()).await;
            let Ok(Some(finding)) = found else { return };
            let mut book = doctor.book.lock().unwrap_or_else(PoisonError::into_inner);
            let patient = book.patient(&examination.target.name);
            // one that is well again in between has no finding
            if patient.examined == Some(now) {
                patient.finding = Some(finding.into());
            }
        });
    }
}

impl Book {
    /// Remembers a reference as it is now.
    fn know(&mut self, target: &Arc<Target>) {
        if let Some(known) = self.references.iter_mut().find(|known| known.name == target.name) {
            known.clone_from(target);
        } else if self.references.len() < REFERENCES_MAX {
            self.references.push(Arc::clone(target));
        }
    }

    fn patient(&mut self, name: &TargetName) -> &mut Patient {
        if self.patients.len() >= PATIENTS_MAX && !self.patients.contains_key(name) {
            // assignments came and went
            self.patients.clear();
        }
        self.patients.entry(name.clone()).or_default()
    }
}

/// Adds a finding to what the look itself saw.
fn note(result: &mut ProbeResult, finding: &str) {
    let clues = Arc::make_mut(result.clues.get_or_insert_default());
    clues.diagnosis = Some(finding.to_owned());
}

fn address(peer: &str) -> Option<SocketAddr> {
    peer.parse().ok().or_else(|| Some(SocketAddr::new(peer.parse().ok()?, 0)))
}

/// The name that a target is found by, and the port that is connected to.
struct Place {
    host: String,
    port: u16,
    family: Family,
}

impl Place {
    /// None where there is no name to resolve, or somebody else resolves it.
    fn of(check: &Check) -> Option<Self> {
        let (host, port, family) = match check {
            Check::Http(check) if check.proxy.is_some() => return None,
            Check::Http(check) => {
                let (host, port) = of_url(&check.url)?;
                (host, port, check.family)
            }
            Check::Llm(check) => {
                let (host, port) = of_url(&check.url)?;
                (host, port, Family::Any)
            }
            Check::Tls(check) => {
                let (host, port) = host_and_port(&check.address).ok()?;
                (host, port, check.family)
            }
            Check::Tcp(check) => {
                let (host, port) = host_and_port(&check.address).ok()?;
                (host, port, Family::Any)
            }
            Check::Grpc(check) => {
                let (host, port) = host_and_port(&check.address).ok()?;
                (host, port, Family::Any)
            }
            Check::Icmp(check) => (check.host.to_ascii_lowercase(), 0, check.family),
            Check::Dns(_) => return None,
        };
        let address = host.starts_with('[') || host.parse::<IpAddr>().is_ok();
        (!address).then_some(Self { host, port, family })
    }
}

fn of_url(url: &str) -> Option<(String, u16)> {
    let url = Url::parse(url).ok()?;
    Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
}

struct Examination {
    around: Arc<Surroundings>,
    target: Arc<Target>,
    failed_at: Option<SocketAddr>,
    last_good: Option<SocketAddr>,
    references: Vec<Arc<Target>>,
}

impl Examination {
    /// What is found, in one sentence; none if there is nothing to find.
    async fn make(&self) -> Option<String> {
        let (name, address, references) =
            tokio::join!(self.ask_again(), self.go_back(), self.look_about());
        let found: Vec<String> = [name, address, references].into_iter().flatten().collect();
        (!found.is_empty()).then(|| parallax_model::result::detail(&found.join("; ")))
    }

    /// Where another resolver says that it is.
    async fn ask_again(&self) -> Option<String> {
        let (second, place) = (self.around.second.as_ref()?, Place::of(&self.target.check)?);
        if self.around.connect_to.contains_key(&place.host) {
            return None;
        }
        let who = second.name();
        Some(match second.addresses(&place.host, place.family).await {
            Ok(found) if self.failed_at.is_some_and(|at| found.contains(&at.ip())) => {
                format!("resolver {who} names the same address")
            }
            Ok(found) => {
                let shown = found.iter().take(ADDRESSES_SHOWN_MAX).map(ToString::to_string);
                let shown: Vec<String> = shown.collect();
                format!("resolver {who} names {}", shown.join(", "))
            }
            Err(failure) => format!("resolver {who}: {}", failure.kind),
        })
    }

    /// How it is where it last was well.
    async fn go_back(&self) -> Option<String> {
        let (at, place) = (self.last_good?, Place::of(&self.target.check)?);
        let around = self.around.pinned(&place.host, at);
        let mut there = Target::clone(&self.target);
        there.timeout = there.timeout.min(EXAMINED_WITHIN);
        if let Check::Llm(_) = there.check {
            there.check = Check::Tcp(TcpCheck::to(format!("{}:{}", place.host, place.port)));
        }
        let result = look(&there, &around, Timestamp::EPOCH, true).await;
        Some(format!("at {at}, where it last was well: {}", said(result.outcome)))
    }

    /// Whether references answer at this moment.
    async fn look_about(&self) -> Option<String> {
        let mut looks = JoinSet::new();
        for reference in &self.references {
            let (reference, around) = (Arc::clone(reference), Arc::clone(&self.around));
            looks.spawn(async move { look(&reference, &around, Timestamp::EPOCH, true).await });
        }
        let outcomes: Vec<Outcome> =
            looks.join_all().await.into_iter().map(|result| result.outcome).collect();
        let (all, well) = (outcomes.len(), outcomes.iter().filter(|o| o.is_ok()).count());
        let worst = outcomes.iter().find_map(|outcome| outcome.error());
        let worst = worst.map(|kind| format!(" ({kind})")).unwrap_or_default();
        (all > 0).then(|| format!("{well} of {all} references answer{worst}"))
    }
}

fn said(outcome: Outcome) -> &'static str {
    outcome.error().map_or("ok", ErrorKind::as_str)
}
