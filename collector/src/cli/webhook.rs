//! `parallax webhook test NAME`.

use std::path::PathBuf;

use anyhow::anyhow;

use super::{Failure, block_on, say};
use crate::app::now;
use crate::config;
use crate::notify::{Answer, Webhook, client, post, sample};
use crate::store::letter::Event;

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  parallax webhook test on-call --config parallax.toml")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Send a sample message and print the answer
    Test(TestArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  parallax webhook test on-call --config parallax.toml
  parallax webhook test on-call --config parallax.toml --event closed

The message says that it is only a test (\"test\": true). Needs no running collector.")]
struct TestArgs {
    /// The webhook, as the configuration names it
    name: String,
    /// The configuration file
    #[arg(long)]
    config: PathBuf,
    /// What the message tells
    #[arg(long, value_parser = event, default_value = "opened")]
    event: Event,
}

fn event(word: &str) -> Result<Event, String> {
    Event::from_word(word).ok_or_else(|| "use opened, updated or closed".to_owned())
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let Command::Test(args) = &args.command;
    let config = config::load(&args.config).map_err(Failure::usage)?;
    let webhook = config.webhooks.iter().find(|w| w.name == args.name);
    let webhook = webhook.ok_or_else(|| Failure::usage(unknown(args, &config.webhooks)))?;
    block_on(test(webhook, args.event))
}

fn unknown(args: &TestArgs, webhooks: &[Webhook]) -> anyhow::Error {
    let names: Vec<&str> = webhooks.iter().map(|w| w.name.as_str()).collect();
    let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    anyhow!("{} has no webhook {:?}; known: {known}", args.config.display(), args.name)
}

async fn test(webhook: &Webhook, event: Event) -> Result<(), Failure> {
    let client = client(webhook).map_err(|why| anyhow!(why))?;
    match post(&client, webhook, &sample(event, now().millis()), now()).await {
        Answer::Taken(told) => {
            say(&format!("{} took the message: {told}", webhook.name));
            Ok(())
        }
        Answer::Away(why, _) | Answer::Refused(why) => {
            Err(anyhow!("{} did not take the message: {why}", webhook.name).into())
        }
    }
}
