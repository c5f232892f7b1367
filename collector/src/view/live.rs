//! What is now, in memory.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use parallax_model::{
    AgentName, Batch, Change, Fault, FaultId, ProbeResult, TargetName, Timestamp, fault::Standing,
};

use crate::store::FaultQuery;

use super::path::Path;
use super::references::Answers;
use super::{AgentNews, EventBody, Fleet, News};

/// Closed faults kept at hand; older ones are read from the store.
pub(super) const RECENT_MAX: usize = 50;

/// Everything the view knows without asking the store.
#[derive(Debug, Default)]
pub(super) struct Live {
    pub(super) fleet: Arc<Fleet>,
    pub(super) agents: BTreeMap<AgentName, AgentNews>,
    pub(super) paths: HashMap<TargetName, HashMap<AgentName, Path>>,
    pub(super) standings: BTreeMap<TargetName, Standing>,
    pub(super) open: BTreeMap<FaultId, Arc<Fault>>,
    /// Newest first.
    pub(super) recent: VecDeque<Arc<Fault>>,
    /// References that were looked at.
    pub(super) answers: BTreeMap<TargetName, Answers>,
    /// When the last results arrived.
    pub(super) latest: Option<Timestamp>,
}

impl Live {
    /// Takes news in; says what listeners should be told.
    pub(super) fn take(&mut self, news: News) -> Vec<EventBody> {
        match news {
            News::Config { agents, targets } => self.configure(Fleet::new(agents, targets)),
            News::Results { agent, received, batch } => {
                self.see(&agent, received, &batch);
                vec![]
            }
            News::Agent(news) => self.hear(news),
            News::Verdict { changes, standings, .. } => {
                let mut told: Vec<_> = changes.into_iter().filter_map(|c| self.change(c)).collect();
                told.extend(standings.into_iter().filter_map(|s| self.stand(s)));
                told
            }
        }
    }

    pub(super) fn fault(&self, id: FaultId) -> Option<Arc<Fault>> {
        self.open.get(&id).or_else(|| self.recent.iter().find(|f| f.id == id)).cloned()
    }

    /// Takes over `closed`, newest first, behind what closed since.
    pub(super) fn recall(&mut self, closed: Vec<Fault>) {
        for fault in closed {
            if self.recent.len() < RECENT_MAX && self.fault(fault.id).is_none() {
                self.recent.push_back(Arc::new(fault));
            }
        }
    }

    /// A page of stored faults with what is known here laid over it: the word of now wins, and a
    /// fault that the store does not have yet is there.
    pub(super) fn over(&self, stored: Vec<Fault>, query: &FaultQuery) -> Vec<Arc<Fault>> {
        let full = stored.len() >= query.limit;
        let oldest = stored.iter().map(|f| f.id).min();
        let mut page: BTreeMap<FaultId, Arc<Fault>> =
            stored.into_iter().map(|f| (f.id, Arc::new(f))).collect();
        for fault in self.open.values().chain(&self.recent) {
            let on_page = query.before.is_none_or(|before| fault.id < before)
                && (!full || oldest.is_none_or(|oldest| fault.id >= oldest));
            if on_page {
                page.insert(fault.id, Arc::clone(fault));
            }
        }
        let wanted = |f: &Arc<Fault>| query.open.is_none_or(|open| f.ended.is_none() == open);
        page.into_values().rev().filter(wanted).take(query.limit).collect()
    }

    /// Forgets what is no longer configured, so that memory follows the configuration.
    fn configure(&mut self, fleet: Fleet) -> Vec<EventBody> {
        self.agents.retain(|agent, _| fleet.agents.contains_key(agent));
        self.standings.retain(|target, _| fleet.targets.contains_key(target));
        self.paths.retain(|target, _| fleet.targets.contains_key(target));
        self.answers.retain(|target, _| fleet.is_reference(target));
        for paths in self.paths.values_mut() {
            paths.retain(|agent, _| fleet.agents.contains_key(agent));
        }
        self.fleet = Arc::new(fleet);
        vec![EventBody::Config]
    }

    fn see(&mut self, agent: &AgentName, received: Timestamp, batch: &Batch) {
        if self.fleet.agents.contains_key(agent) {
            self.latest = self.latest.max(Some(received));
            for result in batch.results() {
                self.see_one(agent, received, result);
            }
        }
    }

    fn see_one(&mut self, agent: &AgentName, received: Timestamp, result: &ProbeResult) {
        if !self.fleet.targets.contains_key(&result.target) {
            return;
        }
        if !self.paths.contains_key(&result.target) {
            self.paths.insert(result.target.clone(), HashMap::new());
        }
        let Some(paths) = self.paths.get_mut(&result.target) else { return };
        if let Some(path) = paths.get_mut(agent) {
            path.see(result, received);
        } else {
            paths.insert(agent.clone(), Path::new(result, received));
        }
        self.note_reference(&result.target, received);
    }

    fn hear(&mut self, news: AgentNews) -> Vec<EventBody> {
        let was = self.agents.get(&news.agent).is_some_and(|a| a.connected);
        let told = EventBody::Agent { agent: news.agent.clone(), connected: news.connected };
        let turned = was != news.connected;
        self.agents.insert(news.agent.clone(), news);
        if turned { vec![told] } else { vec![] }
    }

    fn change(&mut self, change: Change) -> Option<EventBody> {
        match change {
            Change::Opened(fault) => Some(EventBody::Opened(self.keep_open(*fault))),
            Change::Updated(fault) => Some(EventBody::Updated(self.keep_open(*fault))),
            Change::Closed(fault) => {
                self.open.remove(&fault.id);
                self.recent.retain(|f| f.id != fault.id);
                self.recent.truncate(RECENT_MAX - 1);
                let fault = Arc::from(fault);
                self.recent.push_front(Arc::clone(&fault));
                Some(EventBody::Closed(fault))
            }
            Change::Ask(_) => None,
        }
    }

