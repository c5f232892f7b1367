//! The wires: hosts around one router, and packets that it loses.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::Ipv4Addr;

use crate::namespace::Namespace;

/// A host and its address.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) at: Namespace,
    pub(super) address: Ipv4Addr,
}

/// All hosts, each on a wire of its own to the router.
#[derive(Debug)]
pub(super) struct Net {
    hosts: BTreeMap<String, Host>,
    router: Namespace,
}

/// Packets from one of these to one of those that are lost. No address stands for any.
#[derive(Debug)]
pub(super) struct Loss {
    pub(super) from: Vec<Ipv4Addr>,
    pub(super) to: Vec<Ipv4Addr>,
    /// So many of a hundred.
    pub(super) percent: u8,
}

impl Net {
    /// Builds it; nothing is lost.
    pub(super) fn build<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let router = Namespace::create("router");
        router.enter(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "1")).unwrap();
        let hosts = (1..).zip(names).map(|(n, name)| (name.to_owned(), connect(&router, n, name)));
        let net = Self { hosts: hosts.collect(), router };
        net.lose(&[]);
        net
    }

    /// A host by its name.
    pub(super) fn host(&self, name: &str) -> &Host {
        self.hosts.get(name).unwrap_or_else(|| panic!("no host {name:?}"))
    }

    /// All that is lost from now on.
    pub(super) fn lose(&self, losses: &[Loss]) {
        let chain = "inet lab lost";
        let mut rules = format!(
            "add table inet lab\n\
             add chain {chain} {{ type filter hook forward priority 0; }}\n\
             flush chain {chain}\n"
        );
        for Loss { from, to, percent } in losses {
            let [from, to] = [one_of("saddr", from), one_of("daddr", to)];
            let share = match percent {
                100.. => String::new(),
                _ => format!("numgen random mod 100 < {percent} "),
            };
            writeln!(rules, "add rule {chain} {from}{to}{share}drop").unwrap();
        }
        self.router.nft(&rules);
    }
}

fn one_of(side: &str, addresses: &[Ipv4Addr]) -> String {
    if addresses.is_empty() {
        return String::new();
    }
    let all: Vec<String> = addresses.iter().map(Ipv4Addr::to_string).collect();
    format!("ip {side} {{ {} }} ", all.join(", "))
}

/// The `n`th host: 10.7.n.2, behind the router's 10.7.n.1.
fn connect(router: &Namespace, n: u8, name: &str) -> Host {
    let at = Namespace::create(name);
    router.ip(&format!(
        "link add to-{n} type veth peer name wire netns {}\n\
         addr add 10.7.{n}.1/24 dev to-{n}\n\
         link set to-{n} up\n",
        at.name()
    ));
    at.ip(&format!(
        "addr add 10.7.{n}.2/24 dev wire\n\
         link set wire up\n\
         route add default via 10.7.{n}.1\n"
    ));
    Host { at, address: Ipv4Addr::new(10, 7, n, 2) }
}
