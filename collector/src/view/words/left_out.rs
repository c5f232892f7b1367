//! Who looks at a service and is no witness to its fault.

use std::collections::BTreeSet;

use parallax_model::{AgentName, AgentSpec, Fault, Locus};

use super::super::Fleet;
use super::{place, say};

/// Agents of one fault that are named; more are counted.
const NAMES_MAX: usize = 4;

/// `Not counted: dublin, as the network of eu-west is at fault (f-2).` Without it nobody could say why of six
/// agents only five are told of. Said while the service's fault is open; `open` are the open faults.
pub(in super::super) fn left_out<'a>(
    fault: &Fault,
    fleet: &Fleet,
    open: impl Iterator<Item = &'a Fault>,
) -> Option<String> {
    let Locus::Service { target } = &fault.locus else { return None };
    let evidence = &fault.evidence;
    // of witnesses that are not listed nothing can be said
    let unlisted = evidence.for_count as usize > evidence.witnesses_for.len();
    if fault.ended.is_some() || unlisted {
        return None;
    }
    let witnesses = evidence.witnesses_for.iter().chain(&evidence.witnesses_against);
    let counted: BTreeSet<&AgentName> =
        witnesses.filter(|w| w.target == *target).map(|w| &w.agent).collect();
    let looks = &fleet.targets.get(target)?.agents;
    let others: Vec<&AgentSpec> = fleet
        .agents
        .values()
        .filter(|agent| looks.takes(agent) && !counted.contains(&agent.name))
        .collect();
    let told: Vec<String> = open
        .filter_map(|open| {
            let within = others.iter().filter(|agent| covers(&open.locus, agent));
            let names: Vec<&AgentName> = within.map(|agent| &agent.name).collect();
            let names = say::list(&names, NAMES_MAX);
            let (place, id) = (place(&open.locus), open.id);
            (!names.is_empty()).then(|| format!("{names}, as {place} is at fault ({id})"))
        })
        .collect();
    (!told.is_empty()).then(|| format!("Not counted: {}.", told.join("; ")))
}

/// True if the agent cannot see by that fault, whatever it looks at.
fn covers(locus: &Locus, agent: &AgentSpec) -> bool {
    match locus {
        Locus::Region { region } => agent.region.as_ref() == Some(region),
        Locus::Provider { provider } => agent.provider.as_ref() == Some(provider),
        Locus::Agent { agent: one } => agent.name == *one,
        Locus::Service { .. }
        | Locus::ServiceRegion { .. }
        | Locus::ServiceProvider { .. }
        | Locus::Dependency { .. }
        | Locus::Path { .. }
        | Locus::Collector => false,
    }
}
