//! Echoes: how many come back, and how fast.
//!
//! An unprivileged socket is tried first (Linux: `net.ipv4.ping_group_range`), a raw one if that is not
//! allowed. Both are connected, so that the kernel keeps away what other hosts send.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use parallax_model::{ErrorKind, Family, IcmpCheck, IcmpSeen, Seen, Stage};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::sleep_until;

use super::Surroundings;
use super::connect::{addresses, may_look_at};
use super::echo::{self, Reply, Version};
use super::failure::Failure;
use super::timing::Course;

/// Room for the largest packet that is sent, and its IP header with options.
const PACKET_BYTES_MAX: usize = 1536;

pub(super) async fn look(
    check: &IcmpCheck,
    around: &Surroundings,
    course: &mut Course<'_>,
) -> Result<(), Failure> {
    let peer = address(check, around, course).await?;
    may_look_at(peer)?;
    course.peer = Some(SocketAddr::new(peer, 0));
    course.begin(Stage::Connect);
    let mut burst = Burst::new(check, peer)?;
    burst.run(course).await?;
    let seen = burst.seen();
    course.seen = Some(Seen::Icmp(seen));
    if seen.received > 0 {
        // the waiting between two echoes is ours: what is told is how long the way takes
        course.end_with(seen.rtt_mean);
        course.latency = Some(course.stages.resolve.unwrap_or_default() + seen.rtt_mean);
    }
    judge(check, &seen, peer)
}

async fn address(
    check: &IcmpCheck,
    around: &Surroundings,
    course: &mut Course<'_>,
) -> Result<IpAddr, Failure> {
    let found = addresses(&check.host.to_ascii_lowercase(), 0, around, course).await?;
    let fits = |ip: &IpAddr| match check.family {
        Family::Any => true,
        Family::V4 => ip.is_ipv4(),
        Family::V6 => ip.is_ipv6(),
    };
    found.iter().map(SocketAddr::ip).find(fits).ok_or_else(|| {
        let why = format!("{} has no {} address", check.host, check.family.as_str());
        Failure::new(ErrorKind::DnsNxdomain, why)
    })
}

fn judge(check: &IcmpCheck, seen: &IcmpSeen, peer: IpAddr) -> Result<(), Failure> {
    let lost = seen.sent.saturating_sub(seen.received);
    if seen.received == 0 {
        let why = format!("no echo from {peer} ({} sent)", seen.sent);
        return Err(Failure::new(ErrorKind::ConnectTimeout, why));
    }
    if seen.loss_percent() > f64::from(check.loss_percent_max) {
        let why = format!(
            "{lost} of {} echoes from {peer} are lost, at most {} % may be",
            seen.sent, check.loss_percent_max
        );
        // loss is of the way, as silence is; that the host is there, its other echoes say
        return Err(Failure::new(ErrorKind::ConnectTimeout, why));
    }
    match check.rtt_max {
        Some(max) if seen.rtt_mean > max => {
            let ms = |time: Duration| time.as_secs_f64() * 1e3;
            let why =
                format!("mean round trip {:.1} ms, at most {:.1} ms", ms(seen.rtt_mean), ms(max));
            Err(Failure::new(ErrorKind::Assertion, why))
        }
        _ => Ok(()),
    }
}

/// The echoes of one look.
struct Burst {
    /// Not of UDP: the standard library has no other type for a socket that keeps datagrams apart.
    socket: UdpSocket,
    version: Version,
    peer: IpAddr,
    nonce: u64,
    payload: usize,
    count: usize,
    spacing: Duration,
    sent: Vec<Instant>,
    /// Round trips, by sequence number.
    came: Vec<Option<Duration>>,
    hop_limit: Option<u8>,
}

impl Burst {
    fn new(check: &IcmpCheck, peer: IpAddr) -> Result<Self, Failure> {
        let count = usize::from(check.count);
        Ok(Self {
            socket: open(peer)?,
            version: if peer.is_ipv4() { Version::V4 } else { Version::V6 },
            peer,
            nonce: fastrand::u64(..),
            payload: check.payload_bytes.into(),
            count,
            spacing: check.spacing,
            sent: Vec::with_capacity(count),
            came: vec![None; count],
            hop_limit: None,
        })
    }

