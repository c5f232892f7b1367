//! Where a fault is, in words.

use std::collections::BTreeSet;

use parallax_model::{ErrorKind, Fault, FaultState, Locus, Reason};

use super::say;

/// A locus as a noun: `the network of eu-west`.
pub fn place(locus: &Locus) -> String {
    match locus {
        Locus::Service { target } => format!("{target} itself"),
        Locus::ServiceRegion { target, region } => format!("{target} in {region}"),
        Locus::ServiceProvider { target, provider } => format!("{target} for {provider}"),
        Locus::Dependency { target, dependency } => format!("{dependency}, which {target} needs"),
        Locus::Region { region } => format!("the network of {region}"),
        Locus::Provider { provider } => format!("the network of {provider}"),
        Locus::Agent { agent } => format!("agent {agent} alone"),
        Locus::Path { agent, target } => format!("the path from {agent} to {target}"),
        Locus::Collector => "this collector".to_owned(),
    }
}

/// What is wrong and where, as one clause without a full stop; of an ended fault, what was.
pub(super) fn title(fault: &Fault) -> String {
    let what = what(fault);
    let recovering = fault.ended.is_none() && fault.evidence.good_since.is_some();
    if recovering { format!("{what}, recovering") } else { what }
}

fn what(fault: &Fault) -> String {
    let over = fault.ended.is_some();
    let is = if over { "was" } else { "is" };
    let bad = match (fault.reason, fault.state) {
        (Some(Reason::Slow), _) => "slow",
        (_, FaultState::Down) => "down",
        (_, FaultState::Degraded) => "degraded",
    };
    match &fault.locus {
        Locus::Service { target } if is_alone(fault) => {
            format!("{target} {is} {bad}, seen from one place only")
        }
        Locus::Service { target } if fault.regions.is_empty() => {
            format!("{target} {is} {bad} everywhere")
        }
        Locus::Service { target } => {
            format!("{target} {is} {bad} in {}", say::list(&fault.regions, 5))
        }
        Locus::ServiceRegion { target, region } => format!("{target} {is} {bad} in {region}"),
        Locus::ServiceProvider { target, provider } if refuses(fault) => {
            format!("{target} {} {provider}", if over { "refused" } else { "refuses" })
        }
        Locus::ServiceProvider { target, provider } => {
            format!("{target} {is} {bad} for {provider}")
        }
        Locus::Dependency { target, dependency } => {
            format!("{target} {is} {bad} because of {dependency}")
        }
        Locus::Region { region } => format!("The network of {region} {is} {}", network(fault)),
        Locus::Provider { provider } => {
            format!("The network of {provider} {is} {}", network(fault))
        }
        Locus::Agent { agent } => format!("Agent {agent} {}", sight(fault, over)),
        Locus::Path { agent, target } => match fault.reason {
            Some(Reason::Slow) => format!("{target} {is} slow from {agent} only"),
            Some(Reason::Silent) | None => {
                let only = if is_alone(fault) { "" } else { "Only " };
                format!("{only}{agent} {} {target}", reach(fault, over))
            }
        },
        Locus::Collector => format!("This collector {is} cut off"),
    }
}

const fn network(fault: &Fault) -> &'static str {
    match (fault.reason, fault.state) {
        (Some(Reason::Slow), _) => "slow",
        (_, FaultState::Down) => "cut off",
        (_, FaultState::Degraded) => "in trouble",
    }
}

const fn sight(fault: &Fault, over: bool) -> &'static str {
    match (fault.reason, fault.state, over) {
        (Some(Reason::Silent), _, false) => "has fallen silent",
        (Some(Reason::Silent), _, true) => "was silent",
        (_, FaultState::Down, false) => "cannot see",
        (_, FaultState::Down, true) => "could not see",
        (_, FaultState::Degraded, false) => "sees badly",
        (_, FaultState::Degraded, true) => "saw badly",
    }
}

const fn reach(fault: &Fault, over: bool) -> &'static str {
    match (fault.state, over) {
        (FaultState::Down, false) => "cannot reach",
        (FaultState::Down, true) => "could not reach",
        (FaultState::Degraded, false) => "has trouble reaching",
        (FaultState::Degraded, true) => "had trouble reaching",
    }
}

/// True if most failing looks were refused by a service that answers others.
pub(super) fn refuses(fault: &Fault) -> bool {
    fault.evidence.kinds.first().is_some_and(|(kind, _)| *kind == ErrorKind::Blocked)
}

/// True if nobody else could have seen it, or nobody else looked.
pub(super) fn is_alone(fault: &Fault) -> bool {
    let evidence = &fault.evidence;
    let witnesses = || evidence.witnesses_for.iter().chain(&evidence.witnesses_against);
    let about = || witnesses().filter(|w| Some(&w.target) == fault.locus.target());
    let agents = || about().map(|w| &w.agent).collect::<BTreeSet<_>>().len();
    fault.coverage.assigned <= 1 || (fault.coverage.domains <= 1 && agents() == 1)
}

/// What follows for the reader; `blind` are those who fail if no reference answers them either.
pub(super) fn aside(fault: &Fault, blind: bool) -> &'static str {
    match &fault.locus {
        // one witness cannot tell its own way from the service
        Locus::Service { .. } if is_alone(fault) => {
            "one place cannot tell its network from the service"
        }
        // by its evidence it is the service; what would clear the network is missing
        Locus::Service { .. } | Locus::Dependency { .. } if blind => match fault.reason {
            Some(Reason::Slow) => {
                "the references are slow there, too: it may be the network of all who look"
            }
            Some(Reason::Silent) | None => {
                "the references fail there, too: it may be the network of all who look"
            }
        },
        Locus::Service { .. } => "not your network",
        Locus::Dependency { .. } => "not the service's own fault",
        Locus::Region { .. } | Locus::Provider { .. } if is_alone(fault) => {
            "one place cannot tell its network from the services"
        }
        Locus::Region { .. } | Locus::Provider { .. } => "not the services",
        Locus::Agent { .. } => "no word about any service",
        Locus::Path { .. } if is_alone(fault) => "seen from here alone: it may be this network",
        // not that it is fine elsewhere: another region may be told beside it
        Locus::ServiceRegion { .. } | Locus::ServiceProvider { .. } | Locus::Path { .. } => {
            "others reach it"
        }
        Locus::Collector => "nothing can be said of anything else",
    }
}
