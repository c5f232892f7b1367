//! The practice world itself: five servers, and a link for every way an agent goes.
//!
//! Contract: all deeds of story and visitor go through here; each is done when the call returns.
//! Never: an address beyond loopback.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use parallax_agent::CollectorUrl;
use parallax_model::AgentName;

use super::error::PracticeError;
use super::link::{Link, LinkState};
use super::map::{self, PLACES, Place, TARGETS};
use super::service::{Mode, Service};
use super::story::Deed;

/// The word for the link to the collector where a target's name could stand.
pub const COLLECTOR: &str = "collector";

/// The word for all links of an agent where a target's name could stand.
pub const ALL: &str = "all";

/// One way: from an agent to a target or the collector.
#[derive(Debug)]
pub struct Way {
    /// From where.
    pub from: &'static Place,
    /// To which target, or [`COLLECTOR`].
    pub to: &'static str,
    /// The link.
    pub link: Link,
}

/// The servers and links. Dropping it ends them all.
#[derive(Debug)]
pub struct World {
    services: BTreeMap<&'static str, Service>,
    ways: Vec<Way>,
}

impl World {
    /// Opens everything, healthy. Links to the collector lead there once [`World::collector_at`] has
    /// said where it is.
    pub async fn open() -> Result<Self, PracticeError> {
        let mut services = BTreeMap::new();
        for &(name, _, kind) in TARGETS {
            let service = Service::open(name, kind).await.map_err(PracticeError::Loopback)?;
            services.insert(name, service);
        }
        let mut ways = Vec::new();
        for from in PLACES {
            for &to in services.keys().chain([&COLLECTOR]) {
                let link = Link::open(from.delay).map_err(PracticeError::Loopback)?;
                if let Some(service) = services.get(to) {
                    link.lead_to(service.addr());
                }
                ways.push(Way { from, to, link });
            }
        }
        Ok(Self { services, ways })
    }

    /// Says where the collector hears agents.
    pub fn collector_at(&self, addr: SocketAddr) {
        for way in self.ways.iter().filter(|way| way.to == COLLECTOR) {
            way.link.lead_to(addr);
        }
    }

    /// The services and references, by name.
    pub const fn services(&self) -> &BTreeMap<&'static str, Service> {
        &self.services
    }

    /// Every way.
    pub fn ways(&self) -> &[Way] {
        &self.ways
    }

    /// How the agent at `place` is set up, with its folder below `data_dir`.
    pub fn agent_config(
        &self,
        place: &Place,
        data_dir: &Path,
    ) -> Result<parallax_agent::Config, PracticeError> {
        let mut connect_to = BTreeMap::new();
        let mut collector = None;
        for way in self.ways.iter().filter(|way| way.from.agent == place.agent) {
            if way.to == COLLECTOR {
                collector = Some(way.link.addr());
            } else {
                connect_to.insert(map::host(way.to), way.link.addr());
            }
        }
        let collector = collector.ok_or(PracticeError::NoLink(place.agent))?;
        let url = CollectorUrl::new(&format!("http://{collector}"))?;
        let folder = data_dir.join("agents").join(place.agent);
        let mut config = parallax_agent::Config::new(AgentName::new(place.agent)?, url, folder);
        config.connect_to = connect_to;
        Ok(config)
    }

    /// Does what a step of the story says.
    pub fn act(&self, deed: Deed) {
        match deed {
            Deed::Wait => {}
            Deed::CutProbes { region } => {
                self.set_region(region, LinkState::Cut);
            }
            Deed::Switch { service, mode } => {
                self.set_service(service, mode);
            }
            Deed::Heal => self.heal(),
        }
    }

    /// Sets the probe links of a region; its links to the collector stay. False if there is no such
    /// region.
    pub fn set_region(&self, region: &str, state: LinkState) -> bool {
        self.set_ways(state, |way| way.from.region == region && way.to != COLLECTOR)
    }

    /// Sets an agent's link to a target, to [`COLLECTOR`], or [`ALL`] its links. False if there is
    /// no such link.
    pub fn set_links(&self, agent: &str, to: &str, state: LinkState) -> bool {
        self.set_ways(state, |way| way.from.agent == agent && (to == ALL || way.to == to))
    }

    /// Switches a service or reference. False if there is none of that name, or if it has no such switch.
    pub fn set_service(&self, name: &str, mode: Mode) -> bool {
        let Some(service) = self.services.get(name) else { return false };
        if !service.set(mode) {
            return false;
        }
        for way in self.ways.iter().filter(|way| way.to == name) {
            way.link.far_end_refuses(mode == Mode::Refuse);
        }
        true
    }

    /// Makes everything work again.
    pub fn heal(&self) {
        self.set_ways(LinkState::Open, |_| true);
        for &name in self.services.keys() {
            self.set_service(name, Mode::Healthy);
        }
    }

    fn set_ways(&self, state: LinkState, which: impl Fn(&Way) -> bool) -> bool {
        let mut any = false;
        for way in self.ways.iter().filter(|way| which(way)) {
            way.link.set(state);
            any = true;
        }
        any
    }
}

#[cfg(test)]
mod tests;
