//! One agent: how it fares, what it sees, and what is wrong that has to do with it.

use std::sync::Arc;

use parallax_model::{AgentName, AgentSpec, Fault, FaultId, Locus, Timestamp};

use super::live::Live;
use super::read::is_fresh;
use super::{AgentRow, PathRow, words};

/// An agent, what it sees, and the open faults that touch it.
#[derive(Debug, Clone)]
pub struct AgentView {
    /// As declared, and how it fares.
    pub row: AgentRow,
    /// Its ways to targets, by target.
    pub paths: Vec<PathRow>,
    /// Open faults of it, of where it stands, or seen from it; the worst first.
    pub faults: Vec<FaultId>,
}

impl Live {
    pub(super) fn agent(&self, name: &AgentName, now: Timestamp) -> Option<AgentView> {
        let row = self.agents().into_iter().find(|row| row.spec.name == *name)?;
        let path = |(target, paths): (_, &std::collections::HashMap<AgentName, _>)| {
            let (target, path) = (self.fleet.targets.get(target)?, paths.get(name)?);
            Some(PathRow {
                agent: name.clone(),
                target: target.name.clone(),
                fresh: is_fresh(target, path, now),
                path: super::Path::clone(path),
            })
        };
        let mut paths: Vec<PathRow> = self.paths.iter().filter_map(path).collect();
        paths.sort_by(|a, b| a.target.cmp(&b.target));
        let mut faults: Vec<&Arc<Fault>> =
            self.open.values().filter(|fault| touches(fault, &row.spec)).collect();
        faults.sort_by_key(|fault| (words::rank(fault), fault.id));
        Some(AgentView { row, paths, faults: faults.into_iter().map(|f| f.id).collect() })
    }
}

fn touches(fault: &Fault, agent: &AgentSpec) -> bool {
    let of_it = match &fault.locus {
        Locus::Agent { agent: one } | Locus::Path { agent: one, .. } => *one == agent.name,
        Locus::Region { region } => agent.region.as_ref() == Some(region),
        Locus::Provider { provider } => agent.provider.as_ref() == Some(provider),
        Locus::Collector => true,
        Locus::Service { .. }
        | Locus::ServiceRegion { .. }
        | Locus::ServiceProvider { .. }
        | Locus::Dependency { .. } => false,
    };
    of_it || fault.evidence.witnesses_for.iter().any(|w| w.agent == agent.name)
}

#[cfg(test)]
mod tests {
    use super::super::made_up;
    use super::*;

    #[test]
    fn what_touches_an_agent_is_of_it_or_of_its_place_or_seen_from_it() {
        let agent = made_up::agent("eu-west");
        let at = |locus| Fault { locus, ..Fault { ended: None, ..made_up::outage(3) } };
        let mut elsewhere = at(Locus::Region { region: made_up::name("us-east") });
        elsewhere.evidence.witnesses_for.retain(|w| w.agent != agent.name);
        let here = |locus| touches(&Fault { locus, ..elsewhere.clone() }, &agent);
        assert!(!touches(&elsewhere, &agent));
        assert!(touches(&made_up::outage(2), &agent), "it is among those who fail");
        assert!(here(Locus::Region { region: made_up::name("eu-west") }));
        assert!(here(Locus::Provider { provider: made_up::name("hetzner") }));
        assert!(here(Locus::Agent { agent: agent.name.clone() }));
        assert!(!here(Locus::Agent { agent: made_up::name("us-east-1") }));
    }
}
