//! A fleet and its looks, without end: everybody looks at everything once an interval.

use std::time::Duration;

use parallax_model::{
    AgentName, AgentSpec, ErrorKind, Outcome, Provider, Region, Role, Selector, Sensitivity,
    TargetName, Timestamp,
};
use parallax_verdict::{Fleet, Observation, TargetSpec};

const START_MS: i64 = 1_800_000_000_000;
pub(crate) const INTERVAL_MS: i64 = 30_000;
/// Regions and providers of the fleet: with twenty agents each stands in a domain of its own.
const REGIONS: usize = 5;
const PROVIDERS: usize = 4;

/// What is wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wrong {
    /// Nothing, ever.
    Nothing,
    /// One look in so many fails for no reason.
    OneIn(u64),
    /// The first target answers 500, to everybody.
    FirstTarget,
}

/// Looks, one after the other.
pub(crate) struct Looks {
    agents: usize,
    targets: usize,
    wrong: Wrong,
    round: Vec<Observation>,
    next: usize,
    laps: i64,
    state: u64,
    /// How many failed so far.
    pub(crate) failed: u64,
}

impl Looks {
    pub(crate) fn new(agents: usize, targets: usize, wrong: Wrong) -> Self {
        let paths = agents * targets;
        let names: Vec<AgentName> = (0..agents).map(agent_name).collect();
        let target_names: Vec<TargetName> = (0..targets).map(target_name).collect();
        // an agent goes through its targets, all agents side by side
        let look = |at: usize| Observation {
            received: ms(received(at, paths)),
            started: ms(received(at, paths) - 90),
            agent: names[at % agents].clone(),
            target: target_names[at / agents].clone(),
            outcome: Outcome::Ok,
            latency: Duration::from_micros(40_000 + (at as u64 * 7_919) % 9_000),
        };
        let round = (0..paths).map(look).collect();
        Self { agents, targets, wrong, round, next: 0, laps: 0, state: 1, failed: 0 }
    }

    pub(crate) fn fleet(&self) -> Fleet {
        let agent = |a: usize| AgentSpec {
            region: Some(Region::new(&format!("region-{}", a % REGIONS)).unwrap()),
            provider: Some(
                Provider::new(&format!("provider-{}", a / REGIONS % PROVIDERS)).unwrap(),
            ),
            ..AgentSpec::unlabelled(agent_name(a))
        };
        let target = |t: usize| TargetSpec {
            name: target_name(t),
            role: Role::Service,
            interval: Duration::from_millis(INTERVAL_MS as u64),
            timeout: Duration::from_secs(5),
            depends_on: Vec::new(),
            agents: Selector::default(),
            sensitivity: Sensitivity::default(),
            policy: None,
        };
        Fleet {
            agents: (0..self.agents).map(agent).collect(),
            targets: (0..self.targets).map(target).collect(),
        }
    }

    /// How many make a round.
    pub(crate) fn paths(&self) -> usize {
        self.round.len()
    }

    /// From now on this is wrong.
    pub(crate) fn set(&mut self, wrong: Wrong) {
        (self.wrong, self.failed) = (wrong, 0);
    }

    /// The next look.
    pub(crate) fn look(&mut self) -> &Observation {
        let (at, paths) = (self.next, self.round.len());
        self.next += 1;
        let now = received(at, paths) + self.laps * INTERVAL_MS;
        if self.next == paths {
            (self.next, self.laps) = (0, self.laps + 1);
        }
        let fails = match self.wrong {
            Wrong::Nothing => false,
            Wrong::OneIn(n) => self.draw().is_multiple_of(n),
            Wrong::FirstTarget => at < self.agents,
        };
        self.failed += u64::from(fails);
        let look = &mut self.round[at];
        look.received = ms(now);
        look.started = ms(now - 90);
        look.outcome = if fails { Outcome::Fail(ErrorKind::Status5xx) } else { Outcome::Ok };
        look
    }

    fn draw(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state >> 11
    }
}

fn received(at: usize, paths: usize) -> i64 {
    START_MS + at as i64 * INTERVAL_MS / paths as i64
}

fn agent_name(a: usize) -> AgentName {
    AgentName::new(&format!("agent-{a}")).unwrap()
}

fn target_name(t: usize) -> TargetName {
    TargetName::new(&format!("target-{t}")).unwrap()
}

const fn ms(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}
