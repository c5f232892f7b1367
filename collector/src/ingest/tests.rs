//! A real client over loopback against a real server, on a store that can be held.

use std::sync::{Condvar, Mutex};

use std::net::SocketAddr;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parallax_model::{
    AgentName, AgentSpec, AskFor, Batch, Body, Check, Epoch, Fault, Gap, GapReason, Role, Selector,
    Sensitivity, Span, Target, TargetName, TcpCheck,
};
use parallax_proto::{Assignment, FromAgent, FromCollector, Heartbeat, Hello, SpoolState};
use pb::collector_client::CollectorClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::Code;

use super::*;
use crate::identity::LIFETIME;
use crate::store::letter::{Letter, LetterId};
use crate::store::memory::Memory;
use crate::store::suite::{results, span};
use crate::store::writer::writer;
use crate::store::{Arrival, Dropped, Kept, ReadStore, StoreError, WriteStore};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A store whose commits wait while the door is shut.
#[derive(Clone, Default)]
struct Door {
    memory: Memory,
    shut: Arc<(Mutex<bool>, Condvar)>,
}

impl Door {
    fn set(&self, shut: bool) {
        *self.shut.0.lock().unwrap() = shut;
        self.shut.1.notify_all();
    }
}

impl WriteStore for Door {
    fn append(&mut self, arrivals: &[Arrival]) -> Result<Vec<Kept>, StoreError> {
        let shut = self.shut.0.lock().unwrap();
        drop(self.shut.1.wait_while(shut, |shut| *shut).unwrap());
        self.memory.append(arrivals)
    }

    fn put_faults(&mut self, faults: &[Fault], letters: &[Letter]) -> Result<Dropped, StoreError> {
        self.memory.put_faults(faults, letters)
    }

    fn forget_letters(&mut self, letters: &[LetterId]) -> Result<(), StoreError> {
        self.memory.forget_letters(letters)
    }
}

fn name(text: &str) -> AgentName {
    AgentName::new(text).unwrap()
}

fn spec(text: &str) -> AgentSpec {
    AgentSpec::unlabelled(name(text))
}

fn target(text: &str) -> Target {
    Target {
        name: TargetName::new(text).unwrap(),
        role: Role::Service,
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        depends_on: vec![],
        agents: Selector::default(),
        sensitivity: Sensitivity::default(),
        policy: None,
        check: Check::Tcp(TcpCheck::to("127.0.0.1:1")),
    }
}

/// Nobody joins here.
#[derive(Debug)]
struct Nobody;

impl Roll for Nobody {
    fn declared(&self) -> Arc<[AgentSpec]> {
        Arc::default()
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }
}

struct World {
    fleet: Arc<Fleet>,
    door: Door,
    committed: mpsc::Receiver<Vec<Arrival>>,
    counters: Arc<Counters>,
    stop: CancellationToken,
    address: SocketAddr,
}

async fn world() -> World {
    world_at("127.0.0.1:0").await
}

async fn world_at(address: &str) -> World {
    let door = Door::default();
    let (judged, committed) = mpsc::channel(100);
    let (writer, work) = writer(Box::new(door.clone()), judged, CancellationToken::new());
    tokio::spawn(work);
    let fleet = Fleet::new(["a", "b"].map(spec), vec![target("shop")], NOW, Box::new(|_| {}));
    let stop = CancellationToken::new();
    let data = tempfile::tempdir().unwrap();
    let identity = Identity::open(data.path(), None, LIFETIME, NOW).unwrap();
    let needs = Needs {
        fleet: Arc::clone(&fleet),
        writer,
        identity,
        roll: Arc::new(Nobody),
        tls_only: false,
        now: || NOW,
    };
    let ingest = Ingest::new(needs, stop.clone());
    let counters = ingest.counters();
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(ingest.serve(vec![listener]));
    World { fleet, door, committed, counters, stop, address }
}

/// An agent's end of a stream.
struct Stream {
    to: mpsc::Sender<pb::AgentMessage>,
    from: Streaming<pb::CollectorMessage>,
}

