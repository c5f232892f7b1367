//! Witnesses in words: who fails and how far they got, who is fine.

use std::collections::BTreeSet;

use parallax_model::{
    AgentName, Check, ErrorKind, Fault, Locus, Reason, Stage, TargetName, Witness,
};

use super::super::Fleet;
use super::super::pace::Pace;
use super::super::references::Sight;
use super::{place, say};

/// Names listed before "and n more".
const NAMES_MAX: usize = 4;

/// A fault's witnesses, sorted by what they speak of.
#[derive(Debug)]
pub(super) struct Witnesses<'a> {
    fault: &'a Fault,
    fleet: &'a Fleet,
    failing: BTreeSet<&'a AgentName>,
    /// What fails, without references unless nothing else does.
    targets: Vec<&'a TargetName>,
    /// How those who fail see their references, where the view knows more of it than the evidence.
    sight: Option<Sight>,
    pace: Option<Pace>,
}

impl<'a> Witnesses<'a> {
    pub(super) fn of(
        fault: &'a Fault,
        fleet: &'a Fleet,
        sight: Option<Sight>,
        pace: Option<Pace>,
    ) -> Self {
        let all = &fault.evidence.witnesses_for;
        let targets: BTreeSet<_> = all.iter().map(|w| &w.target).collect();
        let failing = all.iter().map(|w| &w.agent).collect();
        let targets = targets.into_iter().collect();
        let mut of = Self { fault, fleet, failing, targets, sight: None, pace };
        // after a restart the view has heard less than the engine, which took the journal in again
        let known = of.own_references(&fault.evidence.witnesses_against).len();
        of.sight = sight.filter(|s| s.looked >= known && (s.looked > 0 || s.nowhere));
        of
    }

    /// `5 of 5 agents in 5 regions get status_5xx (server error).`
    pub(super) fn failing(&self) -> Option<String> {
        if self.failing.is_empty() {
            return None;
        }
        let who = match self.fault.locus.target() {
            Some(target) => self.share(target),
            None => self.named(&self.failing.iter().copied().collect::<Vec<_>>()),
        };
        let one = self.one();
        let how = if self.fault.reason == Some(Reason::Slow) {
            let reached = match (self.fault.locus.target(), one) {
                (Some(_), true) => "reaches it",
                (Some(_), false) => "reach it",
                (None, true) => "is answered",
                (None, false) => "are answered",
            };
            format!("{reached} far slower than usual{}", self.took())
        } else {
            format!("{} {}", if one { "gets" } else { "get" }, self.kinds())
        };
        let at = match self.fault.locus.target() {
            Some(target) if self.targets == [target] => String::new(),
            _ => format!(" at {}", say::list(&self.targets, NAMES_MAX)),
        };
        Some(format!("{who} {how}{at}{}.", self.unlisted()))
    }

    /// `, in 812 ms instead of 95 ms`
    fn took(&self) -> String {
        let Some(Pace { now, usual }) = self.pace else { return String::new() };
        let usual = usual.map(|usual| format!(" instead of {}", say::latency(usual)));
        format!(", in {}{}", say::latency(now), usual.unwrap_or_default())
    }

    /// Agents that fail to see `target`, of how many that look at it.
    fn share(&self, target: &TargetName) -> String {
        let scoped = !matches!(self.fault.locus, Locus::Service { .. } | Locus::Dependency { .. });
        let all = if scoped {
            self.failing.len()
        } else {
            // an agent that fails and succeeds by turns stands on both sides
            self.fine_at(target).union(&self.failing).count()
        };
        match (self.failing.len(), all) {
            (1, 1) => self.named(&self.failing.iter().copied().collect::<Vec<_>>()),
            (n, all) => {
                let agents = say::plural(all as u64, "agent");
                let regions = self.regions(self.failing.iter().copied());
                format!("{n} of {agents} in {}", say::plural(regions as u64, "region"))
            }
        }
    }

    fn named(&self, agents: &[&AgentName]) -> String {
        match agents {
            [one] => format!("{one} ({})", self.fleet.region(one)),
            many => {
                let regions = self.regions(many.iter().copied());
                let regions = say::plural(regions as u64, "region");
                format!("{} in {regions}", say::plural(many.len() as u64, "agent"))
            }
        }
    }

