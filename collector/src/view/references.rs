//! What the references tell: which of them answer nobody, and how those who fail see theirs.
//!
//! The engine judges services; of references it keeps what bears witness. What all who look see of one is said
//! here, from the paths' last looks.

use std::collections::BTreeSet;

use parallax_model::fault::TargetState;
use parallax_model::{
    AgentName, AgentSpec, Coverage, ErrorKind, Fault, Role, Target, TargetName, Timestamp,
};

use super::Path;
use super::live::Live;
use super::read::is_fresh;

/// Whether a reference answered anybody when it was last looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answers {
    /// Somebody.
    Some,
    /// Nobody, since then where that was seen to begin.
    None(Option<Timestamp>),
}

/// A reference that answers nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mute {
    pub(super) target: TargetName,
    /// Agents whose last look failed: all that looked lately.
    pub(super) agents: usize,
    /// Since when, where that was seen to begin.
    pub(super) since: Option<Timestamp>,
}

/// How those who fail see their references, by looks since the fault began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sight {
    /// Those who looked at one.
    pub(super) looked: usize,
    /// … and had an answer.
    pub(super) answered: usize,
    /// No reference answers anybody, whoever looks.
    pub(super) nowhere: bool,
}

impl Live {
    /// A reference was looked at.
    pub(super) fn note_reference(&mut self, name: &TargetName, received: Timestamp) {
        let Some(target) = self.fleet.targets.get(name).filter(|t| t.role == Role::Reference)
        else {
            return;
        };
        let answered = self.fresh(target, received).any(|(_, path)| path.error().is_none());
        let answers = if answered {
            Answers::Some
        } else {
            match self.answers.get(name) {
                Some(Answers::Some) => Answers::None(Some(received)),
                Some(&none) => none,
                None => Answers::None(None),
            }
        };
        self.answers.insert(name.clone(), answers);
    }

    /// The last looks at `target` that speak of now; those that an agent could not make say nothing.
    fn fresh<'a>(
        &'a self,
        target: &'a Target,
        now: Timestamp,
    ) -> impl Iterator<Item = (&'a AgentName, &'a Path)> {
        let paths = self.paths.get(&target.name).into_iter().flatten();
        paths
            .filter(move |(_, path)| is_fresh(target, path, now))
            .filter(|(_, path)| !path.error().is_some_and(ErrorKind::is_ours))
    }

    fn references(&self) -> impl Iterator<Item = &Target> {
        self.fleet.targets.values().filter(|t| t.role == Role::Reference)
    }

    /// References that answer nobody, by name, and whether one is left that answers.
    pub(super) fn mute(&self, now: Timestamp) -> (Vec<Mute>, bool) {
        let (mut mute, mut answered) = (Vec::new(), false);
        for target in self.references() {
            let (fine, agents) = self.fresh(target, now).fold((0, 0), |(fine, all), (_, path)| {
                (fine + usize::from(path.error().is_none()), all + 1)
            });
            answered |= fine > 0;
            if fine == 0 && agents > 0 {
                let since = match self.answers.get(&target.name) {
                    Some(Answers::None(since)) => *since,
                    Some(Answers::Some) | None => None,
                };
                mute.push(Mute { target: target.name.clone(), agents, since });
            }
        }
        (mute, answered)
    }

    /// How those who fail in an open fault see their references; none where that is not known.
    pub(super) fn sight(&self, fault: &Fault) -> Option<Sight> {
        let now = self.latest.filter(|_| fault.ended.is_none())?;
        let failing: BTreeSet<&AgentName> =
            fault.evidence.witnesses_for.iter().map(|w| &w.agent).collect();
        let (mut looked, mut answered) = (BTreeSet::new(), BTreeSet::new());
        for target in self.references() {
            let since = self.fresh(target, now).filter(|(_, p)| p.received() >= fault.onset);
            for (agent, path) in since.filter(|(agent, _)| failing.contains(agent)) {
                looked.insert(agent);
                if path.error().is_none() {
                    answered.insert(agent);
                }
            }
        }
        let mut seen = self.references().flat_map(|target| self.fresh(target, now)).peekable();
        let nowhere = seen.peek().is_some() && seen.all(|(_, path)| path.error().is_some());
        Some(Sight { looked: looked.len(), answered: answered.len(), nowhere })
    }

    /// What all who look see of a reference: up while it answers anybody. Places are counted as the engine
    /// counts them.
    pub(super) fn reference(&self, target: &Target, now: Timestamp) -> (TargetState, Coverage) {
        let (mut heard, mut answers) = (BTreeSet::new(), false);
        for (agent, path) in self.fresh(target, now) {
            heard.extend(self.fleet.agents.get(agent).map(place));
            answers |= path.error().is_none();
        }
        let looks = self.fleet.agents.values().filter(|agent| target.agents.takes(agent));
        let assigned = looks.map(place).collect::<BTreeSet<_>>().len() as u32;
        let state = match (heard.len(), answers) {
            (0, _) => TargetState::Unknown,
            (_, true) => TargetState::Up,
            (_, false) => TargetState::Down,
        };
        (state, Coverage { domains: heard.len() as u32, assigned })
    }
}

