//! What goes through the door comes back the same; what the contract forbids is named.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use parallax_model::{
    Assertion, Auth, Batch, Body, Certificate, Check, Clues, DnsCheck, DnsSeen, DnsTransport,
    Epoch, ErrorKind, Family, Fitness, Gap, GapReason, GrpcCheck, GrpcSeen, HttpCheck, IcmpCheck,
    IcmpSeen, LlmApi, LlmCheck, LlmSeen, Must, Outcome, ProbeResult, Rcode, RecordType, Role, Seen,
    Selector, Sensitivity, Seq, Serving, Span, Stage, Stages, StatusSet, Target, TcpCheck, TcpStep,
    Timestamp, TlsCheck, TlsClue, TlsOptions, Unfit,
};
use parallax_proto::{
    Assignment, FromAgent, FromCollector, Heartbeat, Hello, SpoolState, Welcome, decode_batch,
    encode_batch, limits, pb,
};
use proptest::prelude::*;
use prost::Message;

fn micros() -> impl Strategy<Value = Duration> {
    (0..3_600_000_000u64).prop_map(Duration::from_micros)
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![Just(Outcome::Ok), prop::sample::select(ErrorKind::ALL).prop_map(Outcome::Fail)]
}

prop_compose! {
    fn stages()(
        resolve in prop::option::of(micros()),
        connect in prop::option::of(micros()),
        tls in prop::option::of(micros()),
        first_byte in prop::option::of(micros()),
        transfer in prop::option::of(micros()),
    ) -> Stages {
        Stages { resolve, connect, tls, first_byte, transfer }
    }
}

fn seen() -> impl Strategy<Value = Seen> {
    let dns = (any::<u16>(), any::<u16>(), prop::option::of(any::<u32>()), any::<bool>()).prop_map(
        |(answers, authority, serial, authenticated)| {
            Seen::Dns(DnsSeen { answers, authority, additional: 1, serial, authenticated })
        },
    );
    let icmp = (any::<u16>(), any::<u16>(), micros(), micros(), prop::option::of(any::<u8>()))
        .prop_map(|(sent, received, rtt_min, rtt_mean, hop_limit)| {
            let (rtt_max, rtt_stddev) = (rtt_mean, rtt_min);
            Seen::Icmp(IcmpSeen {
                sent,
                received,
                rtt_min,
                rtt_mean,
                rtt_max,
                rtt_stddev,
                hop_limit,
            })
        });
    let grpc = prop::sample::select(&Serving::ALL[..])
        .prop_map(|serving| Seen::Grpc(GrpcSeen { serving }));
    let time = || prop::option::of(micros());
    let llm = (time(), time(), micros(), any::<u32>(), any::<u32>(), any::<bool>()).prop_map(
        |(first_token, longest_gap, streamed, tokens, prompt_tokens, finished)| {
            Seen::Llm(LlmSeen {
                first_token,
                longest_gap,
                streamed,
                tokens,
                prompt_tokens,
                finished,
            })
        },
    );
    prop_oneof![dns, icmp, grpc, llm]
}

prop_compose! {
    fn results()(
        target in "[a-z]{1,3}",
        started in any::<i32>(),
        latency in micros(),
        outcome in outcomes(),
        stages in stages(),
        status in prop::option::of(any::<u16>()),
        peer in prop::option::of("[0-9.:]{1,20}"),
        clues in prop::option::of(clues()),
        detail in prop::option::of("[a-z é]{1,100}"),
        seen in prop::option::of(seen()),
        asked in any::<bool>(),
    ) -> ProbeResult {
        let started = Timestamp::from_millis(1_766_700_000_000 + i64::from(started));
        let target = target.parse().unwrap();
        let seen = seen.map(Box::new);
        ProbeResult { target, started, latency, outcome, stages, status, peer, clues, detail, seen, asked }
    }
}

fn clues() -> impl Strategy<Value = Arc<Clues>> {
    let headers = prop::collection::vec(("[a-z-]{1,9}", "[ -~]{0,20}"), 0..3);
    let tls = prop::option::of(("TLS 1\\.[23]", any::<u128>(), "CN=[a-z]{1,9}", any::<i64>()));
    let diagnosis = prop::option::of("[ -~]{1,60}");
    let clues = (prop::option::of("1\\.1|2"), headers, tls, diagnosis);
    clues.prop_map(|(http_version, headers, tls, diagnosis)| {
        let tls = tls.map(|(version, print, subject, not_after_s)| TlsClue {
            version,
            cipher: "c".into(),
            chain: Arc::new([Certificate {
                fingerprint_sha256: format!("{print:064x}"),
                subject,
                not_after_s,
                ..Certificate::default()
            }]),
        });
        Arc::new(Clues { http_version, headers, tls, diagnosis })
    })
}

