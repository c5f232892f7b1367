//! Real processes of the two binaries.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use crate::wait::until;

/// Where `cargo` put a binary of this workspace, beside the running test.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap();
    let binary = folder.join(name);
    assert!(binary.exists(), "{} is not built: run tests/run", binary.display());
    binary
}

/// A loopback port that was free a moment ago, below those the system gives to outgoing connections:
/// one of theirs could take it before the process that it is for.
pub fn free_port() -> u16 {
    let ports = std::iter::repeat_with(|| fastrand::u16(16_000..32_000));
    ports.take(1000).find(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok()).unwrap()
}

/// Runs a binary to its end.
pub fn run<S: AsRef<OsStr>>(name: &str, args: impl IntoIterator<Item = S>) -> Output {
    run_with_deadline(name, args, Duration::from_mins(1))
}

/// Runs a binary to its end; kills it and panics after `deadline`.
pub fn run_with_deadline<S: AsRef<OsStr>>(
    name: &str,
    args: impl IntoIterator<Item = S>,
    deadline: Duration,
) -> Output {
    let mut command = Command::new(binary(name));
    command.args(args).env("RUST_LOG", "info").env_remove("PARALLAX_URL");
    output_of(name, &mut command, deadline)
}

/// Runs any command to its end; kills it and panics after `deadline`.
pub fn output_of(name: &str, command: &mut Command, deadline: Duration) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| std::fs::File::create(folder.path().join(name)).unwrap();
    let child = command
        .stdin(Stdio::null())
        .stdout(file("out"))
        .stderr(file("err"))
        .spawn()
        .unwrap_or_else(|e| panic!("start {name}: {e}"));
    let mut child = Guard(child);
    let status = until(&format!("{name} ends"), deadline, || {
        child.0.try_wait().unwrap().ok_or_else(|| {
            let said = std::fs::read_to_string(folder.path().join("err")).unwrap_or_default();
            format!("still running; it said: {said}")
        })
    });
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    Output { status, stdout: read("out"), stderr: read("err") }
}

/// Kills and reaps its process when dropped.
#[derive(Debug)]
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // it may have ended by itself: then there is nothing to kill
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A running binary whose output goes to a file.
#[derive(Debug)]
pub struct Parallax {
    child: Guard,
    log: PathBuf,
}

impl Parallax {
    /// Starts a binary; what it prints is appended to `log`.
    pub fn start<S: AsRef<OsStr>>(
        name: &str,
        args: impl IntoIterator<Item = S>,
        log: &Path,
    ) -> Self {
        Self::start_at(&binary(name), args, log)
    }

    /// Starts any program; what it prints is appended to `log`.
    pub fn start_at<S: AsRef<OsStr>>(
        program: &Path,
        args: impl IntoIterator<Item = S>,
        log: &Path,
    ) -> Self {
        Self::start_with(program, args, &[], log)
    }

    /// The same with variables in its environment.
    pub fn start_with<S: AsRef<OsStr>>(
        program: &Path,
        args: impl IntoIterator<Item = S>,
        env: &[(&str, &str)],
        log: &Path,
    ) -> Self {
        let open = || std::fs::File::options().create(true).append(true).open(log).unwrap();
        let child = Command::new(program)
            .args(args)
            .env("RUST_LOG", "info")
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(open())
            .stderr(open())
            .spawn()
            .unwrap_or_else(|e| panic!("start {}: {e}", program.display()));
        Self { child: Guard(child), log: log.to_owned() }
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// `kill -9`: no chance to say goodbye.
    pub fn kill(mut self) {
        self.child.0.kill().unwrap();
        self.child.0.wait().unwrap();
    }

    /// `SIGTERM`, then waits for the end; panics if it does not end in time or not with 0.
    pub fn stop(self, deadline: Duration) {
        self.signal("TERM");
        self.finish(deadline);
    }

    /// Waits until it ends by itself; panics if it does not in time, or not with 0.
    pub fn finish(mut self, deadline: Duration) {
        let log = self.log.clone();
        let status = until("its end", deadline, || {
            self.child.0.try_wait().unwrap().ok_or_else(|| said(&log))
        });
        assert!(status.success(), "{status}: {}", said(&self.log));
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let done = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(done.success(), "kill -s {name} {pid}");
    }

    /// What it printed so far.
    pub fn said(&self) -> String {
        said(&self.log)
    }

    /// True until it has ended.
    pub fn is_running(&mut self) -> bool {
        self.child.0.try_wait().unwrap().is_none()
    }
}

fn said(log: &Path) -> String {
    std::fs::read_to_string(log).unwrap_or_default()
}
