//! Faults in words: one way to say it for the page, the API, the commands and the story of `try`.
//!
//! Contract: pure; the same fault and fleet give the same words. Names are put in as they are:
//! whoever shows them escapes them.
//! Never: a word that the evidence does not carry.

mod evidence;
mod headline;
mod left_out;
mod mute;
mod place;
mod policy;
mod say;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use parallax_model::{
    AgentName, Alternative, Confidence, Fault, FaultState, Fitness, Locus, Reason, TargetName,
    Unfit,
};

use super::Fleet;
use super::pace::Pace;
use super::references::Sight;

pub(super) use headline::rank;
pub use headline::{Headline, Tone, headline};
pub(super) use left_out::left_out;
pub(super) use mute::mute;
pub use place::place;
pub use policy::policy;
pub use say::{duration, instant, kind_in_words, latency, looks, percent, plural, rfc3339};

/// Unfit witnesses that are named.
const DOUBTFUL_MAX: usize = 3;

/// Findings that are told; more say the same of other paths.
const FINDINGS_MAX: usize = 2;

/// A fault told to a person.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Story {
    /// What is wrong and where: `shop is down everywhere`.
    pub title: String,
    /// What follows for the reader: `not your network`.
    pub aside: &'static str,
    /// Who fails, how, and how far they got.
    pub fails: Option<String>,
    /// Who looks, too, and is not counted, since its own sight is at fault.
    pub left_out: Option<String>,
    /// Who of the failing holds itself for unfit now, and why.
    pub doubtful: Option<String>,
    /// What agents found out beside their looks.
    pub diagnosed: Option<String>,
    /// Who is fine, so that it is not there.
    pub fine: Option<String>,
    /// What else suffers.
    pub affected: Option<String>,
    /// How sure this is, and from how many places it is seen.
    pub confidence: String,
    /// What else it could be, and by how much that lost.
    pub alternative: Option<String>,
    /// What it would be without the most telling witness.
    pub without: Option<String>,
}

impl Story {
    /// Everything after the title, one sentence or a few each, in reading order.
    pub fn sentences(&self) -> Vec<String> {
        let confidence = Some(&self.confidence);
        [&self.fails, &self.left_out, &self.doubtful, &self.diagnosed, &self.fine, &self.affected]
            .into_iter()
            .map(Option::as_ref)
            .chain([confidence, self.alternative.as_ref(), self.without.as_ref()])
            .flatten()
            .cloned()
            .collect()
    }
}

/// Names those of the failing witnesses that hold themselves for unfit while the fault is open. That
/// their references fail, too, the evidence says itself.
pub(super) fn doubtful<'a>(
    fault: &Fault,
    fitness: impl Fn(&AgentName) -> Option<&'a Fitness>,
) -> Option<String> {
    let witnesses = &fault.evidence.witnesses_for;
    let agents: BTreeSet<&AgentName> = witnesses.iter().map(|w| &w.agent).collect();
    let why = |agent| {
        let unfit = fitness(agent).map_or(&[][..], |f| &f.unfit);
        let own = unfit.iter().filter(|why| **why != Unfit::References);
        let why: Vec<&str> = own.map(|why| why.says()).collect();
        (!why.is_empty()).then(|| format!("{agent} {}", why.join(" and ")))
    };
    let doubtful: Vec<String> = agents.into_iter().filter_map(why).collect();
    (!doubtful.is_empty() && fault.ended.is_none())
        .then(|| format!("By its own word {}.", say::list(&doubtful, DOUBTFUL_MAX)))
}

/// What failing witnesses found out while the fault is open, each finding once. The paths' last looks tell
/// it, so that it is what is now; whoever gives it leaves out what was found before the fault began.
pub(super) fn diagnosed<'a>(
    fault: &Fault,
    finding: impl Fn(&AgentName, &TargetName) -> Option<&'a str>,
) -> Option<String> {
    let mut found: BTreeMap<&str, &AgentName> = BTreeMap::new();
    for witness in &fault.evidence.witnesses_for {
        if let Some(finding) = finding(&witness.agent, &witness.target) {
            found.entry(finding).or_insert(&witness.agent);
        }
    }
    let told: Vec<String> = found
        .iter()
        .take(FINDINGS_MAX)
        .map(|(finding, agent)| format!("{agent} looked closer: {finding}."))
        .collect();
    (!told.is_empty() && fault.ended.is_none()).then(|| told.join(" "))
}

/// Tells `fault` to a person, by its evidence alone.
pub fn story(fault: &Fault, fleet: &Fleet) -> Story {
    story_with(fault, fleet, None, None)
}