    fn regions<'b>(&self, agents: impl Iterator<Item = &'b AgentName>) -> usize {
        agents.map(|a| self.fleet.region(a)).collect::<BTreeSet<_>>().len()
    }

    fn kinds(&self) -> String {
        let kinds: Vec<String> = match self.fault.evidence.kinds.as_slice() {
            [] => vec!["no good answer".to_owned()],
            [(one, _)] => vec![format!("{one} ({})", say::kind_in_words(*one))],
            many => many.iter().map(|(kind, n)| format!("{kind} ({n}×)")).collect(),
        };
        say::list(&kinds, 3)
    }

    fn unlisted(&self) -> String {
        let listed = self.fault.evidence.witnesses_for.len() as u64;
        match u64::from(self.fault.evidence.for_count).saturating_sub(listed) {
            0 => String::new(),
            more => format!(", and {} beside these", say::plural(more, "more path")),
        }
    }

    /// How far the failing looks got: the later they end, the more they prove.
    pub(super) fn proven(&self) -> Option<String> {
        let &(kind, _) = self.fault.evidence.kinds.first()?;
        if kind == ErrorKind::Unspecified || kind.is_ours() {
            return None;
        }
        let tls = self.targets.first().is_some_and(|t| self.speaks_tls(t));
        let works = match (kind.stage(), tls) {
            (Stage::Resolve, _) => return Some(self.they("fails at the name", "fail at the name")),
            (Stage::Connect, _) => return Some("It gets no further than the connection.".into()),
            (Stage::Tls, _) => return Some("DNS and route work; TLS does not.".to_owned()),
            (_, true) => "DNS, route and TLS work",
            (_, false) => "DNS and route work",
        };
        Some(match kind.stage() {
            Stage::Transfer => format!("{works}; the answer begins and is cut off."),
            Stage::Assert if place::is_alone(self.fault) || self.are_blind() => {
                format!("{works}: whatever answers there answers so.")
            }
            Stage::Assert => format!("{works}: it is the service that answers so."),
            Stage::Resolve | Stage::Connect | Stage::Tls | Stage::FirstByte => {
                format!("{works}; no good answer follows.")
            }
        })
    }

    fn they(&self, one: &str, many: &str) -> String {
        if self.one() { format!("It {one}.") } else { format!("They {many}.") }
    }

    fn speaks_tls(&self, target: &TargetName) -> bool {
        self.fleet.targets.get(target).is_some_and(|t| match &t.check {
            Check::Http(http) => http.url.starts_with("https:"),
            Check::Grpc(grpc) => grpc.tls.is_some(),
            Check::Llm(llm) => llm.url.starts_with("https:"),
            Check::Tls(_) => true,
            Check::Tcp(_) | Check::Dns(_) | Check::Icmp(_) => false,
        })
    }

    /// True if no reference answers any of those who fail.
    pub(super) fn are_blind(&self) -> bool {
        !self.own_references(&self.fault.evidence.witnesses_for).is_empty()
            || self.sight.is_some_and(|sight| sight.answered == 0)
    }

    /// That those who fail cannot trust their own sight.
    pub(super) fn blind(&self) -> Option<String> {
        if !self.are_blind() {
            return None;
        }
        let all = self.failing.len();
        Some(match self.sight.map_or(all, |sight| sight.looked) {
            0 => "No reference answers anybody.".to_owned(),
            looked if looked >= all => format!("{} references {} too.", self.their(), self.fail()),
            looked => format!("{}: they {} too.", looked_of(looked, all), self.fail()),
        })
    }

    /// What those do that are at fault.
    fn fail(&self) -> &'static str {
        if self.fault.reason == Some(Reason::Slow) { "are slow" } else { "fail" }
    }

    /// That those who fail can trust their own sight.
    pub(super) fn references(&self) -> Option<String> {
        if self.are_blind() {
            return None;
        }
        let all = self.failing.len();
        let Some(Sight { looked, answered, .. }) = self.sight else {
            let evidence = &self.fault.evidence;
            let sees = self.own_references(&evidence.witnesses_against).len();
            let cut = evidence.against_count as usize > evidence.witnesses_against.len();
            let least = if cut { "At least " } else { "" };
            return match sees {
                0 => None,
                n if n == all => Some(format!("{} references answer.", self.their())),
                n => {
                    let whose = if n == 1 { "a reference" } else { "references" };
                    Some(format!("{least}{n} of these {all} saw {whose} answer since it began."))
                }
            };
        };
        Some(match answered {
            n if n == all => format!("{} references answer.", self.their()),
            n if n == looked => format!("{}: they answer.", looked_of(looked, all)),
            n => format!("{}: those of {n} answer.", looked_of(looked, all)),
        })
    }

    /// Failing agents of which `witnesses` show a reference.
    fn own_references(&self, witnesses: &'a [Witness]) -> BTreeSet<&'a AgentName> {
        let own =
            |w: &&Witness| self.fleet.is_reference(&w.target) && self.failing.contains(&w.agent);
        witnesses.iter().filter(own).map(|w| &w.agent).collect()
    }

    fn one(&self) -> bool {
        self.failing.len() == 1
    }

    fn their(&self) -> &'static str {
        if self.one() { "Its" } else { "Their" }
    }

    /// Who reaches the same, and what else those who fail reach.
    pub(super) fn others(&self) -> Option<String> {
        let evidence = &self.fault.evidence;
        let (own, foreign): (Vec<_>, Vec<_>) =
            evidence.witnesses_against.iter().partition(|w| self.failing.contains(&w.agent));
        let same: BTreeSet<_> = foreign
            .iter()
            .filter(|w| self.targets.contains(&&w.target))
            .map(|w| &w.agent)
            .collect();
        let reached = (!same.is_empty()).then(|| {
            let agents: Vec<_> = same.iter().copied().collect();
            let verb = if agents.len() == 1 { "reaches" } else { "reach" };
            let what = if self.targets.len() == 1 { "it" } else { "the same" };
            format!("{} {verb} {what}.", self.named(&agents))
        });
        let else_: BTreeSet<_> = own
            .iter()
            .map(|w| &w.target)
            .filter(|t| !self.targets.contains(t) && !self.fleet.is_reference(t))
            .collect();
        let else_: Vec<_> = else_.into_iter().collect();
        let also = (!else_.is_empty()).then(|| {
            let names = say::list(&else_, NAMES_MAX);
            self.they(&format!("still reaches {names}"), &format!("still reach {names}"))
        });
        super::joined([reached, also])
    }

    /// Agents that look at `target` and are fine, as far as the evidence lists them.
    fn fine_at(&self, target: &TargetName) -> BTreeSet<&'a AgentName> {
        let against = self.fault.evidence.witnesses_against.iter();
        against.filter(|w| w.target == *target).map(|w| &w.agent).collect()
    }
}

/// `1 of these 4 looked at its references since it began`: the others have not yet, which says nothing of theirs.
fn looked_of(looked: usize, all: usize) -> String {
    let whose = if looked == 1 { "its" } else { "their" };
    format!("{looked} of these {all} looked at {whose} references since it began")
}
