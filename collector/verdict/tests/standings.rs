//! What is said of targets, over outages made up at random.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(unreachable_pub, dead_code, reason = "modules shared with the stories")]

#[path = "story/law.rs"]
mod law;
#[path = "story/scale.rs"]
mod scale;

use std::time::Duration;

use parallax_model::fault::TargetState;
use parallax_model::{
    AgentName, AgentSpec, ErrorKind, FaultId, Outcome, Provider, Region, Role, TargetName,
    Timestamp,
};
use parallax_verdict::{Engine, Fleet, Observation, TargetSpec};
use proptest::prelude::*;

use law::Heard;

const START_MS: i64 = 1_900_000_000_000;
/// `t1` needs `t0`, `t2` stands alone, `ref` is a reference.
const TARGETS: [&str; 4] = ["t0", "t1", "t2", "ref"];
const KINDS: [ErrorKind; 4] =
    [ErrorKind::Status5xx, ErrorKind::Timeout, ErrorKind::ConnectRefused, ErrorKind::DnsServfail];
/// Rounds after which a target that nobody reaches must not be called anything but bad: a window's
/// worth of looks, and a dependant's time to recover after what it needs did.
const PATIENCE: usize = 20;
/// … but for so many rounds, while a fault that it was listed under ends and its own is opened.
const HANDOVER: usize = 8;

/// Some agents (bits) fail to see some targets (bits) from one round until another.
#[derive(Debug, Clone)]
struct Trouble {
    agents: u8,
    targets: u8,
    from: usize,
    rounds: usize,
    kind: usize,
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let agents = prop_oneof![2 => Just(0xff_u8), 1 => any::<u8>()];
    (agents, 1..16_u8, 40..90_usize, 1..50_usize, 0..KINDS.len()).prop_map(
        |(agents, targets, from, rounds, kind)| Trouble { agents, targets, from, rounds, kind },
    )
}

fn fleet(agents: usize, interval_ms: u64) -> Fleet {
    let agents = (0..agents).map(|a| AgentSpec {
        region: Some(Region::new(&format!("r{}", a % 3)).unwrap()),
        provider: Some(Provider::new(&format!("p{a}")).unwrap()),
        ..AgentSpec::unlabelled(AgentName::new(&format!("a{a}")).unwrap())
    });
    let targets = TARGETS.iter().map(|name| TargetSpec {
        role: if *name == "ref" { Role::Reference } else { Role::Service },
        interval: Duration::from_millis(interval_ms),
        timeout: Duration::from_millis(interval_ms / 2),
        depends_on: if *name == "t1" { vec![TargetName::new("t0").unwrap()] } else { Vec::new() },
        ..TargetSpec::unknown(TargetName::new(name).unwrap())
    });
    Fleet { agents: agents.collect(), targets: targets.collect() }
}

struct Play {
    fleet: Fleet,
    interval_ms: i64,
    troubles: Vec<Trouble>,
}

impl Play {
    fn fails(&self, agent: usize, target: usize, round: usize) -> Option<ErrorKind> {
        let hit = |t: &&Trouble| {
            (t.from..t.from + t.rounds).contains(&round)
                && t.agents >> agent & 1 == 1
                && t.targets >> target & 1 == 1
        };
        self.troubles.iter().find(hit).map(|t| KINDS[t.kind])
    }

    /// Rounds for which nobody has seen this target, while everybody saw all others.
    fn alone_in_the_dark(&self, target: usize, round: usize) -> usize {
        let agents = 0..self.fleet.agents.len();
        let dark = |r: &usize| {
            let sees = |t: usize| agents.clone().all(|a| self.fails(a, t, *r).is_none());
            let others = (0..TARGETS.len()).filter(|t| *t != target).all(sees);
            agents.clone().all(|a| self.fails(a, target, *r).is_some()) && others
        };
        (0..=round).rev().take_while(dark).count()
    }

    fn play(&self) -> Result<(), String> {
        let mut engine = Engine::new(self.fleet.clone(), FaultId(1));
        let (mut out, mut heard) = (Vec::new(), Heard::default());
        let mut bad_at = [0; 2];
        for round in 0..140 {
            let begin = START_MS + round as i64 * self.interval_ms;
            for (a, agent) in self.fleet.agents.iter().enumerate() {
                for (t, target) in self.fleet.targets.iter().enumerate() {
                    let started = begin + (a * 130 + t * 70) as i64 % self.interval_ms;
                    let observation = Observation {
                        received: Timestamp::from_millis(begin + self.interval_ms - 1),
                        started: Timestamp::from_millis(started),
                        agent: agent.name.clone(),
                        target: target.name.clone(),
                        outcome: self.fails(a, t, round).map_or(Outcome::Ok, Outcome::Fail),
                        latency: Duration::from_millis(20),
                    };
                    heard.hear(&observation);
                    engine.observe(&observation, &mut out);
                }
            }
            let now = begin + self.interval_ms - 1;
            engine.tick(Timestamp::from_millis(now), &mut out);
            let standings = engine.standings(Timestamp::from_millis(now));
            heard.check(&self.fleet, &standings, now).map_err(|why| format!("{round}: {why}"))?;
            for (t, name) in TARGETS.iter().enumerate().take(2) {
                let stands = standings.iter().find(|s| s.target.as_str() == *name).unwrap();
                let bad = matches!(stands.state, TargetState::Down | TargetState::Degraded);
                if bad {
                    bad_at[t] = round;
                }
                if round - bad_at[t] > HANDOVER && self.alone_in_the_dark(t, round) > PATIENCE {
                    let said: Vec<_> = engine.open_faults().map(|f| f.locus.to_string()).collect();
                    return Err(format!("{round}: nobody sees {name}: {stands:?}, {said:?}"));
                }
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(scale::cases(96, 1_000)))]

    #[test]
    fn a_target_is_never_up_while_nobody_sees_it(
        agents in 1..6_usize,
        interval_ms in prop_oneof![Just(1_000_u64), Just(5_000), Just(30_000)],
        troubles in prop::collection::vec(trouble(), 1..4),
    ) {
        let fleet = fleet(agents, interval_ms);
        let play = Play { fleet, interval_ms: interval_ms as i64, troubles };
        prop_assert_eq!(play.play(), Ok(()));
    }
}
