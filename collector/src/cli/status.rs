//! `parallax status`.

use super::Failure;
use super::ask;
use super::show::{self, Feel};
use super::targets;
use crate::api::dto::{OverviewJson, ToldJson, WebhookJson};
use crate::view::words;

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  parallax status\n  parallax status --url http://127.0.0.1:7480 \
                        --output json\n\nThe exit code is 0 whenever a collector answers, also \
                        when something is wrong."
)]
pub(super) struct Args {
    #[command(flatten)]
    ask: ask::Ask,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let collector = args.ask.collector()?;
    let ask = async { collector.get::<OverviewJson>(&["overview"]).await.map_err(Failure::from) };
    let answer = super::block_on(ask)?;
    show::print(args.ask.output, &answer, text)
}

fn text(o: &OverviewJson) -> String {
    let tone = match o.tone.as_str() {
        "fine" => Feel::Good,
        "bad" => Feel::Bad,
        _ => Feel::Odd,
    };
    let mut parts = vec![show::feel(&o.headline, tone)];
    parts.extend(o.references.iter().map(|words| show::feel(words, Feel::Bad)));
    if !o.faults.is_empty() {
        let header = ["fault", "what", "state", "for", "sure", "seen from"];
        let table = show::table(&header, o.faults.iter().map(|f| row(f, o.at_ms)));
        let hint = show::feel("`parallax explain FAULT` says why", Feel::Soft);
        parts.push(format!("{table}\n{hint}"));
    }
    parts.push(targets::table(&o.targets));
    let away: Vec<&str> =
        o.agents.iter().filter(|a| !a.connected).map(|a| a.name.as_str()).collect();
    if !away.is_empty() {
        parts.push(format!("away: {}", away.join(", ")));
    }
    parts.extend(webhooks(o));
    parts.join("\n\n")
}

/// Who should have been told and was not.
fn webhooks(o: &OverviewJson) -> Option<String> {
    let failing = |w: &WebhookJson| {
        let (since, why) = (show::ago(w.failing_since_ms?, o.at_ms), w.why.as_deref()?);
        let waiting = w.waiting;
        Some(format!("webhook {} takes nothing, for {since}: {why}; {waiting} wait", w.name))
    };
    let lost = |w: &WebhookJson| {
        (w.lost > 0).then(|| format!("webhook {}: {} messages were lost", w.name, w.lost))
    };
    let lines = o.webhooks.iter().flat_map(|w| [failing(w), lost(w)]).flatten();
    let lines: Vec<String> = lines.map(|line| show::feel(&line, Feel::Bad)).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn row(told: &ToldJson, now_ms: i64) -> Vec<String> {
    let fault = &told.fault;
    vec![
        fault.id.clone(),
        told.title.clone(),
        fault.reason.clone().unwrap_or_else(|| fault.state.clone()),
        show::ago(fault.onset_ms, now_ms),
        words::percent(fault.confidence),
        format!("{} of {}", fault.coverage.domains, fault.coverage.assigned),
    ]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parallax_model::{ErrorKind, Outcome};

    use super::*;
    use crate::view::View;
    use crate::view::made_up::{self, NOW, REGIONS};
    use crate::view::made_up_store::Faults;

    #[test]
    fn references_that_fail_stand_below_the_headline() {
        let view = View::new(Arc::new(Faults::default()));
        for news in made_up::story() {
            view.take(news);
        }
        let told = || text(&OverviewJson::from(&view.overview(NOW)));
        assert!(!told().contains("ref-a (0 of"), "{}", told());
        for region in REGIONS {
            let fails = Outcome::Fail(ErrorKind::Timeout);
            let look = made_up::look("ref-a", NOW, 900, fails);
            view.take(made_up::results(region, NOW, vec![look]));
        }
        let words = "\n\nref-a (0 of 5 agents, since 2026-11-23 21:00:00 UTC) answers nobody: verdicts stand on \
                     less.\n\nFAULT";
        assert!(told().contains(words), "{}", told());
        assert!(told().contains("\nref-a   reference, fails "), "{}", told());
    }
}