/// The same, with what the latest looks tell of the references and of how slow it is.
pub(super) fn story_with(
    fault: &Fault,
    fleet: &Fleet,
    sight: Option<Sight>,
    pace: Option<Pace>,
) -> Story {
    let witnesses = evidence::Witnesses::of(fault, fleet, sight, pace);
    Story {
        title: place::title(fault),
        aside: place::aside(fault, witnesses.are_blind()),
        fails: fails(fault, &witnesses),
        left_out: None,
        doubtful: None,
        diagnosed: None,
        fine: joined([witnesses.references(), witnesses.others()]),
        affected: affected(fault),
        confidence: confidence(fault),
        alternative: fault.evidence.alternative.as_ref().map(alternative),
        without: without(fault),
    }
}

fn alternative(other: &Alternative) -> String {
    let (nats, odds) = (other.behind_nats, say::odds(other.behind_nats));
    let what = match (&other.locus, other.parts) {
        (None, _) => "no other fault, only chance".to_owned(),
        (Some(locus), 0 | 1) => place(locus),
        (Some(locus), parts) => {
            let more = plural(u64::from(parts - 1), "other fault");
            format!("{} and {more} at once", place(locus))
        }
    };
    format!("Next best: {what}, {nats:.1} nats behind ({odds}).")
}

fn fails(fault: &Fault, witnesses: &evidence::Witnesses<'_>) -> Option<String> {
    if fault.reason == Some(Reason::Silent) {
        let at = instant(fault.onset);
        return Some(format!(
            "Nothing was heard since {at}; nothing follows from that about any service."
        ));
    }
    joined([
        witnesses.failing(),
        witnesses.proven(),
        witnesses.blind(),
        rate(fault).or_else(|| refusal(fault)),
        recovering(fault),
    ])
}

/// Good looks after bad ones: an end, or a pause.
fn recovering(fault: &Fault) -> Option<String> {
    let since = fault.evidence.good_since.filter(|_| fault.ended.is_none())?;
    Some(format!("Looks are good again since {}: over once that has lasted.", instant(since)))
}

/// Said of partial faults only: "everything fails" needs no figure.
fn rate(fault: &Fault) -> Option<String> {
    let rate = fault.evidence.failure_rate;
    let partial = fault.state == FaultState::Degraded && fault.reason.is_none();
    (partial && rate > 0.0 && rate < 0.995)
        .then(|| format!("About {:.0} % of the looks fail.", (rate * 100.0).max(1.0)))
}

/// Why what fails for everybody is not down.
fn refusal(fault: &Fault) -> Option<String> {
    let service = matches!(fault.locus, Locus::Service { .. });
    (service && place::refuses(fault) && fault.state == FaultState::Degraded)
        .then(|| "A refusal is no outage: it may work for others.".to_owned())
}

fn affected(fault: &Fault) -> Option<String> {
    let names = say::list(&fault.affected_targets, 8);
    (!names.is_empty()).then(|| format!("Suffers with it: {names}."))
}

fn confidence(fault: &Fault) -> String {
    let (sure, seen) = (percent(fault.confidence.get()), fault.coverage);
    let places = plural(u64::from(seen.assigned), "place");
    let capped = capped(fault).unwrap_or_default();
    format!("Confidence {sure}, with {} of {places} bearing witness{capped}.", seen.domains)
}

/// Why it is no surer, whatever its evidence: too few see it, or none of them sees a reference answer.
fn capped(fault: &Fault) -> Option<&'static str> {
    let is = |most: f64| (fault.confidence.get() - most).abs() < f64::EPSILON;
    match fault.coverage.domains {
        0 | 1 if is(Confidence::ONE_DOMAIN_MAX) => Some("; one place alone is never surer"),
        2 if is(Confidence::TWO_DOMAINS_MAX) => Some("; two places are never surer"),
        _ if is(Confidence::ONE_DOMAIN_MAX) => {
            Some("; where no reference answers, it is never surer")
        }
        _ => None,
    }
}

/// Said only where leaving the witness out would change the figure.
fn without(fault: &Fault) -> Option<String> {
    let telling = fault.evidence.without.first()?;
    if fault.evidence.witnesses_for.iter().all(|w| w.agent == telling.agent) {
        return Some(format!("It all rests on what {} sees.", telling.agent));
    }
    let sure = percent(telling.confidence.get());
    (sure != percent(fault.confidence.get()))
        .then(|| format!("Without {} the confidence would be {sure}.", telling.agent))
}

fn joined<const N: usize>(parts: [Option<String>; N]) -> Option<String> {
    let text = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
    (!text.is_empty()).then_some(text)
}
