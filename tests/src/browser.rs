//! A real Chromium, driven by its web driver.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::process::{Parallax, free_port};
use crate::wait::until;

/// Flags for a browser that talks to nobody but the page under test.
const FLAGS: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];

/// A browser window.
#[derive(Debug)]
pub struct Browser {
    port: u16,
    session: String,
    _driver: Parallax,
}

/// True if this machine has what the browser needs.
pub fn is_there() -> bool {
    let has =
        |name: &str| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success());
    has("chromedriver") && has("chromium")
}

impl Browser {
    /// Opens a window of `width` × `height` CSS pixels.
    pub fn open(folder: &Path, width: u32, height: u32) -> Self {
        let port = free_port();
        let args = [format!("--port={port}"), "--allowed-ips=127.0.0.1".into()];
        let driver = Parallax::start_at("chromedriver".as_ref(), args, &folder.join("driver.log"));
        let profile = format!("--user-data-dir={}", folder.join("profile").display());
        let size = format!("--window-size={width},{height}");
        let flags: Vec<&str> =
            FLAGS.iter().copied().chain([profile.as_str(), size.as_str()]).collect();
        let options = json!({"args": flags, "binary": "/usr/bin/chromium"});
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}});
        let session = until("the browser opens", Duration::from_secs(30), || {
            let answer = ask(port, "POST", "/session", Some(&wanted))?;
            let id = answer["value"]["sessionId"].as_str().ok_or(answer.to_string())?;
            Ok(id.to_owned())
        });
        Self { port, session, _driver: driver }
    }

    /// Goes to a page and waits until it is loaded.
    pub fn visit(&self, url: &str) {
        self.tell("POST", "url", Some(&json!({"url": url})));
    }

    /// Runs a script in the page and gives what it returns.
    pub fn run(&self, script: &str) -> Value {
        self.tell("POST", "execute/sync", Some(&json!({"script": script, "args": []})))
    }

    /// The text a person sees.
    pub fn text(&self) -> String {
        self.run("return document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    fn tell(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let path = format!("/session/{}/{path}", self.session);
        ask(self.port, method, &path, body).unwrap()["value"].clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // the driver is killed next; this lets Chromium go in peace
        drop(ask(self.port, "DELETE", &format!("/session/{}", self.session), None));
    }
}

fn ask(port: u16, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let exchange = || -> std::io::Result<(String, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        read_answer(&mut BufReader::new(stream))
    };
    let (head, body) = exchange().map_err(|e| format!("{method} {path}: {e}"))?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(format!("{method} {path}: {head}{body}"));
    }
    serde_json::from_str(&body).map_err(|e| format!("{method} {path}: {e}: {body}"))
}

/// The driver keeps its connections open, so the answer ends where its length says.
fn read_answer(stream: &mut impl BufRead) -> std::io::Result<(String, String)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    let length = head
        .to_ascii_lowercase()
        .lines()
        .find_map(|line| line.strip_prefix("content-length:").and_then(|n| n.trim().parse().ok()));
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body)?;
    Ok((head, String::from_utf8_lossy(&body).into_owned()))
}
