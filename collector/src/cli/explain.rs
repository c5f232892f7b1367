//! `parallax explain`.

use anyhow::{Context, bail};
use parallax_model::Reason;
use serde::Serialize;

use super::Failure;
use super::ask::{self, Collector};
use super::show::{self, Feel};
use super::{agents, targets};
use crate::api::agent::{OneAgentJson, SeesJson};
use crate::api::dto::{
    AgentJson, AgentsJson, CellJson, FaultsJson, TargetJson, TargetsJson, ToldJson,
};
use crate::view::words;

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  parallax explain f-3\n  parallax explain shop\n  \
                        parallax explain eu-west-1\n  parallax explain f-3 --output json")]
pub(super) struct Args {
    /// A fault (f-3), or the name of a target or an agent
    #[arg(value_name = "FAULT|TARGET|AGENT")]
    what: String,
    #[command(flatten)]
    ask: ask::Ask,
}

/// A fault alone, or a target or an agent with the open faults that touch it.
#[derive(Debug, Default, Serialize)]
struct Explained {
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<TargetJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<OneAgentJson>,
    faults: Vec<ToldJson>,
    /// Faults of who looks: what is seen from there is not held against the target.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    beside: Vec<ToldJson>,
}

/// Open faults among which those of who looks are searched: as many as one answer holds.
const OPEN_MAX: &str = "200";

/// Faults of who looks that are listed; more are counted.
const BESIDE_MAX: usize = 20;

/// Likeness from which a name is offered for a mistyped one (Jaro-Winkler, 0..=1).
const ALIKE: f64 = 0.8;

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let collector = args.ask.collector()?;
    let ask = async { find(&collector, &args.what).await.map_err(Failure::from) };
    let answer = super::block_on(ask)?;
    show::print(args.ask.output, &answer, text)
}

async fn find(collector: &Collector, what: &str) -> anyhow::Result<Explained> {
    let number = number_of_fault(what).unwrap_or(what);
    if is_number(number)
        && let Some(fault) = collector.find(&["faults", &format!("f-{number}")]).await?
    {
        return Ok(Explained { faults: vec![fault], ..Explained::default() });
    }
    let all: TargetsJson = collector.get(&["targets"]).await?;
    let Some(target) = all.targets.iter().find(|t| t.name == what) else {
        return find_agent(collector, what, &all.targets).await;
    };
    let faults = each(collector, &target.faults).await?;
    let open = [("state", "open"), ("limit", OPEN_MAX)];
    let open: FaultsJson = collector.get_where(&["faults"], &open).await?;
    let beside = open.faults.into_iter().filter(|fault| is_beside(fault, target)).collect();
    Ok(Explained { target: Some(target.clone()), faults, beside, ..Explained::default() })
}