impl Stream {
    async fn open(world: &World) -> Self {
        let url = format!("http://{}", world.address);
        let mut client =
            CollectorClient::connect(url).await.unwrap().max_encoding_message_size(16 << 20);
        let (to, messages) = mpsc::channel(64);
        let from = client.session(ReceiverStream::new(messages)).await.unwrap().into_inner();
        Self { to, from }
    }

    /// A stream after hello, welcome and assignment.
    async fn of(world: &World, agent: &str) -> Self {
        let mut stream = Self::open(world).await;
        stream.send(&hello(agent)).await;
        assert!(matches!(stream.next().await, FromCollector::Welcome(w) if w.protocol == 1));
        assert!(matches!(stream.next().await, FromCollector::Assignment(_)));
        stream
    }

    async fn send(&self, message: &FromAgent) {
        self.to.send(message.into()).await.unwrap();
    }

    async fn next(&mut self) -> FromCollector {
        self.from.message().await.unwrap().unwrap().try_into().unwrap()
    }

    async fn ack(&mut self) -> (Epoch, Vec<Span>) {
        match self.next().await {
            FromCollector::Ack { epoch, spans } => (epoch, spans),
            other @ (FromCollector::Welcome(_)
            | FromCollector::Assignment(_)
            | FromCollector::ProbeNow(_)
            | FromCollector::Drain { .. }) => panic!("no ack: {other:?}"),
        }
    }

    /// The status with which the stream ends.
    async fn end(mut self) -> (Code, String) {
        loop {
            match self.from.message().await {
                Ok(Some(_)) => {}
                Ok(None) => return (Code::Ok, String::new()),
                Err(status) => return (status.code(), status.message().to_owned()),
            }
        }
    }
}

fn hello(agent: &str) -> FromAgent {
    let (agent, build) = (name(agent), "0.1.0".to_owned());
    FromAgent::Hello(Hello {
        protocol_min: 1,
        protocol_max: 3,
        agent,
        build,
        epoch: Epoch(1),
        instance: 1,
    })
}

fn batch(epoch: u64, first: u64, last: u64) -> FromAgent {
    FromAgent::Batch(results(epoch, first, last))
}

#[tokio::test]
async fn an_ack_comes_after_the_commit_and_not_before() {
    let mut world = world().await;
    let mut stream = Stream::of(&world, "a").await;
    world.door.set(true);
    stream.send(&batch(1, 1, 3)).await;
    stream.send(&batch(1, 4, 5)).await;
    // the batches are under way: the stream can still be heard, and nothing is acked
    world.fleet.ask(&AskFor { target: TargetName::new("shop").unwrap(), agents: vec![name("a")] });
    assert!(matches!(stream.next().await, FromCollector::ProbeNow(_)));
    assert_eq!(world.counters.acked.get(), 0);
    assert_eq!(world.door.memory.counts().unwrap().results, 0);
    world.door.set(false);
    let (mut acked, mut judged) = (0, 0);
    while acked < 5 {
        let (epoch, spans) = stream.ack().await;
        assert_eq!(epoch, Epoch(1));
        acked += spans.iter().map(|s| s.count()).sum::<u64>();
    }
    while judged < 5 {
        let arrivals = world.committed.recv().await.unwrap();
        assert!(arrivals.iter().all(|a| a.agent == name("a") && a.received == NOW));
        judged += arrivals.iter().map(|a| a.batch.results().len()).sum::<usize>();
    }
    assert_eq!(world.door.memory.counts().unwrap().results, 5);
}

