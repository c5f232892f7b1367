//! The slots of all targets, as pure arithmetic.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use parallax_model::{AgentName, Target, TargetName, second_look_timeout};

/// A slot wanders by up to this part of its interval, so that nothing that repeats in the network
/// falls into step with it.
const JITTER_PART: u32 = 50;

/// Slots within this part of an interval …
const TOGETHER_PART: u32 = 100;

/// … and within this time are one wake-up.
const TOGETHER_MAX: Duration = Duration::from_millis(40);

/// A new target's first look comes within this time, however long its interval: whoever has just
/// added it wants to know.
const FIRST_LOOK_WITHIN: Duration = Duration::from_secs(5);

/// What is due when. All times are durations since an origin that the caller keeps.
#[derive(Debug)]
pub struct Plan {
    agent: AgentName,
    /// By name.
    entries: Vec<Entry>,
    due: BinaryHeap<Reverse<(Duration, usize)>>,
}

#[derive(Debug)]
struct Entry {
    target: Arc<Target>,
    seed: u64,
    due: Duration,
    /// The slot that is due; none for the early first look.
    slot: Option<u64>,
    /// How long the latest good look took since the check was assigned, in ms: ten thousand targets have one each.
    usual_ms: Option<u32>,
}

/// A target whose slot has come.
#[derive(Debug)]
pub struct Due {
    /// The target.
    pub target: Arc<Target>,
    /// When its slot came.
    pub at: Duration,
    /// Slots before this one that passed unserved.
    pub missed: u64,
}

impl Plan {
    /// A plan without targets.
    pub fn new(agent: AgentName) -> Self {
        Self { agent, entries: Vec::new(), due: BinaryHeap::new() }
    }

    /// When the next slot comes.
    pub fn next(&self) -> Option<Duration> {
        self.due.peek().map(|Reverse((due, _))| *due)
    }

    /// How many targets there are.
    pub fn targets(&self) -> usize {
        self.entries.len()
    }

    /// The target of that name, and how long a look at it may take that was asked for.
    pub fn asked(&self, name: &TargetName) -> Option<(Arc<Target>, Duration)> {
        let entry = self.entries.get(self.position(name)?)?;
        let usual = entry.usual_ms.map(|ms| Duration::from_millis(ms.into()));
        Some((Arc::clone(&entry.target), second_look_timeout(entry.target.timeout, usual)))
    }

    /// A good look took so long. One at a target that was assigned anew meanwhile says nothing.
    pub fn took(&mut self, target: &Arc<Target>, time: Duration) {
        let entry = self.position(&target.name).and_then(|at| self.entries.get_mut(at));
        if let Some(entry) = entry.filter(|entry| Arc::ptr_eq(&entry.target, target)) {
            entry.usual_ms = u32::try_from(time.as_millis()).ok();
        }
    }

    /// Replaces all targets. One that keeps its name and interval keeps its slots, also one that is
    /// due and not served yet; one that keeps its check is known to take as long as before.
    pub fn replace(&mut self, now: Duration, mut targets: Vec<Target>) {
        let mut old: HashMap<TargetName, Entry> =
            self.entries.drain(..).map(|e| (e.target.name.clone(), e)).collect();
        targets.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        for target in targets {
            let known = old.remove(&target.name);
            let same = known.as_ref().filter(|e| e.target.check == target.check);
            let usual_ms = same.and_then(|e| e.usual_ms);
            let kept = known.filter(|e| e.target.interval == target.interval);
            let target = Arc::new(target);
            self.entries.push(match kept {
                Some(entry) => Entry { target, usual_ms, ..entry },
                None => Entry { usual_ms, ..Entry::new(&self.agent, target, now) },
            });
        }
        let due = |(at, entry): (usize, &Entry)| Reverse((entry.due, at));
        self.due = self.entries.iter().enumerate().map(due).collect();
    }

