//! The engine against an oracle that tries every small set of faults.
//!
//! Worlds are small and clean: up to five agents, two services and a reference, one or two faults that fail
//! every look they cover. There the best explanation is the cheapest set of loci that covers just the paths
//! that fail, and can be had by trying all sets. The costs are those of the README; where two sets are
//! nearly as good (`DECIDED_NATS`) nobody can say, and nothing is compared.
//! The long form (`PARALLAX_LONG=1`) has 10,000 worlds; `WORLDS` says another number.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a count belongs beside the result")]
#![allow(unreachable_pub, dead_code, reason = "modules shared with the stories")]

#[path = "story/rng.rs"]
mod rng;
#[path = "story/scale.rs"]
mod scale;

use std::collections::BTreeSet;
use std::time::Duration;

use parallax_model::{
    AgentName, AgentSpec, ErrorKind, FaultId, Outcome, Provider, Region, Role, TargetName,
    Timestamp,
};
use parallax_verdict::{Engine, Fleet, Observation, TargetSpec};

use rng::Rng;

const START_MS: i64 = 1_900_000_000_000;
const TARGETS: [&str; 3] = ["t0", "t1", "ref"];
const REFERENCE: usize = 2;
const INTERVAL_MS: i64 = 10_000;
/// Rounds before the first fault and until the end: a window's worth of looks, twice.
const QUIET: usize = 30;
const ROUNDS: usize = 64;
/// Most faults in a set that is tried.
const TRIED_MAX: usize = 3;
/// The best set must beat the next by so much to be the answer: what the engine asks of a verdict, too.
const DECIDED_NATS: f64 = 6.0;

/// Worlds of a hundred in which both must say the same. Where they do not, the engine mostly stays with what it
/// opened when less had failed: see the README.
const AGREE_PERCENT: usize = 96;

/// Paths as bits: agent × target.
type Paths = u32;

struct World {
    /// (region, provider) of each agent.
    agents: Vec<(usize, usize)>,
    /// Paths that fail, and from which round on.
    faults: Vec<(Paths, usize)>,
    kind: ErrorKind,
}

struct Locus {
    word: String,
    paths: Paths,
    cost: f64,
    told: bool,
}

impl World {
    fn new(rng: &mut Rng) -> Self {
        let agents: Vec<(usize, usize)> =
            (0..3 + rng.below(3)).map(|_| (rng.below(4), rng.below(3))).collect();
        let kinds = [ErrorKind::Timeout, ErrorKind::ConnectTimeout, ErrorKind::Reset];
        let mut world = Self { agents, faults: Vec::new(), kind: *rng.pick(&kinds) };
        let loci = world.loci();
        for _ in 0..=rng.below(2) {
            world.faults.push((rng.pick(&loci).paths, QUIET + rng.below(8)));
        }
        world
    }

    fn failing(&self) -> Paths {
        self.faults.iter().fold(0, |all, (paths, _)| all | paths)
    }

    fn paths(&self, covers: impl Fn(usize, usize) -> bool) -> Paths {
        let all = (0..self.agents.len()).flat_map(|a| (0..TARGETS.len()).map(move |t| (a, t)));
        all.filter(|&(a, t)| covers(a, t)).fold(0, |bits, (a, t)| bits | bit(a, t))
    }

    /// Every locus, each set of paths once under its first word, in the order of the README.
    fn loci(&self) -> Vec<Locus> {
        let regions: BTreeSet<usize> = self.agents.iter().map(|a| a.0).collect();
        let providers: BTreeSet<usize> = self.agents.iter().map(|a| a.1).collect();
        let agent = |a: usize| self.agents[a];
        let mut all: Vec<(String, Paths, f64, bool)> = Vec::new();
        let of_targets = |each: &mut dyn FnMut(usize, &str, bool)| {
            for (t, name) in TARGETS.iter().enumerate() {
                each(t, name, t != REFERENCE);
            }
        };
        of_targets(&mut |t, name, told| {
            all.push((format!("service{{target={name}}}"), self.paths(|_, x| x == t), 10.0, told));
        });
        of_targets(&mut |t, name, told| {
            for &r in &regions {
                let word = format!("service_region{{target={name}, region=r{r}}}");
                all.push((word, self.paths(|a, x| x == t && agent(a).0 == r), 9.0, told));
            }
        });
        of_targets(&mut |t, name, told| {
            for &p in &providers {
                let word = format!("service_provider{{target={name}, provider=p{p}}}");
                all.push((word, self.paths(|a, x| x == t && agent(a).1 == p), 9.5, told));
            }
        });
        of_targets(&mut |t, name, told| {
            for a in 0..self.agents.len() {
                let word = format!("path{{target={name}, agent=a{a}}}");
                all.push((word, bit(a, t), 8.5, told));
            }
        });
        for &r in &regions {
            all.push((
                format!("region{{region=r{r}}}"),
                self.paths(|a, _| agent(a).0 == r),
                10.0,
                true,
            ));
        }
        for &p in &providers {
            let paths = self.paths(|a, _| agent(a).1 == p);
            all.push((format!("provider{{provider=p{p}}}"), paths, 10.5, true));
        }
        for a in 0..self.agents.len() {
            all.push((format!("agent{{agent=a{a}}}"), self.paths(|x, _| x == a), 10.0, true));
        }
        let mut seen = BTreeSet::new();
        all.retain(|(_, paths, ..)| seen.insert(*paths));
        all.into_iter().map(|(word, paths, cost, told)| Locus { word, paths, cost, told }).collect()
    }

