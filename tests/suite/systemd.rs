//! What systemd makes of the units, and what it is told by the binaries.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use parallax_tests::{Parallax, World, binary, until};

/// Exposure that a unit may have at most, on systemd's scale of 0 (safe) to 10.
const EXPOSURE_MAX: f64 = 2.0;

/// How long a word may take on a busy machine.
const WORD: Duration = Duration::from_mins(1);

#[test]
fn units_expose_little() {
    let analyze = |unit: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("deploy/systemd");
        Command::new("systemd-analyze")
            .args(["security", "--offline=true"])
            .arg(folder.join(unit))
            .output()
    };
    for unit in ["parallax.service", "parallax-agent.service"] {
        let Ok(out) = analyze(unit) else {
            eprintln!("skipped: units_expose_little (no systemd-analyze)");
            return;
        };
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        let level = said.lines().find(|line| line.contains("Overall exposure level"));
        let Some(level) = level else {
            // before systemd 250 it cannot read a unit that is not installed
            let why = String::from_utf8_lossy(&out.stderr);
            assert!(why.contains("--offline"), "{unit}: {said}{why}");
            eprintln!("skipped: units_expose_little (systemd-analyze knows no --offline)");
            return;
        };
        let number = level.split(": ").nth(1).unwrap().split(' ').next().unwrap();
        let exposure: f64 = number.parse().unwrap();
        assert!(exposure <= EXPOSURE_MAX, "{unit}: {said}");
    }
}

/// Hears what a service tells systemd.
struct Systemd {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Systemd {
    fn listen(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket, heard: Vec::new() }
    }

    /// Waits until `word` was told `times` times, and forgets what was told up to then.
    fn until_told(&mut self, word: &str, times: usize) {
        until(&format!("{word} is told"), WORD, || {
            let mut datagram = [0; 4096];
            while let Ok(length) = self.socket.recv(&mut datagram) {
                let text = String::from_utf8_lossy(&datagram[..length]).into_owned();
                self.heard.extend(text.lines().map(str::to_owned));
            }
            let told = self.heard.iter().filter(|line| line.contains(word)).count();
            if told >= times { Ok(()) } else { Err(format!("heard {:?}", self.heard)) }
        });
        self.heard.clear();
    }
}

/// Starts a binary as systemd would.
fn start(name: &str, args: &[&str], socket: &Path, log: &Path) -> Parallax {
    let notify = format!("NOTIFY_SOCKET={}", socket.display());
    let program = binary(name);
    let all = [notify.as_str(), program.to_str().unwrap()].into_iter().chain(args.iter().copied());
    Parallax::start_at("env".as_ref(), all, log)
}

#[test]
fn both_tell_when_they_are_ready_alive_and_stopping() {
    let world = World::new(1, 2);
    let path = |name: &str| world.folder().join(name);

    let mut agent_says = Systemd::listen(&path("agent.sock"));
    let url = format!("http://127.0.0.1:{}", world.grpc);
    let data = path("agent-1");
    let args = ["run", "--name", "agent-1", "--collector", &url, "--data-dir"];
    let args: Vec<&str> = args.into_iter().chain([data.to_str().unwrap()]).collect();
    let agent = start("parallax-agent", &args, &path("agent.sock"), &path("agent.log"));
    // it is ready when its schedule runs, also while there is no collector yet
    agent_says.until_told("READY=1", 1);
    agent_says.until_told("STATUS=waiting for targets", 1);

    let mut collector_says = Systemd::listen(&path("collector.sock"));
    let config = world.config_file();
    let args = ["serve", "--config", config.to_str().unwrap()];
    let collector = start("parallax", &args, &path("collector.sock"), &path("collector.log"));
    collector_says.until_told("READY=1", 1);
    let (status, body) = parallax_tests::http::get(world.http, "/readyz").unwrap();
    assert_eq!(status, 200, "ready was told too early: {body}");

    agent_says.until_told("STATUS=looking at 2 targets", 1);
    agent_says.until_told("WATCHDOG=1", 1);
    collector_says.until_told("STATUS=1 of 1 agents connected", 1);
    collector_says.until_told("WATCHDOG=1", 1);

    agent.stop(WORD);
    agent_says.until_told("STOPPING=1", 1);
    collector.stop(WORD);
    collector_says.until_told("STOPPING=1", 1);
}
