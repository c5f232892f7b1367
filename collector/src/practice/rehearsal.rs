//! The story in made-up time: engine and judge, without a socket.
//!
//! What the real story does in forty seconds is played here in milliseconds, under many phases of
//! the agents' schedules and with the odd look gone wrong, so that a change of the engine that
//! spoils the story shows before anybody watches it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parallax_model::fault::Standing;
use parallax_model::{Change, ErrorKind, FaultId, Outcome, Region, Target, TargetName, Timestamp};
use parallax_verdict::{Engine, Fleet, Observation};

use super::judge::{Judge, Remark, Ruling};
use super::map::{self, PLACES};
use super::service::Mode;
use super::story::{Deed, STORY, Step};
use crate::config::Config;
use crate::view::EventBody;

/// How finely time passes.
const STEP_MS: i64 = 10;

/// How often the engine is told the time.
const TICK_MS: i64 = 250;

/// How long a healthy look takes, and how long results of successes are gathered, in ms.
const LOOK_MS: i64 = 60;
const GATHER_MS: i64 = 200;

struct Rehearsal {
    config: Config,
    engine: Engine,
    judge: Judge,
    standings: BTreeMap<TargetName, Standing>,
    random: fastrand::Rng,
    phases: Vec<i64>,
    /// Looks under way, by when they are heard of.
    under_way: BTreeMap<(i64, u64), Observation>,
    looks: u64,
    now: i64,
    cut: Option<Region>,
    failing: Option<&'static str>,
    /// One look in so many goes wrong for no reason.
    noise: Option<u64>,
}

impl Rehearsal {
    fn new(seed: u64, noise: Option<u64>) -> Self {
        let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let config = map::config(nowhere, nowhere, "unused".into()).unwrap();
        let fleet = Fleet {
            agents: config.agents.clone(),
            targets: config.targets.iter().map(Into::into).collect(),
        };
        let mut random = fastrand::Rng::with_seed(seed);
        let paths = config.agents.len() * config.targets.len();
        let services = map::services().map(|s| TargetName::new(s).unwrap()).collect();
        Self {
            engine: Engine::new(fleet, FaultId(1)),
            judge: Judge::new(services, PLACES.len() as u32),
            standings: BTreeMap::new(),
            phases: (0..paths).map(|_| random.i64(0..100) * STEP_MS).collect(),
            random,
            config,
            under_way: BTreeMap::new(),
            looks: 0,
            now: 0,
            cut: None,
            failing: None,
            noise,
        }
    }

    fn play(mut self) -> Vec<Ruling> {
        for step in STORY {
            self.step(*step);
        }
        self.judge.rulings().to_vec()
    }

    fn step(&mut self, step: Step) {
        match step.deed {
            Deed::Wait => {}
            Deed::CutProbes { region } => self.cut = Some(Region::new(region).unwrap()),
            Deed::Switch { service, mode } => {
                assert_eq!(mode, Mode::Error, "the rehearsal knows no other");
                self.failing = Some(service);
            }
            Deed::Heal => (self.cut, self.failing) = (None, None),
        }
        self.judge.begin(self.at(), step);
        let mut until = self.now + ms(step.deadline) + 10_000;
        while self.now < until {
            if self.pass() {
                until = self.now + ms(step.linger);
            }
        }
    }

    /// Lets a moment pass; true if the step was concluded in it.
    fn pass(&mut self) -> bool {
        self.now += STEP_MS;
        self.look();
        let mut changes = Vec::new();
        while let Some(due) = self.under_way.first_entry().filter(|due| due.key().0 <= self.now) {
            self.engine.observe(&due.remove(), &mut changes);
        }
        self.engine.settle(&mut changes);
        let ticks = self.now % TICK_MS == 0;
        if ticks {
            self.engine.tick(wall(self.now), &mut changes);
        }
        let mut said: Vec<EventBody> = changes.into_iter().filter_map(event).collect();
        if ticks || !said.is_empty() {
            said.extend(self.new_standings());
        }
        let at = self.at();
        let remarks: Vec<Remark> = said.iter().map(|said| self.judge.hear(at, said)).collect();
        remarks.iter().any(|remark| matches!(remark, Remark::Concluded { .. }))
    }

    fn new_standings(&mut self) -> Vec<EventBody> {
        let mut new = self.engine.standings(wall(self.now));
        new.retain(|s| self.standings.insert(s.target.clone(), s.clone()).as_ref() != Some(s));
        new.into_iter().map(EventBody::Standing).collect()
    }

    /// Begins the looks that are due.
    fn look(&mut self) {
        let pairs = self
            .config
            .agents
            .iter()
            .flat_map(|agent| self.config.targets.iter().map(move |target| (agent, target)));
        let due: Vec<_> = pairs
            .zip(&self.phases)
            .filter(|&(_, &phase)| self.now % 1000 == phase)
            .map(|((agent, target), _)| {
                let cut = self.cut.is_some() && agent.region == self.cut;
                (agent.name.clone(), target.clone(), cut)
            })
            .collect();
        for (agent, target, cut) in due {
            let (outcome, took) = self.sees(&target, cut);
            let gather = if outcome.is_ok() { GATHER_MS } else { STEP_MS };
            let seen = Observation {
                received: wall(self.now + took + gather),
                started: wall(self.now),
                agent,
                target: target.name,
                outcome,
                latency: Duration::from_millis(took as u64),
            };
            self.looks += 1;
            self.under_way.insert((self.now + took + gather, self.looks), seen);
        }
    }

    fn sees(&mut self, target: &Target, cut: bool) -> (Outcome, i64) {
        let hiccup = self.noise.is_some_and(|n| self.random.u64(0..n) == 0);
        if cut || hiccup {
            (Outcome::Fail(ErrorKind::ConnectTimeout), ms(target.timeout))
        } else if self.failing == Some(target.name.as_str()) {
            (Outcome::Fail(ErrorKind::Status5xx), LOOK_MS)
        } else {
            (Outcome::Ok, LOOK_MS)
        }
    }

    fn at(&self) -> Duration {
        Duration::from_millis(self.now as u64)
    }
}

fn ms(d: Duration) -> i64 {
    d.as_millis() as i64
}

fn wall(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_735_221_600_000 + ms)
}

fn event(change: Change) -> Option<EventBody> {
    match change {
        Change::Opened(fault) => Some(EventBody::Opened(Arc::from(fault))),
        Change::Updated(fault) => Some(EventBody::Updated(Arc::from(fault))),
        Change::Closed(fault) => Some(EventBody::Closed(Arc::from(fault))),
        Change::Ask(_) => None,
    }
}

/// Rehearses under many schedules; every step must be right under every one.
fn rehearse(seeds: std::ops::Range<u64>, noise: Option<u64>) {
    let mut wrong = Vec::new();
    for seed in seeds {
        for ruling in Rehearsal::new(seed, noise).play() {
            if !ruling.is_right() {
                wrong.push(format!("seed {seed}, {}: {ruling}", ruling.step.name));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_story_is_told_right_whenever_the_agents_happen_to_look() {
    rehearse(0..30, None);
}

#[test]
fn a_look_that_goes_wrong_now_and_then_spoils_nothing() {
    rehearse(100..130, Some(100));
}
