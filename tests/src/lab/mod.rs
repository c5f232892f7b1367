//! The network lab: a small internet of network namespaces, for what loopback cannot show.
//!
//! Six regions with two agents each (two sites, two providers), and outside of them two services, two
//! references, a DNS server and a collector with a webhook receiver; every host on a wire of its own to
//! one router, which loses packets as it is told. Services are found by name, looked at once a second.
//! Agents join by token and speak to the collector over the same wires, with certificates.
//! [`scenario`] says what happens and what must be said of it, [`play`] plays it.
//!
//! Contract: root only ([`missing`] says what else is needed); nothing of the host's own network is
//! touched; what a lab made goes when it is dropped, and if it was killed, when the next one begins.
//! Never: traffic to anywhere else.

mod net;
pub mod play;
pub mod scenario;
mod service;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::http::get_json;
use crate::namespace;
use crate::process::{Parallax, binary, run};
use crate::receiver::Receiver;
use crate::wait::until;
use net::{Loss, Net};
use scenario::{Condition, Cut, Step};
use service::Service;

const REGIONS: [&str; 6] = ["eu-west", "eu-north", "us-east", "us-west", "ap-south", "sa-east"];
const PROVIDERS: [&str; 2] = ["aws", "hetzner"];
const SERVICES: [&str; 2] = ["shop", "search"];
const REFERENCES: [&str; 2] = ["ref-a", "ref-b"];

/// Loopback port of the collector's pages; its namespace has it for itself.
pub const HTTP: u16 = 7480;

/// Where agents find the collector.
const ROAD: &str = "https://collector.lab:7481";

/// How long a process may take to come up or go down on a busy machine.
const START: Duration = Duration::from_secs(30);

/// An agent, and where it stands.
#[derive(Debug, Clone)]
struct Stand {
    name: String,
    region: &'static str,
    provider: &'static str,
}

/// A running lab.
#[derive(Debug)]
pub struct Lab {
    // processes end before the namespaces they are in
    agents: BTreeMap<String, Parallax>,
    _collector: Parallax,
    _dns: Parallax,
    services: BTreeMap<String, Service>,
    receiver: Receiver,
    stands: Vec<Stand>,
    net: Net,
    folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

/// One lab at a time: two would be too much for a machine, and have the same names.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What this machine lacks for a lab, if anything.
pub fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("it needs root".to_owned());
    }
    for (program, version) in
        [("ip", "-V"), ("nft", "--version"), ("dnsmasq", "--version"), ("unshare", "--version")]
    {
        if !Command::new(program).arg(version).output().is_ok_and(|out| out.status.success()) {
            return Some(format!("no {program}"));
        }
    }
    let _turn = turn();
    (!namespace::can_be_made()).then(|| "no network namespace can be made here".to_owned())
}

impl Lab {
    /// Builds it and waits until everything is up, seen by everybody.
    pub fn start() -> Self {
        let turn = turn();
        namespace::remove_stale();
        let (stands, folder) = (stands(), tempfile::tempdir().unwrap());
        let outside = SERVICES.into_iter().chain(REFERENCES).chain(["dns", "collector"]);
        let net = Net::build(stands.iter().map(|s| s.name.as_str()).chain(outside));
        let start = |name: &str| {
            let host = net.host(name);
            host.at.enter(|| Service::start((host.address, 80).into()))
        };
        let services = SERVICES.into_iter().chain(REFERENCES);
        let services = services.map(|name| (name.to_owned(), start(name))).collect();
        let dns = start_dns(&net, folder.path());
        let collector = net.host("collector");
        let receiver = collector.at.enter(Receiver::start);
        std::fs::write(folder.path().join("parallax.toml"), config(folder.path(), &receiver))
            .unwrap();
        let running = start_collector(&net, folder.path());
        for stand in &stands {
            join(&net, folder.path(), stand);
        }
        let mut lab = Self {
            agents: BTreeMap::new(),
            _collector: running,
            _dns: dns,
            services,
            receiver,
            stands,
            net,
            folder,
            _turn: turn,
        };
        lab.run_agents(&[]);
        lab
    }

