//! `parallax export`: what was heard, for other tools and for `parallax replay`.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow, bail};
use parallax_model::{AgentName, TargetName, Timestamp};

use super::here::Here;
use super::progress::Progress;
use super::{Failure, complain, say};
use crate::app::now;
use crate::config::{self, Config};
use crate::control::{Answer, Ask};
use crate::replay::{Exported, Wanted, export};
use crate::store::sqlite;
use crate::view::words;

/// Both files of a trace.
const FLEET: &str = "fleet.toml";
const RESULTS: &str = "results.csv";

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  parallax export results --out trace --from 24h
  parallax export results --out trace --data parallax-data        what `parallax up URL` heard")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Write what agents saw, and the fleet that saw it, as a trace for `parallax replay`
    Results(Results),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  parallax export results --out trace
  parallax export results --out trace --config parallax.toml --from 24h
  parallax export results --out trace --data parallax-data        what `parallax up URL` heard
  parallax export results --out trace --from 2026-11-01 --to 2026-11-02T12:00:00Z --target shop
  parallax replay --fleet trace/fleet.toml --results trace/results.csv --policy any,majority

Works beside a running collector, on its machine. Times are UTC, or how long ago. The fleet is that of
the configuration, or without one as it was last in force, from fleet.toml in the data folder: what was
seen of agents and targets that are gone is left out, and counted.")]
struct Results {
    /// A folder, made for it: fleet.toml and results.csv
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// What was received from then on, e.g. 2026-11-01, 2026-11-01T08:30:00Z, or 24h (ago) [default: all]
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,
    /// … and up to then [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<Timestamp>,
    /// Only of this target; may be given several times
    #[arg(long = "target", value_name = "NAME")]
    targets: Vec<TargetName>,
    #[command(flatten)]
    here: Here,
}

/// An instant, or a time before now.
fn time(text: &str) -> Result<Timestamp, String> {
    if let Ok(ago) = humantime::parse_duration(text) {
        return Ok(now() - ago);
    }
    let date_only = text.len() == "2026-11-01".len();
    let full = if date_only { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let at = humantime::parse_rfc3339_weak(&full)
        .map_err(|_| "write 2026-11-01, 2026-11-01T08:30:00Z, or 24h for a day ago".to_owned())?;
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Ok(Timestamp::EPOCH + since)
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::Results(args) => results(args),
    }
}

fn results(args: &Results) -> Result<(), Failure> {
    let (from, to) = span(args.from, args.to, now()).map_err(Failure::usage)?;
    let found = args.here.find()?;
    let file = &found.fleet_file().ok_or_else(|| {
        Failure::usage(anyhow!(
            "{} does not say who looked at what (it was last used by an older version): start its collector once, \
             or name the configuration with --config FILE",
            found.data().display()
        ))
    })?;
    let config = config::load(file).map_err(Failure::usage)?;
    let Answer::Members { members } = found.ask(Ask::Members)? else {
        return Err(anyhow!("the collector gave an odd answer: is it of another version?").into());
    };
    let members: Vec<_> = members
        .into_iter()
        .filter(|m| m.revoked_ms.is_none())
        .filter(|m| config.agents.iter().all(|a| a.name.as_str() != m.name))
        .collect();
    let known = |name: &TargetName| config.targets.iter().any(|t| t.name == *name);
    if let Some(unknown) = args.targets.iter().find(|name| !known(name)) {
        let why = anyhow!("there is no target {:?} in {}", unknown.as_str(), file.display());
        return Err(Failure::usage(why));
    }
    let agents = config.agents.iter().map(|a| a.name.clone());
    let joined = members.iter().filter_map(|m| AgentName::new(&m.name).ok());
    let agents: HashSet<AgentName> = agents.chain(joined).collect();
    let targets = names(&config, &args.targets);
    let read = sqlite::open_read(found.data())?;
    let out = Out::make(&args.out)?;
    let fleet = config::fleet_text(file, &members).map_err(Failure::usage)?;
    fs::write(args.out.join(FLEET), fleet).context("write fleet.toml")?;
    let wanted = Wanted {
        from,
        to,
        agents: &|name| agents.contains(name),
        targets: &|name| targets.contains(name),
    };
    let progress = Progress::new(true);
    let done = export(&read, &wanted, out.file, &mut |rows, at| progress.show(rows, at))?;
    progress.end();
    told(&done, &args.out, found.data(), targets.len() < config.targets.len())
}

