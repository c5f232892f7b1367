//! Parallax's own looks: the probe room flat out, and the schedule with many looks due at once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use parallax_agent::probe::{Surroundings, look, look_within};
use parallax_agent::schedule::{Order, Punctual, Runner};
use parallax_model::{
    AgentName, Check, HttpCheck, ProbeResult, Role, Selector, Sensitivity, Target, TargetName,
    Timestamp,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::figures::{Figures, Meter, end_after, spread_us};
use crate::{Burst, Flat, delay};

/// Results on their way; a round has fewer.
const RESULTS_MAX: usize = 1024;

pub(crate) fn flat(run: &Flat) -> Result<Figures> {
    let around = Arc::new(surroundings(&run.url, run.ca.as_deref())?);
    let target = Arc::new(target("t", &run.url, Duration::from_secs(1))?);
    alone(async move {
        let (meter, end) = (Meter::of(std::process::id())?, end_after(run.seconds));
        let looks = (0..run.at_once).map(|_| {
            let (around, target) = (Arc::clone(&around), Arc::clone(&target));
            tokio::spawn(async move {
                let (mut all, mut ok) = (0, 0);
                while std::time::Instant::now() < end {
                    all += 1;
                    let result = look(&target, &around, now(), false).await;
                    ok += u64::from(result.outcome.is_ok());
                }
                (all, ok)
            })
        });
        let (mut all, mut ok) = (0, 0);
        for task in looks.collect::<Vec<_>>() {
            let (a, o) = task.await?;
            (all, ok) = (all + a, ok + o);
        }
        meter.read(all, ok)
    })
}

/// Looks that all become due in one instant: the schedule paces their starts.
pub(crate) fn burst(run: &Burst) -> Result<Figures> {
    let around = Arc::new(surroundings(&run.url(0), None)?);
    let targets = (0..run.at_once)
        .map(|id| target(&id.to_string(), &run.url(id), Duration::from_hours(1)))
        .collect::<Result<Vec<_>>>()?;
    alone(async move {
        let (orders, orders_in) = mpsc::channel(8);
        let (results_out, mut results) = mpsc::channel(RESULTS_MAX);
        let look = move |target: Arc<Target>, within, asked| {
            let around = Arc::clone(&around);
            async move { look_within(within, &target, &around, now(), asked).await }
        };
        let (agent, counts) = (AgentName::new("bench")?, Arc::new(Punctual::default()));
        let runner = Runner::new(agent, run.at_once, look, results_out, counts);
        tokio::spawn(runner.run(orders_in, CancellationToken::new()));
        let names: Vec<TargetName> = targets.iter().map(|t| t.name.clone()).collect();
        orders.send(Order::Assign(targets)).await?;
        // the early looks of a new assignment
        for _ in &names {
            results.recv().await.context("no first look")?;
        }
        let meter = Meter::of(std::process::id())?;
        let (mut totals, mut firsts) = (Vec::new(), Vec::new());
        for _ in 0..run.rounds {
            orders.send(Order::Look(names.clone())).await?;
            let mut round: Vec<ProbeResult> = Vec::new();
            for _ in &names {
                round.push(results.recv().await.context("the schedule ended")?);
            }
            // asked when all are done: it holds up this thread, and the looks with it
            for result in round {
                anyhow::ensure!(result.outcome.is_ok(), "{result:?}");
                let kept = delay::kept(run.port, result.target.as_str().parse()?)?;
                totals.push(result.latency.as_secs_f64() - kept);
                firsts.extend(result.stages.first_byte.map(|d| d.as_secs_f64() - kept));
            }
            tokio::time::sleep(crate::REST).await;
        }
        let looks = totals.len() as u64;
        let figures = meter.read(looks, looks)?;
        let (error_us, first_byte_error_us) = (spread_us(totals), spread_us(firsts));
        Ok(Figures { error_us, first_byte_error_us, ..figures })
    })
}

/// As the agent runs: one thread for everything but the disk.
fn alone<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// `localhost` is pinned to the server: the others do not ask a resolver either.
fn surroundings(url: &str, ca: Option<&Path>) -> Result<Surroundings> {
    let place = url.split('/').nth(2).unwrap_or_default();
    let port = place.rsplit(':').next().and_then(|p| p.parse().ok()).context("no port")?;
    let server = SocketAddr::from(([127, 0, 0, 1], port));
    Ok(Surroundings::new(ca, BTreeMap::from([("localhost".to_owned(), server)]))?)
}

fn target(name: &str, url: &str, interval: Duration) -> Result<Target> {
    let check = HttpCheck::get(url);
    Ok(Target {
        name: TargetName::new(name)?,
        role: Role::Service,
        interval,
        timeout: Duration::from_secs(5),
        depends_on: Vec::new(),
        agents: Selector::default(),
        sensitivity: Sensitivity::default(),
        policy: None,
        check: Check::Http(check),
    })
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(since.as_micros() as i64)
}
