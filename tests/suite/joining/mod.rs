//! Agents that join, with real binaries: how it goes well.

mod bad;
mod road;

use std::time::Duration;

use parallax_tests::joining::until_said;
use parallax_tests::journal;
use parallax_tests::{World, until};

const SOON: Duration = Duration::from_secs(30);

/// A world of agents that are not there yet, and its running collector.
pub(crate) fn open() -> (World, parallax_tests::Parallax) {
    let world = World::new(0, 1);
    let collector = world.start_collector();
    world.until_ready();
    (world, collector)
}

/// Waits until everything that `name` numbered is stored, at least `least` results, none twice.
pub(crate) fn until_stored(world: &World, name: &str, least: u64) -> u64 {
    until(&format!("{least} results of {name} are stored"), SOON, || {
        let stored = journal::read(&world.data())?;
        journal::has_no_holes(&stored)?;
        let its = stored.iter().filter(|((agent, _), _)| agent == name);
        let (results, twice) =
            its.fold((0, 0), |sum, (_, s)| (sum.0 + s.results, sum.1 + s.twice + s.same_look));
        assert_eq!(twice, 0, "{stored:?}");
        if results >= least { Ok(results) } else { Err(format!("{results} results")) }
    })
}

#[test]
fn an_agent_joins_by_one_line_and_its_results_are_stored() {
    let (world, collector) = open();
    let line = world.token(&["--site", "hall-2"]);
    let out = world.enroll("vm-1", &line);
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(said.contains("as vm-1 (region-1, provider-1, hall-2)"), "{said}");
    assert!(said.contains("parallax-agent run --data-dir"), "{said}");
    let agent = world.start_joined("vm-1");
    world.until_connected("vm-1", true);
    until_stored(&world, "vm-1", 3);
    let shown = world.api("/api/v1/agents").unwrap();
    let its = shown["agents"].as_array().unwrap().iter().find(|a| a["name"] == "vm-1").unwrap();
    assert_eq!((&its["region"], &its["provider"]), (&"region-1".into(), &"provider-1".into()));
    agent.stop(SOON);
    // who joined is known after a restart of both
    collector.stop(SOON);
    let _collector = world.start_collector();
    world.until_ready();
    let _agent = world.start_joined("vm-1");
    world.until_connected("vm-1", true);
}

#[test]
fn a_certificate_is_renewed_while_the_agent_runs() {
    let world = World::new(0, 1);
    let _collector = world.start_collector_with(&[("PARALLAX_TEST_CERTIFICATE_LIFETIME", "6s")]);
    world.until_ready();
    world.join("vm-1");
    let first = world.credential("vm-1")["certificate"].clone();
    let agent = world.start_joined("vm-1");
    // twice: the second is asked for by the first that was renewed
    let mut seen = vec![first];
    until("two renewals", SOON, || {
        let now = world.credential("vm-1")["certificate"].clone();
        if !seen.contains(&now) {
            seen.push(now);
        }
        if seen.len() == 3 { Ok(()) } else { Err(format!("{} certificates", seen.len())) }
    });
    world.until_connected("vm-1", true);
    assert!(agent.said().contains("the certificate is renewed"), "{}", agent.said());
    assert!(!agent.said().contains("does not take this agent"), "{}", agent.said());
    // a restart goes on with what was kept
    let before = agent.said().len();
    agent.stop(SOON);
    let agent = world.start_joined("vm-1");
    until("the next start is connected", SOON, || {
        let said = agent.said().split_off(before);
        let stopped = said.find("INFO stopped").ok_or_else(|| said.clone())?;
        let since = said.get(stopped..).unwrap_or_default();
        if since.contains("connected to the collector") { Ok(()) } else { Err(said.clone()) }
    });
    agent.stop(SOON);
    until_stored(&world, "vm-1", 5);
}

#[test]
fn a_collector_that_is_away_stops_no_look_and_nothing_is_lost() {
    let (world, collector) = open();
    world.join("vm-1");
    let _agent = world.start_joined("vm-1");
    let before = until_stored(&world, "vm-1", 2);
    collector.kill();
    let service = &world.services[0].1;
    let served = service.served();
    until("looks go on", SOON, || {
        let more = service.served() - served;
        if more >= 5 { Ok(()) } else { Err(format!("{more} looks")) }
    });
    let _collector = world.start_collector();
    world.until_ready();
    until_stored(&world, "vm-1", before + 5);
}

#[test]
fn a_revoked_agent_is_cut_and_rests_and_goes_on_once_it_joined_anew() {
    let (world, _collector) = open();
    world.join("vm-1");
    let agent = world.start_joined("vm-1");
    until_stored(&world, "vm-1", 2);
    let config = world.config_file();
    let revoked = std::time::Instant::now();
    let config = config.to_str().unwrap();
    let ask = |args: &[&str]| {
        let out = parallax_tests::run("parallax", args.iter().chain(&["--config", config]));
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    };
    let joined = || ask(&["agents", "joined"]);
    assert!(joined().lines().any(|l| l.starts_with("vm-1 ") && l.ends_with(" in")), "{}", joined());
    ask(&["agents", "revoke", "vm-1"]);
    assert!(joined().contains("revoked 20"), "{}", joined());
    until_said(&agent, &["does not take this agent", "revoked", "ERROR"]);
    assert!(revoked.elapsed() < Duration::from_secs(10), "cut after {:?}", revoked.elapsed());
    // what was on its way is over; from here on nobody looks
    let served = until_quiet(&world);
    assert!(!agent.said().contains("agent died"));
    let out = world.enroll_with(&[], "vm-1", &world.token(&[]), &["--force"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    world.until_connected("vm-1", true);
    until("looks go on", SOON, || {
        let now = world.services[0].1.served();
        if now > served { Ok(()) } else { Err(format!("{now} looks")) }
    });
    until_stored(&world, "vm-1", 3);
}

/// Waits until a service was left alone for three times as long as it is looked at.
fn until_quiet(world: &World) -> u64 {
    let service = &world.services[0].1;
    let (mut served, mut since) = (service.served(), std::time::Instant::now());
    until("nobody looks any more", SOON, || {
        if service.served() != served {
            (served, since) = (service.served(), std::time::Instant::now());
        }
        let quiet = since.elapsed();
        if quiet > Duration::from_secs(3) { Ok(served) } else { Err(format!("{quiet:?}")) }
    })
}