/// From when to when.
fn span(
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    now: Timestamp,
) -> anyhow::Result<(Timestamp, Timestamp)> {
    let from = from.unwrap_or(Timestamp::EPOCH);
    match to {
        Some(to) if from > to => {
            let [from, to] = [from, to].map(words::rfc3339);
            bail!("--from {from} is after --to {to}")
        }
        None if from > now => {
            let from = words::rfc3339(from);
            bail!("--from {from} is in the future: nothing was received from then on")
        }
        to => Ok((from, to.unwrap_or(now))),
    }
}

fn names(config: &Config, only: &[TargetName]) -> HashSet<TargetName> {
    let all = config.targets.iter().map(|t| t.name.clone());
    all.filter(|name| only.is_empty() || only.contains(name)).collect()
}

/// A judgement of one target stands on the others, and on references, too.
const IN_PART: &str = "note: a part of what was heard: judged again without the other targets and references, the \
                       verdict may be another";

fn told(done: &Exported, folder: &Path, data: &Path, in_part: bool) -> Result<(), Failure> {
    if done.others > 0 {
        complain(&format!(
            "{} results of other agents or targets were left out: they are not in the configuration, or \
             not wanted",
            done.others
        ));
    }
    let Some((first, last)) = done.span else {
        // so that another try may use the folder
        for file in [FLEET, RESULTS] {
            drop(fs::remove_file(folder.join(file)));
        }
        return Err(anyhow!("{} holds no such results", data.display()).into());
    };
    let [first, last] = [first, last].map(words::rfc3339);
    say(&format!("{} results, {first} to {last}, in {}", done.rows, folder.display()));
    if in_part {
        complain(IN_PART);
    }
    let file = |name| folder.join(name).display().to_string();
    complain(&format!(
        "judge them again: parallax replay --fleet {} --results {}",
        file(FLEET),
        file(RESULTS)
    ));
    Ok(())
}

/// Where rows go; nothing that is there is written over.
struct Out {
    file: BufWriter<File>,
}

impl Out {
    fn make(folder: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        // a configuration may be called fleet.toml, too
        if let Some(path) =
            [FLEET, RESULTS].map(|file| folder.join(file)).iter().find(|p| p.exists())
        {
            return Err(Failure::usage(anyhow!(
                "{} is there already: name another folder, or remove it",
                path.display()
            )));
        }
        let path = folder.join(RESULTS);
        let made = File::create_new(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(Self { file: BufWriter::with_capacity(1 << 18, made) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_is_none_is_said_by_what_was_given() {
        let at = |hours: i64| Some(Timestamp::from_millis(hours * 3_600_000));
        let now = at(10).unwrap();
        let told = |from, to| span(from, to, now).unwrap_err().to_string();
        assert_eq!(span(None, None, now).unwrap(), (Timestamp::EPOCH, now));
        assert_eq!(span(at(10), None, now).unwrap(), (now, now));
        assert_eq!(span(at(11), at(12), now).unwrap(), (at(11).unwrap(), at(12).unwrap()));
        let after = "--from 1970-01-01T09:00:00.000Z is after --to 1970-01-01T08:00:00.000Z";
        assert_eq!(told(at(9), at(8)), after);
        let future =
            "--from 1970-01-01T11:00:00.000Z is in the future: nothing was received from then on";
        assert_eq!(told(at(11), None), future);
    }
}
