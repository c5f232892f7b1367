//! The rules that most people use today, over the very same looks as the engine.
//!
//! Each counts the agents that failed of late, and calls the target down. None of them knows of places
//! or of other targets: all they can say is `service`. A rule closes once no agent fails any more.

use parallax_model::{
    AgentName, Change, Confidence, Coverage, Evidence, Fault, FaultId, FaultState, Locus, Role,
    TargetName, Timestamp,
};
use parallax_verdict::{Fleet, Observation};
use std::collections::BTreeMap;

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// More than half of the agents failed three times in a row.
    Majority3,
    /// Two agents failed their last look.
    Any2,
    /// Not more than 18 % of the agents are well; one is unwell after three failures in a row.
    Route53,
    /// The last look of all agents failed.
    All,
    /// The last look of a quarter of the agents failed.
    Quarter,
}

/// All rules, in the order of the tables.
pub const RULES: [Rule; 5] = [Rule::Majority3, Rule::Any2, Rule::Route53, Rule::All, Rule::Quarter];

/// An agent whose last look is older than this many intervals has no vote.
const FRESH_INTERVALS: i64 = 3;
/// Failures in a row that make an agent's word, where a rule wants it sure.
const IN_A_ROW: u32 = 3;

impl Rule {
    /// For the heading of a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Majority3 => "majority of 3",
            Self::Any2 => "any 2",
            Self::Route53 => "Route 53, 18 %",
            Self::All => "all locations",
            Self::Quarter => "25 %",
        }
    }

    /// True if the target is down: of `agents` that looked of late, the last look of `failed` failed,
    /// and the last three of `sure`.
    fn is_down(self, agents: u32, failed: u32, sure: u32) -> bool {
        match self {
            Self::Majority3 => sure * 2 > agents,
            Self::Any2 => failed >= 2,
            Self::Route53 => agents > 0 && (agents - sure) * 100 <= agents * 18,
            Self::All => agents > 0 && failed == agents,
            Self::Quarter => agents > 0 && failed * 4 >= agents,
        }
    }

    /// True once nothing speaks for it any more.
    fn is_over(self, failed: u32, sure: u32) -> bool {
        match self {
            Self::Majority3 | Self::Route53 => sure == 0,
            Self::Any2 | Self::All | Self::Quarter => failed == 0,
        }
    }
}

/// What the rules know of one target.
#[derive(Debug, Clone)]
struct Target {
    name: TargetName,
    fresh_ms: i64,
    /// Of each agent: when it was last heard, and its failures in a row.
    agents: Vec<Option<(i64, u32)>>,
    /// What each rule has open.
    open: [Option<Fault>; RULES.len()],
}

/// All rules at once.
#[derive(Debug, Clone)]
pub struct Baselines {
    agents: BTreeMap<AgentName, usize>,
    targets: BTreeMap<TargetName, Target>,
    next: u64,
    /// What each rule said, in order.
    pub said: [Vec<Change>; RULES.len()],
}

impl Baselines {
    /// For a fleet. References are nobody's service: the rules leave them alone.
    pub fn new(fleet: &Fleet) -> Self {
        let services = fleet.targets.iter().filter(|t| t.role == Role::Service);
        let target = |t: &parallax_verdict::TargetSpec| Target {
            name: t.name.clone(),
            fresh_ms: FRESH_INTERVALS * t.interval.as_millis() as i64,
            agents: vec![None; fleet.agents.len()],
            open: [const { None }; RULES.len()],
        };
        Self {
            agents: fleet.agents.iter().map(|a| a.name.clone()).zip(0..).collect(),
            targets: services.map(|t| (t.name.clone(), target(t))).collect(),
            next: 1,
            said: [const { Vec::new() }; RULES.len()],
        }
    }

