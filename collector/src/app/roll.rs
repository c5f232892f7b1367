//! Who is in force: what the owner declared, and who joined since.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parallax_model::{AgentSpec, Rule, Target, TargetName};
use parallax_verdict::policy::out_of_reach;
use tokio::sync::mpsc;

use super::court::Declared;
use super::now;
use crate::config::DOUBTS_MAX;
use crate::fleet::Fleet;
use crate::identity::{Identity, Roll};
use crate::ingest::Needs;
use crate::notify::Webhook;
use crate::store::writer::Writer;
use crate::view::{Edge, News, View};

/// What the owner declared.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) agents: Arc<[AgentSpec]>,
    pub(super) targets: Vec<Target>,
    pub(super) webhooks: Arc<[Webhook]>,
}

/// Puts agents in force, everywhere.
#[derive(Debug)]
pub(super) struct InForce {
    pub(super) identity: Arc<Identity>,
    fleet: Arc<Fleet>,
    view: Arc<View>,
    court: mpsc::Sender<Declared>,
    kept: Mutex<Kept>,
    /// One change after the other.
    turn: tokio::sync::Mutex<()>,
}

/// The declared agents and those that joined. Where an agent stands is what its token said; what else is
/// declared of it holds. Who was revoked is none, also if it is declared.
pub(super) fn agents(declared: &[AgentSpec], identity: &Identity) -> Vec<AgentSpec> {
    let mut all: BTreeMap<_, _> = declared.iter().map(|a| (a.name.clone(), a.clone())).collect();
    all.retain(|name, _| !identity.has_joined(name));
    for joined in identity.agents() {
        let declared = declared.iter().find(|a| a.name == joined.name).cloned();
        let AgentSpec { region, provider, site, .. } = joined.clone();
        let spec = declared.map_or(joined, |d| AgentSpec { region, provider, site, ..d });
        all.insert(spec.name.clone(), spec);
    }
    all.into_values().collect()
}

/// Says which targets' own rules take more places than look at them. `parallax targets` marks each: ten
/// thousand lines at every reload would hide the rest of the log.
fn doubt_rules(agents: &[AgentSpec], targets: &[Target]) {
    let (first, more) = doubted(agents, targets);
    for (target, rule, places) in first {
        tracing::warn!(%target, %rule, places, "the rule takes more places than look: until more join, it never says down");
    }
    if more > 0 {
        tracing::warn!(
            more,
            "more rules take more places than look: `parallax targets` shows which"
        );
    }
}

/// The first of the rules that take more places than look, once somebody looks at all, and how many more there are.
fn doubted(agents: &[AgentSpec], targets: &[Target]) -> (Vec<(TargetName, Rule, u32)>, usize) {
    if agents.is_empty() {
        return (Vec::new(), 0);
    }
    let targets = targets.iter().map(Into::into).collect();
    let mut all = out_of_reach(&parallax_verdict::Fleet { agents: agents.to_vec(), targets });
    let more = all.len().saturating_sub(DOUBTS_MAX);
    all.truncate(DOUBTS_MAX);
    (all, more)
}

impl InForce {
    pub(super) fn new(
        identity: Arc<Identity>,
        fleet: Arc<Fleet>,
        edge: &Edge,
        court: mpsc::Sender<Declared>,
        first: Kept,
    ) -> Arc<Self> {
        doubt_rules(&agents(&first.agents, &identity), &first.targets);
        let (view, kept, turn) =
            (Arc::clone(&edge.view), Mutex::new(first), tokio::sync::Mutex::default());
        Arc::new(Self { identity, fleet, view, court, kept, turn })
    }

    /// What hearing agents needs.
    pub(super) fn needs(self: &Arc<Self>, writer: Writer, tls_only: bool) -> Needs {
        let roll = Arc::clone(self) as Arc<dyn Roll>;
        let (fleet, identity) = (Arc::clone(&self.fleet), Arc::clone(&self.identity));
        Needs { fleet, writer, identity, roll, tls_only, now }
    }

    /// Puts another configuration in force.
    pub(super) async fn set(&self, kept: Kept) {
        let _turn = self.turn.lock().await;
        doubt_rules(&agents(&kept.agents, &self.identity), &kept.targets);
        *self.kept() = kept;
        self.apply().await;
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn apply(&self) {
        let Kept { agents: declared, targets, webhooks } = self.kept().clone();
        let agents = agents(&declared, &self.identity);
        self.fleet.set(agents.clone(), targets.clone(), now());
        self.view.take(News::Config { agents: agents.clone(), targets: targets.clone() });
        if self.court.send(Declared { agents, targets, webhooks }).await.is_err() {
            tracing::error!("the court has ended: restart the collector");
        }
    }
}

impl Roll for InForce {
    fn declared(&self) -> Arc<[AgentSpec]> {
        Arc::clone(&self.kept().agents)
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        async {
            let _turn = self.turn.lock().await;
            self.apply().await;
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use parallax_model::{AgentName, Role};

    use super::*;
    use crate::view::made_up;

    #[test]
    fn of_many_rules_that_nobody_can_meet_the_first_are_told_and_the_others_counted() {
        let agents = [AgentSpec::unlabelled(AgentName::new("a").unwrap())];
        let target = |n: usize, rule: &str| {
            let mut target = made_up::target(&format!("t-{n}"), Role::Service);
            target.policy = Some(rule.parse().unwrap());
            target
        };
        let told = |agents: &[AgentSpec], targets: &[Target]| {
            let (first, more) = doubted(agents, targets);
            (first.iter().map(|(name, ..)| name.to_string()).collect::<Vec<_>>(), more)
        };
        let mut targets = vec![target(0, "any")];
        targets.extend((1..=5).map(|n| target(n, "count:2")));
        let first: Vec<_> = (1..=5).map(|n| format!("t-{n}")).collect();
        assert_eq!(told(&agents, &targets), (first.clone(), 0));
        targets.extend((6..=9).map(|n| target(n, "count:2")));
        assert_eq!(told(&agents, &targets), (first, 4));
        assert_eq!(told(&[], &targets), (vec![], 0), "all of its agents join");
    }
}
