//! The uplink of an agent that joined, against collectors that are stubs.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use parallax_proto::JoinToken;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::*;
use crate::identity::tests::{Authority, now_ms};
use crate::identity::{Granted, Request};

const LASTS: Duration = Duration::from_hours(1);

fn address(stub: &Stub) -> String {
    format!("https://{}", stub.address)
}

fn certificate(identity: &Identity) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(identity.credential().certificate.as_bytes()).unwrap()
}

fn nobody(_: Vec<u8>, _: Option<String>) -> Result<Granted, Status> {
    Err(Status::unauthenticated("not here"))
}

/// Acks everything; the first word of a session is `hello`'s.
fn taking(
    hello: impl Fn() -> stub::Answer + Send + Sync + 'static,
) -> impl Fn(FromAgent) -> stub::Answer + Send + Sync + 'static {
    move |message| match message {
        FromAgent::Hello(_) => hello(),
        FromAgent::Batch(batch) => Ok(vec![stub::ack(&batch)]),
        FromAgent::Heartbeat(_) => Ok(vec![]),
    }
}

fn spool(folder: &Path, held: u64) -> Spool<Folder> {
    let mut spool = Spool::open(Folder::new(folder).unwrap(), 64 << 20, 7).unwrap();
    (0..held).for_each(|_| drop(append(&mut spool)));
    spool
}

