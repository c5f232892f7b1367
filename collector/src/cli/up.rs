//! `parallax up`: collector and one agent in one process, over the real road.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parallax_agent::{Agent, CollectorUrl};
use parallax_model::{AgentName, AgentSpec, Region, Role, Target};
use tokio::sync::broadcast::error::RecvError;

use super::serve::{Asked, Signals, broken};
use super::{Failure, block_on, say};
use crate::app::{Collector, DATA_DIR_DEFAULT, Options};
use crate::config::{self, Config, target_of_url};
use crate::view::words;
use crate::view::{Event, EventBody, View};

/// Well-known endpoints of three operators that have nothing to do with one another: when all of them
/// fail, it is us.
const REFERENCES: [&str; 3] = [
    "https://www.google.com/generate_204",
    "https://cp.cloudflare.com/generate_204",
    "https://detectportal.firefox.com/success.txt",
];

/// The embedded agent, and where it stands.
const AGENT: &str = "here";
const REGION: &str = "local";

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  parallax up https://shop.example/
  parallax up https://shop.example/ https://api.shop.example/health --interval 10s
  parallax up --config parallax.toml --no-references")]
pub(super) struct Args {
    /// Addresses to watch, such as <https://example.com/>
    urls: Vec<String>,
    /// A configuration file with more targets and agents
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Do not look at public references; without any, a fault here looks like a fault there
    #[arg(long)]
    no_references: bool,
    /// Where data is kept [default: parallax-data]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// How often each address is looked at
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = interval)]
    interval: Duration,
    /// Where agents come to [default: 127.0.0.1:7481]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Where page and API are served [default: 127.0.0.1:7480]
    #[arg(long, value_name = "ADDRESS")]
    http: Option<SocketAddr>,
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval =
        humantime::parse_duration(text).map_err(|why| format!("{why}; write 30s or 1m"))?;
    let range = Duration::from_secs(1)..=Duration::from_hours(24);
    if range.contains(&interval) { Ok(interval) } else { Err("choose 1s to 24h".to_owned()) }
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let config = configuration(args)?;
    block_on(up(config))
}

/// The file's configuration with the addresses, the references and the agent of this machine.
fn configuration(args: &Args) -> Result<Config, Failure> {
    let loaded = args.config.as_deref().map(config::load).transpose().map_err(Failure::usage)?;
    let mut config = loaded.unwrap_or_default();
    for url in &args.urls {
        add(&mut config.targets, url, Role::Service, args.interval)?;
    }
    if config.targets.iter().all(|t| t.role == Role::Reference) {
        let what = "nothing to watch: name an address, as in parallax up https://example.com/";
        return Err(Failure::usage(anyhow::anyhow!(what)));
    }
    if config.collector.tls_only {
        let what = "tls_only keeps out the agent that up brings along: use serve, or leave it out";
        return Err(Failure::usage(anyhow::anyhow!(what)));
    }
    let own_references = config.targets.iter().any(|t| t.role == Role::Reference);
    if !args.no_references && !own_references {
        for url in REFERENCES {
            add(&mut config.targets, url, Role::Reference, args.interval)?;
        }
    }
    let name = AgentName::new(AGENT)?;
    if config.agents.iter().all(|a| a.name != name) {
        let here = AgentSpec { region: Some(Region::new(REGION)?), ..AgentSpec::unlabelled(name) };
        config.agents.push(here);
    }
    let collector = &mut config.collector;
    collector.listen = args.listen.unwrap_or(collector.listen);
    collector.http = args.http.unwrap_or(collector.http);
    let data_dir = args.data_dir.clone().or_else(|| collector.data_dir.take());
    collector.data_dir = Some(data_dir.unwrap_or_else(|| DATA_DIR_DEFAULT.into()));
    Ok(config)
}

fn add(
    targets: &mut Vec<Target>,
    url: &str,
    role: Role,
    interval: Duration,
) -> Result<(), Failure> {
    let wrong = |why: String| Failure::usage(anyhow::anyhow!(why));
    let target = target_of_url(url, role, interval).map_err(wrong)?;
    if targets.iter().any(|t| t.name == target.name) {
        return Err(wrong(format!("{} is named twice; remove one", target.name)));
    }
    targets.push(target);
    Ok(())
}