    /// The next target whose slot has come. Of several slots that have passed, the last is served.
    pub fn pop(&mut self, now: Duration) -> Option<Due> {
        let Reverse((_, at)) = *self.due.peek().filter(|Reverse((due, _))| *due <= now)?;
        self.due.pop();
        let entry = self.entries.get_mut(at)?;
        let (came, missed) = entry.serve(now);
        self.due.push(Reverse((entry.due, at)));
        Some(Due { target: Arc::clone(&entry.target), at: came, missed })
    }

    fn position(&self, name: &TargetName) -> Option<usize> {
        self.entries.binary_search_by(|entry| entry.target.name.cmp(name)).ok()
    }
}

impl Entry {
    fn new(agent: &AgentName, target: Arc<Target>, now: Duration) -> Self {
        let seed = hash(&(agent.as_str(), target.name.as_str()));
        let interval = target.interval;
        let mut entry = Self { target, seed, due: now, slot: None, usual_ms: None };
        if interval > FIRST_LOOK_WITHIN {
            entry.due = together(interval, now + FIRST_LOOK_WITHIN.mul_f64(fraction(seed)));
        } else {
            entry.aim_at(entry.last_slot(now).map_or(0, |slot| slot + 1));
        }
        entry
    }

    /// Moves on to the next slot; says when the one that is served came, and how many have passed
    /// unserved.
    fn serve(&mut self, now: Duration) -> (Duration, u64) {
        let Some(slot) = self.slot else {
            let came = self.due;
            // the early look stands for the slot it is near to
            let near = now + self.target.interval / 2;
            self.aim_at(self.last_slot(near).map_or(0, |slot| slot + 1));
            return (came, 0);
        };
        let served = self.last_slot(now).map_or(slot, |last| last.max(slot));
        let came = self.time_of(served);
        self.aim_at(served + 1);
        (came, served - slot)
    }

    fn aim_at(&mut self, slot: u64) {
        self.slot = Some(slot);
        self.due = self.time_of(slot);
    }

    /// The last slot that has come by `now`.
    fn last_slot(&self, now: Duration) -> Option<u64> {
        let phase = self.target.interval.mul_f64(fraction(self.seed));
        let whole = now.checked_sub(phase)?.as_nanos() / self.target.interval.as_nanos().max(1);
        let slot = u64::try_from(whole).unwrap_or(u64::MAX);
        if self.time_of(slot) <= now { Some(slot) } else { slot.checked_sub(1) }
    }

    fn time_of(&self, slot: u64) -> Duration {
        let interval = self.target.interval;
        let phase = interval.mul_f64(fraction(self.seed));
        let jitter = (interval / JITTER_PART).mul_f64(fraction(hash(&(self.seed, slot))));
        let whole = interval.as_nanos().saturating_mul(slot.into());
        let whole = Duration::from_nanos(u64::try_from(whole).unwrap_or(u64::MAX));
        together(interval, whole.saturating_add(phase).saturating_add(jitter))
    }
}

/// Slots that come close to one another come together: one wake-up serves them all, which is what a
/// look costs at ordinary rates.
fn together(interval: Duration, at: Duration) -> Duration {
    let grid = (interval / TOGETHER_PART).min(TOGETHER_MAX);
    let late = at.as_nanos().checked_rem(grid.as_nanos()).filter(|late| *late > 0);
    match late {
        Some(late) => at.saturating_add(grid.saturating_sub(Duration::from_nanos(late as u64))),
        None => at,
    }
}

/// The same for the same words, in every process of this build; nothing is kept that would outlive it.
fn hash(words: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    words.hash(&mut hasher);
    hasher.finish()
}