fn batches() -> impl Strategy<Value = Batch> {
    let of_results = (any::<u64>(), 1..1u64 << 40, prop::collection::vec(results(), 1..50))
        .prop_map(|(epoch, first, r)| Batch::of_results(Epoch(epoch), Seq(first), r).unwrap());
    let reasons =
        prop::sample::select(&[GapReason::SpoolFull, GapReason::Corrupt, GapReason::DiskError][..]);
    let gaps = (any::<u64>(), 1..1u64 << 40, any::<u32>(), reasons).prop_map(
        |(epoch, first, more, reason)| Batch {
            epoch: Epoch(epoch),
            span: Span::new(first, first + u64::from(more)).unwrap(),
            body: Body::Gap(Gap { reason }),
        },
    );
    prop_oneof![4 => of_results, 1 => gaps]
}

proptest! {
    #[test]
    fn a_batch_comes_back(batch in batches()) {
        prop_assert_eq!(decode_batch(&encode_batch(&batch)).unwrap(), batch);
    }

    #[test]
    fn no_bytes_break_the_door(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        if let Ok(batch) = decode_batch(&bytes) {
            prop_assert_eq!(decode_batch(&encode_batch(&batch)).unwrap(), batch);
        }
        if let Ok(message) = pb::AgentMessage::decode(&bytes[..]) {
            drop(FromAgent::try_from(message));
        }
        if let Ok(message) = pb::CollectorMessage::decode(&bytes[..]) {
            drop(FromCollector::try_from(message));
        }
    }
}

#[test]
fn a_full_batch_of_the_wordiest_failures_fits_its_bound() {
    let result = |n: usize| ProbeResult {
        target: format!("target-{n}").parse().unwrap(),
        started: Timestamp::from_millis(1_766_700_000_000),
        latency: Duration::from_hours(1),
        outcome: Outcome::Fail(ErrorKind::Assertion),
        stages: Stages {
            resolve: Some(Duration::from_hours(1)),
            connect: Some(Duration::from_hours(1)),
            tls: Some(Duration::from_hours(1)),
            first_byte: Some(Duration::from_hours(1)),
            transfer: Some(Duration::from_hours(1)),
        },
        status: Some(599),
        peer: Some(format!("[2001:db8:1234:5678:9abc:def0:1234:{n:04x}]:65535")),
        clues: Some(Arc::new(Clues {
            headers: vec![("x-request-id".into(), format!("{n:0128}")); 10],
            ..Clues::default()
        })),
        detail: Some("x".repeat(256)),
        seen: Some(Box::new(Seen::Icmp(IcmpSeen {
            sent: u16::MAX,
            received: u16::MAX,
            rtt_min: Duration::from_hours(1),
            rtt_mean: Duration::from_hours(1),
            rtt_max: Duration::from_hours(1),
            rtt_stddev: Duration::from_hours(1),
            hop_limit: Some(255),
        }))),
        asked: true,
    };
    let results = (0..limits::BATCH_RESULTS_MAX).map(result).collect();
    let batch = Batch::of_results(Epoch(u64::MAX), Seq(1 << 60), results).unwrap();
    let bytes = encode_batch(&batch);
    assert!(bytes.len() <= limits::BATCH_BYTES_MAX, "{} bytes", bytes.len());
    let mut back = decode_batch(&bytes).unwrap();
    let Body::Results(results) = &mut back.body else { panic!("results became a gap") };
    let with_clues = results.iter().take_while(|r| r.clues.is_some()).count();
    assert!((200..500).contains(&with_clues), "{with_clues} have clues");
    let Body::Results(told) = &batch.body else { unreachable!() };
    for (back, told) in results.iter_mut().zip(told).skip(with_clues) {
        assert_eq!(back.clues, None);
        back.clues.clone_from(&told.clues);
    }
    assert_eq!(back, batch);
}

fn there_and_back(message: &FromCollector) -> FromCollector {
    let bytes = pb::CollectorMessage::from(message).encode_to_vec();
    pb::CollectorMessage::decode(&bytes[..]).unwrap().try_into().unwrap()
}