    /// Where everything lies: logs, spools, the collector's data.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The collector's data.
    pub fn data(&self) -> PathBuf {
        self.folder().join("collector")
    }

    /// Keeps what received the webhooks.
    pub const fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// Does something on the collector's host, where its API is on loopback.
    pub fn beside_collector<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.net.host("collector").at.enter(work)
    }

    /// `GET` of the collector's API.
    pub fn api(&self, path: &str) -> Result<Value, String> {
        self.beside_collector(|| get_json(HTTP, path))
    }

    /// Names of the agents.
    pub fn agents(&self) -> impl Iterator<Item = &str> {
        self.stands.iter().map(|s| s.name.as_str())
    }

    /// Brings the lab into the state of a step.
    pub fn set(&mut self, step: &Step) {
        for name in step.services.keys() {
            assert!(self.services.contains_key(name), "no service {name:?}");
        }
        for (name, service) in &self.services {
            let to = step.services.get(name).map_or_else(Default::default, |c| self.condition(c));
            self.net.host(name).at.enter(|| service.turn(&to));
        }
        let losses: Vec<Loss> = step.cut.iter().flat_map(|cut| self.losses(cut)).collect();
        self.net.lose(&losses);
        self.run_agents(&step.killed);
    }

    fn condition(&self, condition: &Condition) -> service::Condition {
        match condition {
            Condition::Answers(status) => service::Condition::Answers(*status),
            Condition::Stopped => service::Condition::Stopped,
            Condition::Refuses(whom) => {
                let whom = self.addresses(whom).into_iter().map(IpAddr::V4);
                service::Condition::Refuses(whom.collect())
            }
            Condition::Flaps(bad, good) => {
                let [bad, good] = [bad, good].map(|s| Duration::from_secs(*s));
                service::Condition::Flaps(bad, good)
            }
        }
    }

    fn losses(&self, cut: &Cut) -> Vec<Loss> {
        let [from, to] = [&cut.from, &cut.to].map(|place| self.addresses(place));
        let back = Loss { from: to.clone(), to: from.clone(), percent: cut.percent };
        let mut losses = vec![Loss { from, to, percent: cut.percent }];
        losses.extend((!cut.one_way).then_some(back));
        losses
    }

    /// The addresses of a place; none for `anywhere`.
    fn addresses(&self, place: &str) -> Vec<Ipv4Addr> {
        let of = |names: &[&str]| names.iter().map(|name| self.net.host(name).address).collect();
        let agents = |which: &dyn Fn(&Stand) -> bool| {
            let names: Vec<&str> =
                self.stands.iter().filter(|s| which(s)).map(|s| s.name.as_str()).collect();
            assert!(!names.is_empty(), "nobody stands in {place:?}");
            of(&names)
        };
        match place.split_once(' ') {
            Some(("region", region)) => agents(&|s| s.region == region),
            Some(("provider", provider)) => agents(&|s| s.provider == provider),
            _ if place == "anywhere" => Vec::new(),
            _ if place == "targets" => of(&[SERVICES, REFERENCES].concat()),
            _ => of(&[place]),
        }
    }

    /// Lets all agents run but these, which are killed.
    fn run_agents(&mut self, killed: &[String]) {
        for name in killed {
            assert!(self.stands.iter().any(|s| s.name == *name), "no agent {name:?}");
            self.agents.remove(name).into_iter().for_each(Parallax::kill);
        }
        let (net, folder) = (&self.net, self.folder.path());
        for name in self.stands.iter().map(|s| &s.name).filter(|name| !killed.contains(name)) {
            let start = || start_agent(net, folder, name);
            self.agents.entry(name.clone()).or_insert_with(start);
        }
    }
}

fn stands() -> Vec<Stand> {
    let places =
        REGIONS.into_iter().flat_map(|region| PROVIDERS.map(|provider| (region, provider)));
    let stand =
        |(region, provider)| Stand { name: format!("{region}-{provider}"), region, provider };
    places.map(stand).collect()
}

