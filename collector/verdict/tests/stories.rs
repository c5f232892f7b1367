//! Outage stories as data: `stories/*.toml` say what the world does and what must be said of it,
//! by when, and nothing else. A bug report becomes a file there.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use parallax_model::{
    AgentName, AgentSpec, Change, ErrorKind, FaultId, Outcome, Provider, Region, Role, TargetName,
    Timestamp,
};
use parallax_verdict::{Engine, Fleet, Observation, TargetSpec};
use serde::Deserialize;

const START_MS: i64 = 1_900_000_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Story {
    #[serde(rename = "about")]
    _about: String,
    /// `name region provider`, each but the name optional.
    agents: Vec<String>,
    /// `name`, `name reference`, or `name needs other`.
    targets: Vec<String>,
    interval_ms: i64,
    timeout_ms: i64,
    seconds: i64,
    #[serde(default)]
    trouble: Vec<Trouble>,
    #[serde(default)]
    say: Vec<Say>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Trouble {
    /// Agents whose looks suffer; none: all.
    #[serde(default)]
    agents: Vec<String>,
    /// Targets; none: all.
    #[serde(default)]
    targets: Vec<String>,
    from: f64,
    to: f64,
    /// An error kind, `slow`, `silent` or `late` (kept back, and delivered after).
    what: String,
    /// One look in so many suffers.
    #[serde(default = "one")]
    every: u64,
}

const fn one() -> u64 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Say {
    locus: String,
    /// The last state before it is over.
    state: String,
    opened: [f64; 2],
    closed: Option<[f64; 2]>,
    #[serde(default)]
    affected: Vec<String>,
    #[serde(default)]
    regions: Vec<String>,
    reason: Option<String>,
}

/// What was said of one fault in the end.
#[derive(Debug)]
struct Said {
    locus: String,
    state: String,
    opened: f64,
    closed: Option<f64>,
    affected: BTreeSet<String>,
    regions: Vec<String>,
    reason: Option<String>,
}

impl Story {
    fn fleet(&self) -> Fleet {
        let agents = self.agents.iter().map(|line| {
            let mut words = line.split(' ');
            let mut spec = AgentSpec::unlabelled(AgentName::new(words.next().unwrap()).unwrap());
            spec.region = words.next().map(|w| Region::new(w).unwrap());
            spec.provider = words.next().map(|w| Provider::new(w).unwrap());
            spec
        });
        let targets = self.targets.iter().map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let mut spec = TargetSpec::unknown(TargetName::new(words[0]).unwrap());
            spec.interval = Duration::from_millis(self.interval_ms as u64);
            spec.timeout = Duration::from_millis(self.timeout_ms as u64);
            match words.get(1) {
                Some(&"reference") => spec.role = Role::Reference,
                Some(_) => spec.depends_on = vec![TargetName::new(words[2]).unwrap()],
                None => {}
            }
            spec
        });
        Fleet { agents: agents.collect(), targets: targets.collect() }
    }

    fn looks(&self, fleet: &Fleet) -> Vec<Observation> {
        let mut looks = Vec::new();
        for (a, agent) in fleet.agents.iter().enumerate() {
            for (t, target) in fleet.targets.iter().enumerate() {
                let phase = (a as i64 * 7_919 + t as i64 * 104_729) % self.interval_ms;
                for n in 0..(self.seconds * 1000 - phase) / self.interval_ms {
                    let at_ms = phase + n * self.interval_ms;
                    let names = (agent.name.as_str(), target.name.as_str());
                    looks.extend(self.look(names, at_ms, n as u64 + a as u64));
                }
            }
        }
        looks.sort_by_key(|o| (o.received, o.agent.clone(), o.target.clone()));
        looks
    }

    fn look(&self, (agent, target): (&str, &str), at_ms: i64, n: u64) -> Option<Observation> {
        let (mut outcome, mut took_ms, mut delay_ms) = (Outcome::Ok, 40 + n as i64 % 5, 30);
        let at = at_ms as f64 / 1000.0;
        let hit =
            |names: &[String], name: &str| names.is_empty() || names.iter().any(|n| n == name);
        for trouble in &self.trouble {
            let now = trouble.from <= at && at < trouble.to && n.is_multiple_of(trouble.every);
            if !(now && hit(&trouble.agents, agent) && hit(&trouble.targets, target)) {
                continue;
            }
            match trouble.what.as_str() {
                "silent" => return None,
                "late" => delay_ms = ((trouble.to - at) * 1000.0) as i64 + 500,
                "slow" => took_ms *= 6,
                kind => outcome = Outcome::Fail(ErrorKind::from_word(kind).unwrap()),
            }
            if trouble.what.contains("timeout") {
                took_ms = self.timeout_ms;
            }
        }
        Some(Observation {
            received: Timestamp::from_millis(START_MS + at_ms + took_ms + delay_ms),
            started: Timestamp::from_millis(START_MS + at_ms),
            agent: AgentName::new(agent).unwrap(),
            target: TargetName::new(target).unwrap(),
            outcome,
            latency: Duration::from_millis(took_ms as u64),
        })
    }

    fn run(&self) -> Vec<Said> {
        let fleet = self.fleet();
        let mut engine = Engine::new(fleet.clone(), FaultId(1));
        let (mut out, mut all) = (Vec::new(), Vec::new());
        let mut clock = START_MS;
        for look in self.looks(&fleet) {
            while clock + 1000 <= look.received.millis() {
                clock += 1000;
                engine.tick(Timestamp::from_millis(clock), &mut out);
            }
            engine.observe(&look, &mut out);
            all.append(&mut out);
        }
        said(&all)
    }
}