    /// Hears one look.
    pub fn hear(&mut self, o: &Observation) {
        let Some(target) = self.targets.get_mut(&o.target) else { return };
        let Some(&agent) = self.agents.get(&o.agent) else { return };
        let now = o.received.millis();
        let before = target.agents[agent].map_or(0, |(_, in_a_row)| in_a_row);
        let in_a_row = if o.outcome.error().is_some() { before + 1 } else { 0 };
        target.agents[agent] = Some((now, in_a_row));
        // nothing can begin with a look that is well, and nothing end where all are
        let open = target.open.iter().any(Option::is_some);
        if in_a_row == 0 && !open {
            return;
        }
        let (mut agents, mut failed, mut sure) = (0, 0, 0);
        let fresh = target.agents.iter().flatten().filter(|(at, _)| now - at < target.fresh_ms);
        for &(_, in_a_row) in fresh {
            agents += 1;
            failed += u32::from(in_a_row > 0);
            sure += u32::from(in_a_row >= IN_A_ROW);
        }
        for (at, rule) in RULES.into_iter().enumerate() {
            let down = rule.is_down(agents, failed, sure);
            match &mut target.open[at] {
                None if down => {
                    let fault = fault(FaultId(self.next), &target.name, o.received, agents);
                    self.next += 1;
                    self.said[at].push(Change::Opened(Box::new(fault.clone())));
                    target.open[at] = Some(fault);
                }
                Some(open) if !down && rule.is_over(failed, sure) => {
                    (open.updated, open.ended) = (o.received, Some(o.received));
                    self.said[at].push(Change::Closed(Box::new(open.clone())));
                    target.open[at] = None;
                }
                None | Some(_) => {}
            }
        }
    }
}

fn fault(id: FaultId, target: &TargetName, now: Timestamp, agents: u32) -> Fault {
    Fault {
        id,
        locus: Locus::Service { target: target.clone() },
        state: FaultState::Down,
        reason: None,
        onset: now,
        opened: now,
        updated: now,
        ended: None,
        confidence: Confidence::new(1.0),
        coverage: Coverage { domains: agents, assigned: agents },
        affected_targets: Vec::new(),
        regions: Vec::new(),
        evidence: Evidence::default(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use parallax_model::{AgentSpec, ErrorKind, Outcome};
    use parallax_verdict::TargetSpec;

    use super::*;

    /// Four agents look every 30 s, the first `failing` of them in vain for five rounds; then all are well.
    fn opened_and_closed(failing: usize) -> Vec<(usize, usize)> {
        let agents: Vec<AgentName> =
            (0..4).map(|a| AgentName::new(&format!("a-{a}")).unwrap()).collect();
        let target = TargetName::new("shop").unwrap();
        let fleet = Fleet {
            agents: agents.iter().cloned().map(AgentSpec::unlabelled).collect(),
            targets: vec![TargetSpec::unknown(target.clone())],
        };
        let mut rules = Baselines::new(&fleet);
        for round in 0..10_i64 {
            for (at, agent) in agents.iter().enumerate() {
                let bad = at < failing && (2..7).contains(&round);
                let now = Timestamp::from_millis(round * 30_000 + at as i64 * 1_000);
                let outcome = if bad { Outcome::Fail(ErrorKind::Timeout) } else { Outcome::Ok };
                rules.hear(&Observation {
                    received: now,
                    started: now,
                    agent: agent.clone(),
                    target: target.clone(),
                    outcome,
                    latency: Duration::from_millis(40),
                });
            }
        }
        let count =
            |said: &Vec<Change>, is: fn(&Change) -> bool| said.iter().filter(|c| is(c)).count();
        let opened = |c: &Change| matches!(c, Change::Opened(_));
        let closed = |c: &Change| matches!(c, Change::Closed(_));
        rules.said.iter().map(|s| (count(s, opened), count(s, closed))).collect()
    }

    #[test]
    fn each_rule_wants_its_share_of_the_agents() {
        let (yes, no) = ((1, 1), (0, 0));
        assert_eq!(opened_and_closed(1), [no, no, no, no, yes]);
        assert_eq!(opened_and_closed(2), [no, yes, no, no, yes]);
        assert_eq!(opened_and_closed(3), [yes, yes, no, no, yes]);
        assert_eq!(opened_and_closed(4), [yes; 5]);
    }
}
