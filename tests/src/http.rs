//! Small HTTP peers on loopback: a service to look at, and a client for the API.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

/// Largest request a service here reads, and largest answer the client here takes.
const READ_MAX: u64 = 16 * 1024 * 1024;

/// A service that answers every request with a status that can be changed.
#[derive(Debug, Clone)]
pub struct Service {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    served: Arc<AtomicU64>,
}

impl Service {
    /// Starts on a free loopback port, answering 200. It ends with the test's process.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let service =
            Self { address, status: Arc::new(AtomicU16::new(200)), served: Arc::default() };
        let (status, served) = (service.status.clone(), service.served.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                served.fetch_add(1, Ordering::Relaxed);
                // a look that goes away in the middle is the looker's business
                drop(answer(stream, status.load(Ordering::Relaxed)));
            }
        });
        service
    }

    /// Its address as a URL.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The status it answers with from now on.
    pub fn answer_with(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// Connections it has answered.
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }
}

fn answer(mut stream: TcpStream, status: u16) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut request = [0; 4096];
    let _read = stream.read(&mut request)?;
    let body = if status == 200 { "fine" } else { "internal server error" };
    write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// `GET` of a loopback address: status and body, or why there is none.
pub fn get(port: u16, path: &str) -> Result<(u16, String), String> {
    ask(port, &format!("GET {path}"), "", "")
}

/// `POST` of JSON to a loopback address: status and body, or why there is none.
pub fn post(port: u16, path: &str, body: &serde_json::Value) -> Result<(u16, String), String> {
    let body = body.to_string();
    let head = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    ask(port, &format!("POST {path}"), &head, &body)
}

fn ask(port: u16, what: &str, head: &str, body: &str) -> Result<(u16, String), String> {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(
            stream,
            "{what} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n{head}\r\n{body}"
        )?;
        let mut answer = Vec::new();
        stream.take(READ_MAX).read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = ask().map_err(|e| format!("{what}: {e}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no end of headers")?;
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or("no status")?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Ok((status, if chunked { unchunk(body) } else { body.to_owned() }))
}

fn unchunk(mut body: &str) -> String {
    let mut out = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 {
            break;
        }
        out.push_str(rest.get(..size).unwrap_or(rest));
        body = rest.get(size + 2..).unwrap_or("");
    }
    out
}

/// `GET` of a loopback address, as JSON.
pub fn get_json(port: u16, path: &str) -> Result<serde_json::Value, String> {
    let (status, body) = get(port, path)?;
    if status != 200 {
        return Err(format!("GET {path}: {status}: {body}"));
    }
    serde_json::from_str(&body).map_err(|e| format!("GET {path}: {e}: {body}"))
}
