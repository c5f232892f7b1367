//! Which agents look at a target.

use std::collections::BTreeMap;

use crate::{AgentName, AgentSpec, Provider, Region, Site};

/// Which agents look at a target: those of whom everything holds that is said. Within one list one
/// entry is enough; an empty list says nothing. The empty selector takes every agent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector {
    /// Names.
    pub names: Vec<AgentName>,
    /// Regions.
    pub regions: Vec<Region>,
    /// Providers.
    pub providers: Vec<Provider>,
    /// Sites.
    pub sites: Vec<Site>,
    /// Labels, and the values one of which each must have.
    pub labels: BTreeMap<String, Vec<String>>,
}

impl Selector {
    /// True if `agent` is to look.
    pub fn takes(&self, agent: &AgentSpec) -> bool {
        let label = |(key, values): (&String, &Vec<String>)| any(values, agent.labels.get(key));
        any(&self.names, Some(&agent.name))
            && any(&self.regions, agent.region.as_ref())
            && any(&self.providers, agent.provider.as_ref())
            && any(&self.sites, agent.site.as_ref())
            && self.labels.iter().all(label)
    }
}

fn any<T: PartialEq>(wanted: &[T], has: Option<&T>) -> bool {
    wanted.is_empty() || has.is_some_and(|has| wanted.contains(has))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(name: &str, region: Option<&str>, tier: Option<&str>) -> AgentSpec {
        let mut agent = AgentSpec::unlabelled(AgentName::new(name).unwrap());
        agent.region = region.map(|r| Region::new(r).unwrap());
        agent.labels.extend(tier.map(|t| ("tier".to_owned(), t.to_owned())));
        agent
    }

    #[test]
    fn one_of_each_list_is_enough_and_every_list_counts() {
        let eu = agent("a", Some("eu"), Some("edge"));
        let us = agent("b", Some("us"), None);
        let nowhere = agent("c", None, Some("core"));
        let taken = |s: &Selector| [&eu, &us, &nowhere].map(|a| s.takes(a));
        assert_eq!(taken(&Selector::default()), [true, true, true]);
        let regions = ["eu", "us"].map(|r| Region::new(r).unwrap()).to_vec();
        let mut selector = Selector { regions, ..Selector::default() };
        assert_eq!(taken(&selector), [true, true, false]);
        selector.labels.insert("tier".into(), vec!["edge".into(), "core".into()]);
        assert_eq!(taken(&selector), [true, false, false]);
        selector.names = vec![AgentName::new("b").unwrap()];
        assert_eq!(taken(&selector), [false, false, false]);
    }
}
