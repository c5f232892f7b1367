//! Who looks: where agents really stand, and what their labels say of it.

use std::time::Duration;

use parallax_model::{
    AgentName, AgentSpec, Provider, Region, Role, Selector, Sensitivity, Site, TargetName,
};
use parallax_verdict::{Fleet, TargetSpec};

use crate::plan::{INTERVAL_MS, Plan, REFERENCES};
use crate::rng::Rng;

/// Where an agent really stands, as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The region.
    pub region: usize,
    /// The provider.
    pub provider: usize,
    /// The data centre of that provider there.
    pub site: usize,
}

/// A fleet, and the truth about it.
#[derive(Debug, Clone)]
pub struct Truth {
    /// As declared.
    pub fleet: Fleet,
    /// Where each agent stands.
    pub places: Vec<Place>,
    /// True for agents whose labels say so.
    pub honest: Vec<bool>,
    /// How many regions there are.
    pub regions: usize,
}

/// Share of worlds in which some agents have no labels, and in which one has another's.
const UNLABELLED: f64 = 0.25;
const MISLABELLED: f64 = 0.2;
/// Fleets smaller than this know their agents by heart.
const LABELS_LOST_FROM: usize = 12;
/// Share of worlds whose targets are not all looked at at one pace.
const MIXED: f64 = 0.33;
/// Paces of those.
const PACES_S: [u64; 5] = [10, 20, 30, 60, 120];

/// Makes the fleet of a plan.
pub fn make(plan: &Plan, rng: &mut Rng) -> Truth {
    let places = places(plan.agents, rng);
    let mut agents: Vec<AgentSpec> =
        places.iter().enumerate().map(|(id, p)| spec(id, *p, plan.agents)).collect();
    let mut honest = vec![true; agents.len()];
    if plan.agents >= LABELS_LOST_FROM && rng.chance(UNLABELLED) {
        for _ in 0..=plan.agents / 30 {
            let at = rng.below(agents.len());
            agents[at] = AgentSpec::unlabelled(agents[at].name.clone());
            honest[at] = false;
        }
    }
    if plan.agents >= LABELS_LOST_FROM && rng.chance(MISLABELLED) {
        let (at, like) = (rng.below(agents.len()), rng.below(agents.len()));
        let name = agents[at].name.clone();
        agents[at] = AgentSpec { name, ..agents[like].clone() };
        honest[at] = places[at] == places[like];
    }
    let regions = places.iter().map(|p| p.region).max().unwrap_or(0) + 1;
    Truth { fleet: Fleet { agents, targets: targets(plan, rng) }, places, honest, regions }
}

/// The number of regions and providers of a fleet of that size.
const fn extent(agents: usize) -> (usize, usize) {
    match agents {
        0..=5 => (agents, agents),
        6..=12 => (4, 5),
        13..=30 => (6, 7),
        31..=100 => (9, 8),
        _ => (50, 12),
    }
}

/// Small fleets stand one agent a region; in larger ones some regions are crowded and some are not.
fn places(agents: usize, rng: &mut Rng) -> Vec<Place> {
    let (regions, providers) = extent(agents);
    (0..agents)
        .map(|id| {
            if agents <= 5 {
                return Place { region: id, provider: id, site: 0 };
            }
            let region = if id < 2 * regions { id % regions } else { skewed(regions, rng) };
            // a few of the providers are in each region
            let provider = (region * 3 + rng.below(3)) % providers;
            Place { region, provider, site: rng.below(2) }
        })
        .collect()
}

/// Low numbers more often.
fn skewed(n: usize, rng: &mut Rng) -> usize {
    rng.below(n).min(rng.below(n))
}

fn spec(id: usize, place: Place, agents: usize) -> AgentSpec {
    let Place { region, provider, site } = place;
    AgentSpec {
        region: Some(Region::new(&format!("region-{region}")).unwrap()),
        provider: Some(Provider::new(&format!("provider-{provider}")).unwrap()),
        // only some owners say in which data centre they are
        site: (agents > 5 && region % 2 == 0)
            .then(|| Site::new(&format!("dc-{region}-{provider}-{site}")).unwrap()),
        ..AgentSpec::unlabelled(AgentName::new(&format!("agent-{id}")).unwrap())
    }
}

fn targets(plan: &Plan, rng: &mut Rng) -> Vec<TargetSpec> {
    let mixed = rng.chance(MIXED);
    (0..plan.services + REFERENCES)
        .map(|t| {
            let (name, role) = if t < plan.services {
                (format!("svc-{t}"), Role::Service)
            } else {
                (format!("ref-{}", t - plan.services), Role::Reference)
            };
            // the first services are where faults are staged: their pace is the table's
            let pace_s =
                if mixed && t >= 4 { *rng.pick(&PACES_S) } else { INTERVAL_MS as u64 / 1000 };
            TargetSpec {
                name: TargetName::new(&name).unwrap(),
                role,
                interval: Duration::from_secs(pace_s),
                timeout: Duration::from_secs(5),
                depends_on: Vec::new(),
                agents: Selector::default(),
                sensitivity: Sensitivity::default(),
                policy: None,
            }
        })
        .collect()
}
