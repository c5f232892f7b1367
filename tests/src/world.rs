//! A collector and its agents as real processes, in one folder.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::http::{Service, get, get_json};
use crate::process::{Parallax, binary, free_port};
use crate::wait::until;

/// How long a process may take to come up or go down on a busy machine.
const START: Duration = Duration::from_secs(30);

/// A small world: who looks at what, and where it all lies.
#[derive(Debug)]
pub struct World {
    folder: tempfile::TempDir,
    /// Port of the pages and the API.
    pub http: u16,
    /// Port of the road.
    pub grpc: u16,
    /// Names of the agents; each stands in a region and with a provider of its own.
    pub agents: Vec<String>,
    /// The services that are looked at, once a second.
    pub services: Vec<(String, Service)>,
}

impl World {
    /// `agents` agents that look at `services` services; nothing runs yet.
    pub fn new(agents: usize, services: usize) -> Self {
        let world = Self {
            folder: tempfile::tempdir().unwrap(),
            http: free_port(),
            grpc: free_port(),
            agents: (1..=agents).map(|n| format!("agent-{n}")).collect(),
            services: (1..=services).map(|n| (format!("svc-{n}"), Service::start())).collect(),
        };
        world.write_config(&world.config());
        world
    }

    /// The folder in which everything lies.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The collector's config file.
    pub fn config_file(&self) -> PathBuf {
        self.folder().join("parallax.toml")
    }

    /// The collector's data folder.
    pub fn data(&self) -> PathBuf {
        self.folder().join("collector")
    }

    /// The config of this world.
    pub fn config(&self) -> String {
        let mut text = format!(
            "[collector]\ndata_dir = \"{}\"\nhttp = \"127.0.0.1:{}\"\nlisten = \"127.0.0.1:{}\"\n",
            self.data().display(),
            self.http,
            self.grpc
        );
        for (n, name) in self.agents.iter().enumerate() {
            let more = format!("region = \"region-{n}\"\nprovider = \"provider-{n}\"\n");
            write!(text, "\n[[agents]]\nname = \"{name}\"\n{more}").unwrap();
        }
        for (name, service) in &self.services {
            let look = format!("http = {{ url = \"{}\" }}\n", service.url());
            let pace = "interval = \"1s\"\ntimeout = \"900ms\"\n";
            write!(text, "\n[[targets]]\nname = \"{name}\"\n{pace}{look}").unwrap();
        }
        text
    }

    /// Replaces the config file.
    pub fn write_config(&self, text: &str) {
        std::fs::write(self.config_file(), text).unwrap();
    }

    /// Starts the collector; does not wait for it.
    pub fn start_collector(&self) -> Parallax {
        self.start_collector_with(&[])
    }

    /// Starts the collector with variables in its environment; does not wait for it.
    pub fn start_collector_with(&self, env: &[(&str, &str)]) -> Parallax {
        let config = self.config_file();
        let args = ["serve", "--config", config.to_str().unwrap()];
        let log = self.folder().join("collector.log");
        Parallax::start_with(&binary("parallax"), args, env, &log)
    }

    /// Waits until the collector says that it is ready.
    pub fn until_ready(&self) {
        until("collector is ready", START, || match get(self.http, "/readyz") {
            Ok((200, _)) => Ok(()),
            other => Err(format!("{other:?}")),
        });
    }

    /// Starts an agent; does not wait for it.
    pub fn start_agent(&self, name: &str) -> Parallax {
        let collector = format!("http://127.0.0.1:{}", self.grpc);
        let data = self.folder().join(name);
        let args = ["run", "--name", name, "--collector", &collector, "--data-dir"];
        let args = args.into_iter().chain([data.to_str().unwrap()]);
        Parallax::start("parallax-agent", args, &self.folder().join(format!("{name}.log")))
    }

    /// `GET` of the collector's API.
    pub fn api(&self, path: &str) -> Result<serde_json::Value, String> {
        get_json(self.http, path)
    }
}