    fn keep_open(&mut self, fault: Fault) -> Arc<Fault> {
        let fault = Arc::new(fault);
        self.open.insert(fault.id, Arc::clone(&fault));
        fault
    }

    fn stand(&mut self, standing: Standing) -> Option<EventBody> {
        // how many vote so changes with every stray look: only what a rule makes of it is told
        let gist = |s: &Standing| {
            (s.state, s.coverage, s.policy.map(|ruling| (ruling.rule, ruling.state())))
        };
        let before = self.standings.insert(standing.target.clone(), standing.clone());
        (before.as_ref().map(gist) != Some(gist(&standing)))
            .then_some(EventBody::Standing(standing))
    }
}

#[cfg(test)]
mod tests {
    use super::super::made_up::{self, NOW, outage, past_cut, target};
    use super::*;
    use parallax_model::fault::TargetState;
    use parallax_model::{Clues, ErrorKind, Outcome, Role, Votes};
    use std::time::Duration;

    fn query(open: Option<bool>, before: Option<u64>, limit: usize) -> FaultQuery {
        FaultQuery { open, before: before.map(FaultId), limit }
    }

    fn at_the_end_of_the_story() -> Live {
        let mut live = Live::default();
        for news in made_up::story() {
            live.take(news);
        }
        live
    }

    #[test]
    fn what_is_known_here_lies_over_what_is_stored() {
        let live = at_the_end_of_the_story();
        let ids = |stored: Vec<Fault>, query: FaultQuery| {
            live.over(stored, &query).iter().map(|f| f.id.0).collect::<Vec<_>>()
        };
        // the store still says that 1 is open, and does not have 2 yet
        let stale = Fault { ended: None, ..past_cut(1) };
        assert_eq!(ids(vec![stale.clone()], query(Some(true), None, 9)), [2]);
        assert_eq!(ids(vec![stale.clone()], query(None, None, 9)), [2, 1]);
        assert_eq!(ids(vec![stale], query(Some(false), None, 9)), [1]);
        // a page further down is none of the live ones' business
        assert_eq!(ids(vec![past_cut(0)], query(None, Some(1), 1)), [0]);
    }

    #[test]
    fn memory_follows_the_configuration() {
        let mut live = at_the_end_of_the_story();
        assert_eq!((live.paths.len(), live.agents.len()), (4, 5));
        let agents = vec![made_up::agent("eu-west")];
        live.take(News::Config { agents, targets: vec![target("shop", Role::Service)] });
        assert_eq!((live.paths.len(), live.agents.len(), live.standings.len()), (1, 1, 1));
        // what a removed agent still sends is stored, and not shown
        let told = live.take(made_up::round(NOW, |_| None).remove(0));
        assert!(told.is_empty());
        assert_eq!(live.paths.values().map(HashMap::len).sum::<usize>(), 1);
    }

    #[test]
    fn a_rule_is_told_when_it_turns_and_shown_as_it_is_counted() {
        let mut live = at_the_end_of_the_story();
        let mut stand = |down: u32, voting: u32| {
            let mut standing = made_up::ruled("shop", TargetState::Down);
            standing.policy.as_mut().unwrap().votes = Votes { down, voting };
            let standings = vec![standing];
            let told = live.take(News::Verdict { at: NOW, changes: vec![], standings });
            let shown = live.standings[&made_up::name::<TargetName>("shop")].policy;
            (told.len(), shown.map(|ruling| ruling.votes.down))
        };
        assert_eq!(stand(3, 5), (0, Some(3)));
        assert_eq!(stand(0, 0), (1, Some(0)), "nobody votes any more");
        assert_eq!(stand(0, 0), (0, Some(0)));
        assert_eq!(stand(5, 5), (1, Some(5)));
    }

    /// An agent that failed before, for another reason, is examined anew only after a while.
    #[test]
    fn what_was_found_before_a_fault_began_is_not_told_with_it() {
        let mut live = Live::default();
        live.take(made_up::config());
        let mut look = |region, ago, finding: Option<&str>| {
            let at = NOW - Duration::from_secs(ago);
            let mut look = made_up::look("shop", at, 9, Outcome::Fail(ErrorKind::Status5xx));
            let clues = |text: &str| Clues { diagnosis: Some(text.to_owned()), ..Clues::default() };
            look.clues = finding.map(|text| Arc::new(clues(text)));
            live.take(made_up::results(region, at, vec![look]));
            live.tell(&Arc::new(outage(2))).story.diagnosed
        };
        // since 42 s
        assert_eq!(look("eu-west", 60, Some("0 of 2 references answer")), None);
        assert_eq!(look("eu-west", 30, Some("0 of 2 references answer")), None);
        let other = look("us-east", 30, Some("2 of 2 references answer"));
        let words = "us-east-1 looked closer: 2 of 2 references answer.";
        assert_eq!(other.as_deref(), Some(words));
        let anew = look("eu-west", 20, Some("2 of 2 references answer"));
        assert_eq!(anew, Some(words.replace("us-east", "eu-west")), "examined anew");
    }

    #[test]
    fn a_restart_brings_the_past_back_once() {
        let mut live = at_the_end_of_the_story();
        live.recall(vec![outage(2), past_cut(1), past_cut(0)]);
        assert_eq!(live.recent.iter().map(|f| f.id.0).collect::<Vec<_>>(), [1, 0]);
        live.recall((10..200).map(past_cut).collect());
        assert_eq!(live.recent.len(), RECENT_MAX);
    }
}
