//! The near end of a link: a listener whose queue can be filled, so that it looks dead from outside.
//!
//! A listener that merely does not accept still shakes hands, for the kernel does that. A dead cable
//! does not. So a cut link fills its own queue: from then on the kernel drops whoever knocks.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

/// Connections the kernel may hold until they are let in; small, since it has to be filled.
const BACKLOG: u32 = 8;

/// The queue holds one more than its backlog; the rest is for kernels that round up.
const CROWD_MAX: usize = 2 * BACKLOG as usize;

/// A connection on loopback is made within microseconds; one that takes longer found the queue full.
const FULL_AFTER: Duration = Duration::from_millis(50);

/// Pause before a listener that failed is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// A listener that can be shut, opened again at the same address, and crowded.
#[derive(Debug)]
pub(super) struct Door {
    addr: SocketAddr,
    listener: Option<TcpListener>,
    crowd: Vec<TcpStream>,
}

impl Door {
    /// Listens on a free loopback port.
    pub(super) fn open() -> io::Result<Self> {
        let listener = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let addr = listener.local_addr()?;
        Ok(Self { addr, listener: Some(listener), crowd: Vec::new() })
    }

    pub(super) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Refuses whoever comes; those in the queue are reset.
    pub(super) fn shut(&mut self) {
        self.listener = None;
        self.crowd.clear();
    }

    /// Fills the queue, so that nobody's knock is answered.
    pub(super) async fn crowd(&mut self) {
        self.listener().await;
        while self.crowd.len() < CROWD_MAX {
            match timeout(FULL_AFTER, TcpStream::connect(self.addr)).await {
                Ok(Ok(stream)) => self.crowd.push(stream),
                Ok(Err(_)) | Err(_) => return,
            }
        }
    }

    /// The next one who knocks. Nobody is lost when the wait is given up.
    pub(super) async fn next(&mut self) -> TcpStream {
        loop {
            match self.listener().await.accept().await {
                Ok((stream, peer)) if !self.was_crowd(peer) => return stream,
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(%error, "practice link could not accept");
                    sleep(RETRY_AFTER).await;
                }
            }
        }
    }

    fn was_crowd(&mut self, peer: SocketAddr) -> bool {
        let at = self.crowd.iter().position(|s| s.local_addr().is_ok_and(|own| own == peer));
        at.map(|at| self.crowd.swap_remove(at)).is_some()
    }

    /// The listener, opened again if it was shut.
    async fn listener(&mut self) -> &TcpListener {
        let listener = match self.listener.take() {
            Some(listener) => listener,
            None => reopen(self.addr).await,
        };
        self.listener.insert(listener)
    }
}

/// Listens where it did before, as soon as that address is free.
async fn reopen(addr: SocketAddr) -> TcpListener {
    loop {
        match listen(addr) {
            Ok(listener) => return listener,
            Err(error) => {
                tracing::warn!(%addr, %error, "practice link cannot open");
                sleep(RETRY_AFTER).await;
            }
        }
    }
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}
