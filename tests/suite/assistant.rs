//! A streaming LLM service that fails as such services do, seen by the whole.

use std::time::Duration;

use parallax_tests::http::{get, get_json, post};
use parallax_tests::{Parallax, free_port, until};
use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_mins(2);

/// The one open fault, and the kinds of its failing looks.
fn open_fault(port: u16) -> Result<(Value, Value), String> {
    let answer = get_json(port, "/api/v1/overview")?;
    let faults = answer["faults"].as_array().cloned().unwrap_or_default();
    match &faults[..] {
        [one] => Ok((one.clone(), one["evidence"]["kinds"].clone())),
        _ => Err(answer["faults"].to_string()),
    }
}

#[test]
fn each_way_in_which_a_stream_fails_is_a_fault_of_the_service_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let (http, data) = (format!("127.0.0.1:{port}"), folder.path().join("try"));
    let args = ["try", "--http", &http, "--data", data.to_str().unwrap()];
    let world = Parallax::start("parallax", args, &folder.path().join("try.log"));
    until("the practice world answers", DEADLINE, || get(port, "/readyz"));
    until("the story is over", DEADLINE, || {
        let said = world.said();
        if said.contains("concluded") { Ok(()) } else { Err(said) }
    });
    for (mode, kind) in [("stall", "timeout"), ("cut", "cut_stream"), ("limit", "blocked")] {
        let (status, answer) =
            post(port, "/practice/services/assistant", &json!({ "mode": mode })).unwrap();
        assert_eq!(status, 200, "{answer}");
        until(&format!("{mode} is a fault of the service"), DEADLINE, || {
            let (fault, kinds) = open_fault(port)?;
            let right = fault["locus"] == "service" && fault["target"] == "assistant";
            if right && kinds[kind].is_u64() { Ok(()) } else { Err(format!("{fault} {kinds}")) }
        });
        post(port, "/practice/heal", &json!({})).unwrap();
        until("it is over", DEADLINE, || {
            let answer = get_json(port, "/api/v1/overview")?;
            let open = answer["faults"].as_array().map_or(0, Vec::len);
            if open == 0 { Ok(()) } else { Err(answer["faults"].to_string()) }
        });
    }
    let answer = get_json(port, "/api/v1/targets").unwrap();
    let targets = answer["targets"].as_array().unwrap();
    let assistant = targets.iter().find(|t| t["name"] == "assistant").unwrap();
    let seen = &assistant["regions"][0]["seen"];
    assert_eq!(
        (&seen["kind"], &seen["tokens"], &seen["finished"]),
        (&json!("llm"), &json!(5), &json!(true)),
        "{seen}"
    );
}
