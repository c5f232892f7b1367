//! A receiver of webhooks on loopback: keeps what it was sent, answers as it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Largest message that is read.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// One message, as it arrived.
#[derive(Debug, Clone)]
pub struct Message {
    /// Since the receiver started.
    pub after: Duration,
    /// The path it was sent to: one receiver stands for several.
    pub path: String,
    /// `name: value`, names in lower case.
    pub headers: Vec<(String, String)>,
    /// As it was sent.
    pub body: String,
    /// What was answered; 0 is a connection cut without an answer.
    pub answered: u16,
}

impl Message {
    /// A header's value.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// A text in the body, by its JSON pointer.
    pub fn text(&self, pointer: &str) -> String {
        self.json().pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

/// A receiver that answers every message with a status that can be changed.
#[derive(Debug, Clone)]
pub struct Receiver {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    messages: Arc<Mutex<Vec<Message>>>,
}

impl Receiver {
    /// Starts on a free loopback port, answering 204. It ends with the test's process.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = Self {
            address: listener.local_addr().unwrap(),
            status: Arc::new(AtomicU16::new(204)),
            messages: Arc::default(),
        };
        let (it, begun) = (receiver.clone(), Instant::now());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let it = it.clone();
                // a sender that goes away in the middle is the sender's business
                std::thread::spawn(move || drop(it.serve(stream, begun)));
            }
        });
        receiver
    }

    /// Its address as a URL.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The status it answers with from now on; 0 cuts connections without an answer.
    pub fn answer_with(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// Everything that arrived, refused or not.
    pub fn all(&self) -> Vec<Message> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it took, at one path.
    pub fn taken(&self, path: &str) -> Vec<Message> {
        let taken = |m: &Message| m.path == path && (200..300).contains(&m.answered);
        self.all().into_iter().filter(taken).collect()
    }

    fn serve(&self, stream: TcpStream, begun: Instant) -> std::io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut headers = Vec::new();
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.trim().split_once(':') {
                headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
        }
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = length.and_then(|(_, n)| n.parse().ok()).unwrap_or(0);
        let mut body = vec![0; usize::min(length, BODY_BYTES_MAX)];
        reader.read_exact(&mut body)?;
        let body = String::from_utf8_lossy(&body).into_owned();
        let answered = self.status.load(Ordering::SeqCst);
        let message = Message { after: begun.elapsed(), path, headers, body, answered };
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).push(message);
        if answered == 0 {
            return Ok(());
        }
        let mut stream = reader.into_inner();
        write!(stream, "HTTP/1.1 {answered} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    }
}
