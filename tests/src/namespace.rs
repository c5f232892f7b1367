//! One network namespace: a host with its own addresses, routes and loopback.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::process::Parallax;

/// Where `ip netns` keeps them.
const FOLDER: &str = "/run/netns";

/// Every namespace of every lab begins so; the number of the process that made it follows.
const PREFIX: &str = "plx";

/// A namespace that goes when it is dropped. End what runs in it before.
#[derive(Debug)]
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes one, with its loopback up.
    pub(crate) fn create(host: &str) -> Self {
        let name = format!("{PREFIX}{}-{host}", std::process::id());
        ip(&["netns", "add", &name]);
        let namespace = Self { name };
        namespace.ip("link set lo up\n");
        namespace
    }

    /// What `ip` calls it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs lines of `ip` commands in it.
    pub(crate) fn ip(&self, lines: &str) {
        feed(Command::new("ip").args(["-n", &self.name, "-batch", "-"]), lines);
    }

    /// Puts a ruleset of `nft` in force, in one transaction.
    pub(crate) fn nft(&self, rules: &str) {
        self.enter(|| feed(Command::new("nft").args(["-f", "-"]), rules));
    }

    /// Does something in it: sockets that are opened and processes and threads that are started there
    /// stay there.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let there = File::open(self.path()).unwrap();
        let work = || {
            move_into_link_name_space(there.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            work()
        };
        // a thread of its own: the test's own never leaves the network it is in
        std::thread::scope(|scope| scope.spawn(work).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Starts a program in it, whose resolver configuration is `resolv`: the machine's own stays as it
    /// is, only this process sees another file in its place.
    pub(crate) fn start(
        &self,
        resolv: &Path,
        program: &Path,
        args: &[&str],
        log: &Path,
    ) -> Parallax {
        let mount = "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";
        let (resolv, program) = (resolv.to_str().unwrap(), program.to_str().unwrap());
        let before = ["--mount", "sh", "-c", mount, resolv, program];
        let args: Vec<&str> = before.into_iter().chain(args.iter().copied()).collect();
        self.enter(|| Parallax::start_at("unshare".as_ref(), &args, log))
    }

    fn path(&self) -> PathBuf {
        Path::new(FOLDER).join(&self.name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // one that is gone already is as good
        drop(Command::new("ip").args(["netns", "del", &self.name]).stderr(Stdio::null()).status());
    }
}

/// Takes away what a lab left behind that was killed: its processes, then its namespaces.
pub(crate) fn remove_stale() {
    let Ok(entries) = std::fs::read_dir(FOLDER) else { return };
    for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        let Some(pid) = pid.and_then(|pid| pid.parse::<u32>().ok()) else { continue };
        if Path::new(&format!("/proc/{pid}")).exists() {
            continue;
        }
        let inside = Command::new("ip").args(["netns", "pids", &name]).output().unwrap();
        for pid in String::from_utf8_lossy(&inside.stdout).split_whitespace() {
            drop(Command::new("kill").args(["-9", pid]).status());
        }
        drop(Namespace { name });
    }
}

/// True if this machine lets us make one. Tried once: two at a time would be in each other's way.
pub(crate) fn can_be_made() -> bool {
    static TRIED: OnceLock<bool> = OnceLock::new();
    *TRIED.get_or_init(|| {
        let name = format!("{PREFIX}{}-try", std::process::id());
        let made = Command::new("ip").args(["netns", "add", &name]).output();
        let made = made.is_ok_and(|out| out.status.success());
        if made {
            drop(Namespace { name });
        }
        made
    })
}

fn ip(args: &[&str]) {
    feed(Command::new("ip").args(args), "");
}

fn feed(command: &mut Command, input: &str) {
    let mut child = command
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{command:?}: {said}\n{input}");
}
