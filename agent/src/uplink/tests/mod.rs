//! The uplink against collectors that lose, repeat, refuse, drain, and such that are none.

use std::sync::Mutex;

use parallax_model::{Batch, Body, Gap, GapReason, Span};
use parallax_proto::{FromAgent, FromCollector, encode_batch};
use tokio::task::JoinHandle;
use tonic::Status;

use prost::Message as _;

mod joined;

use super::stub::{self, Stub};
use super::*;
use crate::spool::{Appended, Folder, Spool};

impl From<Wanted> for String {
    fn from(wanted: Wanted) -> Self {
        match wanted {
            Wanted::Assign(targets) => format!("assign {}", targets.len()),
            Wanted::Look(names) => format!("look {}", names.len()),
        }
    }
}

/// An uplink, and a spool that the test owns.
struct World {
    spool: Arc<Mutex<Spool<Folder>>>,
    live: mpsc::Sender<Appended>,
    standing: watch::Sender<Standing>,
    orders: mpsc::Receiver<String>,
    finish: CancellationToken,
    uplink: JoinHandle<()>,
    refusal: watch::Receiver<Option<Arc<str>>>,
    folder: tempfile::TempDir,
    _spool_folder: Option<tempfile::TempDir>,
}

impl World {
    fn new(collector: &str, held: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = Folder::new(folder.path()).unwrap();
        let mut spool = Spool::open(disk, 64 << 20, 7).unwrap();
        for _ in 0..held {
            append(&mut spool);
        }
        Self { _spool_folder: Some(folder), ..Self::of(collector, None, spool) }
    }

    fn of(collector: &str, identity: Option<Identity>, spool: Spool<Folder>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (live, live_in) = mpsc::channel(64);
        let (standing, standing_in) =
            watch::channel(Standing { epoch: spool.epoch(), state: spool.state() });
        let (asks, asks_in) = mpsc::channel(8);
        let (orders_out, orders) = mpsc::channel(8);
        let spool = Arc::new(Mutex::new(spool));
        tokio::spawn(keep(Arc::clone(&spool), asks_in, standing.clone()));
        let finish = CancellationToken::new();
        let (refusal, refused) = watch::channel(None);
        let uplink = Uplink::<String> {
            agent: AgentName::new("a").unwrap(),
            instance: 7,
            collector: collector.to_owned(),
            identity,
            dismissed_for: Duration::from_hours(1),
            refusal,
            assignment_file: folder.path().join("assignment"),
            live: live_in,
            spool: standing_in,
            keeper: asks,
            orders: orders_out,
            condition: watch::channel(Condition::default()).1,
        };
        let uplink = tokio::spawn(uplink.run(finish.clone()));
        Self {
            spool,
            live,
            standing,
            orders,
            finish,
            uplink,
            refusal: refused,
            folder,
            _spool_folder: None,
        }
    }

    async fn append(&self) -> Span {
        let (new, standing) = {
            let mut spool = self.spool.lock().unwrap();
            let new = append(&mut spool);
            (new, Standing { epoch: spool.epoch(), state: spool.state() })
        };
        let span = new.record.span;
        self.standing.send_replace(standing);
        self.live.send(new).await.unwrap();
        span
    }

    fn held(&self) -> u64 {
        self.spool.lock().unwrap().state().records
    }

    async fn until_empty(&self) {
        until(|| self.held() == 0).await;
    }
}

/// One number, whose batch says so.
fn append(spool: &mut Spool<Folder>) -> Appended {
    let batch = |epoch, first| {
        // a gap is the smallest batch there is
        let body = Body::Gap(Gap { reason: GapReason::DiskError });
        encode_batch(&Batch { epoch, span: Span::new(first, first).unwrap(), body })
    };
    spool.append(1, 8, batch).unwrap()
}