#[tokio::test]
async fn repeats_are_acked_again_and_stored_once() {
    let mut world = world().await;
    let mut first = Stream::of(&world, "a").await;
    first.send(&batch(7, 1, 4)).await;
    assert_eq!(first.ack().await, (Epoch(7), vec![span(1, 4)]));
    drop(first);
    // the ack was lost, say: the agent comes back and sends it again, cut another way
    let mut again = Stream::of(&world, "a").await;
    again.send(&batch(7, 3, 6)).await;
    assert_eq!(again.ack().await, (Epoch(7), vec![span(3, 6)]));
    let gap = Batch {
        epoch: Epoch(7),
        span: span(7, 9),
        body: Body::Gap(Gap { reason: GapReason::Corrupt }),
    };
    again.send(&FromAgent::Batch(gap)).await;
    assert_eq!(again.ack().await, (Epoch(7), vec![span(7, 9)]));
    let counts = world.door.memory.counts().unwrap();
    assert_eq!((counts.results, counts.gaps, counts.duplicates), (6, 3, 2));
    let held = world.door.memory.held(&name("a"), Epoch(7)).unwrap();
    assert_eq!(held.spans(), [span(1, 9)]);
    // the court hears of each number once
    let mut heard = Vec::new();
    while heard.len() < 3 {
        heard.extend(world.committed.recv().await.unwrap().into_iter().map(|a| a.batch.span));
    }
    assert_eq!(heard, [span(1, 4), span(5, 6), span(7, 9)]);
}

#[tokio::test]
async fn strangers_are_told_what_to_add() {
    let world = world().await;
    let stream = Stream::open(&world).await;
    stream.send(&hello("mallory")).await;
    let (code, why) = stream.end().await;
    assert_eq!(code, Code::Unauthenticated);
    assert!(why.contains("add [[agents]] name = \"mallory\""), "{why}");
    assert_eq!(world.counters.refused.get(), 1);
}

#[tokio::test]
async fn whoever_breaks_the_contract_is_cut_with_the_reason() {
    let world = world().await;
    let stream = Stream::open(&world).await;
    stream.send(&batch(1, 1, 1)).await;
    let ended = stream.end().await;
    assert_eq!(ended, (Code::InvalidArgument, "the first message must be a hello".into()));

    let stream = Stream::of(&world, "a").await;
    stream.send(&hello("a")).await;
    assert_eq!(stream.end().await, (Code::InvalidArgument, "a second hello".into()));

    let stream = Stream::of(&world, "a").await;
    stream.to.send(pb::AgentMessage { body: None }).await.unwrap();
    let (code, why) = stream.end().await;
    assert_eq!(code, Code::InvalidArgument);
    assert!(why.contains("agent_message.body"), "{why}");

    let stream = Stream::open(&world).await;
    let mut future: pb::AgentMessage = (&hello("a")).into();
    if let Some(pb::agent_message::Body::Hello(hello)) = &mut future.body {
        (hello.protocol_min, hello.protocol_max) = (2, 3);
    }
    stream.to.send(future).await.unwrap();
    let (code, why) = stream.end().await;
    assert_eq!(code, Code::FailedPrecondition);
    assert!(why.contains("2 to 3, this collector 1 to 1"), "{why}");
}

#[tokio::test]
async fn an_oversized_message_ends_the_stream_and_nothing_of_it_is_stored() {
    let world = world().await;
    let stream = Stream::of(&world, "a").await;
    let mut message: pb::AgentMessage = (&batch(1, 1, 1)).into();
    if let Some(pb::agent_message::Body::Batch(batch)) = &mut message.body {
        batch.results[0].detail = "x".repeat(MESSAGE_FROM_AGENT_BYTES_MAX);
    }
    stream.to.send(message).await.unwrap();
    assert_eq!(stream.end().await.0, Code::OutOfRange);
    assert_eq!(world.door.memory.counts().unwrap().results, 0);
}

#[tokio::test]
async fn a_reload_pushes_a_new_assignment_and_only_a_new_one() {
    let world = world().await;
    let mut stream = Stream::of(&world, "a").await;
    let targets = |names: &[&str]| names.iter().map(|n| target(n)).collect::<Vec<_>>();
    world.fleet.set([spec("a")], targets(&["shop"]), NOW);
    world.fleet.set([spec("a")], targets(&["shop", "bank"]), NOW);
    let FromCollector::Assignment(Assignment { version, targets }) = stream.next().await else {
        panic!("no assignment")
    };
    assert_eq!(version, NOW.millis() as u64 + 2);
    assert_eq!(targets.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["shop", "bank"]);
    world.fleet.set([], targets, NOW);
    assert_eq!(stream.end().await.0, Code::Aborted);
}