/// What follows the `f-` of a fault, however that is written.
fn number_of_fault(what: &str) -> Option<&str> {
    let number = what.strip_prefix(['f', 'F'])?.strip_prefix('-')?;
    is_number(number).then_some(number)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

async fn find_agent(
    collector: &Collector,
    what: &str,
    targets: &[TargetJson],
) -> anyhow::Result<Explained> {
    let Some(agent) = collector.find::<OneAgentJson>(&["agents", what]).await? else {
        let agents: AgentsJson = collector.get(&["agents"]).await?;
        let targets = targets.iter().map(|t| t.name.as_str());
        bail!(unknown(what, targets.chain(agents.agents.iter().map(|a| a.name.as_str()))));
    };
    let faults = each(collector, &agent.faults).await?;
    Ok(Explained { agent: Some(agent), faults, ..Explained::default() })
}

async fn each(collector: &Collector, ids: &[String]) -> anyhow::Result<Vec<ToldJson>> {
    let mut faults = Vec::new();
    for id in ids {
        let fault: Option<ToldJson> = collector.find(&["faults", id]).await?;
        faults.push(fault.with_context(|| format!("fault {id} is gone: ask again"))?);
    }
    Ok(faults)
}

/// True if those who look at the target are at fault themselves.
fn is_beside(told: &ToldJson, target: &TargetJson) -> bool {
    let locus = &told.fault.locus;
    let here = |cell: &CellJson| cell.agents > 0 && Some(&cell.region) == locus.region.as_ref();
    let sees = || told.fault.evidence.witnesses_for.iter().any(|w| w.target == target.name);
    match locus.locus.as_str() {
        "region" => target.regions.iter().any(here),
        "provider" | "agent" => sees(),
        _ => false,
    }
}

fn unknown<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> String {
    if let Some(number) = number_of_fault(what) {
        return format!(
            "there is no fault f-{number}: `parallax faults --all` lists those there are"
        );
    }
    let alike = |name: &'a str| (strsim::jaro_winkler(what, name), name);
    let near = names.map(alike).filter(|(alike, _)| *alike >= ALIKE);
    let near = near.max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = near.map_or_else(
        || "`parallax targets` lists the targets, `parallax agents` the agents, `parallax faults --all` the faults".to_owned(),
        |(_, name)| format!("did you mean {name:?}?"),
    );
    format!("there is no fault, target or agent {what:?}: {hint}")
}

fn text(explained: &Explained) -> String {
    let faults = explained.faults.iter().map(fault);
    if let Some(agent) = &explained.agent {
        let rest = if faults.len() == 0 {
            vec!["no open fault touches it".to_owned()]
        } else {
            faults.collect()
        };
        let sees = (!agent.sees.is_empty())
            .then(|| show::table(&["target", "sees"], agent.sees.iter().map(sees)));
        let silent = is_silent(&agent.agent, &explained.faults);
        let parts = std::iter::once(self::agent(&agent.agent, silent)).chain(rest).chain(sees);
        return parts.collect::<Vec<_>>().join("\n\n");
    }
    let Some(target) = &explained.target else { return faults.collect::<Vec<_>>().join("\n\n") };
    let words = target.policy.as_ref().and_then(|policy| policy.words.clone());
    let mute = target.words.iter().map(|words| show::feel(words, Feel::Bad));
    let words = mute.chain(words).chain(sensitivity(target));
    let untouched = faults.len() == 0;
    let rest = untouched.then(|| self::untouched(target)).into_iter().chain(faults);
    let beside = explained.beside.iter().take(BESIDE_MAX).map(|told| {
        let (id, title) = (&told.fault.id, &told.title);
        format!("{id}  {title}: what is seen from there is not held against {}", target.name)
    });
    let more = explained.beside.len().saturating_sub(BESIDE_MAX);
    let more = (more > 0).then(|| {
        let faults = words::plural(more as u64, "more fault");
        format!("and {faults} of who looks: `parallax status` lists what is open")
    });
    let beside = beside.chain(more).collect::<Vec<_>>().join("\n");
    let beside = (!beside.is_empty()).then_some(beside);
    words.chain(rest).chain(beside).collect::<Vec<_>>().join("\n\n")
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
        None => format!("since {}, evidence as of {}", told.onset, told.updated),
    };
    let head = format!("{}  {title} — {}", fault.id, told.aside);
    let place = show::feel(&format!("{}, {}, {span}", fault.locus.locus, fault.state), Feel::Soft);
    let words = told.words.iter().map(|w| format!("  {w}")).collect::<Vec<_>>().join("\n");
    format!("{head}\n{place}\n{words}")
}

/// True if it is told to be silent.
fn is_silent(agent: &AgentJson, faults: &[ToldJson]) -> bool {
    faults.iter().map(|told| &told.fault).any(|fault| {
        fault.reason.as_deref() == Some(Reason::Silent.as_str())
            && fault.locus.agent.as_ref() == Some(&agent.name)
    })
}

/// Where it stands, and how it fares.
fn agent(agent: &AgentJson, silent: bool) -> String {
    let place = [("region", &agent.region), ("provider", &agent.provider), ("site", &agent.site)];
    let place = place.iter().filter_map(|(key, value)| Some(format!("{key} {}", value.as_ref()?)));
    let asn = agent.asn.map(|asn| format!("asn {asn}"));
    let labels = agent.labels.iter().map(|(key, value)| format!("{key}={value}"));
    let place: Vec<String> = place.chain(asn).chain(labels).collect();
    let place = if place.is_empty() { "without labels".to_owned() } else { place.join(", ") };
    let stream = if agent.connected { "its stream is open" } else { "it is away" };
    let heard = match &agent.last_heard {
        Some(at) => format!("last heard {at}"),
        None => "never heard".to_owned(),
    };
    let name = show::feel(&agent.name, Feel::Strong);
    // its own word, which may be old
    let fit = if silent && agent.fitness.is_some() { "fit when last heard" } else { "fit" };
    format!("{name}  {place}\n{stream}, {heard}; {fit}: {}", agents::fit(agent))
}

