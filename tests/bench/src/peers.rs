//! The processes of a run, each on its core, ended when it is over.

use std::ffi::OsStr;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::figures::Figures;

/// Where whatever is measured runs …
const MEASURED_CORE: &str = "0";

/// … and where everything else does.
const OTHER_CORE: &str = "1";

/// How long a process may take to listen.
const START: Duration = Duration::from_secs(30);

/// Ports of the servers, all on loopback.
pub(crate) const HTTP: u16 = 9801;
pub(crate) const HTTPS: u16 = 9802;
pub(crate) const STATUS: u16 = 9803;
pub(crate) const DELAY: u16 = 9800;
pub(crate) const EXPORTER: u16 = 9115;

/// A running process; killed and reaped when dropped.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // it may have ended by itself
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts what is measured.
pub(crate) fn measured<S: AsRef<OsStr>>(
    program: &Path,
    args: impl IntoIterator<Item = S>,
    log: &Path,
) -> Result<Running> {
    start(MEASURED_CORE, program, args, log)
}

/// Starts what serves, or drives.
pub(crate) fn other<S: AsRef<OsStr>>(
    program: &Path,
    args: impl IntoIterator<Item = S>,
    log: &Path,
) -> Result<Running> {
    start(OTHER_CORE, program, args, log)
}

fn start<S: AsRef<OsStr>>(
    core: &str,
    program: &Path,
    args: impl IntoIterator<Item = S>,
    log: &Path,
) -> Result<Running> {
    let open = || std::fs::File::options().create(true).append(true).open(log);
    let child = Command::new("taskset")
        .args(["-c", core])
        .arg(program)
        .args(args)
        .env("RUST_LOG", "warn")
        .stdin(Stdio::null())
        .stdout(open()?)
        .stderr(open()?)
        .spawn()
        .with_context(|| format!("start {}", program.display()))?;
    Ok(Running(child))
}

/// Runs a command of this very program to its end: what is measured itself, or who drives it.
pub(crate) fn figures(itself: bool, args: &[String]) -> Result<Figures> {
    let core = if itself { MEASURED_CORE } else { OTHER_CORE };
    let this = std::env::current_exe()?;
    let mut command = Command::new("taskset");
    command.args(["-c", core]).arg(this).args(args).stderr(Stdio::inherit());
    let output = command.output()?;
    anyhow::ensure!(output.status.success(), "{args:?} failed");
    serde_json::from_slice(&output.stdout).with_context(|| format!("{args:?} said nothing"))
}

/// Waits until a port is open.
pub(crate) fn until_open(port: u16) -> Result<()> {
    let end = Instant::now() + START;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        anyhow::ensure!(Instant::now() < end, "port {port} does not open");
        crate::wait(Duration::from_millis(50));
    }
    Ok(())
}

/// A root, and a P-256 certificate for `localhost` below it, in `folder`.
pub(crate) fn certificates(folder: &Path) -> Result<PathBuf> {
    let script = r"set -e
openssl ecparam -name prime256v1 -genkey -noout -out ca.key
openssl req -x509 -new -key ca.key -subj /CN=bench -days 30 -out ca.pem -addext basicConstraints=critical,CA:TRUE
openssl ecparam -name prime256v1 -genkey -noout -out leaf.key
openssl req -new -key leaf.key -subj /CN=localhost -out leaf.csr
printf 'subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n' >ext
openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile ext -out leaf.pem
cat leaf.pem ca.pem >chain.pem";
    let mut command = Command::new("sh");
    let made = command.args(["-c", script]).current_dir(folder).output().context("run openssl")?;
    anyhow::ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Ok(folder.join("ca.pem"))
}

/// nginx with one worker: http, https (TLS 1.3, P-256), and its own counts.
pub(crate) fn nginx(folder: &Path) -> Result<Running> {
    let w = folder.display();
    let config = format!(
        "worker_processes 1; pid {w}/nginx.pid; error_log {w}/nginx.err; daemon off; master_process off;
worker_rlimit_nofile 65535;
events {{ worker_connections 16384; }}
http {{ access_log off; keepalive_timeout 0; client_body_temp_path {w}/cb; proxy_temp_path {w}/pt;
 fastcgi_temp_path {w}/ft; uwsgi_temp_path {w}/ut; scgi_temp_path {w}/st;
 ssl_certificate {w}/chain.pem; ssl_certificate_key {w}/leaf.key; ssl_protocols TLSv1.2 TLSv1.3;
 ssl_session_tickets off; ssl_session_cache off; default_type text/plain;
 server {{ listen 127.0.0.1:{HTTP} backlog=16384; location / {{ return 200 ok; }} }}
 server {{ listen 127.0.0.1:{HTTPS} ssl backlog=16384; location / {{ return 200 ok; }} }}
 server {{ listen 127.0.0.1:{STATUS}; location / {{ stub_status; }} }} }}"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, config)?;
    let log = folder.join("nginx.log");
    let running = other(Path::new("nginx"), ["-c".as_ref(), file.as_os_str()], &log)?;
    until_open(STATUS)?;
    Ok(running)
}

/// Requests that nginx has answered so far, this one included.
pub(crate) fn requests() -> Result<u64> {
    let text = crate::http::get(STATUS, "/")?;
    let counts = text.lines().find(|line| line.starts_with(' ')).context("odd status")?;
    counts.split_whitespace().nth(2).and_then(|n| n.parse().ok()).context("odd status")
}

pub(crate) fn exporter(folder: &Path, ca: &Path) -> Result<Running> {
    let file = folder.join("blackbox.yml");
    let ca = ca.display();
    let module = format!(
        "modules:\n  bench: {{prober: http, timeout: 10s, http: {{preferred_ip_protocol: ip4, \
         tls_config: {{ca_file: {ca}}}}}}}\n"
    );
    std::fs::write(&file, module)?;
    let args = [
        format!("--config.file={}", file.display()),
        format!("--web.listen-address=127.0.0.1:{EXPORTER}"),
        "--log.level=error".to_owned(),
    ];
    let program = Path::new("prometheus-blackbox-exporter");
    let running = measured(program, args, &folder.join("blackbox.log"))?;
    until_open(EXPORTER)?;
    Ok(running)
}
