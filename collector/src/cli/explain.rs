//! `parallax explain`.

use anyhow::{Context, bail};
use serde::Serialize;

use super::Failure;
use super::ask::{self, Collector};
use super::show::{self, Feel};
use super::targets;
use crate::api::dto::{TargetJson, TargetsJson, ToldJson};

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  parallax explain f-3\n  parallax explain shop\n  \
                        parallax explain f-3 --output json")]
pub(super) struct Args {
    /// A fault (f-3) or a target's name
    #[arg(value_name = "FAULT|TARGET")]
    what: String,
    #[command(flatten)]
    ask: ask::Ask,
}

/// A fault alone, or a target with the open faults that touch it.
#[derive(Debug, Serialize)]
struct Explained {
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<TargetJson>,
    faults: Vec<ToldJson>,
}

/// Likeness from which a name is offered for a mistyped one (Jaro-Winkler, 0..=1).
const ALIKE: f64 = 0.8;

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let collector = args.ask.collector()?;
    let ask = async { find(&collector, &args.what).await.map_err(Failure::from) };
    let answer = super::block_on(ask)?;
    show::print(args.ask.output, &answer, text)
}

async fn find(collector: &Collector, what: &str) -> anyhow::Result<Explained> {
    let id = what.strip_prefix("f-").unwrap_or(what);
    if !id.is_empty()
        && id.bytes().all(|b| b.is_ascii_digit())
        && let Some(fault) = collector.find(&["faults", what]).await?
    {
        return Ok(Explained { target: None, faults: vec![fault] });
    }
    let all: TargetsJson = collector.get(&["targets"]).await?;
    let Some(target) = all.targets.iter().find(|t| t.name == what) else {
        bail!(unknown(what, &all.targets));
    };
    let mut faults = Vec::new();
    for id in &target.faults {
        let fault: Option<ToldJson> = collector.find(&["faults", id]).await?;
        faults.push(fault.with_context(|| format!("fault {id} is gone: ask again"))?);
    }
    Ok(Explained { target: Some(target.clone()), faults })
}

fn unknown(what: &str, targets: &[TargetJson]) -> String {
    let alike = |t: &TargetJson| (strsim::jaro_winkler(what, &t.name), t.name.clone());
    let near = targets.iter().map(alike).filter(|(alike, _)| *alike >= ALIKE);
    let near = near.max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = near.map_or_else(
        || "`parallax targets` lists the targets, `parallax status` the faults".to_owned(),
        |(_, name)| format!("did you mean {name:?}?"),
    );
    format!("there is no fault and no target {what:?}: {hint}")
}

fn text(explained: &Explained) -> String {
    let faults = explained.faults.iter().map(fault);
    let Some(target) = &explained.target else { return faults.collect::<Vec<_>>().join("\n\n") };
    let words = target.policy.as_ref().and_then(|policy| policy.words.clone());
    let words = words.into_iter().chain(sensitivity(target));
    let untouched = faults.len() == 0;
    let rest = untouched.then(|| self::untouched(target)).into_iter().chain(faults);
    words.chain(rest).collect::<Vec<_>>().join("\n\n")
}

/// Said where it is not as usual, since it may be why something is told late, or not.
fn sensitivity(target: &TargetJson) -> Option<String> {
    let level = target.sensitivity.as_deref()?;
    let means = match level {
        "low" => ": a fault of it is told later, and surer",
        "high" => ": a fault of it is told sooner, and is wrong more often",
        _ => "",
    };
    Some(format!("Its sensitivity is {level}{means}."))
}

fn fault(told: &ToldJson) -> String {
    let fault = &told.fault;
    let title = show::feel(&told.title, Feel::Strong);
    let span = match &told.ended {
        Some(ended) => format!("from {} to {ended}", told.onset),
        None => format!("since {}", told.onset),
    };
    let head = format!("{}  {title} — {}", fault.id, told.aside);
    let place = show::feel(&format!("{}, {}, {span}", fault.locus.locus, fault.state), Feel::Soft);
    let words = told.words.iter().map(|w| format!("  {w}")).collect::<Vec<_>>().join("\n");
    format!("{head}\n{place}\n{words}")
}

fn untouched(target: &TargetJson) -> String {
    let seen = target.coverage;
    let state = match target.role.as_str() {
        "reference" => "is a reference".to_owned(),
        _ => format!("is {}, seen from {} of {} places", target.state, seen.domains, seen.assigned),
    };
    let cells = target.regions.iter().map(|c| vec![c.region.clone(), targets::cell(c)]);
    let table = show::table(&["region", "sees"], cells);
    format!("{} {state}; no open fault touches it\n\n{table}", target.name)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parallax_model::{Role, Sensitivity};

    use super::*;
    use crate::view::made_up::{self, NOW};
    use crate::view::made_up_store::Faults;
    use crate::view::{News, View};

    #[test]
    fn a_sensitivity_of_its_own_is_told_with_the_target() {
        let told = |sensitivity| {
            let view = View::new(Arc::new(Faults::default()));
            let mut target = made_up::target("shop", Role::Service);
            target.sensitivity = sensitivity;
            view.take(News::Config { agents: vec![], targets: vec![target] });
            let target = view.targets(NOW).first().map(TargetJson::from);
            text(&Explained { target, faults: vec![] })
        };
        let low = told(Sensitivity::Low);
        let words =
            "Its sensitivity is low: a fault of it is told later, and surer.\n\nshop is unknown";
        assert!(low.starts_with(words), "{low}");
        assert!(told(Sensitivity::High).starts_with("Its sensitivity is high: "));
        assert!(told(Sensitivity::Normal).starts_with("shop is unknown"));
    }
}