/// What an agent shares its fate with: its provider, and there its site, or its region where none is given.
fn place(agent: &AgentSpec) -> impl Ord + use<'_> {
    (agent.provider.as_ref(), agent.site.as_ref().ok_or(agent.region.as_ref()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use parallax_model::Outcome;

    use super::super::made_up::{self, NOW, REGIONS, outage};
    use super::super::words::Tone;
    use super::*;

    fn look(live: &mut Live, region: &str, reference: &str, ago: u64, kind: Option<ErrorKind>) {
        let at = NOW - Duration::from_secs(ago);
        let outcome = kind.map_or(Outcome::Ok, Outcome::Fail);
        live.take(made_up::results(region, at, vec![made_up::look(reference, at, 9, outcome)]));
    }

    #[test]
    fn how_those_who_fail_see_their_references_is_what_they_saw_since_it_began() {
        let mut live = Live::default();
        live.take(made_up::config());
        // since 42 s
        let mut fault = outage(2);
        fault.evidence.witnesses_against.clear();
        assert_eq!(live.sight(&fault), None, "nothing was heard");
        look(&mut live, "eu-west", "ref-a", 43, None);
        look(&mut live, "us-east", "ref-a", 41, None);
        let stale = live.sight(&fault).unwrap();
        assert_eq!((stale.looked, stale.answered), (1, 1), "before it began says nothing");
        look(&mut live, "us-west", "ref-b", 40, Some(ErrorKind::Timeout));
        look(&mut live, "ap-south", "ref-b", 40, Some(ErrorKind::PolicyDenied));
        let sight = Sight { looked: 2, answered: 1, nowhere: false };
        assert_eq!(live.sight(&fault), Some(sight));
        // long after, nothing of then speaks of now
        look(&mut live, "us-east", "ref-b", 0, Some(ErrorKind::Timeout));
        let sight = Sight { looked: 1, answered: 0, nowhere: true };
        assert_eq!(live.sight(&fault), Some(sight));
        let aside = live.tell(&Arc::new(fault.clone())).story.aside;
        assert!(aside.starts_with("the references fail there, too"), "{aside}");
        assert_eq!(live.sight(&Fault { ended: Some(NOW), ..fault }), None);
    }

    #[test]
    fn since_when_nobody_has_an_answer_is_known_if_somebody_had_one() {
        let mut live = Live::default();
        live.take(made_up::config());
        let fails = Some(ErrorKind::Timeout);
        for region in ["eu-west", "us-east"] {
            look(&mut live, region, "ref-a", 3, fails);
        }
        let since = |live: &Live| live.mute(NOW).0.first().map(|m| (m.agents, m.since));
        assert_eq!(since(&live), Some((2, None)), "it may have failed for long");
        look(&mut live, "eu-west", "ref-a", 2, None);
        assert_eq!((since(&live), live.mute(NOW).1), (None, true));
        look(&mut live, "eu-west", "ref-a", 1, fails);
        look(&mut live, "us-east", "ref-a", 0, fails);
        let began = NOW - Duration::from_secs(1);
        assert_eq!((since(&live), live.mute(NOW).1), (Some((2, Some(began))), false));
        let overview = live.overview(NOW);
        assert!(overview.references.unwrap().starts_with("No reference answers: ref-a (0 of 2"));
        assert_eq!(live.mute(NOW + Duration::from_mins(1)).0, [], "silence is no failure");
    }

    #[test]
    fn a_reference_has_a_state_and_a_coverage() {
        let mut live = Live::default();
        for news in made_up::story() {
            live.take(news);
        }
        let of = |live: &Live, now| {
            let rows = live.targets(now);
            let row = rows.iter().find(|row| row.target.name.as_str() == "ref-a");
            row.map(|row| (row.state, row.coverage.domains, row.coverage.assigned)).unwrap()
        };
        assert_eq!(of(&live, NOW), (TargetState::Up, 5, 5));
        let fails = Some(ErrorKind::Timeout);
        for region in &REGIONS[1..] {
            look(&mut live, region, "ref-a", 0, fails);
        }
        assert_eq!(of(&live, NOW).0, TargetState::Up, "it answers one");
        look(&mut live, REGIONS[0], "ref-a", 0, fails);
        assert_eq!(of(&live, NOW), (TargetState::Down, 5, 5));
        let overview = live.overview(NOW);
        assert!(overview.references.unwrap().starts_with("ref-a (0 of 5 agents, since"));
        assert_ne!(overview.headline.tone, Tone::Fine);
        assert_eq!(of(&live, NOW + Duration::from_mins(5)), (TargetState::Unknown, 0, 5));
    }
}
