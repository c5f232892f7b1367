//! The packages on fresh machines, with systemd and all.

use std::time::{Duration, Instant};

use parallax_tests::machine::{Machine, missing};
use parallax_tests::{long, until};
use serde_json::Value;

/// How long something that goes by itself may take on a busy machine.
const SOON: Duration = Duration::from_mins(1);

/// How long it may take to notice that a process hangs, and to be rid of it.
const HANGS: Duration = Duration::from_mins(3);

const COLLECTOR: &str = r#"
[[agents]]
name = "here"
region = "eu-west"
provider = "hetzner"

[[targets]]
name = "page"
interval = "1s"
timeout = "900ms"
http = { url = "http://localhost:7480/healthz" }

[[targets]]
name = "loopback"
interval = "1s"
timeout = "900ms"
icmp = { host = "127.0.0.1", count = 1 }
"#;

const MORE: &str = r#"
[[targets]]
name = "ready"
interval = "1s"
timeout = "900ms"
http = { url = "http://127.0.0.1:7480/readyz" }
"#;

const AGENT: &str = r#"
name = "here"
collector = "http://127.0.0.1:7481"
"#;

const INSTALL: &str =
    "apt-get install -y /srv/packages/parallax_*.deb /srv/packages/parallax-agent_*.deb";

const UNITS: [&str; 2] = ["parallax", "parallax-agent"];

#[test]
fn packages_live_and_die_as_they_should() {
    if let Some(why) = missing() {
        eprintln!("skipped: packages_live_and_die_as_they_should ({why})");
        return;
    }
    let machine = Machine::boot("vm-alone");
    machine.type_in(INSTALL);
    installed_and_idle(&machine);

    machine.write("/etc/parallax/parallax.toml", COLLECTOR);
    machine.write("/etc/parallax-agent/agent.toml", AGENT);
    machine.sysctl(&machine.type_in("grep -v '^#' /usr/lib/sysctl.d/50-parallax-agent.conf"));
    machine.type_in("systemctl start parallax parallax-agent");
    sees(&machine, 2);
    confined(&machine);

    // a changed configuration, without a restart
    let before = pids(&machine);
    machine.type_in("mkdir /etc/parallax/conf.d");
    machine.write("/etc/parallax/conf.d/more.toml", MORE);
    machine.type_in("systemctl reload parallax");
    sees(&machine, 3);
    assert_eq!(pids(&machine), before);

    // what dies without a word comes again
    // by pid: `systemctl kill` writes to cgroup.kill, which a container's kernel may refuse
    machine.type_in(
        "kill -KILL $(systemctl show -P MainPID parallax) $(systemctl show -P MainPID parallax-agent)",
    );
    sees(&machine, 3);
    let after = pids(&machine);
    assert!(before.iter().zip(&after).all(|(old, new)| old != new), "{before:?} {after:?}");

    // so does what hangs, after half a minute without a word and as long again to die
    if long() {
        machine.type_in("systemctl kill -s STOP parallax parallax-agent");
        until("the watchdog bites", HANGS, || {
            let now = pids(&machine);
            let new = now.iter().zip(&after).all(|(new, old)| new != old && new != "0");
            if new { Ok(()) } else { Err(format!("{after:?} {now:?}")) }
        });
        sees(&machine, 3);
    }

    // an upgrade restarts what runs, with what it knew
    let after = pids(&machine);
    let epoch = "ls /var/lib/parallax-agent";
    let knew = machine.type_in(epoch);
    machine.type_in("dpkg -i /srv/packages/*.deb");
    sees(&machine, 3);
    let upgraded = pids(&machine);
    assert!(after.iter().zip(&upgraded).all(|(old, new)| old != new), "{after:?} {upgraded:?}");
    assert_eq!(machine.type_in(epoch), knew);

    machine.type_in("apt-get remove -y parallax parallax-agent");
    for unit in UNITS {
        assert_eq!(state(&machine, unit), "masked inactive", "removed, not purged");
        machine.type_in(&format!("test -s /etc/default/{unit} && ls /var/lib/{unit}/*"));
    }
    machine.type_in("apt-get purge -y parallax parallax-agent");
    // what people wrote is theirs
    let left = machine.type_in("find / -xdev -name '*parallax*' -not -path '/srv/*' | sort");
    let written = "/etc/parallax\n/etc/parallax-agent\n/etc/parallax/parallax.toml";
    assert_eq!(left, written);
    machine.type_in(INSTALL);
    installed_and_idle(&machine);
}

/// A collector that is reached over the network, and a target that is, too.
const ELSEWHERE: &str = r#"
[collector]
listen = "0.0.0.0:7481"
http = "0.0.0.0:7480"

[[targets]]
name = "page"
interval = "1s"
timeout = "900ms"
http = { url = "http://vm-collector:7480/healthz" }
"#;

