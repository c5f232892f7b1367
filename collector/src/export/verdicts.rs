//! What the engine says, as metrics: faults, standings, and who bears witness.

use parallax_model::fault::TargetState;
use parallax_model::{Coverage, Fault, Locus, TargetName};

use super::exposition::{Labels, Lines, Metric};
use super::own::seconds;
use crate::view::{AgentRow, View};

const ACTIVE: Metric = gauge(
    "parallax_fault_active",
    "1 for every open fault: its locus, and the keys that name the place.",
);
const ONSET: Metric =
    gauge("parallax_fault_onset_timestamp_seconds", "When an open fault began, by the evidence.");
const CONFIDENCE: Metric =
    gauge("parallax_fault_confidence", "Probability that an open fault is where it is said to be.");
const STATE: Metric =
    gauge("parallax_target_state", "1 for the state that a service is in, 0 for the others.");
const COVERAGE: Metric = gauge(
    "parallax_coverage_ratio",
    "Failure domains that bear witness to a service, of those assigned to it.",
);
const POLICY: Metric = gauge(
    "parallax_target_policy_down",
    "1 while a service's own rule (`policy`) says that it is down, 0 while it says up. Absent while nobody votes.",
);
const CONNECTED: Metric =
    gauge("parallax_agent_connected", "1 while an agent's stream to the collector is open.");
const SPOOL: Metric =
    gauge("parallax_agent_spool_records", "Results in an agent's spool that wait for an ack.");
const MISSED: Metric = Metric {
    name: "parallax_agent_missed_slots_total",
    kind: "counter",
    help: "Slots that passed without a look since the agent started.",
};

const FIT: Metric = gauge(
    "parallax_agent_fit",
    "1 while an agent holds itself for fit to bear witness. Absent until it has said so.",
);
const UNFIT: Metric =
    gauge("parallax_agent_unfit", "1 for each reason for which an agent is unfit.");
const DELAY: Metric = gauge(
    "parallax_agent_delay_seconds",
    "How long looks that are due wait for the agent itself, over its last minute: the 99th percentile.",
);

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: "gauge", help }
}

/// Everything, or what is said of one target.
pub(super) fn write(view: &View, only: Option<&TargetName>) -> String {
    let mut out = String::new();
    faults(&mut out, view, only);
    standings(&mut out, view, only);
    if only.is_none() {
        agents(&mut out, &view.agents());
    }
    out
}

fn faults(out: &mut String, view: &View, only: Option<&TargetName>) {
    let mut open = view.open_faults();
    open.retain(|fault| only.is_none_or(|only| names(&fault.locus, only)));
    let named: Vec<(Labels, &Fault)> = open.iter().map(|f| (fault_labels(f), &**f)).collect();
    let mut family = |metric, value: fn(&Fault) -> f64| {
        let mut lines = Lines::new(metric, false, out);
        for (labels, fault) in &named {
            lines.put(labels, value(fault));
        }
    };
    family(ACTIVE, |_| 1.0);
    family(ONSET, |fault| seconds(fault.onset));
    family(CONFIDENCE, |fault| fault.confidence.get());
}

fn names(locus: &Locus, target: &TargetName) -> bool {
    locus
        .keys()
        .iter()
        .any(|(key, value)| matches!(*key, "target" | "dependency") && *value == target.as_str())
}

fn fault_labels(fault: &Fault) -> Labels {
    let labels = Labels::default()
        .with("fault", &fault.id.to_string())
        .with("locus", fault.locus.kind())
        .with("state", fault.state.as_str())
        .with("reason", fault.reason.map_or("", |reason| reason.as_str()));
    fault.locus.keys().into_iter().fold(labels, |labels, (key, value)| labels.with(key, value))
}

fn standings(out: &mut String, view: &View, only: Option<&TargetName>) {
    let mut standings = view.standings();
    standings.retain(|s| only.is_none_or(|only| *only == s.target));
    let mut lines = Lines::new(STATE, false, out);
    for standing in &standings {
        for state in
            [TargetState::Up, TargetState::Degraded, TargetState::Down, TargetState::Unknown]
        {
            let labels = Labels::default().with("target", standing.target.as_str());
            let is = u8::from(state == standing.state);
            lines.put_with(&labels, ("state", state.as_str()), is);
        }
    }
    let mut lines = Lines::new(COVERAGE, false, out);
    for standing in &standings {
        let Coverage { domains, assigned } = standing.coverage;
        if assigned > 0 {
            let labels = Labels::default().with("target", standing.target.as_str());
            lines.put(&labels, f64::from(domains) / f64::from(assigned));
        }
    }
    let mut lines = Lines::new(POLICY, false, out);
    for standing in &standings {
        let Some(ruling) = standing.policy else { continue };
        let down = match ruling.state() {
            TargetState::Down => 1,
            TargetState::Up => 0,
            TargetState::Degraded | TargetState::Unknown => continue,
        };
        let labels = Labels::default().with("target", standing.target.as_str());
        lines.put_with(&labels, ("rule", &ruling.rule.to_string()), down);
    }
}

fn agents(out: &mut String, agents: &[AgentRow]) {
    let named: Vec<(Labels, &AgentRow)> = agents.iter().map(|a| (agent_labels(a), a)).collect();
    let mut family = |metric, value: fn(&AgentRow) -> Option<u64>| {
        let mut lines = Lines::new(metric, false, out);
        for (labels, agent) in &named {
            if let Some(value) = value(agent) {
                lines.put(labels, value);
            }
        }
    };
    family(CONNECTED, |agent| Some(u64::from(agent.now.connected)));
    // what an agent has not told since the collector started is absent: a zero would look like a reset,
    // and what it tells next like as many slots missed at once
    family(SPOOL, |agent| agent.now.missed_slots.map(|_| agent.now.spool_records));
    family(MISSED, |agent| agent.now.missed_slots);
    family(FIT, |agent| agent.now.fitness.as_ref().map(|f| u64::from(f.is_fit())));
    let fit = named.iter().filter_map(|(labels, a)| Some((labels, a.now.fitness.as_ref()?)));
    let mut unfit = Lines::new(UNFIT, false, out);
    for (labels, fitness) in fit.clone() {
        for reason in &fitness.unfit {
            unfit.put_with(labels, ("reason", reason.as_str()), 1);
        }
    }
    let mut delay = Lines::new(DELAY, false, out);
    for (labels, fitness) in fit {
        delay.put(labels, fitness.delay_p99.as_secs_f64());
    }
}

fn agent_labels(row: &AgentRow) -> Labels {
    let spec = &row.spec;
    Labels::default()
        .with("agent", spec.name.as_str())
        .with("region", spec.region.as_ref().map_or("", |r| r.as_str()))
        .with("provider", spec.provider.as_ref().map_or("", |p| p.as_str()))
}
