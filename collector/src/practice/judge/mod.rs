//! Was it right? Judges what was said against the story, from what the API shows and nothing else.
//!
//! Contract: pure. Time comes in as the time since the story began; changes come in the order in
//! which they were said. One [`Ruling`] for each step that was begun.
//! A step is right only if what it expects was concluded, in time, and everything said during it is
//! true: no other fault, no other locus on the way to the right one, no end before the end, and no
//! target called down or degraded that is not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use parallax_model::fault::{Standing, TargetState};
use parallax_model::{FaultId, Locus, TargetName};

use super::story::{Expected, Place, Step};
use crate::view::EventBody;

/// What an event was, held against the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remark {
    /// It is what the step expects.
    Concluded {
        /// How long after the deed.
        after: Duration,
    },
    /// It is not true.
    False,
    /// It adds nothing to what was said before.
    Detail,
}

/// What the judge says of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// The step.
    pub step: Step,
    /// How long after the deed it was concluded, if it was.
    pub after: Option<Duration>,
    /// What was said and is not true, in order.
    pub said_falsely: Vec<String>,
}

impl Ruling {
    /// True if nothing is wrong with the step.
    pub fn is_right(&self) -> bool {
        self.in_time() && self.said_falsely.is_empty()
    }

    fn in_time(&self) -> bool {
        self.after.is_some_and(|after| after <= self.step.deadline)
    }
}

impl fmt::Display for Ruling {
    /// What was wrong, in words; `right` if nothing was.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deadline = self.step.deadline.as_secs_f64();
        match self.after {
            None => write!(f, "wrong: no word of \"{}\"", self.step.expected)?,
            Some(_) if !self.in_time() => write!(f, "wrong: later than {deadline:.0} s")?,
            Some(_) if self.said_falsely.is_empty() => f.write_str("right")?,
            Some(_) => f.write_str("wrong")?,
        }
        for said in &self.said_falsely {
            write!(f, "; said falsely: {said}")?;
        }
        Ok(())
    }
}

/// The judge of one story.
#[derive(Debug)]
pub struct Judge {
    services: Vec<TargetName>,
    domains: u32,
    rulings: Vec<Ruling>,
    deed_at: Duration,
    open: BTreeMap<FaultId, Locus>,
    /// Faults that were open before the story: kept data remembers them until they are over.
    inherited: BTreeSet<FaultId>,
    standings: BTreeMap<TargetName, Standing>,
}

impl Judge {
    /// A judge of a world with these services, each seen from so many failure domains.
    pub const fn new(services: Vec<TargetName>, domains: u32) -> Self {
        Self {
            services,
            domains,
            rulings: Vec::new(),
            deed_at: Duration::ZERO,
            open: BTreeMap::new(),
            inherited: BTreeSet::new(),
            standings: BTreeMap::new(),
        }
    }

    /// A step's deed is done. Calm may be there already, remembered in data that was kept.
    pub fn begin(&mut self, at: Duration, step: Step) -> Remark {
        self.deed_at = at;
        self.rulings.push(Ruling { step, after: None, said_falsely: Vec::new() });
        match step.expected {
            Expected::Calm if self.is_calm() => self.concluded(at),
            Expected::Calm | Expected::Fault(_) | Expected::Over(_) => Remark::Detail,
        }
    }

    /// Something was said.
    pub fn hear(&mut self, at: Duration, said: &EventBody) -> Remark {
        match said {
            EventBody::Opened(fault) | EventBody::Updated(fault) => {
                let before = self.open.insert(fault.id, fault.locus.clone());
                if before.as_ref() == Some(&fault.locus) {
                    return Remark::Detail;
                }
                if self.rulings.is_empty() {
                    self.inherited.insert(fault.id);
                    return Remark::Detail;
                }
                self.stated(at, &fault.locus)
            }
            EventBody::Closed(fault) => {
                self.open.remove(&fault.id);
                self.ended(at, &fault.locus)
            }
            EventBody::Standing(standing) => {
                self.standings.insert(standing.target.clone(), standing.clone());
                self.stands(at, standing)
            }
            EventBody::Agent { .. } | EventBody::Config => Remark::Detail,
        }
    }