fn assertions() -> Vec<Assertion> {
    let text = || "x".to_owned();
    let musts = [
        Must::Exist,
        Must::BeAbsent,
        Must::Equal(text()),
        Must::Differ(text()),
        Must::Contain(text()),
        Must::Lack(text()),
        Must::Match(text()),
        Must::MatchNot(text()),
        Must::AtLeast("1".into()),
        Must::AtMost("2.5".into()),
    ];
    let mut all: Vec<_> = musts.into_iter().map(Assertion::Body).collect();
    all.push(Assertion::Header { name: "server".into(), must: Must::Exist });
    all.push(Assertion::Json { path: "$.a".into(), must: Must::Equal("1".into()) });
    all.push(Assertion::CertificateDays(14));
    all.push(Assertion::Within { stage: None, most: Duration::from_secs(1) });
    all.push(Assertion::Within { stage: Some(Stage::Tls), most: Duration::from_millis(2) });
    all
}

/// A check of each kind, with everything that can be said of it.
fn checks() -> Vec<Check> {
    let http = Check::Http(HttpCheck {
        status: StatusSet::new(vec![(200, 204), (301, 301)]).unwrap(),
        body_contains: Some("ok".into()),
        redirects_max: 3,
        headers: vec![("x-a".into(), "b".into())],
        body: Some("{}".into()),
        http2: true,
        compression: true,
        body_bytes_max: 9,
        family: Family::V6,
        tls: TlsOptions {
            server_name: Some("n".into()),
            any_certificate: true,
            authority: Some("corp".into()),
            certificate: Some("me".into()),
        },
        assertions: assertions(),
        auth: Some(Auth::Basic { user: "me".into(), key: "k".into() }),
        proxy: Some("out".into()),
        ..HttpCheck::get("https://example.com/")
    });
    let tls = Check::Tls(TlsCheck {
        address: "example.com:25".into(),
        talk: TlsCheck::starttls("smtp").unwrap(),
        tls: TlsOptions::default(),
        family: Family::V4,
        assertions: vec![],
    });
    let dns = Check::Dns(DnsCheck {
        server: Some("[::1]:53".into()),
        transport: DnsTransport::Tcp,
        recursion: false,
        rcode: Rcode::NX_DOMAIN,
        answer_contains: Some("1".into()),
        answers: vec!["::1".into()],
        authority_contains: Some("ns".into()),
        ttl_s: Some((60, 3600)),
        authenticated: true,
        ..DnsCheck::new("example.com", RecordType(65_280))
    });
    let tcp = Check::Tcp(TcpCheck {
        address: "example.com:25".into(),
        talk: vec![TcpStep::Expect("^220 ".into()), TcpStep::Send("QUIT\r\n".into())],
    });
    let icmp = Check::Icmp(IcmpCheck {
        count: 9,
        spacing: Duration::from_millis(10),
        payload_bytes: 1400,
        loss_percent_max: 0,
        rtt_max: Some(Duration::from_millis(30)),
        family: Family::V6,
        ..IcmpCheck::to("gateway.example")
    });
    let grpc = Check::Grpc(GrpcCheck {
        address: "example.com:443".into(),
        tls: Some(TlsOptions { any_certificate: true, ..TlsOptions::default() }),
        service: "shop.Cart".into(),
    });
    let llm = Check::Llm(LlmCheck {
        key: Some("main".into()),
        first_token_max: Some(Duration::from_secs(2)),
        gap_max: Some(Duration::from_secs(1)),
        answer_contains: Some("OK".into()),
        ..LlmCheck::new(LlmApi::Anthropic, "https://example.com/v1/messages", "tiny")
    });
    let plain = Check::Dns(DnsCheck::new("example.com", RecordType::MX));
    vec![http, tls, dns, tcp, icmp, grpc, llm, plain]
}

#[test]
fn orders_come_back() {
    let target = |name: &str, role, check| Target {
        name: name.parse().unwrap(),
        role,
        interval: Duration::from_secs(30),
        timeout: Duration::from_secs(5),
        depends_on: vec!["other".parse().unwrap()],
        agents: Selector::default(),
        sensitivity: Sensitivity::default(),
        policy: None,
        check,
    };
    let roles = [Role::Service, Role::Reference].into_iter().cycle();
    let checks = checks().into_iter().zip(roles).enumerate();
    let targets = checks.map(|(n, (check, role))| target(&format!("t-{n}"), role, check)).collect();
    for message in [
        FromCollector::Welcome(Welcome { protocol: 1, build: "0.1.0".into() }),
        FromCollector::Ack { epoch: Epoch(7), spans: vec![Span::new(3, 9).unwrap()] },
        FromCollector::Assignment(Assignment { version: 4, targets }),
        FromCollector::ProbeNow(vec!["a".parse().unwrap()]),
        FromCollector::Drain { pause: Duration::from_secs(2) },
    ] {
        assert_eq!(there_and_back(&message), message);
    }
}

