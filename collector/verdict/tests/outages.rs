//! Outages among targets of very different intervals, seen by agents without labels, and by those who look again.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(unreachable_pub, dead_code, reason = "a module shared with other tests")]

mod small;

use std::collections::BTreeMap;

use parallax_model::{AgentSpec, Change, ErrorKind, FaultId, Locus};
use parallax_verdict::{Engine, Fleet, Observation};

use small::{START_MS, Said, apart, fleet, look, looks, play, said, tick_until};

const AGENTS: usize = 6;
const BROKEN: Option<ErrorKind> = Some(ErrorKind::Status5xx);

/// One service is down from one second until another; what was opened and closed.
fn outage(fleet: &Fleet, seconds: i64, down: usize, from_s: i64, to_s: i64) -> Vec<Said> {
    let during = from_s * 1000..to_s * 1000;
    let all =
        looks(fleet, seconds, |at, _, t| BROKEN.filter(|_| t == down && during.contains(&at)));
    let mut said = said(&play(fleet, &all));
    said.retain(|s| s.change != "updated");
    said
}

/// Told once, in its place, and closed; both within so many seconds.
fn is_told(
    said: &[Said],
    target: usize,
    (from_s, told_s): (i64, i64),
    (to_s, closed_s): (i64, i64),
) {
    let [opened, closed] = said else { panic!("{said:?}") };
    assert_eq!((opened.change, closed.change), ("opened", "closed"));
    assert_eq!(opened.locus, Locus::Service { target: small::target(target) }.to_string());
    assert_eq!(closed.locus, opened.locus);
    let told = (from_s * 1000..=(from_s + told_s) * 1000).contains(&opened.at_ms);
    let over = (to_s * 1000..=(to_s + closed_s) * 1000).contains(&closed.at_ms);
    assert!(told && over, "{said:?}");
}

/// Intervals of ten minutes, five and thirty seconds.
const INTERVALS_S: [i64; 3] = [600, 5, 30];

#[test]
fn a_target_of_ten_minutes_is_told_by_its_own_interval_beside_quick_ones() {
    let fleet = fleet(&apart(AGENTS), &INTERVALS_S);
    let (from_s, to_s) = (7_250, 14_430);
    // each agent looks once an interval: half of one shows three, and one and a half that it is over
    let said = outage(&fleet, 21_600, 0, from_s, to_s);
    is_told(&said, 0, (from_s, 400), (to_s, 1_200));
}

#[test]
fn a_quick_target_is_told_by_its_own_interval_beside_those_of_ten_minutes() {
    let fleet = fleet(&apart(AGENTS), &INTERVALS_S);
    for (target, interval_s) in [(1, 5), (2, 30)] {
        let (from_s, to_s) = (3_602, 3_902);
        let said = outage(&fleet, 5_000, target, from_s, to_s);
        is_told(&said, target, (from_s, interval_s), (to_s, 2 * interval_s));
    }
}

#[test]
fn a_service_is_told_by_agents_of_whom_nobody_knows_where_they_are() {
    for labelled in [0, 1, 3, 5] {
        let mut fleet = fleet(&apart(AGENTS), &[5, 5]);
        for agent in &mut fleet.agents[labelled..] {
            *agent = AgentSpec::unlabelled(agent.name.clone());
        }
        let said = outage(&fleet, 900, 0, 302, 600);
        is_told(&said, 0, (302, 15), (600, 30));
        // all of them may stand in one place
        let most = [700_000, 950_000, 999_000][labelled.min(2)];
        assert!(said.iter().all(|s| s.sure <= most), "{labelled}: {said:?}");
    }
}

/// How long after the begin of an outage it is told, ms; what is asked for is looked at, or not.
fn told_after(is_answered: bool) -> i64 {
    const FROM_MS: i64 = 3_610_000;
    let fleet = fleet(&apart(AGENTS), &[300, 30]);
    let fails = |at: i64, t: usize| BROKEN.filter(|_| t == 0 && at >= FROM_MS);
    let scheduled = looks(&fleet, 4_500, |at, _, t| fails(at, t));
    let number = |name: &str| name.get(1..).unwrap().parse::<usize>().unwrap();
    let mut heard: BTreeMap<(i64, usize), Observation> = BTreeMap::new();
    for (n, o) in scheduled.into_iter().enumerate() {
        heard.insert((o.received.millis(), n), o);
    }
    let mut engine = Engine::new(fleet, FaultId(1));
    let (mut out, mut clock) = (Vec::new(), START_MS);
    while let Some(((now, _), o)) = heard.pop_first() {
        tick_until(&mut engine, &mut clock, now, &mut out);
        engine.observe(&o, &mut out);
        for change in out.drain(..) {
            match change {
                Change::Ask(ask) if is_answered => {
                    let at = now - START_MS + 80;
                    for agent in &ask.agents {
                        let t = number(ask.target.as_str());
                        let o = look(at, number(agent.as_str()), t, fails(at, t));
                        heard.insert((o.received.millis(), 1_000_000 + heard.len()), o);
                    }
                }
                Change::Opened(fault) => {
                    assert_eq!(fault.locus, Locus::Service { target: small::target(0) });
                    return fault.opened.millis() - START_MS - FROM_MS;
                }
                Change::Ask(_) | Change::Updated(_) | Change::Closed(_) => {}
            }
        }
    }
    panic!("never told")
}

#[test]
fn those_who_look_again_tell_a_rarely_seen_service_sooner() {
    let (without, with) = (told_after(false), told_after(true));
    assert!((0..300_000).contains(&without), "{without}");
    assert!((0..without / 3).contains(&with), "{with} and {without}");
}
