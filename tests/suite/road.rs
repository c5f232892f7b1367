//! From probe to page: real processes, a real outage, told where it is.

use std::time::Duration;

use parallax_tests::{World, run, until};

const DEADLINE: Duration = Duration::from_secs(30);

fn open_faults(world: &World) -> Result<Vec<(String, String)>, String> {
    let answer = world.api("/api/v1/faults?state=open")?;
    let faults = answer["faults"].as_array().ok_or(format!("no faults key: {answer}"))?;
    let text = |f: &serde_json::Value, key: &str| f[key].as_str().unwrap_or("").to_owned();
    Ok(faults.iter().map(|f| (text(f, "locus"), text(f, "target"))).collect())
}

fn until_open(world: &World, expected: &[(&str, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(l, t)| (l.to_string(), t.to_string())).collect();
    until("the fault is told", DEADLINE, || {
        let open = open_faults(world)?;
        if open == expected { Ok(()) } else { Err(format!("open: {open:?}")) }
    });
}

#[test]
fn an_outage_is_told_explained_and_closed() {
    let world = World::new(3, 2);
    let collector = world.start_collector();
    world.until_ready();
    let agents: Vec<_> = world.agents.iter().map(|name| world.start_agent(name)).collect();
    until("all is up", DEADLINE, || {
        let answer = world.api("/api/v1/targets")?;
        let targets = answer["targets"].as_array().ok_or(format!("{answer}"))?;
        let up = targets.iter().filter(|t| t["state"] == "up").count();
        if up == 2 { Ok(()) } else { Err(format!("{answer}")) }
    });

    world.services[0].1.answer_with(500);
    until_open(&world, &[("service", "svc-1")]);
    let url = format!("http://127.0.0.1:{}", world.http);
    let explained = run("parallax", ["explain", "svc-1", "--url", &url]);
    let said = String::from_utf8_lossy(&explained.stdout);
    assert!(explained.status.success() && said.contains("status_5xx"), "{said}");
    let status = run("parallax", ["status", "--url", &url, "--output", "json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert!(status.to_string().contains("svc-1"), "{status}");

    world.services[0].1.answer_with(200);
    until_open(&world, &[]);
    let closed = world.api("/api/v1/faults?state=closed").unwrap();
    assert_eq!(closed["faults"].as_array().unwrap().len(), 1, "one outage is one fault: {closed}");

    // the words survive a restart
    for agent in agents {
        agent.stop(DEADLINE);
    }
    collector.stop(DEADLINE);
    let _again = world.start_collector();
    world.until_ready();
    let after = world.api("/api/v1/faults?state=closed").unwrap();
    assert_eq!(after["faults"][0]["id"], closed["faults"][0]["id"]);
}

#[test]
fn an_open_fault_survives_a_kill_of_the_collector_as_one_fault() {
    let world = World::new(3, 2);
    let collector = world.start_collector();
    world.until_ready();
    let _agents: Vec<_> = world.agents.iter().map(|name| world.start_agent(name)).collect();
    until("results arrive", DEADLINE, || {
        let (up, all) = (world.api("/api/v1/targets")?, world.services.len());
        let count =
            up["targets"].as_array().map_or(0, |t| t.iter().filter(|t| t["state"] == "up").count());
        if count == all { Ok(()) } else { Err(up.to_string()) }
    });
    world.services[1].1.answer_with(503);
    until_open(&world, &[("service", "svc-2")]);
    let before = world.api("/api/v1/faults?state=open").unwrap();
    collector.kill();
    let _collector = world.start_collector();
    world.until_ready();
    until_open(&world, &[("service", "svc-2")]);
    let after = world.api("/api/v1/faults?state=open").unwrap();
    assert_eq!(before["faults"][0]["id"], after["faults"][0]["id"], "{before} {after}");
}

#[test]
fn what_an_agent_finds_out_about_a_failure_stands_in_its_fault() {
    let world = World::new(3, 2);
    let reference = "name = \"svc-2\"\nrole = \"reference\"";
    world.write_config(&world.config().replace("name = \"svc-2\"", reference));
    let _collector = world.start_collector();
    world.until_ready();
    let _agents: Vec<_> = world.agents.iter().map(|name| world.start_agent(name)).collect();
    until("all is seen", DEADLINE, || {
        let answer = world.api("/api/v1/targets")?;
        let well = answer.to_string().matches("\"looks_ms\":[").count();
        let up = answer["targets"][0]["state"] == "up";
        if up && well >= 6 { Ok(()) } else { Err(answer.to_string()) }
    });
    world.services[0].1.answer_with(500);
    until("the finding is told", DEADLINE, || {
        let answer = world.api("/api/v1/faults?state=open")?;
        let words = answer["faults"][0]["words"].to_string();
        if words.contains("looked closer: 1 of 1 references answer.") { Ok(()) } else { Err(words) }
    });
}