#[tokio::test]
async fn a_newer_stream_of_an_agent_cuts_the_older() {
    let world = world().await;
    let older = Stream::of(&world, "a").await;
    let mut newer = Stream::of(&world, "a").await;
    assert_eq!(older.end().await.0, Code::Aborted);
    newer.send(&batch(1, 1, 1)).await;
    assert_eq!(newer.ack().await.1, [span(1, 1)]);
}

#[tokio::test]
async fn heartbeats_reach_the_fleet() {
    let world = world().await;
    let mut stream = Stream::of(&world, "b").await;
    let spool = SpoolState { records: 5, bytes: 600, lost: 7, degraded: true };
    let beat = Heartbeat { sent: NOW, assignment: 1, spool, missed_slots: 8, fitness: None };
    stream.send(&FromAgent::Heartbeat(beat)).await;
    // what was sent before an acked batch was heard
    stream.send(&batch(1, 1, 1)).await;
    stream.ack().await;
    let b = world.fleet.presences().into_iter().find(|p| p.agent == name("b")).unwrap();
    assert_eq!((b.spool, b.missed_slots, b.connected), (spool, Some(8), true));
}

#[tokio::test]
async fn a_stop_drains_what_is_under_way() {
    let world = world().await;
    let mut stream = Stream::of(&world, "a").await;
    world.door.set(true);
    stream.send(&batch(1, 1, 3)).await;
    world.fleet.ask(&AskFor { target: TargetName::new("shop").unwrap(), agents: vec![name("a")] });
    stream.next().await;
    while world.counters.batches.get() == 0 {
        tokio::task::yield_now().await;
    }
    world.stop.cancel();
    assert!(matches!(stream.next().await, FromCollector::Drain { .. }));
    world.door.set(false);
    assert_eq!(stream.ack().await, (Epoch(1), vec![span(1, 3)]));
    assert_eq!(stream.end().await.0, Code::Ok);
}

#[tokio::test]
async fn a_stream_is_read_no_further_than_its_window() {
    let world = world().await;
    let mut stream = Stream::of(&world, "a").await;
    world.door.set(true);
    for n in 1..=WINDOW as u64 + 5 {
        stream.send(&batch(1, n, n)).await;
    }
    while world.counters.batches.get() < WINDOW as u64 {
        tokio::task::yield_now().await;
    }
    // an order still goes out, and by then no batch more was taken in
    world.fleet.ask(&AskFor { target: TargetName::new("shop").unwrap(), agents: vec![name("a")] });
    assert!(matches!(stream.next().await, FromCollector::ProbeNow(_)));
    assert_eq!(world.counters.batches.get(), WINDOW as u64);
    world.door.set(false);
    let mut acked = 0;
    while acked < WINDOW as u64 + 5 {
        acked += stream.ack().await.1.iter().map(|s| s.count()).sum::<u64>();
    }
}

/// What a connection hears that says `words`: nothing but its end, if it is not served.
async fn hears(address: SocketAddr, words: &[u8]) -> Vec<u8> {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(words).await.unwrap();
    let mut heard = Vec::new();
    // a connection that is cut with words unread is reset
    drop(stream.read_to_end(&mut heard).await);
    heard
}

#[tokio::test]
async fn nobody_speaks_in_the_clear_to_an_address_that_others_reach() {
    let world = world_at("0.0.0.0:0").await;
    let address = SocketAddr::from(([127, 0, 0, 1], world.address.port()));
    assert_eq!(hears(address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await, b"");
    assert_eq!(world.counters.closed.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_say_who_it_is_is_cut() {
    let world = world().await;
    let begun = tokio::time::Instant::now();
    // the preface alone: the server answers with its settings, and waits for more
    let heard = hears(world.address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(!heard.is_empty());
    let lasted = begun.elapsed();
    assert!((9..=12).contains(&lasted.as_secs()), "{lasted:?}");
    assert_eq!(hears(world.address, b"").await, b"");
    assert_eq!(world.counters.closed.get(), 1);
}