async fn up(config: Config) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    let targets = config.targets.clone();
    let options = Options { embedded: true, ..Options::default() };
    let collector = Collector::start(config, options).await?;
    let (view, mut events) = (collector.view(), collector.view().subscribe());
    greet(&collector, &targets);
    let url = CollectorUrl::new(&format!("http://{}", collector.local_addr()))?;
    let folder = collector.data_dir().join("agent-here");
    let mut agent =
        Agent::start(parallax_agent::Config::new(AgentName::new(AGENT)?, url, folder)).await?;
    for fault in view.open_faults() {
        tell(&view, &EventBody::Opened(fault));
    }
    let ended = loop {
        tokio::select! {
            () = collector.broken() => break Err(broken()),
            () = agent.broken() => {
                break Err(anyhow::anyhow!("a part of the agent died: start it again").into());
            }
            asked = signals.next() => match asked {
                Asked::Reload => tracing::warn!("up reads its configuration once; use serve to reload"),
                Asked::Stop => break Ok(()),
            },
            event = events.recv() => match event {
                Ok(Event { body, .. }) => tell(&view, &body),
                Err(RecvError::Lagged(missed)) => say(&format!("({missed} changes were not told; see the page)")),
                Err(RecvError::Closed) => break Ok(()),
            },
        }
    };
    agent.stop().await;
    collector.stop().await;
    ended
}

fn greet(collector: &Collector, targets: &[Target]) {
    let of = |role| -> Vec<String> {
        targets.iter().filter(|t| t.role == role).map(|t| t.check.address()).collect()
    };
    say(&format!("watching    {}", of(Role::Service).join(", ")));
    let references = of(Role::Reference);
    if references.is_empty() {
        say("references  none: a fault here will look like a fault there");
    } else {
        say(&format!("references  {}", references.join(", ")));
    }
    say(&format!("data        {}", collector.data_dir().display()));
    say(&format!("page        http://{}", collector.http_addr()));
    if !collector.grpc_addr().ip().is_loopback() {
        let data = collector.data_dir().display();
        say(&format!(
            "elsewhere   parallax token create --data {data} --region R --provider P   lets an agent join"
        ));
    }
}

/// Prints what changed in words.
fn tell(view: &Arc<View>, body: &EventBody) {
    match body {
        EventBody::Opened(fault) => {
            let story = view.tell(fault).story;
            say(&format!("\n{}  {} — {}", words::rfc3339(fault.opened), story.title, story.aside));
            for sentence in story.sentences() {
                say(&format!("    {sentence}"));
            }
        }
        EventBody::Closed(fault) => {
            let ended = fault.ended.unwrap_or(fault.updated);
            let lasted = words::duration(ended.since(fault.onset));
            let title = view.tell(fault).story.title;
            say(&format!("\n{}  over after {lasted}: {title}", words::rfc3339(ended)));
        }
        EventBody::Standing(standing) => say(&format!(
            "{} is {} (seen from {} of {})",
            standing.target,
            standing.state.as_str(),
            standing.coverage.domains,
            words::plural(u64::from(standing.coverage.assigned), "place")
        )),
        EventBody::Updated(_) | EventBody::Agent { .. } | EventBody::Config => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(urls: &[&str]) -> Args {
        Args {
            urls: urls.iter().map(ToString::to_string).collect(),
            config: None,
            no_references: false,
            data_dir: None,
            interval: Duration::from_secs(30),
            listen: None,
            http: None,
        }
    }

    #[test]
    fn addresses_become_targets_beside_three_references() {
        let config = configuration(&args(&["https://shop.example/a"])).unwrap();
        let services: Vec<_> = config.targets.iter().filter(|t| t.role == Role::Service).collect();
        assert_eq!(services.len(), 1);
        assert_eq!(services[0].name.as_str(), "shop.example/a");
        assert_eq!(config.targets.len(), 4);
        assert_eq!(config.agents[0].name.as_str(), "here");
        let bare = Args { no_references: true, ..args(&["https://shop.example/a"]) };
        assert_eq!(configuration(&bare).unwrap().targets.len(), 1);
    }

    #[test]
    fn wrong_usage_is_named_and_exits_with_2() {
        for (urls, what) in [
            (&["http//shop"][..], "http//shop"),
            (&[], "nothing to watch"),
            (&["https://a/", "https://a"], "a is named twice"),
        ] {
            let failure = configuration(&args(urls)).unwrap_err();
            assert_eq!(failure.code, 2);
            assert!(failure.to_string().contains(what), "{failure}");
        }
        assert_eq!(interval("5m"), Ok(Duration::from_mins(5)));
        assert!(interval("0s").is_err() && interval("soon").is_err());
    }
}
