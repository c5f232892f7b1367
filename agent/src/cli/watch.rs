//! `parallax-agent probe URL --watch`: a look again and again, a line each.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parallax_model::{ProbeResult, Target};
use tokio::time::{MissedTickBehavior, interval};

use super::probe::{json, now};
use super::{FAILED, Output, seen};
use crate::probe::{Doctor, Surroundings, look};

/// How often, and until when.
pub(super) struct Watch {
    pub(super) every: Duration,
    /// None: until told to stop.
    pub(super) count: Option<u64>,
    pub(super) output: Output,
}

impl Watch {
    /// Looks until it was often enough, somebody interrupts, or nobody reads any more. Well if every look
    /// was.
    pub(super) async fn run(self, target: Target, around: Surroundings) -> ExitCode {
        let (target, around) = (Arc::new(target), Arc::new(around));
        let doctor = Doctor::new(Arc::clone(&around));
        let mut sum = Sum::default();
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.count.is_none_or(|count| sum.looks < count) {
            let again = async {
                ticks.tick().await;
                look(&target, &around, now(), true).await
            };
            let mut result = tokio::select! {
                result = again => result,
                _ = tokio::signal::ctrl_c() => break,
            };
            doctor.saw(&target, &mut result);
            sum.take(&result);
            let said = match self.output {
                Output::Table => say(&line(&result)),
                Output::Json => say(&json(&target, &result).to_string()),
            };
            if said.is_err() {
                return sum.code();
            }
        }
        let told = match self.output {
            Output::Table => say(&sum.line()),
            Output::Json => Ok(()),
        };
        // nobody reads: there is nobody to tell
        drop(told);
        sum.code()
    }
}

fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// `12:00:01  ok    200     12.3 ms  connect 2.1  tls 5.0  first_byte 5.1`
fn line(result: &ProbeResult) -> String {
    let micros = u64::try_from(result.started.micros()).unwrap_or_default();
    let at = SystemTime::UNIX_EPOCH + Duration::from_micros(micros);
    let at = humantime::format_rfc3339_seconds(at).to_string();
    let at = at.get(11..19).unwrap_or_default();
    let outcome = if result.outcome.is_ok() { "ok" } else { "FAIL" };
    let status = result.status.map(|status| status.to_string()).unwrap_or_default();
    let mut parts = vec![format!("{at}  {outcome:<4}  {status:>3}  {:>8} ms", ms(result.latency))];
    parts.extend(
        result.stages.iter().map(|(stage, took)| format!("{} {}", stage.as_str(), ms(took))),
    );
    if let Some(kind) = result.outcome.error() {
        parts.push(format!("{kind}: {}", result.detail.as_deref().unwrap_or_default()));
    }
    let measured = result.seen.as_deref().map(seen::lines).unwrap_or_default();
    parts.extend(measured.into_iter().map(|(name, value)| format!("{name} {value}")));
    if let Some(found) = result.clues.as_deref().and_then(|clues| clues.diagnosis.as_deref()) {
        parts.push(format!("found {found}"));
    }
    parts.join("  ")
}

fn ms(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}

/// All looks so far.
#[derive(Debug, Default)]
struct Sum {
    looks: u64,
    failed: u64,
    /// Shortest and longest of the good ones, and all of them together.
    good: Option<(Duration, Duration, Duration)>,
}

impl Sum {
    fn take(&mut self, result: &ProbeResult) {
        self.looks += 1;
        let took = result.latency;
        if !result.outcome.is_ok() {
            self.failed += 1;
            return;
        }
        let (least, most, all) = self.good.unwrap_or((took, took, Duration::ZERO));
        self.good = Some((least.min(took), most.max(took), all + took));
    }

    /// `3 looks, 1 failed; good ones took 1.0 / 2.0 / 3.0 ms (least, mean, most)`
    fn line(&self) -> String {
        let Self { looks, failed, good } = self;
        let times = good.map(|(least, most, all)| {
            let mean = all.div_f64((looks - failed) as f64);
            let [least, mean, most] = [least, mean, most].map(ms);
            format!("; good ones took {least} / {mean} / {most} ms (least, mean, most)")
        });
        format!("{looks} looks, {failed} failed{}", times.unwrap_or_default())
    }

    fn code(&self) -> ExitCode {
        if self.failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
    }
}

#[cfg(test)]
mod tests {
    use parallax_model::{
        Clues, ErrorKind, IcmpSeen, Outcome, Seen, Stages, TargetName, Timestamp,
    };

    use super::*;

    fn result(outcome: Outcome, latency: u64) -> ProbeResult {
        ProbeResult {
            target: TargetName::new("t").unwrap(),
            started: Timestamp::from_millis(86_400_000 + 3_723_000),
            latency: Duration::from_millis(latency),
            outcome,
            stages: Stages { connect: Some(Duration::from_micros(1500)), ..Stages::default() },
            status: Some(200),
            peer: None,
            clues: None,
            detail: None,
            seen: None,
            asked: true,
        }
    }

    #[test]
    fn a_look_is_a_line() {
        let mut good = result(Outcome::Ok, 12);
        assert_eq!(line(&good), "01:02:03  ok    200      12.0 ms  connect 1.5");
        good.status = None;
        good.seen = Some(Box::new(Seen::Icmp(IcmpSeen { sent: 3, ..IcmpSeen::default() })));
        assert!(
            line(&good).ends_with("connect 1.5  echoes 0 of 3 (100 % lost)"),
            "{}",
            line(&good)
        );
        let failed = ProbeResult {
            detail: Some("nobody there".into()),
            clues: Some(Arc::new(Clues { diagnosis: Some("x".into()), ..Clues::default() })),
            status: None,
            ..result(Outcome::Fail(ErrorKind::ConnectRefused), 2)
        };
        let expected =
            "01:02:03  FAIL            2.0 ms  connect 1.5  connect_refused: nobody there  found x";
        assert_eq!(line(&failed), expected);
    }

    #[test]
    fn all_looks_are_summed_up() {
        let mut sum = Sum::default();
        assert_eq!(sum.line(), "0 looks, 0 failed");
        for latency in [3, 1, 2] {
            sum.take(&result(Outcome::Ok, latency));
        }
        sum.take(&result(Outcome::Fail(ErrorKind::Timeout), 99));
        let expected = "4 looks, 1 failed; good ones took 1.0 / 2.0 / 3.0 ms (least, mean, most)";
        assert_eq!(sum.line(), expected);
    }
}