    /// True once the step under way has been concluded.
    pub fn has_concluded(&self) -> bool {
        self.rulings.last().is_some_and(|ruling| ruling.after.is_some())
    }

    /// One ruling for each step that was begun.
    pub fn rulings(&self) -> &[Ruling] {
        &self.rulings
    }

    fn expected(&self) -> Option<Expected> {
        self.rulings.last().map(|ruling| ruling.step.expected)
    }

    fn stated(&mut self, at: Duration, locus: &Locus) -> Remark {
        match self.expected() {
            Some(Expected::Fault(place)) if place.is(locus) && !self.has_concluded() => {
                self.concluded(at)
            }
            Some(_) | None => self.falsely(at, &locus.to_string()),
        }
    }

    fn ended(&mut self, at: Duration, locus: &Locus) -> Remark {
        match self.expected() {
            Some(Expected::Over(place)) if place.is(locus) => self.concluded(at),
            Some(Expected::Fault(place)) if place.is(locus) => {
                self.falsely(at, &format!("{locus} over"))
            }
            // the end of what should never have been said
            Some(Expected::Calm) if !self.has_concluded() && self.is_calm() => self.concluded(at),
            Some(_) | None => Remark::Detail,
        }
    }

    fn stands(&mut self, at: Duration, standing: &Standing) -> Remark {
        let may_suffer = match self.expected() {
            Some(Expected::Fault(place) | Expected::Over(place)) => suffers(place, standing),
            Some(Expected::Calm) | None => false,
        } || self.inherits(&standing.target);
        match standing.state {
            TargetState::Down | TargetState::Degraded if !may_suffer => {
                self.falsely(at, &format!("{} is {}", standing.target, standing.state.as_str()))
            }
            TargetState::Down | TargetState::Degraded => Remark::Detail,
            TargetState::Up | TargetState::Unknown => match self.expected() {
                Some(Expected::Calm) if !self.has_concluded() && self.is_calm() => {
                    self.concluded(at)
                }
                Some(_) | None => Remark::Detail,
            },
        }
    }

    /// A fault from before the story is about `target`.
    fn inherits(&self, target: &TargetName) -> bool {
        self.inherited
            .iter()
            .filter_map(|id| self.open.get(id))
            .any(|locus| locus.target() == Some(target))
    }

    /// Every service is up, seen from everywhere, and nothing is wrong.
    fn is_calm(&self) -> bool {
        let up = |standing: &Standing| {
            standing.state == TargetState::Up && standing.coverage.domains == self.domains
        };
        self.open.is_empty() && self.services.iter().all(|s| self.standings.get(s).is_some_and(up))
    }

    fn concluded(&mut self, at: Duration) -> Remark {
        let after = at.saturating_sub(self.deed_at);
        if let Some(ruling) = self.rulings.last_mut() {
            ruling.after.get_or_insert(after);
        }
        Remark::Concluded { after }
    }

    fn falsely(&mut self, at: Duration, said: &str) -> Remark {
        let after = at.saturating_sub(self.deed_at).as_secs_f64();
        if let Some(ruling) = self.rulings.last_mut() {
            ruling.said_falsely.push(format!("{said} at {after:.1} s"));
        }
        Remark::False
    }
}

/// True if a target may be called down or degraded while the fault is at `place`: the service
/// itself, or any that is not down but hard to reach from the region.
fn suffers(place: Place, standing: &Standing) -> bool {
    match place {
        Place::Service(service) => standing.target.as_str() == service,
        Place::Region(_) => standing.state == TargetState::Degraded,
    }
}

#[cfg(test)]
mod tests;