#[test]
fn words_of_an_agent_come_back() {
    for message in [
        FromAgent::Hello(Hello {
            protocol_min: 1,
            protocol_max: 2,
            agent: "eu-west-1".parse().unwrap(),
            build: "0.1.0".into(),
            epoch: Epoch(42),
            instance: 0xdead_beef,
        }),
        FromAgent::Heartbeat(Heartbeat {
            sent: Timestamp::from_millis(1_766_700_000_000),
            assignment: 3,
            spool: SpoolState { records: 1, bytes: 2, lost: 3, degraded: true },
            missed_slots: 4,
            fitness: Some(Fitness {
                unfit: Unfit::ALL.to_vec(),
                delay_median: Duration::from_micros(7),
                delay_p99: Duration::from_micros(8),
                late_slots: 9,
                due_slots: 10,
                references: 3,
                references_failing: 2,
                clock_synchronised: Some(false),
                clock_error: Some(Duration::from_micros(11)),
                cpu_pressure_permille: Some(12),
                memory_pressure_permille: None,
                files_open: Some(13),
                files_max: Some(14),
            }),
        }),
        FromAgent::Heartbeat(Heartbeat {
            sent: Timestamp::from_millis(1),
            assignment: 0,
            spool: SpoolState::default(),
            missed_slots: 0,
            fitness: None,
        }),
    ] {
        let bytes = pb::AgentMessage::from(&message).encode_to_vec();
        let back = FromAgent::try_from(pb::AgentMessage::decode(&bytes[..]).unwrap()).unwrap();
        assert_eq!(back, message);
    }
}

#[test]
fn what_the_contract_forbids_is_named() {
    type Spoil = fn(&mut pb::Batch);
    let good = || pb::Batch {
        epoch: 1,
        first_seq: 1,
        targets: vec!["shop".into()],
        results: vec![pb::Result::default()],
        ..pb::Batch::default()
    };
    let cases: [(&str, Spoil); 9] = [
        ("batch.results", |b| (b.results.clear(), b.targets.clear()).1),
        ("batch.results", |b| b.results = vec![pb::Result::default(); 1001]),
        ("batch.first_seq", |b| b.first_seq = 0),
        ("batch.targets[0]", |b| b.targets[0] = "a\nb".into()),
        ("batch.results[0].target", |b| b.results[0].target = 1),
        ("batch.results[0].peer", |b| b.results[0].peer = 1),
        ("batch.results[0].latency_us", |b| b.results[0].latency_us = u64::MAX),
        ("batch.results[0].detail", |b| b.results[0].detail = "x".repeat(257)),
        ("batch.gap", |b| b.gap = Some(pb::Gap { last_seq: 5, reason: 1 })),
    ];
    assert!(Batch::try_from(good()).is_ok());
    for (field, spoil) in cases {
        let mut batch = good();
        spoil(&mut batch);
        assert_eq!(Batch::try_from(batch).unwrap_err().field, field);
    }
}

/// Version 1 as it was first released: these bytes must decode for ever.
#[test]
fn bytes_of_released_versions_decode() {
    let golden = include_bytes!("golden/batch.v1.bin");
    let batch = released_batch();
    assert_eq!(decode_batch(golden).unwrap(), batch);
}

fn released_batch() -> Batch {
    let result = |target: &str, outcome, detail: Option<&str>| ProbeResult {
        target: target.parse().unwrap(),
        started: Timestamp::from_micros(1_766_700_000_123_456),
        latency: Duration::from_micros(23_456),
        outcome,
        stages: Stages {
            resolve: Some(Duration::from_micros(1_200)),
            connect: Some(Duration::from_micros(9_800)),
            ..Stages::default()
        },
        status: Some(503),
        peer: Some("192.0.2.1:443".into()),
        clues: None,
        detail: detail.map(Into::into),
        seen: None,
        asked: false,
    };
    let results = vec![
        result("shop", Outcome::Ok, None),
        result("search", Outcome::Fail(ErrorKind::Status5xx), Some("status 503, expected 200-299")),
    ];
    Batch::of_results(Epoch(1_766_700_000_000), Seq(17), results).unwrap()
}

#[test]
fn golden_bytes_are_what_this_build_writes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/batch.v1.bin");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, encode_batch(&released_batch())).unwrap();
    }
    assert_eq!(encode_batch(&released_batch()), std::fs::read(path).unwrap());
}
