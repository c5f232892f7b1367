//! `parallax faults`.

use std::time::Duration;

use parallax_model::{FaultId, Timestamp};

use super::Failure;
use super::ask::{self, Collector};
use super::show;
use crate::api::dto::{FaultsJson, ToldJson};
use crate::view::words;

/// Most faults of one list: with their evidence, as JSON, some megabytes.
const LIMIT_MAX: u16 = 1_000;

/// Most faults that one answer of the API holds.
const PAGE_MAX: usize = 200;

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  parallax faults                          those that are open
  parallax faults --over --limit 20        the twenty that began last of those that are over
  parallax faults --all --before f-17      older ones than f-17
  parallax faults --over --output json

The newest are listed first, by number. `parallax explain FAULT` says why each is thought to be where it is.")]
pub(super) struct Args {
    /// Only those that are over
    #[arg(long, conflicts_with = "all")]
    over: bool,
    /// Those that are over, too
    #[arg(long)]
    all: bool,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=i64::from(LIMIT_MAX)))]
    limit: u16,
    /// Only older ones than this
    #[arg(long, value_name = "FAULT", value_parser = fault_id)]
    before: Option<FaultId>,
    #[command(flatten)]
    ask: ask::Ask,
}

fn fault_id(text: &str) -> Result<FaultId, String> {
    text.parse().map_err(|_| {
        format!(
            "{text} is no number of a fault: give one as `parallax faults` prints, such as f-17"
        )
    })
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let collector = args.ask.collector()?;
    let ask = async { list(&collector, args).await.map_err(Failure::from) };
    let answer = super::block_on(ask)?;
    show::print(args.ask.output, &answer, |answer| text(answer, args))
}

/// As many pages as it takes.
async fn list(collector: &Collector, args: &Args) -> anyhow::Result<FaultsJson> {
    let state = match (args.over, args.all) {
        (true, _) => "closed",
        (false, true) => "all",
        (false, false) => "open",
    };
    let mut faults = Vec::new();
    let mut cursor = args.before.map(|id| id.to_string());
    loop {
        let limit = (usize::from(args.limit) - faults.len()).min(PAGE_MAX).to_string();
        let mut query = vec![("state", state), ("limit", &limit)];
        query.extend(cursor.as_deref().map(|before| ("cursor", before)));
        let page: FaultsJson = collector.get_where(&["faults"], &query).await?;
        faults.extend(page.faults);
        cursor = page.next_cursor;
        if cursor.is_none() || faults.len() >= usize::from(args.limit) {
            return Ok(FaultsJson { faults, next_cursor: cursor });
        }
    }
}

fn text(answer: &FaultsJson, args: &Args) -> String {
    if answer.faults.is_empty() {
        return match (args.over, args.all) {
            (true, _) => "no fault is over".to_owned(),
            (false, true) => "there is no fault".to_owned(),
            (false, false) => "no fault is open; `--over` lists those that are over".to_owned(),
        };
    }
    let header = ["fault", "what", "since", "for", "sure"];
    let table = show::table(&header, answer.faults.iter().map(row));
    match &answer.next_cursor {
        Some(before) => format!("{table}\nolder ones: --before {before}"),
        None => table,
    }
}

fn row(told: &ToldJson) -> Vec<String> {
    let fault = &told.fault;
    let lasted = fault.end_ms.map(|end| u64::try_from(end - fault.onset_ms).unwrap_or(0));
    vec![
        fault.id.clone(),
        told.title.clone(),
        words::instant(Timestamp::from_millis(fault.onset_ms)),
        lasted.map_or("open".to_owned(), |ms| words::duration(Duration::from_millis(ms))),
        words::percent(fault.confidence),
    ]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use clap::Parser;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::view::made_up::{self, NOW, past_cut};
    use crate::view::made_up_store::Faults;
    use crate::view::{Edge, Health, View};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    /// A collector with one open fault, f-2, and 451 that are over.
    async fn collector() -> String {
        let past = (10..460).map(past_cut).collect();
        let view = Arc::new(View::new(Arc::new(Faults(past))));
        for news in made_up::story() {
            view.take(news);
        }
        let health = Arc::new(Health::new(NOW, &[]));
        let edge =
            Edge { view, health, now: || NOW, closing: CancellationToken::new(), practice: false };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bound = listener.local_addr().unwrap();
        let router = crate::api::router(&edge, bound, Router::new());
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{bound}")
    }

    async fn told(url: &str, more: &[&str]) -> (FaultsJson, String) {
        let line = ["faults", "--url", url].into_iter().chain(more.iter().copied());
        let Line { args } = Line::try_parse_from(line).unwrap();
        let answer = list(&args.ask.collector().ok().unwrap(), &args).await.unwrap();
        let text = text(&answer, &args);
        (answer, text)
    }

    #[tokio::test]
    async fn faults_that_are_over_are_listed_newest_first_and_no_more_than_asked_for() {
        let url = &collector().await;
        let ids = |answer: &FaultsJson| {
            answer.faults.iter().map(|f| f.fault.id.clone()).collect::<Vec<_>>()
        };
        let numbers = |numbers: &mut dyn Iterator<Item = u64>| {
            numbers.map(|n| format!("f-{n}")).collect::<Vec<_>>()
        };
        let (open, text) = told(url, &[]).await;
        assert_eq!(ids(&open), ["f-2"]);
        assert!(
            text.contains("f-2    shop is down everywhere") && text.contains("  open  "),
            "{text}"
        );

        let (over, text) = told(url, &["--over", "--limit", "3"]).await;
        assert_eq!(ids(&over), ["f-459", "f-458", "f-457"]);
        assert!(
            text.contains("The network of eu-west was cut off") && text.contains("  48 s  "),
            "{text}"
        );
        assert!(text.ends_with("\nolder ones: --before f-457"), "{text}");
        // more than one answer of the API holds
        let (over, text) = told(url, &["--over", "--limit", "1000"]).await;
        assert_eq!(ids(&over), numbers(&mut (10..460).rev().chain([1])));
        assert!(!text.contains("older ones"), "{text}");
        let (over, _) = told(url, &["--over", "--limit", "201"]).await;
        assert_eq!(over.faults.len(), 201);

        let (all, _) = told(url, &["--all", "--before", "f-11"]).await;
        assert_eq!(ids(&all), ["f-10", "f-2", "f-1"]);
        let (_, none) = told(url, &["--over", "--before", "f-1"]).await;
        assert_eq!(none, "no fault is over");
        assert!(Line::try_parse_from(["faults", "--over", "--all"]).is_err());
        let wrong = Line::try_parse_from(["faults", "--before", "f-zz"]).err().unwrap().to_string();
        let words =
            "f-zz is no number of a fault: give one as `parallax faults` prints, such as f-17";
        assert!(wrong.contains(words), "{wrong}");
        assert!(Line::try_parse_from(["faults", "--limit", "1001"]).is_err());
    }
}