/// A hash as a number in 0..1.
fn fraction(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use parallax_model::{Check, Role, Selector, Sensitivity, TcpCheck};
    use proptest::prelude::*;

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

    fn plan(targets: Vec<Target>) -> Plan {
        let mut plan = Plan::new(AgentName::new("a").unwrap());
        plan.replace(Duration::ZERO, targets);
        plan
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_thousand_targets_spread_over_their_interval() {
        let targets = (0..1000).map(|n| target(&format!("t{n}"), SECOND)).collect();
        let mut plan = plan(targets);
        let mut tenths = [0; 10];
        while let Some(due) = plan.next().filter(|due| *due < SECOND) {
            plan.pop(due).unwrap();
            tenths[(due.as_millis() / 100) as usize] += 1;
        }
        assert!(tenths.iter().all(|&n| (60..=140).contains(&n)), "{tenths:?}");
    }

    #[test]
    fn a_long_interval_begins_with_an_early_look() {
        let mut plan = plan(vec![target("t", Duration::from_mins(10))]);
        let first = plan.next().unwrap();
        assert!(first < FIRST_LOOK_WITHIN);
        assert_eq!(plan.pop(first).unwrap().missed, 0);
        let second = plan.next().unwrap();
        assert!(
            second > first + Duration::from_mins(5) && second < first + Duration::from_mins(16)
        );
    }

    #[test]
    fn slots_that_passed_are_counted_and_not_made_up_for() {
        let mut plan = plan(vec![target("t", SECOND)]);
        let first = plan.next().unwrap();
        let late = first + 10 * SECOND + SECOND / 2;
        let due = plan.pop(late).unwrap();
        assert_eq!(due.missed, 10);
        assert!(plan.next().unwrap() > late && plan.pop(late).is_none());
    }

    #[test]
    fn what_is_usual_is_known_until_the_check_changes() {
        let patient = |name| Target { timeout: 5 * SECOND, ..target(name, SECOND) };
        let within = |plan: &Plan, name| plan.asked(&TargetName::new(name).unwrap()).unwrap().1;
        let mut plan = plan(vec![patient("shop"), patient("auth")]);
        let shop = plan.asked(&TargetName::new("shop").unwrap()).unwrap().0;
        plan.took(&shop, SECOND / 2);
        assert_eq!((within(&plan, "shop"), within(&plan, "auth")), (3 * SECOND, 5 * SECOND));

        let rarer = Target { interval: 9 * SECOND, ..patient("shop") };
        plan.replace(SECOND, vec![patient("bank"), rarer.clone(), patient("auth")]);
        assert_eq!((within(&plan, "shop"), within(&plan, "bank")), (3 * SECOND, 5 * SECOND));

        let elsewhere = Check::Tcp(TcpCheck::to("b:1"));
        plan.replace(SECOND, vec![Target { check: elsewhere, ..rarer }]);
        assert_eq!(within(&plan, "shop"), 5 * SECOND);
        // a look that began before
        plan.took(&shop, SECOND / 2);
        assert_eq!(within(&plan, "shop"), 5 * SECOND);
    }

    proptest! {
        #[test]
        fn every_slot_is_served_or_missed_once(
            interval_ms in 1..5000_u64,
            steps in prop::collection::vec(0..20_000_u64, 1..60),
        ) {
            let interval = Duration::from_millis(interval_ms);
            let mut plan = plan(vec![target("t", interval)]);
            let (mut now, mut counted) = (Duration::ZERO, 0);
            for step in steps {
                now += Duration::from_millis(step);
                while let Some(due) = plan.pop(now) {
                    counted += 1 + due.missed;
                }
                prop_assert!(plan.next().unwrap() > now);
                let passed = now.as_nanos() / interval.as_nanos();
                prop_assert!((passed.saturating_sub(1)..=passed + 1).contains(&counted.into()),
                    "{counted} of {passed}");
            }
        }

        #[test]
        fn replacing_keeps_the_slots_of_what_stays(
            at_ms in 0..10_000_u64,
            served in 0..10_usize,
        ) {
            let stays = || target("stays", Duration::from_secs(3));
            let (mut left, mut right) = (plan(vec![stays()]), plan(vec![stays()]));
            for _ in 0..served {
                let due = left.next().unwrap();
                left.pop(due).unwrap();
                right.pop(due).unwrap();
            }
            let now = Duration::from_millis(at_ms);
            right.replace(now, vec![target("new", SECOND), stays(), target("other", SECOND)]);
            right.replace(now, vec![stays()]);
            prop_assert_eq!(left.next(), right.next());
        }
    }
}
