//! A made-up world for the tests of the edges: five regions, two services, two references.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parallax_model::fault::{Standing, TargetState};
use parallax_model::{
    AgentSpec, Alternative, Batch, Change, Check, Confidence, Coverage, Epoch, ErrorKind, Evidence,
    Fault, FaultId, FaultState, HttpCheck, Locus, Outcome, ProbeResult, Role, Rule, Ruling,
    Selector, Sensitivity, Seq, Stages, Target, Timestamp, Votes, Without, Witness, Word,
};

use super::{AgentNews, News};

pub(crate) const REGIONS: [&str; 5] = ["ap-south", "eu-north", "eu-west", "us-east", "us-west"];
const TARGETS: [(&str, Role); 4] = [
    ("mail", Role::Service),
    ("shop", Role::Service),
    ("ref-a", Role::Reference),
    ("ref-b", Role::Reference),
];

/// 2026-11-23 21:00:00 UTC
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_795_467_600_000);

pub(crate) fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(name: &str) -> T {
    name.parse().unwrap()
}

pub(crate) fn agent(region: &str) -> AgentSpec {
    AgentSpec {
        name: name(&format!("{region}-1")),
        region: Some(name(region)),
        provider: Some(name(if region.starts_with("eu") { "hetzner" } else { "aws" })),
        site: None,
        asn: Some(24940),
        labels: BTreeMap::new(),
    }
}

pub(crate) fn target(target: &str, role: Role) -> Target {
    Target {
        name: name(target),
        role,
        interval: Duration::from_secs(1),
        timeout: Duration::from_millis(900),
        depends_on: vec![],
        agents: Selector::default(),
        sensitivity: Sensitivity::default(),
        policy: None,
        check: Check::Http(HttpCheck::get("https://example.test/health")),
    }
}

pub(crate) fn config() -> News {
    News::Config {
        agents: REGIONS.iter().map(|r| agent(r)).collect(),
        targets: TARGETS.iter().map(|(t, role)| target(t, *role)).collect(),
    }
}

/// One look; a failed one says what a service in trouble says.
pub(crate) fn look(target: &str, at: Timestamp, latency_ms: u64, outcome: Outcome) -> ProbeResult {
    ProbeResult {
        target: name(target),
        started: at,
        latency: Duration::from_millis(latency_ms),
        outcome,
        stages: Stages::default(),
        status: (outcome == Outcome::Fail(ErrorKind::Status5xx)).then_some(500),
        peer: None,
        clues: None,
        detail: (!outcome.is_ok()).then(|| "internal server error <b>&\"'".to_owned()),
        seen: None,
        asked: false,
    }
}

pub(crate) fn results(region: &str, at: Timestamp, looks: Vec<ProbeResult>) -> News {
    let batch = Batch::of_results(Epoch(1), Seq(1), looks).unwrap();
    News::Results { agent: name(&format!("{region}-1")), received: at, batch: Arc::new(batch) }
}

/// A look of every agent at every target; `shop` fails where `fails` says how.
pub(crate) fn round(at: Timestamp, fails: impl Fn(&str) -> Option<ErrorKind>) -> Vec<News> {
    let looks = |region: &str, base: u64| {
        let look = |(n, (t, _)): (usize, &(&str, Role))| {
            let failed = fails(region).filter(|_| *t == "shop");
            let wobble = (at.millis() as u64 / 1000 * 7 + n as u64 * 13) % 11;
            look(t, at, base + wobble, failed.map_or(Outcome::Ok, Outcome::Fail))
        };
        TARGETS.iter().enumerate().map(look).collect()
    };
    let bases = [180, 24, 18, 95, 142];
    REGIONS.iter().zip(bases).map(|(r, base)| results(r, at, looks(r, base))).collect()
}

pub(crate) fn heard(region: &str, at: Timestamp, connected: bool) -> News {
    News::Agent(AgentNews {
        connected,
        last_heard: Some(at),
        build: Some("0.1.0".to_owned()),
        spool_records: if connected { 0 } else { 412 },
        spool_bytes: if connected { 0 } else { 17_304 },
        missed_slots: Some(2),
        ..AgentNews::unheard(name(&format!("{region}-1")))
    })
}