    /// Sends all, and waits until all have come or the time is over.
    async fn run(&mut self, course: &Course<'_>) -> Result<(), Failure> {
        let until = course.last_word();
        // the last one gets as much time to come back as there is between two
        let left = until.saturating_duration_since(tokio::time::Instant::now());
        let spacing = self.spacing.min(left / (self.count as u32 + 1));
        let mut next = tokio::time::Instant::now();
        let mut packet = [0; PACKET_BYTES_MAX];
        while self.came.iter().any(Option::is_none) {
            tokio::select! {
                biased;
                read = self.socket.recv(&mut packet) => {
                    let read = read.map_err(|e| self.refused(&e))?;
                    self.hear(packet.get(..read).unwrap_or_default());
                }
                () = sleep_until(until) => break,
                () = sleep_until(next), if self.sent.len() < self.count => {
                    self.send().await.map_err(|e| self.refused(&e))?;
                    next += spacing;
                }
            }
        }
        Ok(())
    }

    async fn send(&mut self) -> io::Result<()> {
        let seq = self.sent.len() as u16;
        let id = self.nonce as u16;
        let packet = echo::request(self.version, id, seq, self.nonce, self.payload);
        self.sent.push(Instant::now());
        self.socket.send(&packet).await.map(drop)
    }

    fn hear(&mut self, packet: &[u8]) {
        let now = Instant::now();
        let Some(Reply { seq, nonce, hop_limit }) = echo::reply(self.version, packet) else {
            return;
        };
        let seq = usize::from(seq);
        let (Some(&sent), Some(came)) = (self.sent.get(seq), self.came.get_mut(seq)) else {
            return;
        };
        if nonce == self.nonce && came.is_none() {
            *came = Some(now.saturating_duration_since(sent));
            self.hop_limit = hop_limit.or(self.hop_limit);
        }
    }

    fn refused(&self, error: &io::Error) -> Failure {
        if error.kind() == io::ErrorKind::ConnectionRefused {
            // there is no port that could refuse: somebody on the way does
            return Failure::new(
                ErrorKind::Unreachable,
                format!("{} cannot be reached", self.peer),
            );
        }
        Failure::connecting(error, SocketAddr::new(self.peer, 0))
    }

    fn seen(&self) -> IcmpSeen {
        let trips: Vec<f64> = self.came.iter().flatten().map(Duration::as_secs_f64).collect();
        let time = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let of = trips.len().max(1) as f64;
        let mean = trips.iter().sum::<f64>() / of;
        let variance = trips.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / of;
        IcmpSeen {
            sent: self.sent.len() as u16,
            received: trips.len() as u16,
            rtt_min: self.came.iter().flatten().min().copied().unwrap_or_default(),
            rtt_mean: time(mean),
            rtt_max: self.came.iter().flatten().max().copied().unwrap_or_default(),
            rtt_stddev: time(variance.sqrt()),
            hop_limit: self.hop_limit,
        }
    }
}

fn open(peer: IpAddr) -> Result<UdpSocket, Failure> {
    let (domain, protocol) = match peer {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(protocol))
        .or_else(|_| Socket::new(domain, Type::RAW, Some(protocol)))
        .map_err(|e| not_allowed(&e))?;
    let connected = socket
        .set_nonblocking(true)
        .and_then(|()| socket.connect(&SocketAddr::new(peer, 0).into()));
    connected.map_err(|e| Failure::connecting(&e, SocketAddr::new(peer, 0)))?;
    UdpSocket::from_std(socket.into()).map_err(|e| Failure::new(ErrorKind::Internal, e.to_string()))
}

fn not_allowed(error: &io::Error) -> Failure {
    let why = format!(
        "this agent may not ping ({error}): put its group into the sysctl net.ipv4.ping_group_range, \
         or give it CAP_NET_RAW"
    );
    Failure::new(ErrorKind::Internal, why)
}
