//! Agents say how fit they are, and look at what selects them.

use std::time::Duration;

use parallax_tests::{World, until};

/// An agent measures itself every five seconds.
const SOON: Duration = Duration::from_secs(40);

#[test]
fn an_agent_says_how_fit_it_is_and_looks_at_what_selects_it() {
    let world = World::new(2, 2);
    let collector = world.start_collector();
    world.until_ready();
    let agents = ["agent-1", "agent-2"].map(|name| world.start_agent(name));
    until("both agents have measured themselves", SOON, || {
        let told = world.api("/api/v1/agents")?;
        for agent in told["agents"].as_array().unwrap() {
            let fitness = &agent["fitness"];
            let due = fitness["due_slots"].as_u64().unwrap_or(0);
            let files = fitness["files_open"].as_u64().unwrap_or(0);
            if due < 2 || files == 0 || fitness["delay_p99_us"].as_u64() == Some(0) {
                return Err(agent.to_string());
            }
        }
        Ok(())
    });

    // from now on svc-1 is looked at from one region only
    let whole = world.config();
    let near = whole.replacen(
        "name = \"svc-1\"\n",
        "name = \"svc-1\"\nagents = { region = \"region-0\" }\n",
        1,
    );
    assert_ne!(near, whole);
    world.write_config(&near);
    collector.signal("HUP");
    until("svc-1 is looked at from one region", SOON, || {
        let told = world.api("/api/v1/targets")?;
        let svc = &told["targets"][0];
        let states: Vec<_> =
            svc["regions"].as_array().unwrap().iter().map(|r| &r["state"]).collect();
        let seen = states == ["fine", "unassigned"] && svc["coverage"]["assigned"] == 1;
        if seen { Ok(()) } else { Err(svc.to_string()) }
    });
    // and the other agent looks on at the rest
    let told = world.api("/api/v1/targets").unwrap();
    let rest = &told["targets"][1];
    assert_eq!(rest["coverage"]["assigned"], 2, "{rest}");
    let overview = world.api("/api/v1/overview").unwrap();
    assert_eq!(overview["faults"].as_array().map(Vec::len), Some(0), "{overview}");
    for agent in agents {
        agent.stop(SOON);
    }
    collector.stop(SOON);
}
