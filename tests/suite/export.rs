//! What a collector heard, written out, and judged again.

use std::path::Path;
use std::time::Duration;

use parallax_tests::{World, run, until};
use serde_json::Value;

const DEADLINE: Duration = Duration::from_mins(1);

fn said(out: &std::process::Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

/// `parallax export results`, with the world's configuration.
fn export(world: &World, folder: &Path, more: &[&str]) -> std::process::Output {
    let config = world.config_file();
    let mut args = vec!["export", "results", "--config", config.to_str().unwrap()];
    args.extend(["--out", folder.to_str().unwrap()]);
    args.extend(more);
    run("parallax", args)
}

#[test]
fn a_history_is_judged_again_as_it_was() {
    let world = World::new(3, 2);
    let _collector = world.start_collector();
    world.until_ready();
    let _agents: Vec<_> = (1..=3).map(|n| world.start_agent(&format!("agent-{n}"))).collect();
    let faults = |state: &str| -> Result<Vec<Value>, String> {
        let answer = world.api(&format!("/api/v1/faults?state={state}"))?;
        let all = answer["faults"].as_array().cloned().ok_or(format!("{answer}"))?;
        Ok(all.into_iter().filter(|f| f["locus"] == "service").collect())
    };
    until("every path is heard", DEADLINE, || {
        let answer = world.api("/api/v1/targets")?;
        let up = answer["targets"]
            .as_array()
            .is_some_and(|all| all.len() == 2 && all.iter().all(|t| t["coverage"]["domains"] == 3));
        if up { Ok(()) } else { Err(format!("{answer}")) }
    });
    world.services[0].1.answer_with(500);
    until("told", DEADLINE, || {
        if faults("open")?.is_empty() { Err("nothing".into()) } else { Ok(()) }
    });
    world.services[0].1.answer_with(200);
    until("over", DEADLINE, || {
        if faults("closed")?.is_empty() { Err("not yet".into()) } else { Ok(()) }
    });
    let live = faults("closed").unwrap().remove(0);

    // a replay ends with its last row, and ticks at other instants of a second than the collector did
    let served = world.services[0].1.served();
    until("three more rounds", DEADLINE, || match world.services[0].1.served() - served {
        9.. => Ok(()),
        more => Err(format!("{more} more looks")),
    });

    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let out = export(&world, &trace, &[]);
    assert!(out.status.success(), "{}", said(&out));
    let [fleet, results] = ["fleet.toml", "results.csv"].map(|f| trace.join(f));
    let mut args = vec!["replay", "--fleet", fleet.to_str().unwrap()];
    args.extend(["--results", results.to_str().unwrap(), "--policy", "all,count:3"]);
    let again = run("parallax", args);
    assert!(again.status.success(), "{}", said(&again));
    let lines: Vec<Value> = String::from_utf8_lossy(&again.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |event: &str| {
        let found = lines.iter().find(|l| l["event"] == event && l["locus"] == "service");
        found.unwrap_or_else(|| panic!("no {event} in {lines:?}")).clone()
    };
    let (opened, closed) = (of("opened"), of("closed"));
    let turns = lines.iter().filter(|l| l["event"] == "policy" && l["rule"] == "all");
    let turns: Vec<_> = turns.map(|l| (&l["target"], l["state"].as_str().unwrap())).collect();
    assert_eq!(turns, [(&live["target"], "down"), (&live["target"], "up")]);
    assert_eq!((&opened["target"], &closed["state"]), (&live["target"], &live["state"]));
    // rows are whole milliseconds, and so is what is learned of the agents' clocks from them
    for (again, instant) in [(&opened, "onset_ms"), (&closed, "end_ms")] {
        let apart = again[instant].as_i64().unwrap() - live[instant].as_i64().unwrap();
        assert!(apart.abs() <= 20, "{instant}: {apart} ms");
    }
    // both rules saw it, too
    let table = String::from_utf8_lossy(&again.stderr);
    let row = |rule: &str| {
        let line = table.lines().find(|l| l.starts_with(rule)).unwrap_or_default();
        line.split_whitespace().skip(1).take(4).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row("all"), ["1", "1", "0", "0"], "{table}");
    assert_eq!(row("count:3"), ["1", "1", "0", "0"], "{table}");

    refusals(&world, folder.path(), &trace);
}

/// Nothing is written over, and what there is not is said.
fn refusals(world: &World, folder: &Path, trace: &Path) {
    let twice = export(world, trace, &[]);
    assert_eq!(twice.status.code(), Some(2));
    assert!(said(&twice).contains("is there already: name another folder"), "{}", said(&twice));
    let own = folder.join("own");
    std::fs::create_dir(&own).unwrap();
    std::fs::write(own.join("fleet.toml"), "mine").unwrap();
    let over = export(world, &own, &["--to", "2020-01-01"]);
    assert!(said(&over).contains("fleet.toml is there already"), "{}", said(&over));
    assert_eq!(std::fs::read_to_string(own.join("fleet.toml")).unwrap(), "mine");
    let one = export(world, &folder.join("one"), &["--target", "svc-2", "--from", "1h"]);
    assert!(one.status.success(), "{}", said(&one));
    let rows = std::fs::read_to_string(folder.join("one/results.csv")).unwrap();
    assert!(rows.lines().skip(1).all(|row| row.contains(",svc-2,")) && rows.lines().count() > 3);
    assert!(said(&one).contains("note: a part of what was heard: "), "{}", said(&one));
    // the folder alone says who looked, as there is nothing else where `up` and `try` were run
    let bare = folder.join("bare");
    let data = world.data();
    let args = ["export", "results", "--data", data.to_str().unwrap(), "--out"];
    let bare_out = run("parallax", args.into_iter().chain([bare.to_str().unwrap()]));
    assert!(bare_out.status.success(), "{}", said(&bare_out));
    assert!(!said(&bare_out).contains("note: "), "{}", said(&bare_out));
    let [fleet, results] = ["fleet.toml", "results.csv"].map(|f| bare.join(f));
    let args =
        ["replay", "--fleet", fleet.to_str().unwrap(), "--results", results.to_str().unwrap()];
    let again = run("parallax", args);
    assert!(again.status.success() && !said(&again).contains("warning"), "{}", said(&again));
    let none = export(world, &folder.join("none"), &["--to", "2020-01-01"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(said(&none).contains("holds no such results"), "{}", said(&none));
    assert!(export(world, &folder.join("none"), &[]).status.success());
}

#[test]
fn what_cannot_be_exported_is_said() {
    let world = World::new(1, 1);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let cases: &[(&[&str], &str)] = &[
        (&["--from", "1h", "--to", "2h"], "is after --to"),
        (&["--from", "2999-01-01"], "--from 2999-01-01T00:00:00.000Z is in the future"),
        (&["--from", "yesterday"], "write 2026-11-01, 2026-11-01T08:30:00Z, or 24h"),
        (&[], "no collector has kept anything here: start it first"),
    ];
    for (more, expected) in cases {
        let done = export(&world, &out, more);
        assert_eq!(done.status.code(), Some(2), "{more:?}");
        assert!(said(&done).contains(expected), "{more:?}: {}", said(&done));
        assert!(!out.exists(), "{more:?}");
    }
    let _collector = world.start_collector();
    world.until_ready();
    let done = export(&world, &out, &["--target", "moon"]);
    assert!(said(&done).contains("there is no target \"moon\" in"), "{}", said(&done));
    let done = run("parallax", ["replay", "--fleet", "a", "--results", "b", "--policy", "most"]);
    assert_eq!(done.status.code(), Some(2));
    assert!(said(&done).contains("any, majority, all, or count:N"), "{}", said(&done));
}
