//! `parallax-agent probe URL`

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use parallax_model::result::LATENCY_MAX;
use parallax_model::{
    Certificate, Clues, ErrorKind, ProbeResult, Role, Selector, Sensitivity, Target, TargetName,
    Timestamp,
};
use serde_json::{Map, Value, json};

use super::watch::Watch;
use super::{FAILED, Output, Probe, USAGE, fail, seen, url};
use crate::probe::{Surroundings, look};

/// More than ten looks a second is an attack.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

impl Probe {
    pub(super) async fn run(self) -> ExitCode {
        if self.timeout.is_zero() || self.timeout > LATENCY_MAX {
            return fail(USAGE, "--timeout must be more than nothing and at most an hour");
        }
        if self.interval < INTERVAL_MIN {
            return fail(USAGE, "--interval must be 100ms or more");
        }
        let mut check = match url::check(&self.url) {
            Ok(check) => check,
            Err(why) => return fail(USAGE, why),
        };
        let own = match self.lent.to(&mut check) {
            Ok(own) => own,
            Err(why) => return fail(USAGE, why),
        };
        let name = match TargetName::new("by-hand") {
            Ok(name) => name,
            Err(why) => return fail(FAILED, why),
        };
        let around = match Surroundings::new(None, BTreeMap::new()) {
            Ok(around) => around.with(own),
            Err(why) => return fail(FAILED, why),
        };
        let target = Target {
            name,
            role: Role::Service,
            interval: self.timeout,
            timeout: self.timeout,
            depends_on: vec![],
            agents: Selector::default(),
            sensitivity: Sensitivity::default(),
            policy: None,
            check,
        };
        if self.watch {
            let Self { interval, count, output, .. } = self;
            return Watch { every: interval, count, output }.run(target, around).await;
        }
        let result = look(&target, &around, now(), true).await;
        match self.output {
            Output::Table => print(&table(&target, &result)),
            Output::Json => print(&json(&target, &result).to_string()),
        }
        if result.outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
    }
}

#[expect(clippy::print_stdout, reason = "the answer")]
fn print(text: &str) {
    println!("{}", text.trim_end());
}

pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(since.as_micros() as i64)
}

/// `outcome` is `ok` or `fail`; `error` a kind of the vocabulary or null; times are whole microseconds,
/// of stages that were reached.
pub(super) fn json(target: &Target, result: &ProbeResult) -> Value {
    let stages: Map<String, Value> = result
        .stages
        .iter()
        .map(|(stage, time)| (stage.as_str().to_owned(), json!(micros(time))))
        .collect();
    json!({
        "target": target.check.address(),
        "kind": target.check.kind(),
        "outcome": if result.outcome.is_ok() { "ok" } else { "fail" },
        "error": result.outcome.error().map(ErrorKind::as_str),
        "detail": result.detail,
        "status": result.status,
        "peer": result.peer,
        "clues": result.clues.as_deref().map(clues_json),
        "unit": "us",
        "latency": micros(result.latency),
        "stages": stages,
        "seen": result.seen.as_deref().map(seen::json),
    })
}

/// Headers that name who answered, the HTTP version, and the TLS chain as it was presented; times are
/// seconds since the Unix epoch.
fn clues_json(clues: &Clues) -> Value {
    let headers: Map<String, Value> =
        clues.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let certificate = |c: &Certificate| {
        json!({
            "subject": c.subject, "issuer": c.issuer, "serial": c.serial,
            "alternative_names": c.alternative_names, "not_before_s": c.not_before_s,
            "not_after_s": c.not_after_s, "fingerprint_sha256": c.fingerprint_sha256,
        })
    };
    let tls = clues.tls.as_ref().map(|tls| {
        let chain: Vec<_> = tls.chain.iter().map(certificate).collect();
        json!({"version": tls.version, "cipher": tls.cipher, "chain": chain})
    });
    json!({
        "http_version": clues.http_version, "headers": headers, "tls": tls,
        "diagnosis": clues.diagnosis,
    })
}

