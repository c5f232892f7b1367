//! Serves a plan: one timer, a bounded number of looks at once.

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parallax_model::{AgentName, ProbeResult, Target, TargetName};
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::plan::Plan;
use super::punctual::Punctual;

/// Looks that were asked for may go beyond the limit by so many: a second opinion must not wait behind
/// a full schedule.
const ASKED_BEYOND_MAX: usize = 32;

/// Of looks that are due together so many are begun at once, and the next after [`PAUSE`]. Each takes a
/// core for a moment; begun all together, they would wait for one another, and that would be told as
/// the targets' latency.
const BEGUN_AT_ONCE: usize = 4;

/// The shortest time that the runtime's timer knows. It mostly takes longer, on a busy machine much.
const PAUSE: Duration = Duration::from_millis(1);

/// After a pause that took longer so many are begun at once at most: as many as its time was for. Else what is
/// due would outgrow what is begun, and slots be missed that there was time for.
const BEGUN_AT_ONCE_MAX: usize = 64;

/// Most asked looks that wait for their turn: one full request. What is more is not looked at.
const ASKED_WAITING_MAX: usize = 1000;

/// How long looks that are under way may go on after the stop.
const FINISH_WITHIN: Duration = Duration::from_secs(5);

/// How often the loop beats. Whoever listens gives it several times as long before it counts as hung.
pub const BEAT_EVERY: Duration = Duration::from_secs(5);

/// Called with the number of targets by the loop itself, at its first turn and then at every beat; it
/// must not wait.
pub type Beat = Box<dyn FnMut(usize) + Send>;

/// What a collector wants looked at.
#[derive(Debug)]
pub enum Order {
    /// These targets from here on, and no others.
    Assign(Vec<Target>),
    /// These targets at once.
    Look(Vec<TargetName>),
}

/// Looks at targets when they are due.
pub struct Runner<L> {
    plan: Plan,
    look: L,
    at_once_max: usize,
    origin: Instant,
    /// No look begins before this.
    paused_until: Duration,
    /// More was due when the pause began.
    pressed: bool,
    /// Results, and how long the looks took in all: some tell a latency that is less.
    looks: JoinSet<(ProbeResult, Duration)>,
    running: HashMap<Id, (Arc<Target>, bool)>,
    /// Targets whose scheduled look is under way.
    busy: HashSet<TargetName>,
    asked_running: usize,
    /// Looks that were asked for, and when.
    asked_waiting: VecDeque<(TargetName, Duration)>,
    results: mpsc::Sender<ProbeResult>,
    punctual: Arc<Punctual>,
    beat: Beat,
}