#[test]
fn three_commands_make_an_agent_of_a_fresh_machine() {
    if let Some(why) = missing() {
        eprintln!("skipped: three_commands_make_an_agent_of_a_fresh_machine ({why})");
        return;
    }
    let (collector, agent) = (Machine::boot("vm-collector"), Machine::boot("vm-agent"));
    collector.wire("10.7.0.1", &agent, "10.7.0.2");
    collector.type_in("apt-get install -y /srv/packages/parallax_*.deb");
    collector.write("/etc/parallax/parallax.toml", ELSEWHERE);
    collector.type_in("systemctl enable --now parallax");
    let make_token = "parallax token create --region eu-west --provider hetzner";
    let line = collector.type_in(make_token);

    eprintln!();
    let begun = Instant::now();
    let commands = [
        "apt-get install -y /srv/packages/parallax-agent_*.deb",
        &line,
        "systemctl enable --now parallax-agent",
    ];
    for command in commands {
        let begun = Instant::now();
        agent.type_in(command);
        let shown = command.split(" --token ").next().unwrap();
        eprintln!("{:6.1} s  {shown}", begun.elapsed().as_secs_f64());
    }
    sees(&collector, 1);
    let all = begun.elapsed().as_secs_f64();
    eprintln!("{all:6.1} s  from packages to an agent whose results are judged");
    assert!(
        line.starts_with("parallax-agent enroll --collector https://vm-collector:7481 --token ")
    );
    let who: Value = json(&collector, "parallax agents --output json").unwrap();
    assert_eq!(who["agents"][0]["name"], "vm-agent", "{who}");
    assert_eq!(who["agents"][0]["region"], "eu-west", "{who}");
    let owner = "stat -c '%a %U' /var/lib/parallax-agent/credential.json";
    assert_eq!(agent.type_in(owner), "600 parallax-agent");

    // while the collector is off, its folder is its user's alone, whose word leaves it what it needs
    collector.type_in("systemctl stop parallax");
    let refused = collector.try_typing(make_token);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("another user's"), "{said}");
    let as_its_user = "setpriv --reuid=parallax --regid=parallax --clear-groups";
    collector.type_in(&format!("{as_its_user} {make_token} && systemctl start parallax"));
    sees(&collector, 1);

    collector.type_in("parallax agents revoke vm-agent");
    until("the agent's unit says that it is refused", SOON, || {
        let said = agent.type_in("systemctl show -P StatusText parallax-agent");
        if said.contains("the collector does not take this agent") { Ok(()) } else { Err(said) }
    });
    assert_eq!(state(&agent, "parallax-agent"), "enabled active");
}

fn json(machine: &Machine, line: &str) -> Result<Value, String> {
    let out = machine.try_typing(line);
    serde_json::from_slice(&out.stdout).map_err(|_| String::from_utf8_lossy(&out.stderr).into())
}

fn state(machine: &Machine, unit: &str) -> String {
    let line = format!("systemctl is-enabled {unit} 2>&1; systemctl is-active {unit}");
    let out = machine.try_typing(&line);
    String::from_utf8(out.stdout).unwrap().trim_end().replace('\n', " ")
}

/// Its accounts and folders are there, and nothing was started.
fn installed_and_idle(machine: &Machine) {
    for unit in UNITS {
        assert_eq!(state(machine, unit), "disabled inactive");
        let owners = format!("stat -c '%a %U:%G' /var/lib/{unit} /etc/{unit}");
        assert_eq!(machine.type_in(&owners), format!("700 {unit}:{unit}\n750 root:{unit}"));
    }
}

/// Both run as their own accounts, and may do nothing that they need not.
fn confined(machine: &Machine) {
    for (unit, pid) in UNITS.into_iter().zip(pids(machine)) {
        let status = machine.type_in(&format!("cat /proc/{pid}/status"));
        for line in ["CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
            assert!(status.contains(line), "{unit}: {status}");
        }
        assert_eq!(machine.type_in(&format!("stat -c %U /proc/{pid}")), unit);
    }
}

/// The numbers of both processes.
fn pids(machine: &Machine) -> Vec<String> {
    UNITS.map(|unit| machine.type_in(&format!("systemctl show -P MainPID {unit}"))).to_vec()
}

/// Waits until the agent looks at so many targets, and all are fine.
fn sees(machine: &Machine, targets: usize) {
    until(&format!("the agent sees {targets} targets"), SOON, || {
        let answer = json(machine, "parallax targets --output json")?;
        let regions = answer["targets"].as_array().unwrap().iter().map(|t| &t["regions"][0]);
        if regions.clone().count() == targets && regions.clone().all(|r| r["state"] == "fine") {
            return Ok(());
        }
        let log = machine.type_in("journalctl --no-pager -n 20 -u parallax -u parallax-agent");
        Err(format!("{answer:#}\n{log}"))
    });
}