async fn keep(
    spool: Arc<Mutex<Spool<Folder>>>,
    mut asks: mpsc::Receiver<Ask>,
    standing: watch::Sender<Standing>,
) {
    while let Some(ask) = asks.recv().await {
        let mut spool = spool.lock().unwrap();
        match ask {
            Ask::Ack(epoch, spans) => spans.into_iter().for_each(|span| spool.ack(epoch, span)),
            Ask::Read(from, reply) => {
                let (records, next) = spool.read(from);
                let gap_version = spool.state().gap_version;
                let gaps = spool.gaps();
                reply.send(Backlog { gap_version, gaps, records, next }).unwrap();
            }
        }
        standing.send_replace(Standing { epoch: spool.epoch(), state: spool.state() });
    }
}

async fn until(what: impl Fn() -> bool) {
    let waiting = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(40), waiting).await.expect("it never came");
}

fn url(stub: &Stub) -> String {
    format!("http://{}", stub.address)
}

/// The numbers a collector heard, in order.
type Numbers = Arc<Mutex<Vec<u64>>>;

/// A collector that notes what it hears and acks what `acks` says.
async fn noting(acks: impl Fn(u64) -> bool + Send + Sync + 'static) -> (Stub, Numbers) {
    let heard = Numbers::default();
    let notes = Arc::clone(&heard);
    let stub = stub::collector(move |message| match message {
        FromAgent::Hello(_) => Ok(vec![stub::welcome()]),
        FromAgent::Batch(batch) => {
            let number = batch.span.first();
            notes.lock().unwrap().push(number);
            Ok(if acks(number) { vec![stub::ack(&batch)] } else { vec![] })
        }
        FromAgent::Heartbeat(_) => Ok(vec![]),
    })
    .await;
    (stub, heard)
}

#[tokio::test]
async fn backlog_and_live_arrive_once_each() {
    let (stub, heard) = noting(|_| true).await;
    let world = World::new(&url(&stub), 500);
    for _ in 0..50 {
        world.append().await;
    }
    world.until_empty().await;
    let mut heard = heard.lock().unwrap().clone();
    heard.sort_unstable();
    assert_eq!(heard, (1..=550).collect::<Vec<_>>());
}

#[tokio::test]
async fn live_results_do_not_wait_behind_a_backlog() {
    // a collector that acks nothing of the backlog: its part of the window fills and stays full
    let (stub, heard) = noting(|number| number > 100).await;
    let world = World::new(&url(&stub), 100);
    until(|| heard.lock().unwrap().len() >= 6).await;
    for _ in 0..20 {
        let span = world.append().await;
        until(|| heard.lock().unwrap().contains(&span.first())).await;
    }
    assert_eq!(heard.lock().unwrap().iter().filter(|n| **n <= 100).count(), 6);
    assert_eq!(world.held(), 100);
}

#[tokio::test]
async fn what_is_not_acked_is_sent_again_over_the_next_connection() {
    let sessions = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&sessions);
    let stub = stub::collector(move |message| match message {
        FromAgent::Hello(_) => {
            *counted.lock().unwrap() += 1;
            Ok(vec![stub::welcome()])
        }
        // the first connections lose every second batch, and end after some
        FromAgent::Batch(batch) if *counted.lock().unwrap() <= 3 => match batch.span.first() {
            n if n % 10 == 9 => Err(Status::unavailable("restarting")),
            n if n % 2 == 0 => Ok(vec![]),
            // and say some things twice, and of numbers that were never issued
            _ => {
                let beyond = Span::new(1_000_000, 2_000_000).unwrap();
                let nonsense = FromCollector::Ack { epoch: batch.epoch, spans: vec![beyond] };
                Ok(vec![stub::ack(&batch), nonsense, stub::ack(&batch)])
            }
        },
        FromAgent::Batch(batch) => Ok(vec![stub::ack(&batch)]),
        FromAgent::Heartbeat(_) => Ok(vec![]),
    })
    .await;
    let world = World::new(&url(&stub), 100);
    world.until_empty().await;
    assert_eq!(*sessions.lock().unwrap(), 4);
}