pub(crate) fn standing(target: &str, state: TargetState) -> Standing {
    let coverage = Coverage { domains: 5, assigned: 5 };
    Standing { target: name(target), state, coverage, policy: None }
}

/// The service's own rule says "down" since 35 s.
pub(crate) fn ruled(target: &str, state: TargetState) -> Standing {
    let word = Word { down: true, since: NOW - Duration::from_secs(35) };
    let votes = Votes { down: 4, voting: 5 };
    let policy = Some(Ruling { rule: Rule::Count(2), word: Some(word), votes, assigned: 5 });
    Standing { policy, ..standing(target, state) }
}

pub(crate) fn witness(region: &str, target: &str, kind: Option<ErrorKind>) -> Witness {
    Witness {
        agent: name(&format!("{region}-1")),
        target: name(target),
        ok: if kind.is_some() { 0 } else { 30 },
        fail: if kind.is_some() { 6 } else { 0 },
        kind,
        stage: kind.map(ErrorKind::stage),
        last: NOW,
    }
}

/// `shop` is down everywhere since 42 s.
pub(crate) fn outage(id: u64) -> Fault {
    let kind = ErrorKind::Status5xx;
    Fault {
        id: FaultId(id),
        locus: Locus::Service { target: name("shop") },
        state: FaultState::Down,
        reason: None,
        onset: NOW - Duration::from_secs(42),
        opened: NOW - Duration::from_secs(40),
        updated: NOW - Duration::from_secs(3),
        ended: None,
        confidence: Confidence::new(0.992),
        coverage: Coverage { domains: 5, assigned: 5 },
        affected_targets: vec![],
        regions: vec![],
        evidence: Evidence {
            witnesses_for: REGIONS.iter().map(|r| witness(r, "shop", Some(kind))).collect(),
            witnesses_against: REGIONS
                .iter()
                .flat_map(|r| ["mail", "ref-a"].map(|t| witness(r, t, None)))
                .collect(),
            for_count: 5,
            against_count: 10,
            kinds: vec![(kind, 30)],
            failure_rate: 0.99,
            alternative: Some(Alternative {
                locus: Some(Locus::Region { region: name("eu-west") }),
                parts: 1,
                behind_nats: 11.3,
            }),
            without: vec![Without { agent: name("eu-west-1"), confidence: Confidence::new(0.987) }],
            good_since: None,
            calibration: 1,
        },
    }
}

/// The network of eu-west was cut off for 48 s, nine minutes ago.
pub(crate) fn past_cut(id: u64) -> Fault {
    let (kind, began) = (ErrorKind::ConnectTimeout, NOW - Duration::from_mins(9));
    Fault {
        locus: Locus::Region { region: name("eu-west") },
        onset: began,
        opened: began + Duration::from_secs(2),
        updated: began + Duration::from_secs(48),
        ended: Some(began + Duration::from_secs(48)),
        confidence: Confidence::new(0.943),
        affected_targets: vec![name("mail"), name("shop")],
        evidence: Evidence {
            witnesses_for: TARGETS.iter().map(|(t, _)| witness("eu-west", t, Some(kind))).collect(),
            witnesses_against: vec![
                witness("us-east", "shop", None),
                witness("eu-north", "shop", None),
            ],
            for_count: 4,
            against_count: 16,
            kinds: vec![(kind, 24)],
            failure_rate: 1.0,
            ..Evidence::default()
        },
        ..outage(id)
    }
}

/// The whole story up to now: calm, a past cut, and `shop` down with eu-north away.
pub(crate) fn story() -> Vec<News> {
    let opened = |f: Fault| Change::Opened(Box::new(f));
    let mut news = vec![config()];
    for s in (0..40).rev() {
        let at = NOW - Duration::from_secs(s);
        news.extend(round(at, |_| (s < 8).then_some(ErrorKind::Status5xx)));
    }
    news.extend(REGIONS.iter().map(|r| heard(r, NOW, *r != "eu-north")));
    news.push(News::Verdict {
        at: NOW,
        changes: vec![
            opened(past_cut(1)),
            Change::Closed(Box::new(past_cut(1))),
            opened(outage(2)),
        ],
        standings: vec![standing("mail", TargetState::Up), ruled("shop", TargetState::Down)],
    });
    news
}
