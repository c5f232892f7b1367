//! `parallax agents`: who looks, and who shall not any more.

use super::here::Here;
use super::{Failure, ask, say, show};
use crate::api::dto::{AgentJson, AgentsJson};
use crate::control::Ask;

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  parallax agents
  parallax agents --output json
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

fn revoke(args: &Revoke) -> Result<(), Failure> {
    args.here.find()?.ask(Ask::RevokeAgent { name: args.name.clone() })?;
    say(&format!("{} is revoked: it may join again with a new token", args.name));
    Ok(())
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    if let Some(Command::Revoke(args)) = &args.command {
        return revoke(args);
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
fn fit(agent: &AgentJson) -> String {
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
