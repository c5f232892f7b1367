//! Agents that join: tokens, the line that is pasted, and what comes of it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

use crate::process::{Parallax, binary, output_of, run};
use crate::wait::until;
use crate::world::World;

/// How long a command may take on a busy machine.
const COMMAND: Duration = Duration::from_secs(30);

/// How long something that is on its way may take.
const SOON: Duration = Duration::from_secs(30);

/// What `parallax token create` prints, taken apart.
#[derive(Debug, Clone)]
pub struct Line {
    /// The collector's address.
    pub collector: String,
    /// The token.
    pub token: String,
}

impl World {
    /// Makes a token for `region-1`, `provider-1` unless `more`, further arguments, say otherwise.
    pub fn token(&self, more: &[&str]) -> Line {
        let config = self.config_file();
        let url = self.road();
        let usual: &[&str] = &["--region", "region-1", "--provider", "provider-1"];
        let place = if more.contains(&"--region") { &[] } else { usual };
        let args = ["token", "create", "--config", config.to_str().unwrap(), "--collector", &url];
        let out = run("parallax", args.iter().chain(place).chain(more));
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let line = String::from_utf8(out.stdout).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["parallax-agent", "enroll", "--collector", collector, "--token", token] = words[..]
        else {
            panic!("{line}")
        };
        assert_eq!(line.lines().count(), 1, "{line}");
        Line { collector: collector.to_owned(), token: token.to_owned() }
    }

    /// Where agents that joined find the collector.
    pub fn road(&self) -> String {
        format!("https://127.0.0.1:{}", self.grpc)
    }

    /// The data folder of an agent.
    pub fn agent_data(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// Runs the line for an agent; `before` is what the command begins with (`faketime`, …).
    pub fn enroll_with(&self, before: &[&str], name: &str, line: &Line, more: &[&str]) -> Output {
        let data = self.agent_data(name);
        let mut words: Vec<OsString> = before.iter().map(OsString::from).collect();
        words.push(binary("parallax-agent").into());
        let args = ["enroll", "--collector", &line.collector, "--token", &line.token];
        words.extend(args.iter().chain(&["--name", name, "--data-dir"]).map(OsString::from));
        words.push(data.into());
        words.extend(more.iter().map(OsString::from));
        let mut command = Command::new(&words[0]);
        output_of("enroll", command.args(&words[1..]), COMMAND)
    }

    /// Runs the line for an agent.
    pub fn enroll(&self, name: &str, line: &Line) -> Output {
        self.enroll_with(&[], name, line, &[])
    }

    /// Lets an agent join with a token of its own, which must work.
    pub fn join(&self, name: &str) {
        self.join_as(name, &[]);
    }

    /// The same with further arguments for the token.
    pub fn join_as(&self, name: &str, more: &[&str]) {
        let out = self.enroll(name, &self.token(more));
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }

    /// Starts an agent that joined.
    pub fn start_joined(&self, name: &str) -> Parallax {
        let data = self.agent_data(name);
        let args = ["run", "--data-dir", data.to_str().unwrap()];
        Parallax::start("parallax-agent", args, &self.folder().join(format!("{name}.log")))
    }

    /// What is in an agent's credential.
    pub fn credential(&self, name: &str) -> Value {
        let file = self.agent_data(name).join("credential.json");
        serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
    }

    /// Changes what is in an agent's credential.
    pub fn forge(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut credential = self.credential(name);
        change(&mut credential);
        let file = self.agent_data(name).join("credential.json");
        std::fs::write(file, serde_json::to_vec(&credential).unwrap()).unwrap();
    }

    /// Waits until the collector has an agent connected, or has not.
    pub fn until_connected(&self, name: &str, connected: bool) {
        until(&format!("{name} connected: {connected}"), SOON, || {
            let answer = self.api("/api/v1/agents")?;
            let agents = answer["agents"].as_array().ok_or(format!("{answer}"))?;
            let there = agents.iter().any(|a| a["name"] == name && a["connected"] == true);
            if there == connected { Ok(()) } else { Err(answer.to_string()) }
        });
    }
}

/// Waits until a process has said all of these.
pub fn until_said(who: &Parallax, words: &[&str]) {
    until(&format!("{words:?} is said"), SOON, || {
        let said = who.said();
        match words.iter().find(|word| !said.contains(**word)) {
            None => Ok(()),
            Some(word) => Err(format!("not {word:?}: {said}")),
        }
    });
}