impl<L, F> Runner<L>
where
    L: Fn(Arc<Target>, Duration, bool) -> F,
    F: Future<Output = ProbeResult> + Send + 'static,
{
    /// A runner without targets that nobody listens to. `look` makes one look within the time it is
    /// given, `true` if it was asked for; results go to `results`, and what the schedule counts of itself
    /// to `punctual`.
    pub fn new(
        agent: AgentName,
        at_once_max: usize,
        look: L,
        results: mpsc::Sender<ProbeResult>,
        punctual: Arc<Punctual>,
    ) -> Self {
        Self {
            plan: Plan::new(agent),
            look,
            at_once_max,
            origin: Instant::now(),
            paused_until: Duration::ZERO,
            pressed: false,
            looks: JoinSet::new(),
            running: HashMap::new(),
            busy: HashSet::new(),
            asked_running: 0,
            asked_waiting: VecDeque::new(),
            results,
            punctual,
            beat: Box::new(|_| ()),
        }
    }

    /// The same runner with somebody who listens whether it goes on.
    #[must_use]
    pub fn heard_by(self, beat: Beat) -> Self {
        Self { beat, ..self }
    }

    /// Looks until `stop`, then finishes what is under way.
    pub async fn run(mut self, mut orders: mpsc::Receiver<Order>, stop: CancellationToken) {
        let timer = tokio::time::sleep(Duration::ZERO);
        tokio::pin!(timer);
        let mut beat = interval(BEAT_EVERY);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.start_due();
            let next = self.next();
            if let Some(next) = next {
                timer.as_mut().reset(self.origin + next);
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = beat.tick() => (self.beat)(self.plan.targets()),
                Some(ended) = self.looks.join_next_with_id() => self.finish(ended).await,
                Some(order) = orders.recv() => self.obey(order),
                () = &mut timer, if next.is_some() => {}
            }
        }
        let finish = async {
            while let Some(ended) = self.looks.join_next_with_id().await {
                self.finish(ended).await;
            }
        };
        if tokio::time::timeout(FINISH_WITHIN, finish).await.is_err() {
            tracing::warn!(unfinished = self.looks.len(), "looks cut off by the stop");
        }
    }

    fn has_room(&self) -> bool {
        self.running.len() < self.at_once_max
    }

    fn has_room_for_asked(&self) -> bool {
        self.running.len() < self.at_once_max + ASKED_BEYOND_MAX
    }

    /// When there will be something to begin; nothing before a look ends, or an order comes.
    fn next(&self) -> Option<Duration> {
        let asked = !self.asked_waiting.is_empty() && self.has_room_for_asked();
        let due = if asked { Some(Duration::ZERO) } else { None };
        let due = due.or_else(|| self.plan.next().filter(|_| self.has_room()));
        due.map(|due| due.max(self.paused_until))
    }

    fn start_due(&mut self) {
        let now = self.origin.elapsed();
        if now < self.paused_until {
            return;
        }
        let late =
            if self.pressed { now.saturating_sub(self.paused_until) } else { Duration::ZERO };
        let most = at_once(late);
        let mut begun = 0;
        while begun < most
            && self.has_room_for_asked()
            && let Some((name, since)) = self.asked_waiting.pop_front()
        {
            if let Some((target, within)) = self.plan.asked(&name) {
                self.start(target, within, true, since);
                begun += 1;
            }
        }
        while begun < most
            && self.has_room()
            && let Some(due) = self.plan.pop(now)
        {
            self.punctual.passed(due.missed);
            if self.busy.contains(&due.target.name) {
                self.punctual.overtaken();
            } else {
                let within = due.target.timeout;
                self.start(due.target, within, false, due.at);
                begun += 1;
            }
        }
        self.pressed = begun == most;
        if self.pressed {
            self.paused_until = now + PAUSE;
        }
    }

    fn start(&mut self, target: Arc<Target>, within: Duration, asked: bool, due: Duration) {
        let look = (self.look)(Arc::clone(&target), within, asked);
        let punctual = Arc::clone(&self.punctual);
        let due = self.origin + due;
        let look = async move {
            let begun = Instant::now();
            punctual.began(begun - due);
            (look.await, begun.elapsed())
        };
        let id = self.looks.spawn(look).id();
        if asked {
            self.asked_running += 1;
        } else {
            self.busy.insert(target.name.clone());
        }
        self.running.insert(id, (target, asked));
    }

    async fn finish(&mut self, ended: Result<(Id, (ProbeResult, Duration)), JoinError>) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        if let Some((target, asked)) = self.running.remove(&id) {
            if asked {
                self.asked_running -= 1;
            } else {
                self.busy.remove(&target.name);
            }
            match &ended {
                Ok((_, (result, took))) if result.outcome.is_ok() => self.plan.took(&target, *took),
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(target_name = %target.name, %error, "a look broke down");
                    self.punctual.overtaken();
                }
            }
        }
        if let Ok((_, (result, _))) = ended
            && self.results.send(result).await.is_err()
        {
            tracing::debug!("a result came after the end");
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Assign(targets) => {
                tracing::info!(targets = targets.len(), "new assignment");
                self.plan.replace(self.origin.elapsed(), targets);
            }
            Order::Look(names) => {
                let room = ASKED_WAITING_MAX - self.asked_waiting.len();
                if names.len() > room {
                    tracing::warn!(
                        dropped = names.len() - room,
                        "asked to look at too much at once"
                    );
                }
                let now = self.origin.elapsed();
                self.asked_waiting.extend(names.into_iter().take(room).map(|name| (name, now)));
            }
        }
    }
}

/// How many looks begin after a pause that was so much longer than [`PAUSE`].
fn at_once(late: Duration) -> usize {
    let more = late.as_micros() * BEGUN_AT_ONCE as u128 / PAUSE.as_micros();
    let more = usize::try_from(more).unwrap_or(BEGUN_AT_ONCE_MAX);
    more.saturating_add(BEGUN_AT_ONCE).min(BEGUN_AT_ONCE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_that_took_longer_lets_more_looks_begin() {
        let begun = [0, 200, 250, 1000, 4000, 15_000, 1_000_000]
            .map(|late_us| at_once(Duration::from_micros(late_us)));
        assert_eq!(begun, [4, 4, 5, 8, 20, 64, 64]);
        assert_eq!(at_once(Duration::MAX), 64);
    }
}
