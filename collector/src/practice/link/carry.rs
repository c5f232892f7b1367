//! One connection on its way through a link.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::sleep;

use super::{Condition, LinkState, SLOW_ADDS};

/// Most bytes of one direction that a link holds.
const CHUNK_BYTES: usize = 16 * 1024;

/// How much of an answer passes before a resetting link breaks it: the status line, not the rest.
pub(super) const RESET_AFTER_BYTES: usize = 30;

/// The connection, or the link, is no more.
#[derive(Debug)]
pub(super) struct Broken;

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self
    }
}

/// Where a link leads, how long it takes, and how it is.
#[derive(Debug, Clone)]
pub(super) struct Road {
    far_end: Arc<OnceLock<SocketAddr>>,
    delay: Duration,
    condition: watch::Receiver<Condition>,
}

impl Road {
    pub(super) const fn new(
        far_end: Arc<OnceLock<SocketAddr>>,
        delay: Duration,
        condition: watch::Receiver<Condition>,
    ) -> Self {
        Self { far_end, delay, condition }
    }

    /// A connection to where the link leads to.
    async fn far_end(&self) -> Option<TcpStream> {
        TcpStream::connect(self.far_end.get()?).await.ok()
    }

    /// How the link is now.
    pub(super) fn state(&mut self) -> LinkState {
        self.condition.borrow_and_update().effective()
    }

    /// Waits for another condition than the one last seen.
    pub(super) async fn turned(&mut self) -> Result<(), Broken> {
        self.condition.changed().await.map_err(|_| Broken)
    }

    /// Waits until something passes.
    async fn passable(&mut self) -> Result<LinkState, Broken> {
        loop {
            match self.state() {
                LinkState::Cut => self.turned().await?,
                LinkState::Refuse => return Err(Broken),
                state @ (LinkState::Open | LinkState::Slow | LinkState::Reset) => return Ok(state),
            }
        }
    }

    /// Reads what comes, while the link is passable.
    async fn read(&mut self, from: &mut ReadHalf<'_>, chunk: &mut [u8]) -> Result<usize, Broken> {
        loop {
            self.passable().await?;
            tokio::select! {
                biased;
                turned = self.turned() => turned?,
                read = from.read(chunk) => return Ok(read?),
            }
        }
    }

    /// Takes the time that a chunk takes, and as long as the link is cut.
    async fn travel(&mut self) -> Result<LinkState, Broken> {
        let slow = self.passable().await? == LinkState::Slow;
        sleep(if slow { self.delay + SLOW_ADDS } else { self.delay }).await;
        self.passable().await
    }

    /// Waits until a connection that is already made breaks.
    async fn breaks(&mut self, made_while: LinkState) {
        loop {
            match self.state() {
                LinkState::Refuse => return,
                LinkState::Reset if made_while != LinkState::Reset => return,
                LinkState::Open | LinkState::Slow | LinkState::Cut | LinkState::Reset => {}
            }
            if self.turned().await.is_err() {
                return;
            }
        }
    }
}

/// Carries bytes both ways until both ends are done, or one of them or the link breaks. What breaks
/// is reset: neither end may take it for a clean end.
pub(super) async fn carry(mut near: TcpStream, mut road: Road) {
    let made_while = road.state();
    let Some(mut far) = road.far_end().await else {
        return reset(&near);
    };
    let carried = tokio::select! {
        carried = both_ways(&mut near, &mut far, road.clone()) => carried,
        () = road.breaks(made_while) => Err(Broken),
    };
    if carried.is_err() {
        reset(&near);
        reset(&far);
    }
}

async fn both_ways(near: &mut TcpStream, far: &mut TcpStream, road: Road) -> Result<(), Broken> {
    // a chunk is delayed by the link, not by Nagle
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (near_reads, near_writes) = near.split();
    let (far_reads, far_writes) = far.split();
    let there = pump(near_reads, far_writes, road.clone(), usize::MAX);
    let back = pump(far_reads, near_writes, road, RESET_AFTER_BYTES);
    tokio::try_join!(there, back).map(|((), ())| ())
}

/// Carries one direction to its end; breaks it after `reset_after` bytes if the link resets.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut road: Road,
    reset_after: usize,
) -> Result<(), Broken> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut left = reset_after;
    loop {
        let len = road.read(&mut from, &mut chunk).await?;
        let state = road.travel().await?;
        if len == 0 {
            return Ok(to.shutdown().await?);
        }
        let passes = if state == LinkState::Reset { len.min(left) } else { len };
        to.write_all(chunk.get(..passes).unwrap_or_default()).await?;
        left = left.saturating_sub(passes);
        if passes < len {
            return Err(Broken);
        }
    }
}

/// Makes the drop of a stream a reset.
fn reset(stream: &TcpStream) {
    if let Err(error) = stream.set_zero_linger() {
        tracing::debug!(%error, "practice link could not reset a connection");
    }
}
