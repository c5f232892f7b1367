//! Asking a running collector, for the commands that do.

use std::time::Duration;

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;

use super::Failure;
use crate::api::dto::ProblemJson;

/// Where a collector answers unless told otherwise.
const URL: &str = "http://127.0.0.1:7480";

/// How long an answer may take: the largest one is megabytes, and comes over loopback or a tunnel.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Largest answer that is read: ten thousand targets seen from twenty regions take about 60 MB.
const ANSWER_BYTES_MAX: usize = 128 * 1024 * 1024;

/// What every asking command takes.
#[derive(Debug, clap::Args)]
pub(super) struct Ask {
    /// The collector's address
    #[arg(
        long,
        value_name = "URL",
        help = "The collector's address [default: PARALLAX_URL, else http://127.0.0.1:7480]"
    )]
    url: Option<String>,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(super) output: Output,
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    /// For people
    Table,
    /// For programs: what the API says
    Json,
}

/// A collector to ask.
#[derive(Debug)]
pub(super) struct Collector {
    base: url::Url,
    client: reqwest::Client,
}

impl Ask {
    /// The collector that the arguments name.
    pub(super) fn collector(&self) -> Result<Collector, Failure> {
        let named = self.url.clone().or_else(|| std::env::var("PARALLAX_URL").ok());
        let text = named.unwrap_or_else(|| URL.to_owned());
        let why = || format!("{text:?} is no address of a collector: write it like {URL}");
        let base = url::Url::parse(&text).with_context(why).map_err(Failure::usage)?;
        if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
            return Err(Failure::usage(anyhow::anyhow!(why())));
        }
        let mut client = reqwest::Client::builder().timeout(TIMEOUT);
        if is_loopback(&base) {
            // a proxy has no business between a machine and itself
            client = client.no_proxy();
        }
        Ok(Collector { base, client: client.build()? })
    }
}

fn is_loopback(base: &url::Url) -> bool {
    match base.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

impl Collector {
    /// What stands at `/api/v1/` and `path`; an error if there is nothing.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> anyhow::Result<T> {
        self.get_where(path, &[]).await
    }

    /// What stands at `/api/v1/` and `path`, if there is something.
    pub(super) async fn find<T: DeserializeOwned>(
        &self,
        path: &[&str],
    ) -> anyhow::Result<Option<T>> {
        self.find_where(path, &[]).await
    }

    /// The same, of those that are asked for by `query`.
    pub(super) async fn get_where<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> anyhow::Result<T> {
        self.find_where(path, query).await?.with_context(|| {
            format!("{} knows no {}: is it a collector of this version?", self.base, path.join("/"))
        })
    }

    async fn find_where<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> anyhow::Result<Option<T>> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let (status, body) = self.fetch(url).await?;
        if status == reqwest::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !status.is_success() {
            let problem = serde_json::from_slice::<ProblemJson>(&body);
            let why = problem.map_or_else(|_| status.to_string(), |p| p.detail);
            bail!("the collector at {} says: {why}", self.base);
        }
        let not_ours = || format!("what answers at {} is no collector of this version", self.base);
        serde_json::from_slice(&body).with_context(not_ours).map(Some)
    }

    async fn fetch(&self, url: url::Url) -> anyhow::Result<(reqwest::StatusCode, Vec<u8>)> {
        let mut answer = self.client.get(url).send().await.map_err(|e| self.unanswered(&e))?;
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(|e| self.unanswered(&e))? {
            if body.len() + part.len() > ANSWER_BYTES_MAX {
                bail!("the answer of {} is too large: more than 128 MB", self.base);
            }
            body.extend_from_slice(&part);
        }
        Ok((answer.status(), body))
    }

    fn unanswered(&self, error: &reqwest::Error) -> anyhow::Error {
        let base = self.base.as_str().trim_end_matches('/');
        if error.is_timeout() {
            anyhow::anyhow!("the collector at {base} did not answer within {} s", TIMEOUT.as_secs())
        } else {
            anyhow::anyhow!(
                "no collector answers at {base}: is it running? start it with `parallax serve --config FILE`, or one for an address with `parallax up URL`"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::super::Cli;

    /// Everything that is listed says how it is called.
    fn asserts_examples(command: &mut clap::Command, way: &mut Vec<String>) {
        way.push(command.get_name().to_owned());
        let help = command.render_long_help().to_string();
        assert!(help.contains("Example:") || help.contains("Examples:"), "{way:?}: {help}");
        for below in command.get_subcommands_mut().filter(|c| !c.is_hide_set()) {
            asserts_examples(below, way);
        }
        way.pop();
    }

    #[test]
    fn every_command_is_well_formed_and_has_its_examples() {
        Cli::command().debug_assert();
        for name in ["status", "faults", "explain", "agents", "targets"] {
            let mut cli = Cli::command();
            let help = cli.find_subcommand_mut(name).unwrap().render_long_help().to_string();
            assert!(help.contains("Examples:") && help.contains("PARALLAX_URL"), "{help}");
        }
        asserts_examples(&mut Cli::command(), &mut Vec::new());
        assert!(Cli::try_parse_from(["parallax", "status", "--output", "xml"]).is_err());
        assert!(Cli::try_parse_from(["parallax", "explain"]).is_err());
    }
}