    /// The cheapest set that covers just what fails; none if the next is nearly as cheap.
    fn answer(&self) -> Option<BTreeSet<String>> {
        let (loci, wanted) = (self.loci(), self.failing());
        let fit: Vec<&Locus> = loci.iter().filter(|l| l.paths & !wanted == 0).collect();
        let mut found: Vec<(f64, Vec<&Locus>)> = Vec::new();
        let mut stack: Vec<(usize, Vec<&Locus>)> = vec![(0, Vec::new())];
        while let Some((next, chosen)) = stack.pop() {
            if chosen.iter().fold(0, |all, l| all | l.paths) == wanted {
                found.push((chosen.iter().map(|l| l.cost).sum(), chosen.clone()));
                continue;
            }
            if chosen.len() < TRIED_MAX {
                for (at, locus) in fit.iter().enumerate().skip(next) {
                    stack.push((at + 1, chosen.iter().copied().chain([*locus]).collect()));
                }
            }
        }
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (best, loci) = found.first()?;
        if found.get(1).is_some_and(|(next, _)| next - best < DECIDED_NATS) {
            return None;
        }
        Some(loci.iter().filter(|l| l.told).map(|l| l.word.clone()).collect())
    }

    fn fleet(&self) -> Fleet {
        let agents = self.agents.iter().enumerate().map(|(i, (region, provider))| AgentSpec {
            region: Some(Region::new(&format!("r{region}")).unwrap()),
            provider: Some(Provider::new(&format!("p{provider}")).unwrap()),
            ..AgentSpec::unlabelled(AgentName::new(&format!("a{i}")).unwrap())
        });
        let targets = TARGETS.iter().enumerate().map(|(t, name)| TargetSpec {
            role: if t == REFERENCE { Role::Reference } else { Role::Service },
            interval: Duration::from_millis(INTERVAL_MS as u64),
            timeout: Duration::from_secs(2),
            ..TargetSpec::unknown(TargetName::new(name).unwrap())
        });
        Fleet { agents: agents.collect(), targets: targets.collect() }
    }

    /// What the engine has open at the end.
    fn verdict(&self, rng: &mut Rng) -> BTreeSet<String> {
        let fleet = self.fleet();
        let mut engine = Engine::new(fleet.clone(), FaultId(1));
        let mut looks: Vec<(i64, Observation)> = Vec::new();
        for (a, agent) in fleet.agents.iter().enumerate() {
            for (t, target) in fleet.targets.iter().enumerate() {
                let phase = rng.below(INTERVAL_MS as usize) as i64;
                for round in 0..ROUNDS {
                    let bad =
                        self.faults.iter().any(|(p, from)| p & bit(a, t) != 0 && round >= *from);
                    let started = START_MS + round as i64 * INTERVAL_MS + phase;
                    let received = Timestamp::from_millis(started + 60);
                    looks.push((
                        started,
                        Observation {
                            received,
                            started: Timestamp::from_millis(started),
                            agent: agent.name.clone(),
                            target: target.name.clone(),
                            outcome: if bad { Outcome::Fail(self.kind) } else { Outcome::Ok },
                            latency: Duration::from_millis(30),
                        },
                    ));
                }
            }
        }
        looks.sort_by_key(|l| l.0);
        let (mut out, mut clock) = (Vec::new(), START_MS);
        for (at, look) in looks {
            while clock + 1000 <= at {
                clock += 1000;
                engine.tick(Timestamp::from_millis(clock), &mut out);
            }
            engine.observe(&look, &mut out);
        }
        engine.open_faults().map(|f| f.locus.to_string()).collect()
    }
}

const fn bit(agent: usize, target: usize) -> Paths {
    1 << (agent * TARGETS.len() + target)
}

#[test]
fn the_engine_says_what_trying_everything_says() {
    let worlds: u64 =
        std::env::var("WORLDS").map_or_else(|_| scale::cases(300, 10_000), |n| n.parse().unwrap());
    let (mut decided, mut wrong) = (0, Vec::new());
    for seed in 0..worlds {
        let mut rng = Rng::new(seed);
        let world = World::new(&mut rng);
        let Some(answer) = world.answer() else { continue };
        decided += 1;
        let said = world.verdict(&mut rng);
        if said != answer {
            wrong.push(format!(
                "{seed}: {:?} {:?}: said {said:?}, oracle {answer:?}",
                world.agents, world.kind
            ));
        }
    }
    eprintln!("{worlds} worlds, {decided} decided, {} agree", decided - wrong.len());
    assert!(decided as u64 * 2 > worlds, "only {decided} worlds say anything");
    eprintln!("{}", wrong.join("\n"));
    let agree = decided - wrong.len();
    assert!(agree * 100 >= decided * AGREE_PERCENT, "{agree} of {decided} agree");
}