fn said(changes: &[Change]) -> Vec<Said> {
    let mut said: Vec<(FaultId, Said)> = Vec::new();
    let seconds = |t: Timestamp| (t.millis() - START_MS) as f64 / 1000.0;
    for change in changes {
        let (Change::Opened(f) | Change::Updated(f) | Change::Closed(f)) = change else { continue };
        let before = said.iter().position(|(id, _)| *id == f.id);
        assert_eq!(before.is_none(), matches!(change, Change::Opened(_)), "{change:?}");
        let old = before.map(|i| said.remove(i).1);
        let now = Said {
            locus: f.locus.to_string(),
            state: f.state.as_str().to_owned(),
            opened: seconds(f.opened),
            closed: f.ended.map(|_| seconds(f.updated)),
            affected: f.affected_targets.iter().map(ToString::to_string).collect(),
            regions: f.regions.iter().map(ToString::to_string).collect(),
            reason: f.reason.map(|r| r.as_str().to_owned()),
        };
        assert!(old.is_none_or(|o| o.closed.is_none()), "a closed fault was told of again");
        said.push((f.id, now));
    }
    said.sort_by_key(|(id, _)| *id);
    said.into_iter().map(|(_, s)| s).collect()
}

fn within([from, to]: [f64; 2], at: f64) -> bool {
    from <= at && at <= to
}

/// What a story's end differs in.
fn check(story: &Story) -> Result<(), String> {
    let said = story.run();
    let loci = |of: Vec<&str>| of.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let mut wanted = loci(story.say.iter().map(|s| s.locus.as_str()).collect());
    let mut got = loci(said.iter().map(|s| s.locus.as_str()).collect());
    wanted.sort();
    got.sort();
    if got != wanted {
        return Err(format!("said {said:#?}"));
    }
    for want in &story.say {
        let Some(got) = said.iter().find(|s| s.locus == want.locus) else { continue };
        let same = within(want.opened, got.opened)
            && got.state == want.state
            && got.affected == want.affected.iter().cloned().collect()
            && got.regions == want.regions
            && got.reason == want.reason
            && match (want.closed, got.closed) {
                (Some(span), Some(at)) => within(span, at),
                (want, got) => want.is_none() && got.is_none(),
            };
        if !same {
            return Err(format!("said {got:?}"));
        }
    }
    Ok(())
}

#[test]
fn every_story_ends_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("stories");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 15, "only {} stories", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        let story: Story = toml::from_str(&text).unwrap_or_else(|why| panic!("{name}: {why}"));
        if let Err(why) = check(&story) {
            wrong.push(format!("{name}: {why}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
