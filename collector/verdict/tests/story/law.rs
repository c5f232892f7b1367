//! What holds of standings whatever happens, checked over every story.

use std::collections::BTreeMap;

use parallax_model::fault::{Standing, TargetState};
use parallax_model::{AgentName, Outcome, Role, TargetName};
use parallax_verdict::{Fleet, Observation};

/// Looks that are recent.
const RECENT: usize = 3;

/// The latest looks of every path, as anybody can count them.
#[derive(Default)]
pub struct Heard {
    paths: BTreeMap<TargetName, BTreeMap<AgentName, Path>>,
}

/// When it was heard last, ms, and which of the latest looks failed, by start, newest first.
type Path = (i64, Vec<(i64, bool)>);

impl Heard {
    pub fn hear(&mut self, o: &Observation) {
        let paths = self.paths.entry(o.target.clone()).or_default();
        let (heard, looks) = paths.entry(o.agent.clone()).or_default();
        *heard = o.received.millis();
        looks.push((o.started.millis(), matches!(o.outcome, Outcome::Fail(_))));
        looks.sort_unstable_by_key(|look| std::cmp::Reverse(look.0));
        looks.truncate(RECENT);
    }

    /// A target is never said to be up while nobody who looks at it can see it.
    pub fn check(&self, fleet: &Fleet, standings: &[Standing], now: i64) -> Result<(), String> {
        for target in fleet.targets.iter().filter(|t| t.role == Role::Service) {
            let Some(paths) = self.paths.get(&target.name) else { continue };
            let fresh = (target.interval * 3 + target.timeout).as_millis() as i64;
            let looks: Vec<&(i64, bool)> = paths
                .values()
                .filter(|(heard, _)| now - heard <= fresh)
                .flat_map(|(_, looks)| looks)
                .collect();
            let stands = standings.iter().find(|s| s.target == target.name).unwrap();
            if stands.state == TargetState::Up && looks.iter().all(|(_, failed)| *failed) {
                return Err(format!("{} is up while all {looks:?} fail", target.name));
            }
        }
        Ok(())
    }
}