/// Answers for the names of the lab, and for none else.
fn start_dns(net: &Net, folder: &Path) -> Parallax {
    let dns = net.host("dns");
    let resolv = format!("nameserver {}\noptions attempts:1\n", dns.address);
    std::fs::write(folder.join("resolv.conf"), resolv).unwrap();
    let address = format!("--listen-address={}", dns.address);
    let mut args: Vec<String> =
        ["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"]
            .map(str::to_owned)
            .to_vec();
    args.extend(
        ["--local=/lab/", "--bind-interfaces", "--user=root", "--pid-file="].map(str::to_owned),
    );
    args.extend(["--log-facility=-".to_owned(), address]);
    for name in SERVICES.into_iter().chain(REFERENCES).chain(["collector"]) {
        args.push(format!("--host-record={name}.lab,{}", net.host(name).address));
    }
    let log = folder.join("dns.log");
    dns.at.enter(|| Parallax::start_at("dnsmasq".as_ref(), &args, &log))
}

fn start_collector(net: &Net, folder: &Path) -> Parallax {
    let (file, log) = (folder.join("parallax.toml"), folder.join("collector.log"));
    let args = ["serve", "--config", file.to_str().unwrap()];
    let host = &net.host("collector").at;
    let collector = host.enter(|| Parallax::start("parallax", args, &log));
    until("the collector is ready", START, || {
        host.enter(|| get_json(HTTP, "/api/v1/overview"))
            .map_err(|why| format!("{why}: {}", collector.said()))
    });
    collector
}

/// Makes a token beside the collector, and runs the line that it prints where the agent stands.
fn join(net: &Net, folder: &Path, stand: &Stand) {
    let Stand { name, region, provider } = stand;
    let config = folder.join("parallax.toml");
    let site = format!("{region}-{provider}");
    let args = ["token", "create", "--region", region, "--provider", provider, "--site", &site];
    let args = args.into_iter().chain(["--name", name, "--collector", ROAD, "--config"]);
    let created = net.host("collector").at.enter(|| run("parallax", args.chain(config.to_str())));
    let line = String::from_utf8(created.stdout).unwrap();
    let mut words = line.split_whitespace();
    let said = String::from_utf8_lossy(&created.stderr);
    assert_eq!(words.next(), Some("parallax-agent"), "{line}{said}");
    let data = folder.join(name);
    let args: Vec<&str> = words.chain(["--data-dir"]).chain(data.to_str()).collect();
    start_at(net, folder, name, &args).finish(START);
}

fn start_agent(net: &Net, folder: &Path, name: &str) -> Parallax {
    let data = folder.join(name);
    start_at(net, folder, name, &["run", "--data-dir", data.to_str().unwrap()])
}

/// Starts the agent's binary where it stands.
fn start_at(net: &Net, folder: &Path, name: &str, args: &[&str]) -> Parallax {
    let (resolv, log) = (folder.join("resolv.conf"), folder.join(format!("{name}.log")));
    net.host(name).at.start(&resolv, &binary("parallax-agent"), args, &log)
}

fn config(folder: &Path, receiver: &Receiver) -> String {
    let data = folder.join("collector");
    let mut text = format!(
        "[collector]\ndata_dir = \"{}\"\nhttp = \"127.0.0.1:{HTTP}\"\nlisten = \"0.0.0.0:7481\"\n\
         [defaults]\ninterval = \"1s\"\ntimeout = \"900ms\"\n",
        data.display()
    );
    let roles = [(&SERVICES, "service"), (&REFERENCES, "reference")];
    for (name, role) in roles.iter().flat_map(|(names, role)| names.map(|name| (name, role))) {
        let url = format!("http://{name}.lab/");
        write!(
            text,
            "\n[[targets]]\nname = \"{name}\"\nrole = \"{role}\"\nhttp = {{ url = \"{url}\" }}\n"
        )
        .unwrap();
    }
    for (name, about) in [("users", "services"), ("owner", "fleet")] {
        let url = receiver.url(&format!("/{name}"));
        write!(
            text,
            "\n[[webhooks]]\nname = \"{name}\"\nurl = \"{url}\"\nabout = [\"{about}\"]\nretry_max = \"1s\"\n"
        )
        .unwrap();
    }
    text
}