/// One line a clue.
fn clue_lines(clues: &Clues, line: &mut impl FnMut(&str, &str)) {
    if let Some(version) = &clues.http_version {
        line("http", version);
    }
    if let Some(tls) = &clues.tls {
        line("tls version", &format!("{}, {}", tls.version, tls.cipher));
        for certificate in tls.chain.iter() {
            let until = Duration::from_secs(u64::try_from(certificate.not_after_s).unwrap_or(0));
            let until = humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + until);
            line("certificate", &format!("{}, until {until}", certificate.subject));
        }
        if let Some(own) = tls.chain.first() {
            line("sha256", &own.fingerprint_sha256);
        }
    }
    for (name, value) in &clues.headers {
        line(name, value);
    }
    if let Some(found) = &clues.diagnosis {
        line("found", found);
    }
}

fn micros(time: Duration) -> u64 {
    time.as_micros() as u64
}

fn table(target: &Target, result: &ProbeResult) -> String {
    let mut out = String::new();
    let outcome = match result.outcome.error() {
        None => "ok".to_owned(),
        Some(kind) => format!("FAIL  {kind}: {}", result.detail.as_deref().unwrap_or_default()),
    };
    let mut line = |name: &str, value: &str| writeln!(out, "{name:<12}{value}").ok();
    line("target", &target.check.address());
    line("outcome", &outcome);
    if let Some(status) = result.status {
        line("status", &status.to_string());
    }
    if let Some(peer) = &result.peer {
        line("peer", peer);
    }
    if let Some(clues) = &result.clues {
        clue_lines(clues, &mut |name, value| {
            line(name, value);
        });
    }
    for (stage, time) in result.stages.iter() {
        line(stage.as_str(), &millis(time));
    }
    line("total", &millis(result.latency));
    for (name, value) in result.seen.as_deref().map(seen::lines).unwrap_or_default() {
        line(name, &value);
    }
    out
}

fn millis(time: Duration) -> String {
    format!("{:>10.3} ms", time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use parallax_model::{Check, IcmpSeen, Outcome, Seen, Stages, TcpCheck};

    use super::*;

    fn failed() -> (Target, ProbeResult) {
        let name = TargetName::new("t").unwrap();
        let target = Target {
            name: name.clone(),
            role: Role::Service,
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            depends_on: vec![],
            agents: Selector::default(),
            sensitivity: Sensitivity::default(),
            policy: None,
            check: Check::Tcp(TcpCheck::to("h:1")),
        };
        let result = ProbeResult {
            target: name,
            started: Timestamp::EPOCH,
            latency: Duration::from_micros(2500),
            outcome: Outcome::Fail(ErrorKind::ConnectRefused),
            stages: Stages { connect: Some(Duration::from_micros(1500)), ..Stages::default() },
            status: None,
            peer: Some("127.0.0.1:1".into()),
            clues: None,
            detail: Some("connection refused by 127.0.0.1:1".into()),
            seen: None,
            asked: true,
        };
        (target, result)
    }

    #[test]
    fn programs_get_words_and_microseconds() {
        let (target, result) = failed();
        let expected = json!({
            "target": "h:1", "kind": "tcp", "outcome": "fail", "error": "connect_refused",
            "detail": "connection refused by 127.0.0.1:1",
            "status": null, "peer": "127.0.0.1:1", "clues": null, "unit": "us", "latency": 2500,
            "stages": {"connect": 1500}, "seen": null,
        });
        assert_eq!(json(&target, &result), expected);
    }

    #[test]
    fn what_a_kind_measures_is_told_in_its_words() {
        let (target, mut result) = failed();
        let ms = Duration::from_millis;
        result.seen = Some(Box::new(Seen::Icmp(IcmpSeen {
            sent: 4,
            received: 3,
            rtt_min: ms(1),
            rtt_mean: ms(2),
            rtt_max: ms(3),
            rtt_stddev: ms(0),
            hop_limit: None,
        })));
        assert!(table(&target, &result).contains("echoes      3 of 4 (25 % lost)\n"));
        let seen = json(&target, &result)["seen"].clone();
        assert_eq!(seen["sent"], 4);
        assert_eq!(seen["rtt_mean"], 2000);
    }

    #[test]
    fn people_get_a_table() {
        let (target, result) = failed();
        let expected = "target      h:1\n\
            outcome     FAIL  connect_refused: connection refused by 127.0.0.1:1\n\
            peer        127.0.0.1:1\n\
            connect          1.500 ms\n\
            total            2.500 ms\n";
        assert_eq!(table(&target, &result), expected);
    }
}
