//! `parallax agents`: who looks, and who shall not any more.

use parallax_model::Timestamp;

use super::here::Here;
use super::{Failure, ask, say, show, token};
use crate::api::dto::{AgentJson, AgentsJson};
use crate::control::{Answer, Ask};
use crate::identity::{MemberRow, Place};
use crate::view::words;

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  parallax agents
  parallax agents --output json
  parallax agents joined
  parallax agents revoke vm-1"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    ask: ask::Ask,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the agents that joined, until when their certificates hold, and who was revoked
    Joined(Joined),
    /// Put out an agent that joined: its stream is cut at once, and its certificate is worth nothing
    Revoke(Revoke),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  parallax agents revoke vm-1

Works on the collector's machine. What the agent has sent stays. It may join again with a new token.")]
struct Revoke {
    /// The agent
    name: String,
    #[command(flatten)]
    here: Here,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  parallax agents joined\n  parallax agents joined --output json"
)]
struct Joined {
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = ask::Output::Table)]
    output: ask::Output,
    #[command(flatten)]
    here: Here,
}

fn joined(args: &Joined) -> Result<(), Failure> {
    let Answer::Members { members } = args.here.find()?.ask(Ask::Members)? else {
        return Err(token::odd());
    };
    show::print(args.output, &members, |members| {
        if members.is_empty() {
            return "no agent has joined: let one join with parallax token create".to_owned();
        }
        let header =
            ["agent", "region", "provider", "site", "joined", "certificate until", "state"];
        show::table(&header, members.iter().map(member))
    })
}

fn member(member: &MemberRow) -> Vec<String> {
    let at = |ms| words::rfc3339(Timestamp::from_millis(ms));
    let state =
        member.revoked_ms.map_or_else(|| "in".to_owned(), |ms| format!("revoked {}", at(ms)));
    let Place { region, provider, site } = member.place.clone();
    let site = site.unwrap_or_else(|| "-".to_owned());
    vec![
        member.name.clone(),
        region,
        provider,
        site,
        at(member.joined_ms),
        at(member.until_ms),
        state,
    ]
}

fn revoke(args: &Revoke) -> Result<(), Failure> {
    args.here.find()?.ask(Ask::RevokeAgent { name: args.name.clone() })?;
    say(&format!("{} is revoked: it may join again with a new token", args.name));
    Ok(())
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    match &args.command {
        Some(Command::Revoke(args)) => return revoke(args),
        Some(Command::Joined(args)) => return joined(args),
        None => {}
    }
    let collector = args.ask.collector()?;
    let ask = async { collector.get::<AgentsJson>(&["agents"]).await.map_err(Failure::from) };
    let answer = super::block_on(ask)?;
    show::print(args.ask.output, &answer, |answer| table(&answer.agents))
}

fn table(agents: &[AgentJson]) -> String {
    if agents.is_empty() {
        return "no agent is configured, and none has joined: let one join with parallax token create".to_owned();
    }
    let header = [
        "agent",
        "region",
        "provider",
        "stream",
        "last heard",
        "fit",
        "delay p99",
        "spool",
        "missed",
        "lost",
        "build",
    ];
    show::table(&header, agents.iter().map(row))
}

/// What keeps it from bearing witness, by its own word.
pub(super) fn fit(agent: &AgentJson) -> String {
    match &agent.fitness {
        None => "-".to_owned(),
        Some(fitness) if fitness.unfit.is_empty() => "yes".to_owned(),
        Some(fitness) => format!("no: {}", fitness.unfit.join(", ")),
    }
}

/// How long its looks wait for the agent itself.
fn delay(agent: &AgentJson) -> String {
    let ms = |us: u64| format!("{:.1} ms", us as f64 / 1e3);
    agent.fitness.as_ref().map_or_else(|| "-".to_owned(), |f| ms(f.delay_p99_us))
}

fn row(agent: &AgentJson) -> Vec<String> {
    let dash = |text: Option<&String>| text.map_or_else(|| "-".to_owned(), Clone::clone);
    let spool = match (agent.spool.degraded, agent.spool.records) {
        (true, n) => format!("{n}, in memory only"),
        (false, n) => n.to_string(),
    };
    vec![
        agent.name.clone(),
        dash(agent.region.as_ref()),
        dash(agent.provider.as_ref()),
        if agent.connected { "open" } else { "away" }.to_owned(),
        dash(agent.last_heard.as_ref()),
        fit(agent),
        delay(agent),
        spool,
        agent.missed_slots.to_string(),
        agent.spool.lost.to_string(),
        dash(agent.build.as_ref()),
    ]
}