#[tokio::test]
async fn a_gap_travels_and_is_forgotten_once_acked() {
    let (stub, heard) = noting(|_| true).await;
    let folder = tempfile::tempdir().unwrap();
    let open = || Spool::open(Folder::new(folder.path()).unwrap(), 64 << 20, 7).unwrap();
    let mut spool = open();
    append(&mut spool);
    append(&mut spool);
    drop(spool);
    let segment = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[62] ^= 1;
    std::fs::write(segment, bytes).unwrap();
    let spool = open();
    assert_eq!(spool.gaps().len(), 1);
    let world = World::of(&url(&stub), None, spool);
    until(|| heard.lock().unwrap().len() == 2).await;
    until(|| world.spool.lock().unwrap().gaps().is_empty()).await;
    assert_eq!(*heard.lock().unwrap(), [1, 2]);
}

#[tokio::test]
async fn orders_reach_whoever_looks_and_an_assignment_is_kept() {
    let stub = stub::collector(|message| match message {
        FromAgent::Hello(_) => Ok(vec![
            stub::welcome(),
            stub::assignment(3, vec![]),
            FromCollector::ProbeNow(vec![TargetName::new("x").unwrap()]),
        ]),
        FromAgent::Heartbeat(beat) if beat.assignment == 3 => {
            Ok(vec![FromCollector::ProbeNow(vec![])])
        }
        FromAgent::Batch(_) | FromAgent::Heartbeat(_) => Ok(vec![]),
    })
    .await;
    let mut world = World::new(&url(&stub), 0);
    for expected in ["assign 0", "look 1", "look 0"] {
        assert_eq!(world.orders.recv().await.unwrap(), expected);
    }
    let kept = assignment::load(&world.folder.path().join("assignment")).unwrap();
    assert_eq!((kept.version, kept.targets), (3, vec![]));
}

#[tokio::test]
async fn a_drain_is_honoured() {
    let hellos = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&hellos);
    let stub = stub::collector(move |message| {
        if let FromAgent::Hello(_) = message {
            *counted.lock().unwrap() += 1;
        }
        let pause = Duration::from_millis(10);
        Ok(vec![stub::welcome(), FromCollector::Drain { pause }])
    })
    .await;
    let _world = World::new(&url(&stub), 0);
    until(|| *hellos.lock().unwrap() >= 2).await;
}

#[tokio::test]
async fn the_end_waits_for_acks_and_not_for_a_collector_that_is_away() {
    let (stub, _) = noting(|_| true).await;
    let mut world = World::new(&url(&stub), 300);
    world.finish.cancel();
    // it may end before it has connected; what it has begun it finishes
    (&mut world.uplink).await.unwrap();
    let mut away = World::new("http://127.0.0.1:1", 300);
    away.finish.cancel();
    (&mut away.uplink).await.unwrap();
    assert_eq!(away.held(), 300);
}

#[test]
fn endings_are_told_apart() {
    use super::ending::Ending;
    let refused = Ending::of(&Status::failed_precondition("no agent \"a\" is known"), false);
    assert_eq!(refused, Ending::Refused("no agent \"a\" is known".into()));
    let dismissed = Ending::of(&Status::unauthenticated("agent a was revoked"), true);
    assert_eq!(dismissed, Ending::Dismissed("agent a was revoked".into()));
    let stranger = Ending::of(&Status::unimplemented("what?"), false);
    assert_eq!(stranger, Ending::Stranger("what?".into()));
    let cut = Ending::of(&Status::unavailable("restarting"), true);
    assert_eq!(cut, Ending::Cut("restarting".into()));
}

#[test]
fn a_damaged_assignment_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("assignment");
    assert!(assignment::load(&file).is_none());
    let wire = parallax_proto::pb::Assignment { version: 9, targets: vec![] };
    assignment::save(&file, &wire.encode_to_vec()).unwrap();
    assert_eq!(assignment::load(&file).unwrap().version, 9);
    std::fs::write(&file, b"rubbish").unwrap();
    assert!(assignment::load(&file).is_none());
}
