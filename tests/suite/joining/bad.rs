//! Tokens and requests that must not work, and what both sides say of them.

use std::process::Command;

use parallax_agent::identity::Request;
use parallax_agent::uplink::{Applicant, enroll};
use parallax_proto::JoinToken;
use parallax_tests::joining::{Line, until_said};
use parallax_tests::{World, until};

use super::{SOON, open};

/// How it is tried, and what must be said.
struct Case {
    what: &'static str,
    line: fn(&World) -> Line,
    /// The exit code of `enroll`: 2 if it need not ask anybody.
    code: i32,
    agent: &'static [&'static str],
    /// What the collector's log says; nothing if it hears of nothing.
    collector: &'static [&'static str],
}

/// A token with something else in it, and a checksum that fits.
fn forged(world: &World, change: impl FnOnce(&mut JoinToken)) -> Line {
    let line = world.token(&[]);
    let mut token: JoinToken = line.token.parse().unwrap();
    change(&mut token);
    Line { token: token.to_string(), ..line }
}

const CASES: &[Case] = &[
    Case {
        what: "a character is lost on the way",
        line: |world| {
            let mut line = world.token(&[]);
            line.token.truncate(line.token.len() - 1);
            line
        },
        code: 2,
        agent: &["this join token is damaged", "copy the whole line"],
        collector: &[],
    },
    Case {
        what: "something else is pasted",
        line: |world| Line { token: "hunter2".into(), ..world.token(&[]) },
        code: 2,
        agent: &["this is no join token", "parallax token create"],
        collector: &[],
    },
    Case {
        what: "the token names another authority",
        line: |world| forged(world, |token| token.authority[7] ^= 1),
        code: 1,
        agent: &["is not the collector that made this token", "nothing was sent to it"],
        collector: &["127.0.0.1", "UnknownCA"],
    },
    Case {
        what: "the token is none of this collector's",
        line: |world| forged(world, |token| token.id[0] ^= 1),
        code: 1,
        agent: &["refuses:", "token"],
        collector: &["127.0.0.1", "token"],
    },
    Case {
        what: "the secret is another",
        line: |world| forged(world, |token| token.secret[0] ^= 1),
        code: 1,
        agent: &["refuses:", "token"],
        collector: &["127.0.0.1", "token"],
    },
    Case {
        what: "the token is used up",
        line: |world| {
            let line = world.token(&["--uses", "1"]);
            assert!(world.enroll("first", &line).status.success());
            line
        },
        code: 1,
        agent: &["refuses:", "used"],
        collector: &["127.0.0.1", "used"],
    },
    Case {
        what: "the token has expired",
        line: |world| {
            let line = world.token(&["--ttl", "1s"]);
            let since = std::time::Instant::now();
            until("a second is over", SOON, || {
                if since.elapsed().as_millis() > 1100 { Ok(()) } else { Err(String::new()) }
            });
            line
        },
        code: 1,
        agent: &["refuses:", "expired", "parallax token create"],
        collector: &["127.0.0.1", "expired"],
    },
    Case {
        what: "another agent has that name",
        line: |world| {
            world.join("taken");
            world.token(&["--name", "taken"])
        },
        code: 1,
        agent: &["refuses:", "taken", "parallax agents revoke taken"],
        collector: &["127.0.0.1", "taken"],
    },
];

#[test]
fn what_must_not_join_is_told_why_on_both_sides() {
    let mut wrong = Vec::new();
    for case in CASES {
        let (world, collector) = open();
        let line = (case.line)(&world);
        let before = collector.said().len();
        let out = world.enroll("vm-1", &line);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        let mut miss = |whose: &str, said: &str, words: &[&str]| {
            for word in words.iter().filter(|word| !said.contains(**word)) {
                wrong.push(format!("{}: {whose} does not say {word:?}: {said}", case.what));
            }
        };
        miss("the agent", &said, case.agent);
        let heard = collector.said().split_off(before);
        miss("the collector", &heard, case.collector);
        if out.status.code() != Some(case.code) {
            wrong.push(format!("{}: {:?}", case.what, out.status));
        }
        if world.agent_data("vm-1").exists() {
            wrong.push(format!("{}: something was kept", case.what));
        }
        let secret = line.token.get(30..).unwrap_or("hunter2");
        if heard.contains(secret) || said.contains(secret) {
            wrong.push(format!("{}: the token stands in a log", case.what));
        }
        eprintln!("{}\n    agent: {}    collector: {}", case.what, said, last(&heard));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn last(log: &str) -> &str {
    log.lines().last().unwrap_or("(nothing)")
}

#[test]
fn a_folder_that_cannot_be_written_uses_no_token_up() {
    let (world, _collector) = open();
    let line = world.token(&["--uses", "1"]);
    std::fs::write(world.agent_data("vm-2"), "in the way").unwrap();
    let out = world.enroll("vm-2", &line);
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot keep the credential"), "{said}");
    assert!(world.enroll("vm-1", &line).status.success());
}

#[test]
fn a_request_that_is_sent_again_is_refused() {
    let (world, collector) = open();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let csr = Request::new().unwrap().csr;
    let send = |name: &str| {
        let line = world.token(&[]);
        let now_ms = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
        let who = Applicant { name: name.into(), csr: csr.clone(), now_ms };
        let token: JoinToken = line.token.parse().unwrap();
        runtime.block_on(enroll(&line.collector, &token, who))
    };
    assert_eq!(send("vm-1").unwrap().name, "vm-1");
    let said = send("vm-2").unwrap_err().to_string();
    assert!(said.contains("key") && said.contains("refuses"), "{said}");
    until_said(&collector, &["127.0.0.1", "key"]);
}

#[test]
fn a_clock_that_is_a_day_off_is_named_by_both_sides() {
    if Command::new("faketime").arg("--help").output().is_err() {
        eprintln!("skipped: a_clock_that_is_a_day_off_is_named_by_both_sides (no faketime)");
        return;
    }
    let (world, collector) = open();
    for (by, says) in [("-1d", "behind"), ("+1d", "ahead")] {
        let before = collector.said().len();
        let line = world.token(&[]);
        let out = world.enroll_with(&["faketime", "-f", by], "vm-1", &line, &[]);
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(1), "{said}");
        for word in ["clock", "1 day", says] {
            assert!(said.contains(word), "{word:?}: {said}");
        }
        let heard = collector.said().split_off(before);
        assert!(heard.contains("clock") && heard.contains("1 day"), "{heard}");
    }
    // the token was not used up by that
    let line = world.token(&[]);
    assert!(!world.enroll_with(&["faketime", "-f", "-1d"], "vm-1", &line, &[]).status.success());
    assert!(world.enroll("vm-1", &line).status.success());
    // who joined, and whose clock goes off later
    let data = world.agent_data("vm-1");
    let args = ["-f", "-1d"].map(str::to_owned).into_iter();
    let program = parallax_tests::binary("parallax-agent").display().to_string();
    let args = args.chain([program, "run".into(), "--data-dir".into(), data.display().to_string()]);
    let log = world.folder().join("off.log");
    let off = parallax_tests::Parallax::start_at("faketime".as_ref(), args, &log);
    until_said(&off, &["this machine's clock says", "one of the two clocks is wrong"]);
    assert!(!off.said().contains("does not take this agent"), "{}", off.said());
}
