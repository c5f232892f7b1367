//! The staged story, as data: what is done to the world, and what must be said of it.
//!
//! Contract: [`STORY`] is all there is to the story; the stage plays it, the judge judges it.
//! Never: code that decides.

use std::time::Duration;

use parallax_model::{Locus, Region, TargetName};

use super::service::Mode;

/// The latest a conclusion may come. A look a second and the second opinion make two to three
/// seconds usual; five leave room for a busy machine and are what the story promises.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// How long the stage looks on after calm or healing, for something false to be said.
pub const LINGER: Duration = Duration::from_secs(3);

/// How long a fault stands before it is healed: long enough for a visitor to look at the page, for
/// an engine that changes its mind to do so, and for the fault to be a settled one: what began
/// moments ago often comes again, so its end is told later.
pub const FAULT_LINGER: Duration = Duration::from_secs(10);

/// The latest the calm may come: agents start, connect and look, on a machine that may be building.
pub const CALM_DEADLINE: Duration = Duration::from_secs(20);

/// One step of the story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Its name in the summary.
    pub name: &'static str,
    /// What is done, as a visitor reads it.
    pub told: &'static str,
    /// What is done.
    pub deed: Deed,
    /// What must be concluded.
    pub expected: Expected,
    /// The latest it may be concluded, from the deed on.
    pub deadline: Duration,
    /// How long the stage looks on after it.
    pub linger: Duration,
}

/// What is done to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Nothing.
    Wait,
    /// Every probe link of the region is cut; the link to the collector stays.
    CutProbes {
        /// The region.
        region: &'static str,
    },
    /// The service behaves so.
    Switch {
        /// The service.
        service: &'static str,
        /// How.
        mode: Mode,
    },
    /// Everything works again.
    Heal,
}

/// What must be concluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// All services are up, seen from everywhere, and nothing is wrong.
    Calm,
    /// A fault here, and no other.
    Fault(Place),
    /// The fault here has ended.
    Over(Place),
}

/// A locus that can stand in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The network of this region.
    Region(&'static str),
    /// This service, everywhere.
    Service(&'static str),
}

impl Place {
    /// True if `locus` is this place.
    pub fn is(self, locus: &Locus) -> bool {
        self.locus().as_ref() == Some(locus)
    }

    fn locus(self) -> Option<Locus> {
        match self {
            Self::Region(region) => Region::new(region).ok().map(|region| Locus::Region { region }),
            Self::Service(target) => {
                TargetName::new(target).ok().map(|target| Locus::Service { target })
            }
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Region(region) => write!(f, "region {region}"),
            Self::Service(service) => write!(f, "service {service}"),
        }
    }
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Calm => f.write_str("nothing wrong"),
            Self::Fault(place) => write!(f, "{place}"),
            Self::Over(place) => write!(f, "{place} over"),
        }
    }
}

/// The story.
pub const STORY: &[Step] = &[
    Step {
        name: "calm",
        told: "leaving the world alone",
        deed: Deed::Wait,
        expected: Expected::Calm,
        deadline: CALM_DEADLINE,
        linger: LINGER,
    },
    Step {
        name: "region cut",
        told: "cutting every probe link of eu-west; its link to the collector stays",
        deed: Deed::CutProbes { region: "eu-west" },
        expected: Expected::Fault(Place::Region("eu-west")),
        deadline: DEADLINE,
        linger: FAULT_LINGER,
    },
    Step {
        name: "healed",
        told: "healing the links of eu-west",
        deed: Deed::Heal,
        expected: Expected::Over(Place::Region("eu-west")),
        deadline: DEADLINE,
        linger: LINGER,
    },
    Step {
        name: "global outage",
        told: "making shop answer \"internal server error\" to everybody",
        deed: Deed::Switch { service: "shop", mode: Mode::Error },
        expected: Expected::Fault(Place::Service("shop")),
        deadline: DEADLINE,
        linger: FAULT_LINGER,
    },
    Step {
        name: "healed",
        told: "letting shop work again",
        deed: Deed::Heal,
        expected: Expected::Over(Place::Service("shop")),
        deadline: DEADLINE,
        linger: LINGER,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_the_story_is_a_locus_and_every_fault_is_healed() {
        let mut open = None;
        for step in STORY {
            match step.expected {
                Expected::Calm => assert_eq!(open, None),
                Expected::Fault(place) => {
                    assert!(place.locus().is_some(), "{place}");
                    assert_eq!(open.replace(place), None, "one fault at a time");
                }
                Expected::Over(place) => assert_eq!(open.take(), Some(place)),
            }
        }
        assert_eq!(open, None, "the story ends healed");
    }

    #[test]
    fn the_whole_story_is_well_under_ninety_seconds() {
        let longest: Duration = STORY.iter().map(|step| step.deadline + step.linger).sum();
        assert!(longest < Duration::from_secs(75), "{longest:?}");
    }
}
