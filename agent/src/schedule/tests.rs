//! The runner over whole minutes, in made-up time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parallax_model::{
    AgentName, Check, ErrorKind, Outcome, ProbeResult, Role, Selector, Sensitivity, Stages, Target,
    TargetName, TcpCheck, Timestamp,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::*;

fn target(name: &str, interval: Duration) -> Target {
    Target {
        name: TargetName::new(name).unwrap(),
        role: Role::Service,
        interval,
        timeout: Duration::from_secs(1),
        depends_on: vec![],
        agents: Selector::default(),
        sensitivity: Sensitivity::default(),
        policy: None,
        check: Check::Tcp(TcpCheck::to("a:1")),
    }
}

fn result(target: &Target, asked: bool) -> ProbeResult {
    ProbeResult {
        target: target.name.clone(),
        started: Timestamp::EPOCH,
        latency: Duration::ZERO,
        outcome: Outcome::Ok,
        stages: Stages::default(),
        status: None,
        peer: None,
        clues: None,
        detail: None,
        seen: None,
        asked,
    }
}

struct World {
    orders: mpsc::Sender<Order>,
    results: mpsc::Receiver<ProbeResult>,
    punctual: Arc<Punctual>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl World {
    /// Looks take `takes`, and at most `at_once` are under way.
    fn new(takes: Duration, at_once: usize) -> Self {
        Self::looking(at_once, move |target: Arc<Target>, _, asked| async move {
            assert_ne!(target.name.as_str(), "poison");
            tokio::time::sleep(takes).await;
            result(&target, asked)
        })
    }

    /// Looks take as many milliseconds as `takes` holds when they begin, but no longer than they may.
    fn with_timeouts(takes: Arc<AtomicU64>) -> Self {
        Self::looking(64, move |target: Arc<Target>, within, asked| {
            let takes = Duration::from_millis(takes.load(Ordering::Relaxed));
            async move {
                tokio::time::sleep(takes.min(within)).await;
                let outcome =
                    if takes <= within { Outcome::Ok } else { Outcome::Fail(ErrorKind::Timeout) };
                // as an echo's, the latency is less than the look takes
                let latency = if outcome.is_ok() { Duration::ZERO } else { within };
                ProbeResult { latency, outcome, ..result(&target, asked) }
            }
        })
    }

    fn looking<L, F>(at_once: usize, look: L) -> Self
    where
        L: Fn(Arc<Target>, Duration, bool) -> F + Send + 'static,
        F: Future<Output = ProbeResult> + Send + 'static,
    {
        let (orders, orders_in) = mpsc::channel(8);
        let (results_out, results) = mpsc::channel(10_000);
        let (punctual, stop) = (Arc::new(Punctual::default()), CancellationToken::new());
        let agent = AgentName::new("a").unwrap();
        let runner = Runner::new(agent, at_once, look, results_out, Arc::clone(&punctual));
        let task = tokio::spawn(runner.run(orders_in, stop.clone()));
        Self { orders, results, punctual, stop, task }
    }

    async fn assign(&self, targets: Vec<Target>) {
        self.orders.send(Order::Assign(targets)).await.unwrap();
    }

    async fn ask(&self, name: &str) {
        let names = vec![TargetName::new(name).unwrap()];
        self.orders.send(Order::Look(names)).await.unwrap();
    }

    fn missed(&self) -> u64 {
        self.punctual.missed()
    }

    fn count(&mut self) -> usize {
        std::iter::from_fn(|| self.results.try_recv().ok()).count()
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn every_slot_is_served() {
    let mut world = World::new(Duration::from_millis(10), 64);
    world.assign(vec![target("a", SECOND), target("b", 2 * SECOND)]).await;
    tokio::time::sleep(100 * SECOND).await;
    let served = world.count();
    assert!((148..=151).contains(&served), "{served}");
    assert_eq!(world.missed(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_outlasts_its_interval_misses_slots() {
    let mut world = World::new(Duration::from_millis(2500), 64);
    world.assign(vec![target("a", SECOND)]).await;
    tokio::time::sleep(30 * SECOND).await;
    let (served, missed) = (world.count() as u64, world.missed());
    assert!((9..=10).contains(&served), "{served}");
    assert!((28..=31).contains(&(served + missed)), "{served} + {missed}");
}

#[tokio::test(start_paused = true)]
async fn too_many_at_once_miss_slots_and_say_so() {
    let mut world = World::new(SECOND, 2);
    world.assign((0..8).map(|n| target(&format!("t{n}"), SECOND)).collect()).await;
    tokio::time::sleep(60 * SECOND).await;
    let (served, missed) = (world.count() as u64, world.missed());
    assert!((110..=120).contains(&served), "{served}");
    assert!((450..=480).contains(&(served + missed)), "{served} + {missed}");
}

#[tokio::test(start_paused = true)]
async fn an_asked_look_runs_at_once_and_says_that_it_was_asked_for() {
    let mut world = World::new(Duration::ZERO, 1);
    world.assign(vec![target("a", Duration::from_hours(1))]).await;
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(world.count(), 1);
    let names = ["a", "unknown"].map(|n| TargetName::new(n).unwrap()).to_vec();
    world.orders.send(Order::Look(names)).await.unwrap();
    let result = world.results.recv().await.unwrap();
    assert!(result.asked);
    tokio::time::sleep(SECOND).await;
    assert_eq!(world.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_loop_beats_while_it_goes_on_and_not_when_it_hangs() {
    let (orders, orders_in) = mpsc::channel(8);
    let (results_out, mut results) = mpsc::channel(1);
    let (beats_out, mut beats) = mpsc::channel(100);
    let look = |target: Arc<Target>, _, asked| async move { result(&target, asked) };
    let counts = Arc::new(Punctual::default());
    let beat = Box::new(move |targets| beats_out.try_send(targets).unwrap());
    let runner = Runner::new(AgentName::new("a").unwrap(), 8, look, results_out, counts);
    tokio::spawn(runner.heard_by(beat).run(orders_in, CancellationToken::new()));
    let mut heard = || std::iter::from_fn(|| beats.try_recv().ok()).collect::<Vec<_>>();

    tokio::time::sleep(SECOND).await;
    assert_eq!(heard(), [0]);
    // it looks once a minute, and beats as often as ever
    orders.send(Order::Assign(vec![target("a", 60 * SECOND)])).await.unwrap();
    tokio::time::sleep(3 * BEAT_EVERY).await;
    assert_eq!(heard(), [1, 1, 1]);
    // nobody takes its results: in the end it hangs
    orders.send(Order::Assign(vec![target("a", SECOND)])).await.unwrap();
    tokio::time::sleep(10 * SECOND).await;
    heard();
    tokio::time::sleep(100 * SECOND).await;
    assert!(heard().is_empty());
    results.recv().await.unwrap();
    results.recv().await.unwrap();
    tokio::time::sleep(SECOND).await;
    assert_eq!(heard(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_breaks_down_takes_nothing_with_it() {
    let mut world = World::new(Duration::ZERO, 8);
    world.assign(vec![target("poison", SECOND), target("a", SECOND)]).await;
    tokio::time::sleep(10 * SECOND).await;
    assert!(world.count() >= 9 && world.missed() >= 9);
}

#[tokio::test(start_paused = true)]
async fn the_stop_waits_for_what_is_under_way_but_not_for_ever() {
    for (takes, finished) in [(3 * SECOND, 1), (30 * SECOND, 0)] {
        let mut world = World::new(takes, 8);
        world.assign(vec![target("a", SECOND)]).await;
        tokio::time::sleep(2 * SECOND).await;
        world.stop.cancel();
        (&mut world.task).await.unwrap();
        assert_eq!(world.count(), finished);
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_look_waits_less_where_looks_are_quick() {
    const HANGS: u64 = 3_600_000;
    for (usual_ms, asked_waits) in [(120, 3 * SECOND), (1000, 5 * SECOND), (HANGS, 5 * SECOND)] {
        let takes = Arc::new(AtomicU64::new(usual_ms));
        let mut world = World::with_timeouts(Arc::clone(&takes));
        let patient = Target { timeout: 5 * SECOND, ..target("a", 60 * SECOND) };
        world.assign(vec![patient]).await;
        let first = world.results.recv().await.unwrap();
        assert_eq!(first.outcome.is_ok(), usual_ms < HANGS);

        takes.store(HANGS, Ordering::Relaxed);
        // what fails does not change what is usual
        for _ in 0..2 {
            world.ask("a").await;
            let asked = world.results.recv().await.unwrap();
            assert_eq!((asked.asked, asked.latency), (true, asked_waits));
            assert_eq!(asked.outcome, Outcome::Fail(ErrorKind::Timeout));
            let scheduled = world.results.recv().await.unwrap();
            assert_eq!((scheduled.asked, scheduled.latency), (false, 5 * SECOND));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_look_that_was_good_says_what_is_usual_as_well() {
    let takes = Arc::new(AtomicU64::new(120));
    let mut world = World::with_timeouts(Arc::clone(&takes));
    let patient = Target { timeout: 5 * SECOND, ..target("a", Duration::from_hours(1)) };
    world.assign(vec![patient]).await;
    let mut seen = vec![world.results.recv().await.unwrap().latency];
    for takes_ms in [4000, 2000, 4000] {
        takes.store(takes_ms, Ordering::Relaxed);
        world.ask("a").await;
        seen.push(world.results.recv().await.unwrap().latency);
    }
    // quick: the next has three seconds; it took two: the next has all five
    assert_eq!(seen, [Duration::ZERO, 3 * SECOND, Duration::ZERO, Duration::ZERO]);
}
