//! Fresh Debian machines: systemd is process 1, the disk is new, the network is theirs alone.
//!
//! ```text
//! debootstrap ──▶ target/debian (once) ──▶ systemd-nspawn, read-only below a disk in memory ──▶ Machine
//! ```
//!
//! Contract: root only ([`missing`] says what else is needed); what is done in a machine is gone with
//! it. Packages lie in `/srv/packages`.
//! Never: traffic to anywhere but the machines it is wired to.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::Duration;

use crate::namespace::{Namespace, can_be_made, remove_stale};
use crate::package;
use crate::process::{Parallax, output_of};
use crate::wait::until;

/// How long it may take to unpack a Debian that has to be fetched.
const UNPACK: Duration = Duration::from_mins(15);

/// How long a machine may take to boot on a busy one.
const BOOT: Duration = Duration::from_mins(2);

/// How long a command may take in it.
const COMMAND: Duration = Duration::from_mins(2);

/// What a cloud image has, too.
const INCLUDED: &str = "--include=ca-certificates,dbus,systemd-sysv";

/// A running machine; it is gone when it is dropped.
#[derive(Debug)]
pub struct Machine {
    name: String,
    nspawn: Parallax,
    network: Namespace,
    _log: tempfile::TempDir,
}

/// What this machine lacks to run others, if anything.
pub fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("it needs root".to_owned());
    }
    for program in ["ip", "debootstrap", "systemd-nspawn", "nsenter"] {
        let version = if program == "ip" { "-V" } else { "--version" };
        if !Command::new(program).arg(version).output().is_ok_and(|out| out.status.success()) {
            return Some(format!("no {program}"));
        }
    }
    if !can_be_made() {
        return Some("no network namespace can be made here".to_owned());
    }
    package::missing().or_else(|| debian().err())
}

impl Machine {
    /// Boots a fresh one, whose only network is its own loopback.
    pub fn boot(name: &str) -> Self {
        remove_stale();
        let log = tempfile::tempdir().unwrap();
        let network = Namespace::create(name);
        let packages = package::package("parallax").parent().unwrap().to_owned();
        let args = [
            "--quiet".to_owned(),
            // whose disk is in memory, above one that several may share
            "--read-only".to_owned(),
            "--volatile=overlay".to_owned(),
            format!("--directory={}", debian().unwrap().display()),
            format!("--network-namespace-path=/run/netns/{}", network.name()),
            format!("--machine={}", network.name()),
            format!("--hostname={name}"),
            format!("--bind-ro={}:/srv/packages", packages.display()),
            // nothing of the machine that it runs on: no name server, no time zone, no systemd
            "--resolv-conf=off".to_owned(),
            "--timezone=off".to_owned(),
            "--register=no".to_owned(),
            "--keep-unit".to_owned(),
            "--boot".to_owned(),
        ];
        let nspawn =
            Parallax::start_at("systemd-nspawn".as_ref(), args, &log.path().join("console"));
        let machine = Self { name: name.to_owned(), nspawn, network, _log: log };
        until(&format!("{name} boots"), BOOT, || machine.is_up());
        machine
    }

    fn is_up(&self) -> Result<(), String> {
        let first = self.first().ok_or_else(|| self.nspawn.said())?;
        let out = enter(first, "systemctl is-system-running").output().unwrap();
        match String::from_utf8_lossy(&out.stdout).trim() {
            // something it does not need may fail on a kernel that is not its own
            "running" | "degraded" => Ok(()),
            other => Err(format!("{other}: {}", self.nspawn.said())),
        }
    }

    /// Its process 1, by our number.
    fn first(&self) -> Option<u32> {
        let pid = self.nspawn.pid();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }

    /// Lays a wire to another, with an address at each end, and puts both names into both `/etc/hosts`.
    pub fn wire(&self, address: &str, other: &Self, other_address: &str) {
        let (here, there) = (&self.network, &other.network);
        here.ip(&format!(
            "link add wire type veth peer name wire netns {}\n\
             addr add {address}/24 dev wire\n\
             link set wire up\n",
            there.name()
        ));
        there.ip(&format!("addr add {other_address}/24 dev wire\nlink set wire up\n"));
        let hosts = format!("{address} {}\n{other_address} {}\n", self.name, other.name);
        for machine in [self, other] {
            machine.write("/etc/hosts", &format!("127.0.0.1 localhost\n{hosts}"));
        }
    }

    /// Puts a setting of the kernel's network in force, as `net.ipv4.x = y`: what booting does on a machine
    /// that has its kernel for itself.
    pub fn sysctl(&self, setting: &str) {
        let (name, value) = setting.trim_start_matches('-').split_once(" = ").unwrap();
        let file = format!("/proc/sys/{}", name.replace('.', "/"));
        self.network.enter(|| std::fs::write(file, value)).unwrap();
    }

    /// What root gets to read who types this.
    pub fn try_typing(&self, line: &str) -> Output {
        let first =
            self.first().unwrap_or_else(|| panic!("{} is off: {}", self.name, self.nspawn.said()));
        output_of(line, &mut enter(first, line), COMMAND)
    }

    /// The same for what must succeed: standard output, without the last line's end.
    pub fn type_in(&self, line: &str) -> String {
        let out = self.try_typing(line);
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{} # {line}\n{said}", self.name);
        String::from_utf8(out.stdout).unwrap().trim_end().to_owned()
    }

    /// Writes a file in it.
    pub fn write(&self, path: &str, text: &str) {
        assert!(!text.contains("\nEND\n"));
        self.type_in(&format!("cat > {path} <<'END'\n{text}\nEND\n"));
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // systemd-nspawn alone would leave it running
        if let Some(first) = self.first() {
            drop(Command::new("kill").args(["-9", &first.to_string()]).status());
        }
    }
}

fn enter(first: u32, line: &str) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["--target", &first.to_string(), "--all", "sh", "-c", line]).env_clear().envs([
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("HOME", "/root"),
        ("LANG", "C.UTF-8"),
        ("DEBIAN_FRONTEND", "noninteractive"),
    ]);
    command
}

/// The disk that all begin with, made once: this machine's own release, as small as it gets.
fn debian() -> Result<PathBuf, String> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    MADE.get_or_init(unpack).clone()
}

fn unpack() -> Result<PathBuf, String> {
    let target = package::target();
    let (folder, partial) = (target.join("debian"), target.join("debian.partial"));
    if folder.exists() {
        return Ok(folder);
    }
    drop(std::fs::remove_dir_all(&partial));
    let mut command = Command::new("debootstrap");
    command.args(["--variant=minbase", INCLUDED, &release()?]).arg(&partial);
    let out = output_of("debootstrap", &mut command, UNPACK);
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        let last = said.lines().next_back().unwrap_or_default();
        return Err(format!("debootstrap: {last}"));
    }
    // each has a name of its own
    drop(std::fs::remove_file(partial.join("etc/hostname")));
    std::fs::rename(&partial, &folder).map_err(|e| e.to_string())?;
    Ok(folder)
}

fn release() -> Result<String, String> {
    let text = std::fs::read_to_string(Path::new("/etc/os-release")).unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    name.map(str::to_owned).ok_or_else(|| "this machine is of no release of Debian".to_owned())
}
