//! A rule of a service's own, beside the engine: real processes, put in force by SIGHUP.

use std::time::Duration;

use parallax_tests::http::get;
use parallax_tests::{World, run, until};
use serde_json::Value;

const DEADLINE: Duration = Duration::from_secs(30);

/// What is said of the only target.
fn target(world: &World) -> Result<Value, String> {
    let answer = world.api("/api/v1/targets")?;
    answer["targets"].get(0).cloned().ok_or(format!("{answer}"))
}

/// Waits until rule and engine say so.
fn until_says(world: &World, rule: &str, engine: &str) -> Value {
    until(&format!("the rule says {rule}, the engine {engine}"), DEADLINE, || {
        let target = target(world)?;
        let said = (target["policy"]["state"].as_str(), target["state"].as_str());
        if said == (Some(rule), Some(engine)) { Ok(target) } else { Err(target.to_string()) }
    })
}

#[test]
fn a_rule_is_shown_beside_the_engine_wherever_a_service_is() {
    let world = World::new(3, 1);
    let collector = world.start_collector();
    world.until_ready();
    let _agents: Vec<_> = world.agents.iter().map(|name| world.start_agent(name)).collect();
    until("all is up, without a rule", DEADLINE, || {
        let target = target(&world)?;
        let up = target["state"] == "up" && target.get("policy").is_none();
        if up { Ok(()) } else { Err(target.to_string()) }
    });

    let with = |rule: &str| {
        let line = format!("name = \"svc-1\"\npolicy = \"{rule}\"");
        world.write_config(&world.config().replace("name = \"svc-1\"", &line));
        collector.signal("HUP");
    };
    with("two");
    until("the mistake is told", DEADLINE, || {
        let said = collector.said();
        let told = "policy: \"two\" is no rule: any, majority, all, or count:N with N from 1 on";
        if said.contains(told) { Ok(()) } else { Err(said) }
    });
    with("count:2");
    until_says(&world, "up", "up");

    let url = format!("http://127.0.0.1:{}", world.http);
    let said = |args: &[&str]| {
        let out = run("parallax", args.iter().copied().chain(["--url", &url]));
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    world.services[0].1.answer_with(500);
    let down = until_says(&world, "down", "down");
    let policy = &down["policy"];
    assert_eq!(policy["rule"], "count:2", "{down}");
    assert!(policy["domains_down"].as_u64() >= Some(2), "{down}");
    assert!(policy["since_ms"].as_i64().is_some() && policy["since"].is_string(), "{down}");
    let words = policy["words"].as_str().unwrap();
    assert!(words.starts_with("Your rule count:2 says down since "), "{words}");
    assert!(words.ends_with("; the engine says down: svc-1 itself."), "{words}");

    assert!(said(&["explain", "svc-1"]).starts_with("Your rule count:2 says down since "));
    let table = said(&["targets"]);
    assert!(table.contains("YOUR RULE") && table.contains("down (count:2)"), "{table}");
    let (_, metrics) = get(world.http, "/metrics/probes").unwrap();
    let gauge = "parallax_target_policy_down{target=\"svc-1\",rule=\"count:2\"} 1";
    assert!(metrics.contains(gauge), "{metrics}");
    let (_, page) = get(world.http, "/").unwrap();
    assert!(page.contains("your rule count:2 says down"), "{page}");

    world.services[0].1.answer_with(200);
    until_says(&world, "up", "up");
    let log = collector.said();
    let told = |word: &str| log.lines().filter(|line| line.contains(word)).count();
    assert_eq!((told("a rule says down"), told("a rule says up")), (1, 1), "{log}");
}
