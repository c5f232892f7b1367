//! `parallax token`: lets agents join.

use std::time::Duration;

use anyhow::anyhow;
use parallax_model::{AgentName, Provider, Region, Site, Timestamp};
use serde_json::json;

use super::ask::Output;
use super::here::Here;
use super::{Failure, complain, say, show};
use crate::config::agents_url;
use crate::control::{Answer, Ask, Reach};
use crate::identity::{Place, TokenRow};
use crate::view::words;

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  parallax token create --region eu-west --provider hetzner
  parallax token list
  parallax token revoke 0f3c9a6b2d184e57")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a token, and print the line that lets an agent join
    Create(Create),
    /// List the tokens that can still be used
    List(List),
    /// Make a token useless
    Revoke(Revoke),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  parallax token create --region eu-west --provider hetzner
  parallax token create --region eu-west --provider hetzner --site falkenstein --ttl 1h --uses 3
  parallax token create --region us --provider aws --collector https://parallax.example:7481

Prints one line on stdout: paste it on the machine that shall look. Whoever has the line can join,
until it is used up or has expired. The agent stands where the token says, and is called what its
machine is called unless --name says otherwise.")]
struct Create {
    /// The region its agents stand in
    #[arg(long, value_parser = word::<Region>)]
    region: String,
    /// The provider of their machines
    #[arg(long, value_parser = word::<Provider>)]
    provider: String,
    /// The building, if you know it: agents of one provider and site share fate
    #[arg(long, value_parser = word::<Site>)]
    site: Option<String>,
    /// What the agent is called; works for one
    #[arg(long, value_parser = word::<AgentName>)]
    name: Option<String>,
    /// How long the token works
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = ttl)]
    ttl: Duration,
    /// How many agents may join with it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    uses: u32,
    /// Where agents find the collector
    #[arg(
        long,
        value_name = "URL",
        value_parser = |text: &str| agents_url(text),
        help = "Where agents find the collector [default: url in the configuration, else this machine's \
                name and the port that is listened on]"
    )]
    collector: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    here: Here,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  parallax token list\n  parallax token list --output json")]
struct List {
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    here: Here,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  parallax token revoke 0f3c9a6b2d184e57")]
struct Revoke {
    /// The token's id, as `parallax token list` shows it
    #[arg(value_parser = id)]
    id: String,
    #[command(flatten)]
    here: Here,
}

/// A word that a name may be made of.
fn word<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<String, String> {
    text.parse::<T>().map(|_| text.to_owned()).map_err(|why| why.to_string())
}

/// What is no id goes no further: it may be a token, and the collector logs what it is asked.
fn id(text: &str) -> Result<String, String> {
    if text.len() == 16 && text.chars().all(|c| c.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err("an id is 16 hexadecimal digits: `parallax token list` shows them".to_owned())
}

fn ttl(text: &str) -> Result<Duration, String> {
    let ttl = humantime::parse_duration(text).map_err(|why| format!("{why}; write 1h or 30m"))?;
    let range = Duration::from_secs(1)..=Duration::from_hours(30 * 24);
    if range.contains(&ttl) { Ok(ttl) } else { Err("choose 1s to 30d".to_owned()) }
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Create(args) => create(args),
        Command::List(args) => list(&args),
        Command::Revoke(args) => revoke(&args),
    }
}

fn create(args: Create) -> Result<(), Failure> {
    if args.name.is_some() && args.uses > 1 {
        return Err(Failure::usage(anyhow!(
            "--name is for one agent, and --uses {} for several: leave one of them out",
            args.uses
        )));
    }
    let found = args.here.find()?;
    let place = Place { region: args.region, provider: args.provider, site: args.site };
    let ask =
        Ask::CreateToken { place, name: args.name, ttl_s: args.ttl.as_secs(), uses: args.uses };
    let Answer::Token { token, expires_ms, reach } = found.ask(ask)? else { return Err(odd()) };
    let reach = reach.unwrap_or_else(|| found.reach());
    let url = args.collector.map_or_else(|| address(reach), Ok)?;
    let line = format!("parallax-agent enroll --collector {url} --token {token}");
    let expires = words::rfc3339(Timestamp::from_millis(expires_ms));
    match args.output {
        Output::Json => say(&json!({
            "line": line, "collector": url, "token": token, "expires": expires, "uses": args.uses,
        })
        .to_string()),
        Output::Table => {
            say(&line);
            let agents = if args.uses == 1 {
                "one agent".to_owned()
            } else {
                format!("{} agents", args.uses)
            };
            complain(&format!(
                "lets {agents} join until {expires}; paste it where the agent shall run"
            ));
        }
    }
    Ok(())
}

/// Where agents find it, as far as can be known here.
fn address(Reach { listen, url }: Reach) -> Result<String, Failure> {
    if let Some(url) = url {
        return Ok(url);
    }
    if listen.ip().to_canonical().is_loopback() {
        complain(&format!(
            "note: the collector listens on {listen}, for agents on this machine only; for others, set \
             listen = \"0.0.0.0:7481\" in [collector] and restart it"
        ));
    }
    if !listen.ip().is_unspecified() {
        return Ok(format!("https://{listen}"));
    }
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    let url = agents_url(&format!("https://{name}:{}", listen.port()));
    let url = url.map_err(|_| {
        Failure::usage(anyhow!("this machine has no name: add --collector https://HOST:7481"))
    })?;
    complain(&format!(
        "note: agents must find this machine as {name}; if they do not, add --collector, or url to \
         [collector]"
    ));
    Ok(url)
}

fn list(args: &List) -> Result<(), Failure> {
    let Answer::Tokens { tokens } = args.here.find()?.ask(Ask::Tokens)? else { return Err(odd()) };
    show::print(args.output, &tokens, |tokens| table(tokens))
}

fn table(tokens: &[TokenRow]) -> String {
    if tokens.is_empty() {
        return "no token can be used; make one with parallax token create".to_owned();
    }
    let row = |t: &TokenRow| {
        let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let until = words::rfc3339(Timestamp::from_millis(t.expires_ms));
        let Place { region, provider, site } = &t.place;
        let (site, name) = (dash(site), dash(&t.name));
        vec![
            t.id.clone(),
            region.clone(),
            provider.clone(),
            site,
            name,
            t.uses_left.to_string(),
            until,
        ]
    };
    let header = ["id", "region", "provider", "site", "name", "uses left", "until"];
    show::table(&header, tokens.iter().map(row))
}

fn revoke(args: &Revoke) -> Result<(), Failure> {
    args.here.find()?.ask(Ask::RevokeToken { id: args.id.clone() })?;
    say(&format!("token {} is of no use any more; who joined with it stays", args.id));
    Ok(())
}

/// An answer to another question.
pub(super) fn odd() -> Failure {
    anyhow!("the collector answers something else: is it of another version?").into()
}