fn sees(sees: &SeesJson) -> Vec<String> {
    let cell = match sees.state.as_str() {
        "fine" => show::latency(sees.latency_ms).unwrap_or_default(),
        "failing" => [sees.error.as_deref(), sees.detail.as_deref()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(": "),
        "unable" => "cannot look".to_owned(),
        other => other.to_owned(),
    };
    vec![sees.target.clone(), cell]
}

fn untouched(target: &TargetJson) -> String {
    let seen = target.coverage;
    let state = if target.role == "reference" {
        "is a reference".to_owned()
    } else {
        let places = words::plural(u64::from(seen.assigned), "place");
        format!("is {}, seen from {} of {places}", target.state, seen.domains)
    };
    let cells = target.regions.iter().map(|c| vec![c.region.clone(), targets::cell(c)]);
    let table = show::table(&["region", "sees"], cells);
    format!("{} {state}; no open fault touches it\n\n{table}", target.name)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parallax_model::{
        Change, ErrorKind, Evidence, Fault, Fitness, Locus, Outcome, Role, Sensitivity,
    };

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
            text(&Explained { target, ..Explained::default() })
        };
        let low = told(Sensitivity::Low);
        let words =
            "Its sensitivity is low: a fault of it is told later, and surer.\n\nshop is unknown";
        assert!(low.starts_with(words), "{low}");
        assert!(told(Sensitivity::High).starts_with("Its sensitivity is high: "));
        assert!(told(Sensitivity::Normal).starts_with("shop is unknown"));
    }

    #[test]
    fn one_place_is_no_places() {
        let view = View::new(Arc::new(Faults::default()));
        for news in made_up::story() {
            view.take(news);
        }
        let mut target = TargetJson::from(view.targets(NOW).first().unwrap());
        (target.coverage.domains, target.coverage.assigned) = (1, 1);
        assert!(untouched(&target).starts_with("mail is up, seen from 1 of 1 place; no open"));
    }

    #[test]
    fn a_reference_that_answers_nobody_says_so() {
        let view = View::new(Arc::new(Faults::default()));
        for news in made_up::story() {
            view.take(news);
        }
        let told = || {
            let rows = view.targets(NOW);
            let row = rows.iter().find(|row| row.target.name.as_str() == "ref-a").unwrap();
            let target = Some(TargetJson::from(row));
            (TargetJson::from(row).state, text(&Explained { target, ..Explained::default() }))
        };
        let (state, words) = told();
        assert!(state == "up" && words.starts_with("ref-a is a reference; no open"), "{words}");
        for region in made_up::REGIONS {
            let fails = Outcome::Fail(ErrorKind::Timeout);
            let look = made_up::look("ref-a", NOW, 900, fails);
            view.take(made_up::results(region, NOW, vec![look]));
        }
        let (state, words) = told();
        let begin = "ref-a (0 of 5 agents, since 2026-11-23 21:00:00 UTC) answers nobody: verdicts stand on \
                     less.\n\nref-a is a reference; no open fault touches it\n\n";
        assert!(state == "down" && words.starts_with(begin), "{words}");
    }

    #[test]
    fn a_fault_of_who_looks_stands_beside_the_target() {
        let view = View::new(Arc::new(Faults::default()));
        for news in made_up::story() {
            view.take(news);
        }
        let rows = view.targets(NOW);
        let mail = rows.iter().find(|row| row.target.name.as_str() == "mail").map(TargetJson::from);
        let told = |fault| ToldJson::from(&view.tell(&Arc::new(fault)));
        let cut = Fault { ended: None, affected_targets: vec![], ..made_up::past_cut(7) };
        let elsewhere = Locus::Region { region: made_up::name("mars") };
        let beside = |fault: &Fault| is_beside(&told(fault.clone()), mail.as_ref().unwrap());
        assert!(beside(&cut) && !beside(&made_up::outage(8)));
        assert!(!beside(&Fault { locus: elsewhere, ..cut.clone() }));
        let blind = Locus::Agent { agent: made_up::name("eu-west-1") };
        assert!(
            beside(&Fault { locus: blind, ..cut.clone() }),
            "mail is among what it fails to see"
        );

        let explained =
            |beside| text(&Explained { target: mail.clone(), beside, ..Explained::default() });
        let text = explained(vec![told(cut.clone())]);
        let words = "\n\nf-7  The network of eu-west is cut off: what is seen from there is not held against mail";
        assert!(
            text.starts_with("mail is up, seen from 5 of 5 places") && text.ends_with(words),
            "{text}"
        );
        let many = |n: usize| explained((0..n).map(|_| told(cut.clone())).collect());
        assert_eq!(many(20).matches("\nf-7  ").count(), 20);
        assert!(many(20).ends_with("held against mail"), "{}", many(20));
        assert_eq!(many(22).matches("\nf-7  ").count(), 20);
        let words = "\nand 2 more faults of who looks: `parallax status` lists what is open";
        assert!(many(22).ends_with(words), "{}", many(22));
    }

    #[test]
    fn what_is_not_there_is_said_by_what_it_looks_like() {
        assert_eq!(["f-2", "F-2"].map(number_of_fault), [Some("2"); 2]);
        for other in ["2", "f2", "f-", "f-2a", "shop"] {
            assert_eq!(number_of_fault(other), None, "{other}");
        }
        let told = |what| unknown(what, ["shop", "f-eu-1"].into_iter());
        let words = "there is no fault f-99: `parallax faults --all` lists those there are";
        assert_eq!([told("f-99"), told("F-99")], [words; 2]);
        assert!(told("moon").ends_with("`parallax faults --all` the faults"), "{}", told("moon"));
        assert_eq!(
            told("shpo"),
            "there is no fault, target or agent \"shpo\": did you mean \"shop\"?"
        );
    }

    #[test]
    fn an_agent_is_explained_by_what_touches_it_and_what_it_sees() {
        let view = View::new(Arc::new(Faults::default()));
        for news in made_up::story() {
            view.take(news);
        }
        let silent = Fault {
            locus: Locus::Agent { agent: made_up::name("eu-north-1") },
            reason: Some(Reason::Silent),
            evidence: Evidence::default(),
            ..made_up::outage(7)
        };
        let opened = Change::Opened(Box::new(silent));
        view.take(News::Verdict { at: NOW, changes: vec![opened], standings: vec![] });
        let told = |name: &str| {
            let agent = OneAgentJson::from(&view.agent(&made_up::name(name), NOW).unwrap());
            let id = |id: &String| view.fault(id.parse().unwrap()).unwrap().unwrap();
            let faults = agent.faults.iter().map(|f| ToldJson::from(&view.tell(&id(f)))).collect();
            text(&Explained { agent: Some(agent), faults, ..Explained::default() })
        };
        let away = told("eu-north-1");
        let head = "eu-north-1  region eu-north, provider hetzner, asn 24940\n\
                    it is away, last heard 2026-11-23T21:00:00.000Z; fit: -\n\nf-2  shop is down everywhere";
        assert!(away.starts_with(head), "{away}");
        assert!(away.contains("\n\nf-7  Agent eu-north-1 has fallen silent — "), "{away}");
        assert!(away.contains(", evidence as of 2026-11-23T20:59:57.000Z\n"), "{away}");
        let sees = "\nshop    status_5xx: internal server error";
        assert!(away.contains(sees) && away.contains("\nmail    34 ms\n"), "{away}");
        assert!(!told("us-east-1").contains("f-7"));
        // what it said of itself before is no word of now
        let mut agent = OneAgentJson::from(&view.agent(&made_up::name("eu-north-1"), NOW).unwrap());
        agent.agent.fitness = Some((&Fitness::default()).into());
        let silent = |faults: &[ToldJson]| is_silent(&agent.agent, faults);
        let fault = |id: u64| {
            let fault = view.fault(parallax_model::FaultId(id)).unwrap().unwrap();
            ToldJson::from(&view.tell(&fault))
        };
        assert!(silent(&[fault(2), fault(7)]) && !silent(&[fault(2)]));
        assert!(self::agent(&agent.agent, true).ends_with("; fit when last heard: yes"));
        assert!(self::agent(&agent.agent, false).ends_with("; fit: yes"));
        assert!(view.agent(&made_up::name("nobody"), NOW).is_none());
    }
}
