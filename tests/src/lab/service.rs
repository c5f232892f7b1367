//! A service of the lab, with a switch.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::wait::pause;

/// How long a visitor may take to ask.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long it takes to answer: as from far away. Looks that share a busy machine differ by tens of
/// milliseconds, which is many times what loopback takes, and would look like a slow service.
const DISTANCE: Duration = Duration::from_millis(80);

/// How a service does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Condition {
    /// It answers 200.
    #[default]
    Well,
    /// It answers this.
    Answers(u16),
    /// Nothing listens.
    Stopped,
    /// It answers 403 to these.
    Refuses(Vec<IpAddr>),
    /// It answers 500 for so long, then 200 for so long, and again.
    Flaps(Duration, Duration),
}

/// A running service; it ends with the test's process.
#[derive(Debug, Clone)]
pub(super) struct Service {
    address: SocketAddr,
    switch: Arc<Switch>,
}

#[derive(Debug)]
struct Switch {
    now: Mutex<(Condition, Instant)>,
    turned: Condvar,
}

impl Service {
    /// Starts in the network of the calling thread.
    pub(super) fn start(address: SocketAddr) -> Self {
        let now = Mutex::new((Condition::Well, Instant::now()));
        let switch = Arc::new(Switch { now, turned: Condvar::new() });
        let (service, listener) = (Self { address, switch }, TcpListener::bind(address).unwrap());
        let it = service.clone();
        std::thread::spawn(move || it.serve(Some(listener)));
        service
    }

    /// Turns the switch. Call it in the network of the service.
    pub(super) fn turn(&self, to: &Condition) {
        let mut now = self.switch.now.lock().unwrap_or_else(PoisonError::into_inner);
        if now.0 == *to {
            return;
        }
        *now = (to.clone(), Instant::now());
        drop(now);
        self.switch.turned.notify_all();
        if *to == Condition::Stopped {
            // wakes the listener, which then closes
            drop(TcpStream::connect(self.address));
        }
    }

    fn serve(&self, mut listener: Option<TcpListener>) {
        loop {
            let socket = listener.take().unwrap_or_else(|| {
                let now = self.switch.now.lock().unwrap_or_else(PoisonError::into_inner);
                let up = self.switch.turned.wait_while(now, |(now, _)| *now == Condition::Stopped);
                drop(up.unwrap_or_else(PoisonError::into_inner));
                TcpListener::bind(self.address).unwrap()
            });
            for stream in socket.incoming().flatten() {
                let status = self.status(stream.peer_addr().map(|peer| peer.ip()).ok());
                let Some(status) = status else { break };
                // a visitor that goes away in the middle is the visitor's business
                std::thread::spawn(move || drop(answer(stream, status)));
            }
        }
    }

    /// What a visitor is told; none if there is nobody to tell it.
    fn status(&self, visitor: Option<IpAddr>) -> Option<u16> {
        let now = self.switch.now.lock().unwrap_or_else(PoisonError::into_inner);
        let (condition, since) = &*now;
        match condition {
            Condition::Well => Some(200),
            Condition::Answers(status) => Some(*status),
            Condition::Stopped => None,
            Condition::Refuses(whom) => {
                Some(if visitor.is_some_and(|v| whom.contains(&v)) { 403 } else { 200 })
            }
            Condition::Flaps(bad, good) => {
                let into = since.elapsed().as_millis() % (*bad + *good).as_millis();
                Some(if into < bad.as_millis() { 500 } else { 200 })
            }
        }
    }
}

fn answer(mut stream: TcpStream, status: u16) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    let mut request = BufReader::new(stream.try_clone()?);
    while request.read_line(&mut line)? > 2 {
        line.clear();
    }
    pause(DISTANCE);
    write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}
