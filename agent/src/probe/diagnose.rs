//! What an agent finds out about a failure, beside the look that failed.
//!
//! Contract: the first failing look at a target begins an examination, and another at most every
//! [`AGAIN_AFTER`] while it fails: does another resolver know the name, is the target well at the address where
//! it last was, do references answer right now. It has [`EXAMINED_WITHIN`], at most [`AT_ONCE_MAX`] run
//! beside each other, and no look waits for one. What was found travels with the failing looks that follow, as a clue.
//!
//! Never: a result of its own, or a word about whose fault it is. A look that spends tokens is not repeated.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use parallax_model::{
    Check, ErrorKind, Family, Outcome, ProbeResult, Role, Target, TcpCheck, Timestamp,
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

/// So many patients are kept without asking who is still looked at.
const PATIENTS_MIN: usize = 64;

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
    patients: HashMap<ByName, Patient>,
    /// When there are so many, those that nobody looks at any more are forgotten.
    sweep_at: usize,
    references: Vec<Arc<Target>>,
    under_way: JoinSet<()>,
}

/// A target, known by its name alone.
#[derive(Debug)]
struct ByName(Arc<Target>);

/// Of ten thousand targets that are well each has one: it is small.
#[derive(Debug)]
struct Patient {
    home: Home,
    illness: Option<Box<Illness>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Home {
    /// There is no name to resolve, or somebody else resolves it.
    Fixed,
    /// Found by a name; where it was when it was last well.
    Named(Option<SocketAddr>),
}

#[derive(Debug)]
struct Illness {
    examined: Instant,
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
        match result.outcome {
            Outcome::Ok => book.patient(target).is_well(result.peer.as_deref()),
            Outcome::Fail(kind) if kind.is_ours() => {}
            Outcome::Fail(_) => {
                let illness = book.patient(target).illness.as_deref();
                if let Some(finding) = illness.and_then(|illness| illness.finding.as_deref()) {
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
        let patient = book.patient(target);
        let now = Instant::now();
        if !room || patient.illness.as_ref().is_some_and(|i| now - i.examined < AGAIN_AFTER) {
            return;
        }
        let finding = patient.illness.take().and_then(|illness| illness.finding);
        patient.illness = Some(Box::new(Illness { examined: now, finding }));
        let failed_at = result.peer.as_deref().and_then(address);
        let last_good = patient.home.last_good().filter(|at| Some(*at) != failed_at);
        let examination = Examination {
            around: Arc::clone(&self.around),
            target: Arc::clone(target),
            failed_at,
            last_good,
            references: book.references.clone(),
        };
        let doctor = Arc::clone(self);
        book.under_way.spawn(async move {
            let found = tokio::time::timeout(EXAMINED_WITHIN, examination.make()).await;
            let Ok(Some(finding)) = found else { return };
            let mut book = doctor.book.lock().unwrap_or_else(PoisonError::into_inner);
            let patient = book.patients.get_mut(&ByName(Arc::clone(&examination.target)));
            // one that is well again in between has no finding
            if let Some(illness) = patient.and_then(|patient| patient.illness.as_mut())
                && illness.examined == now
            {
                illness.finding = Some(finding.into());
            }
        });
    }
}

impl Book {
    /// Remembers a reference as it is now.
    fn know(&mut self, target: &Arc<Target>) {
        if let Some(known) = self.references.iter_mut().find(|known| known.name == target.name) {
            if !Arc::ptr_eq(known, target) {
                known.clone_from(target);
            }
        } else if self.references.len() < REFERENCES_MAX {
            self.references.push(Arc::clone(target));
        }
    }

    /// What is known of a target. Where a new assignment changed it, nothing is.
    fn patient(&mut self, target: &Arc<Target>) -> &mut Patient {
        let name = ByName(Arc::clone(target));
        match self.patients.get_key_value(&name) {
            Some((known, _)) if Arc::ptr_eq(&known.0, target) => {}
            Some(_) => self.renew(target),
            None => self.make_room(),
        }
        self.patients.entry(name).or_insert_with_key(|name| Patient::new(&name.0.check))
    }

    /// The target comes from another assignment than before.
    fn renew(&mut self, target: &Arc<Target>) {
        let name = ByName(Arc::clone(target));
        if let Some((before, patient)) = self.patients.remove_entry(&name)
            && before.0.check == target.check
        {
            self.patients.insert(name, patient);
        }
    }

    /// Forgets targets that only this book knows, whenever there are twice as many as there were: at most
    /// two assignments are remembered.
    fn make_room(&mut self) {
        if self.patients.len() >= self.sweep_at.max(PATIENTS_MIN) {
            self.patients.retain(|name, _| Arc::strong_count(&name.0) > 1);
            self.sweep_at = 2 * self.patients.len();
        }
    }
}

impl Patient {
    fn new(check: &Check) -> Self {
        let home = Place::of(check).map_or(Home::Fixed, |_| Home::Named(None));
        Self { home, illness: None }
    }

    /// Every good look ends here: nothing is written that was not different before.
    fn is_well(&mut self, peer: Option<&str>) {
        if self.illness.is_some() {
            self.illness = None;
        }
        if let Home::Named(last_good) = &mut self.home {
            let here = peer.and_then(address);
            if here.is_some() && here != *last_good {
                *last_good = here;
            }
        }
    }
}

impl Home {
    fn last_good(self) -> Option<SocketAddr> {
        match self {
            Self::Fixed => None,
            Self::Named(last_good) => last_good,
        }
    }
}

impl PartialEq for ByName {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for ByName {}

impl Hash for ByName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name.hash(state);
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use parallax_model::{Selector, Sensitivity, TargetName};

    use super::*;

    fn target(name: &str, address: &str) -> Arc<Target> {
        Arc::new(Target {
            name: TargetName::new(name).unwrap(),
            role: Role::Service,
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            depends_on: vec![],
            agents: Selector::default(),
            sensitivity: Sensitivity::default(),
            policy: None,
            check: Check::Tcp(TcpCheck::to(address)),
        })
    }

    #[test]
    fn what_is_known_outlives_an_assignment_but_not_a_change() {
        let mut book = Book::default();
        let at = "192.0.2.7:443".parse().ok();
        let mut well = |target: &Arc<Target>, peer| {
            book.patient(target).is_well(peer);
            book.patient(target).home
        };
        let shop = target("shop", "shop.test:443");
        assert_eq!(well(&shop, Some("192.0.2.7:443")), Home::Named(at));
        assert_eq!(well(&shop, None), Home::Named(at));
        assert_eq!(well(&target("shop", "shop.test:443"), None), Home::Named(at));
        assert_eq!(well(&target("shop", "shop.example:443"), None), Home::Named(None));
        assert_eq!(well(&target("shop", "192.0.2.7:443"), Some("192.0.2.7:443")), Home::Fixed);
    }

    #[test]
    fn who_is_not_looked_at_any_more_is_forgotten() {
        let mut book = Book::default();
        let assignment = |version: usize| -> Vec<Arc<Target>> {
            (0..1000).map(|n| target(&format!("{version}-{n}"), "a:1")).collect()
        };
        for version in 0..10 {
            let targets = assignment(version);
            for target in targets.iter().chain(&targets) {
                book.patient(target).is_well(None);
            }
            assert!(book.patients.len() <= 2000, "{}", book.patients.len());
            let known: HashSet<_> = book.patients.keys().map(|name| name.0.name.clone()).collect();
            assert!(targets.iter().all(|target| known.contains(&target.name)));
        }
    }
}