#[tokio::test]
async fn results_travel_under_the_certificate_and_arrive() {
    let (ours, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let hello = || Ok(vec![stub::welcome()]);
    let stub = stub::encrypted(&ours, ours.server(), nobody, taking(hello)).await;
    let identity = ours.joined(folder.path(), &address(&stub), LASTS);
    let shown = certificate(&identity);
    let world = World::of(&address(&stub), Some(identity), spool(&folder.path().join("s"), 50));
    world.until_empty().await;
    assert_eq!(*stub.visitors.lock().unwrap(), [Some(shown)]);
}

#[tokio::test]
async fn a_collector_of_another_authority_hears_nothing() {
    let (ours, other, folder) = (Authority::new(), Authority::new(), tempfile::tempdir().unwrap());
    let hello = || panic!("it was spoken to");
    let stub = stub::encrypted(&other, other.server(), nobody, taking(hello)).await;
    let identity = ours.joined(folder.path(), &address(&stub), LASTS);
    let mut dialler = dial::Dialler::default();
    let no = dialler.connect(&address(&stub), Some(identity.tls())).await.unwrap_err();
    let ending = ending::Ending::without(no);
    assert_eq!(
        ending,
        ending::Ending::Impostor(
            "its certificate is of another authority, or no collector's".into()
        )
    );
    assert_eq!(*stub.visitors.lock().unwrap(), []);
}

#[tokio::test]
async fn who_is_not_taken_rests_and_goes_on_once_it_joined_anew() {
    let (ours, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let hellos = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&hellos);
    let hello = move || match count.fetch_add(1, Ordering::Relaxed) {
        0 => Ok(vec![stub::welcome(), stub::assignment(3, vec![])]),
        1 => Err(Status::unauthenticated("agent a was revoked")),
        _ => Ok(vec![stub::welcome(), stub::assignment(4, vec![])]),
    };
    let answers = taking(hello);
    let first = Arc::clone(&hellos);
    // the live stream is cut by the same word
    let answers = move |message: FromAgent| match message {
        FromAgent::Heartbeat(_) if first.load(Ordering::Relaxed) == 1 => {
            Err(Status::unavailable("a cut"))
        }
        FromAgent::Hello(_) | FromAgent::Batch(_) | FromAgent::Heartbeat(_) => answers(message),
    };
    let stub = stub::encrypted(&ours, ours.server(), nobody, answers).await;
    let identity = ours.joined(folder.path(), &address(&stub), LASTS);
    let held = spool(&folder.path().join("s"), 0);
    let mut world = World::of(&address(&stub), Some(identity), held);
    let kept = world.folder.path().join("assignment");
    assert_eq!(world.orders.recv().await.unwrap(), "assign 0");
    until(|| kept.exists()).await;
    // refused: an order to look at nothing, and nothing to go on with after a restart
    assert_eq!(world.orders.recv().await.unwrap(), "assign 0");
    until(|| !kept.exists()).await;
    let why = world.refusal.borrow().clone();
    assert_eq!(why.as_deref(), Some("agent a was revoked"));
    world.append().await;
    assert_eq!((world.held(), hellos.load(Ordering::Relaxed)), (1, 2), "it keeps what it has");
    // it joins anew: no hour is waited for
    let anew = ours.joined(folder.path(), &address(&stub), LASTS);
    assert_eq!(world.orders.recv().await.unwrap(), "assign 0");
    world.until_empty().await;
    assert!(world.refusal.borrow().is_none());
    assert_eq!(stub.visitors.lock().unwrap().last().unwrap(), &Some(certificate(&anew)));
}

#[tokio::test]
async fn who_finds_nobody_goes_on_looking() {
    let (ours, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let hello = || Ok(vec![stub::welcome(), stub::assignment(3, vec![])]);
    let stub = stub::encrypted(&ours, ours.server(), nobody, taking(hello)).await;
    let (url, place) = (address(&stub), stub.address);
    let identity = ours.joined(folder.path(), &url, LASTS);
    let mut world = World::of(&url, Some(identity), spool(&folder.path().join("s"), 0));
    assert_eq!(world.orders.recv().await.unwrap(), "assign 0");
    let kept = world.folder.path().join("assignment");
    until(|| kept.exists()).await;
    stub.end().await;
    world.append().await;
    // it comes again, and again finds nobody who says a word
    let silent = tokio::net::TcpListener::bind(place).await.unwrap();
    for _ in 0..2 {
        drop(silent.accept().await.unwrap());
    }
    assert!(world.orders.try_recv().is_err(), "it was told to rest");
    assert!(kept.exists() && world.refusal.borrow().is_none());
    assert_eq!(world.held(), 1);
}

#[tokio::test]
async fn a_certificate_is_renewed_in_time_and_the_connection_with_it() {
    let (ours, folder) = (Arc::new(Authority::new()), tempfile::tempdir().unwrap());
    let hello = || Ok(vec![stub::welcome()]);
    let (authority, asked) = (Arc::clone(&ours), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    let grants = move |csr: Vec<u8>, token| match (count.fetch_add(1, Ordering::Relaxed), token) {
        (0, None) => Err(Status::unavailable("busy")),
        (_, None) => Ok(authority.grants(&csr, "a", LASTS)),
        (_, Some(_)) => panic!("a renewal has no token"),
    };
    let stub = stub::encrypted(&ours, ours.server(), grants, taking(hello)).await;
    // two thirds of nothing are over at once
    let identity = ours.joined(folder.path(), &address(&stub), Duration::ZERO);
    let old = certificate(&identity);
    let world = World::of(&address(&stub), Some(identity), spool(&folder.path().join("s"), 0));
    until(|| stub.visitors.lock().unwrap().len() == 2).await;
    let new = Identity::load(folder.path()).unwrap();
    assert_ne!(certificate(&new), old);
    assert_eq!(*stub.visitors.lock().unwrap(), [Some(old), Some(certificate(&new))]);
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    let left = new.credential().renew_at_ms.saturating_sub(now_ms());
    assert!(left > 2_000_000, "the next is due in {left} ms");
    world.append().await;
    world.until_empty().await;
}

/// What a token of this authority lets a new agent do at `stub`.
async fn join(stub: &Stub, authority: &Authority) -> Result<Granted, NotJoined> {
    let token = JoinToken { authority: authority.hash(), id: [1; 8], secret: [2; 16] };
    let csr = Request::new().unwrap().csr;
    enroll(&address(stub), &token, Applicant { name: "wish".into(), csr, now_ms: now_ms() }).await
}

#[tokio::test]
async fn an_agent_joins_by_its_token_and_by_no_other() {
    let (ours, other) = (Arc::new(Authority::new()), Authority::new());
    let (authority, tokens) = (Arc::clone(&ours), Arc::new(Mutex::new(Vec::new())));
    let heard = Arc::clone(&tokens);
    let grants = move |csr: Vec<u8>, token: Option<String>| {
        let mut tokens = heard.lock().unwrap();
        tokens.extend(token);
        match tokens.len() {
            1 => Ok(authority.grants(&csr, "b", LASTS)),
            _ => Err(Status::permission_denied("this token is used up")),
        }
    };
    let hello = || panic!("an agent without certificate said hello");
    let stub = stub::encrypted(&ours, ours.server(), grants, taking(hello)).await;
    assert_eq!(join(&stub, &ours).await.unwrap().name, "b");
    let said = join(&stub, &ours).await.unwrap_err().to_string();
    assert_eq!(said, format!("the collector at {} refuses: this token is used up", address(&stub)));
    let said = join(&stub, &other).await.unwrap_err().to_string();
    assert!(said.contains("is not the collector that made this token"), "{said}");
    assert_eq!(tokens.lock().unwrap().len(), 2, "the secret went to a stranger");
    assert!(tokens.lock().unwrap()[0].starts_with("plx1_"));
    assert_eq!(*stub.visitors.lock().unwrap(), [None, None]);
}

#[tokio::test]
async fn joining_something_else_says_what_it_is() {
    let ours = Authority::new();
    let plain = stub::collector(|_| Ok(vec![])).await;
    let said = join(&plain, &ours).await.unwrap_err().to_string();
    assert!(said.contains("not a Parallax collector") || said.contains("no connection"), "{said}");
    plain.end().await;
    let token = JoinToken { authority: ours.hash(), id: [1; 8], secret: [2; 16] };
    let who = Applicant { name: String::new(), csr: vec![], now_ms: 0 };
    let said = enroll("https://127.0.0.1:1", &token, who).await.unwrap_err().to_string();
    assert!(said.contains("no connection to the collector at https://127.0.0.1:1"), "{said}");
}
