//! The same world by other names, and in their order.

use parallax_verdict::{Fleet, Observation};
use proptest::prelude::*;

use crate::small;
use crate::world::{TARGETS, World};

/// Other names for everything.
#[derive(Debug, Clone)]
pub struct Names {
    agents: Vec<usize>,
    regions: Vec<usize>,
    providers: Vec<usize>,
    targets: Vec<usize>,
}

pub fn names() -> impl Strategy<Value = Names> {
    let shuffled = |n: usize| Just((0..n).collect::<Vec<usize>>()).prop_shuffle();
    (shuffled(10), shuffled(4), shuffled(3), shuffled(TARGETS)).prop_map(
        |(agents, regions, providers, targets)| Names { agents, regions, providers, targets },
    )
}

impl Names {
    fn other(&self, word: &str) -> Option<String> {
        let (letter, number) = word.split_at_checked(1)?;
        let of = match letter {
            "a" => &self.agents,
            "r" => &self.regions,
            "p" => &self.providers,
            "t" => &self.targets,
            _ => return None,
        };
        let other = of.get(number.parse::<usize>().ok()?)?;
        Some(format!("{letter}{other}"))
    }

    /// The locus in these names.
    pub fn locus(&self, locus: &str) -> String {
        let ends = |c: char| !c.is_alphanumeric() && c != '_';
        let words = locus.split_inclusive(ends).map(|part| {
            let (word, mark) = part
                .strip_suffix(ends)
                .map_or((part, ""), |word| (word, part.get(word.len()..).unwrap()));
            self.other(word).unwrap_or_else(|| word.to_owned()) + mark
        });
        words.collect()
    }

    /// The same fleet by these names, and in their order.
    pub fn fleet(&self, world: &World) -> Fleet {
        let mut fleet = world.fleet();
        let agents = world.places.iter().enumerate().map(|(n, (region, provider))| {
            small::spec(self.agents[n], (self.regions[*region], self.providers[*provider]))
        });
        fleet.agents = agents.collect();
        fleet.agents.sort_by(|a, b| a.name.cmp(&b.name));
        fleet
    }

    pub fn looks(&self, looks: &[Observation]) -> Vec<Observation> {
        let number = |name: &str| name.get(1..).unwrap().parse::<usize>().unwrap();
        let renamed = looks.iter().map(|o| Observation {
            agent: small::agent(self.agents[number(o.agent.as_str())]),
            target: small::target(self.targets[number(o.target.as_str())]),
            ..o.clone()
        });
        renamed.collect()
    }
}
