//! One agent's way to one place: a small TCP relay on loopback that can be cut, slowed and reset.
//!
//! Contract: what comes in at [`Link::addr`] comes out at the far end, later by the link's delay;
//! [`Link::set`] is felt by open connections at once. A link that is cut answers nothing at all
//! (looks run into their timeout, as on a dead cable); what was on its way is carried on once it
//! heals, as TCP would.
//! Never: more than [`CONNECTIONS_MAX`] connections, or more than one chunk held for each direction
//! of one. Further connections wait in the kernel's short queue and are dropped there.

mod carry;
mod door;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use carry::Road;
use door::Door;

/// Most connections one link carries. An agent looks once a second for less than a second, so a
/// handful is usual; the rest is for links that are cut or slow.
pub const CONNECTIONS_MAX: usize = 32;

/// What a slow link adds to every chunk, each way: a look takes twice as much longer, and still
/// ends within the practice timeout.
pub const SLOW_ADDS: Duration = Duration::from_millis(150);

/// How a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// As it should be.
    Open,
    /// Every chunk takes [`SLOW_ADDS`] longer.
    Slow,
    /// Nothing passes and nobody is told: connections stall, new ones are never made.
    Cut,
    /// Connections break while the answer is on its way.
    Reset,
    /// Connections are refused, open ones are reset.
    Refuse,
}

impl LinkState {
    /// Every state.
    pub const ALL: &'static [Self] =
        &[Self::Open, Self::Slow, Self::Cut, Self::Reset, Self::Refuse];

    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Slow => "slow",
            Self::Cut => "cut",
            Self::Reset => "reset",
            Self::Refuse => "refuse",
        }
    }

    /// The state a word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|state| state.as_str() == word)
    }
}

/// What makes up how a link behaves: its own state, and whether the place it leads to refuses.
///
/// A relay has accepted a connection before it can know that its far end refuses, so the far end's
/// refusal has to be told to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Condition {
    own: LinkState,
    far_end_refuses: bool,
}

impl Condition {
    fn effective(self) -> LinkState {
        match self.own {
            LinkState::Cut => LinkState::Cut,
            LinkState::Open | LinkState::Slow | LinkState::Reset | LinkState::Refuse => {
                if self.far_end_refuses { LinkState::Refuse } else { self.own }
            }
        }
    }
}

/// One way, as the world holds it. Dropping it ends the relay and all its connections.
#[derive(Debug)]
pub struct Link {
    addr: SocketAddr,
    far_end: Arc<OnceLock<SocketAddr>>,
    condition: watch::Sender<Condition>,
    _relay: JoinSet<()>,
}

impl Link {
    /// A link that takes `delay` longer each way than loopback does, and resets connections until it
    /// is told where it leads to.
    pub fn open(delay: Duration) -> io::Result<Self> {
        let door = Door::open()?;
        let addr = door.addr();
        let begin = Condition { own: LinkState::Open, far_end_refuses: false };
        let (condition, seen) = watch::channel(begin);
        let mut relay = JoinSet::new();
        let far_end = Arc::default();
        relay.spawn(serve(door, Road::new(Arc::clone(&far_end), delay, seen)));
        Ok(Self { addr, far_end, condition, _relay: relay })
    }

    /// Where to connect to.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Tells it, once, where it leads to.
    pub fn lead_to(&self, far_end: SocketAddr) {
        self.far_end.get_or_init(|| far_end);
    }

    /// How it is.
    pub fn state(&self) -> LinkState {
        self.condition.borrow().own
    }

    /// Makes it so, at once and for open connections too.
    pub fn set(&self, state: LinkState) {
        self.change(|condition| condition.own = state);
    }

    /// Tells it whether the place it leads to refuses connections.
    pub fn far_end_refuses(&self, refuses: bool) {
        self.change(|condition| condition.far_end_refuses = refuses);
    }

    fn change(&self, change: impl FnOnce(&mut Condition)) {
        self.condition.send_if_modified(|condition| {
            let before = *condition;
            change(condition);
            *condition != before
        });
    }
}

/// Lets in, shuts out or keeps waiting, as the condition says, until the [`Link`] is dropped.
async fn serve(mut door: Door, mut road: Road) {
    let mut carried = JoinSet::new();
    loop {
        let turned = match road.state() {
            LinkState::Refuse => {
                door.shut();
                road.turned().await
            }
            LinkState::Cut => {
                door.crowd().await;
                road.turned().await
            }
            LinkState::Open | LinkState::Slow | LinkState::Reset => {
                welcome(&mut door, &mut road, &mut carried).await
            }
        };
        if turned.is_err() {
            return;
        }
    }
}

/// Lets connections in until the link's condition changes.
async fn welcome(
    door: &mut Door,
    road: &mut Road,
    carried: &mut JoinSet<()>,
) -> Result<(), carry::Broken> {
    loop {
        let room = carried.len() < CONNECTIONS_MAX;
        tokio::select! {
            biased;
            turned = road.turned() => return turned,
            Some(_) = carried.join_next() => {}
            near = door.next(), if room => { carried.spawn(carry::carry(near, road.clone())); }
        }
    }
}

#[cfg(test)]
mod tests;
