//! What users get wrong: each answered by one line that says what, where and what to do.

use std::net::TcpListener;
use std::process::Output;

use parallax_tests::{World, run};

fn said(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

/// Asserts the exit code, every word, and that nobody panicked.
fn refused(out: &Output, code: i32, words: &[&str]) {
    let said = said(out);
    assert_eq!(out.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not said: {said}");
    }
    assert!(!said.contains("panicked") && !said.contains("RUST_BACKTRACE"), "{said}");
}

fn serve(world: &World) -> Output {
    let config = world.config_file();
    run("parallax", ["serve", "--config", config.to_str().unwrap()])
}

#[test]
fn all_mistakes_of_a_config_are_told_at_once_with_their_lines() {
    let world = World::new(1, 1);
    let target =
        "\n[[targets]]\nname = \"svc-1\"\nintervall = \"30s\"\nhttp = { url = \"htp:/x\" }\n";
    let other =
        "\n[[targets]]\nname = \"b\"\ninterval = \"30 parsecs\"\ntcp = { address = \"x:1\" }\n";
    let text = format!("{}{target}{other}depends_on = [\"svc-9\"]\n", world.config());
    world.write_config(&text);
    let line = |word: &str| text.lines().position(|l| l.contains(word)).unwrap() + 1;
    let config = world.config_file();
    for command in [["serve", "--config"].as_slice(), ["check-config"].as_slice()] {
        let args = command.iter().copied().chain([config.to_str().unwrap()]);
        let out = run("parallax", args);
        refused(&out, 2, &["intervall", "interval", "svc-1", "30 parsecs", "htp:/x", "svc-9"]);
        for word in ["intervall", "30 parsecs", "htp:/x", "svc-9"] {
            let at = format!(":{}", line(word));
            assert!(said(&out).contains(&at), "{at} is not said: {}", said(&out));
        }
    }
}

#[test]
fn an_unreadable_config_is_named() {
    refused(
        &run("parallax", ["serve", "--config", "/nonexistent.toml"]),
        2,
        &["/nonexistent.toml"],
    );
}

#[test]
fn a_port_in_use_is_named() {
    let world = World::new(1, 1);
    let _busy = TcpListener::bind(("127.0.0.1", world.http)).unwrap();
    refused(&serve(&world), 1, &[&world.http.to_string(), "in use"]);
}

#[test]
fn an_unwritable_data_folder_is_named() {
    let world = World::new(1, 1);
    // a file where the folder should be: unwritable for root, too
    std::fs::write(world.data(), "in the way").unwrap();
    refused(&serve(&world), 1, &[world.data().to_str().unwrap()]);
}

#[test]
fn a_second_collector_on_the_same_data_is_refused() {
    let world = World::new(1, 1);
    let _first = world.start_collector();
    world.until_ready();
    let again = World::new(1, 1);
    let text =
        again.config().replace(again.data().to_str().unwrap(), world.data().to_str().unwrap());
    again.write_config(&text);
    refused(&serve(&again), 1, &[world.data().to_str().unwrap()]);
}

#[test]
fn a_malformed_url_is_named() {
    refused(&run("parallax", ["up", "http//shop"]), 2, &["http//shop"]);
    refused(&run("parallax-agent", ["probe", "http//shop"]), 2, &["http//shop"]);
}

#[test]
fn an_agent_says_when_its_collector_is_none() {
    let world = World::new(1, 1);
    let service = parallax_tests::http::Service::start();
    let port: u16 =
        service.url().trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
    let collector = format!("http://127.0.0.1:{port}");
    let data = world.folder().join("lost");
    let log = world.folder().join("lost.log");
    let args = ["run", "--name", "lost", "--collector", &collector, "--data-dir"];
    let args = args.into_iter().chain([data.to_str().unwrap()]);
    let agent = parallax_tests::Parallax::start("parallax-agent", args, &log);
    parallax_tests::until("the agent says so", std::time::Duration::from_secs(20), || {
        let said = agent.said();
        if said.contains("not a Parallax collector") { Ok(()) } else { Err(said) }
    });
    agent.stop(std::time::Duration::from_secs(15));
}

#[test]
fn an_agent_that_the_config_does_not_know_is_told_what_to_add() {
    let world = World::new(1, 1);
    let _collector = world.start_collector();
    world.until_ready();
    let agent = world.start_agent("stranger");
    parallax_tests::until("the agent says so", std::time::Duration::from_secs(20), || {
        let said = agent.said();
        if said.contains("[[agents]]") && said.contains("stranger") { Ok(()) } else { Err(said) }
    });
}

#[test]
fn usage_errors_exit_with_2() {
    refused(&run("parallax", ["serve"]), 2, &["--config"]);
    refused(&run("parallax", ["replay"]), 2, &["--fleet"]);
    refused(&run("parallax", ["fly"]), 2, &["fly"]);
    refused(&run("parallax-agent", ["run"]), 2, &["--"]);
}

/// A file that is not there is the wrong one to name, whichever it is.
#[test]
fn a_replay_of_nothing_exits_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = folder.path().join("fleet.toml");
    std::fs::write(&fleet, "").unwrap();
    let fleet = fleet.to_str().unwrap();
    for [fleet, results] in [["/nowhere.toml", "/dev/null"], [fleet, "/nowhere.csv"], [fleet, "/"]]
    {
        let out = run("parallax", ["replay", "--fleet", fleet, "--results", results]);
        let word = if fleet.starts_with("/nowhere") { fleet } else { results };
        refused(&out, 2, &[word, "name "]);
    }
}

#[test]
fn a_question_to_nobody_says_how_to_start_a_collector() {
    let url = format!("http://127.0.0.1:{}", parallax_tests::free_port());
    refused(&run("parallax", ["status", "--url", &url]), 1, &[&url, "parallax"]);
}
