//! A host and a port to a TCP connection.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use parallax_model::{ErrorKind, Stage};
use tokio::net::TcpStream;

use super::Surroundings;
use super::failure::Failure;
use super::policy;
use super::timing::Course;

/// So long an attempt has before another address is tried beside it (RFC 8305 §8).
const STAGGER: Duration = Duration::from_millis(250);

/// Connects to `host` (a name, or an address with or without brackets) at `port`.
pub(super) async fn connect(
    host: &str,
    port: u16,
    around: &Surroundings,
    course: &mut Course<'_>,
) -> Result<TcpStream, Failure> {
    let addresses = addresses(host, port, around, course).await?;
    course.begin(Stage::Connect);
    let Some((&first, more)) = addresses.split_first() else {
        return Err(Failure::new(ErrorKind::Internal, "no address to connect to"));
    };
    if more.is_empty() {
        return attempt(first, course)?.await;
    }
    race(&addresses, course).await
}

/// The first address that connects (RFC 8305): the next one is tried when one has failed, or has kept us
/// waiting for [`STAGGER`].
async fn race(addresses: &[SocketAddr], course: &mut Course<'_>) -> Result<TcpStream, Failure> {
    let mut waiting = addresses.iter();
    let mut under_way = FuturesUnordered::new();
    let mut worst: Option<Failure> = None;
    let mut note = |failure: Failure| {
        let told = worst.as_ref().map_or(0, |failure| telling(failure.kind));
        if telling(failure.kind) > told {
            worst = Some(failure);
        }
    };
    loop {
        if let Some(&peer) = waiting.next() {
            match attempt(peer, course) {
                Ok(attempt) => under_way.push(async move { (peer, attempt.await) }),
                Err(denied) => note(denied),
            }
        } else if under_way.is_empty() {
            break;
        }
        let next = under_way.next();
        let ended = if waiting.len() > 0 {
            tokio::time::timeout(STAGGER, next).await.unwrap_or_default()
        } else {
            next.await
        };
        match ended {
            Some((peer, Ok(stream))) => {
                course.peer = Some(peer);
                return Ok(stream);
            }
            Some((_, Err(failure))) => note(failure),
            None => {}
        }
    }
    Err(worst.unwrap_or_else(|| Failure::new(ErrorKind::Internal, "no address to connect to")))
}

/// A target's `host:port`, the host in lower case.
pub(super) fn host_and_port(address: &str) -> Result<(String, u16), Failure> {
    let malformed = || Failure::new(ErrorKind::Internal, format!("{address:?} is not host:port"));
    let (host, port) = address.rsplit_once(':').ok_or_else(malformed)?;
    Ok((host.to_ascii_lowercase(), port.parse().map_err(|_| malformed())?))
}

/// Of several failed attempts, the one that came farthest is told.
fn telling(kind: ErrorKind) -> u8 {
    if kind == ErrorKind::Unreachable {
        1
    } else if kind == ErrorKind::PolicyDenied {
        2
    } else if kind == ErrorKind::ConnectTimeout {
        3
    } else {
        4
    }
}

/// Where `host` is: as pinned, as written, or as resolved now. At least one.
pub(super) async fn addresses(
    host: &str,
    port: u16,
    around: &Surroundings,
    course: &mut Course<'_>,
) -> Result<Vec<SocketAddr>, Failure> {
    if let Some(&pinned) = around.connect_to.get(host) {
        return Ok(vec![pinned]);
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    course.begin(Stage::Resolve);
    let found = around.resolver.addresses(host, course.family).await?;
    Ok(by_turns(found).into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
}

/// The policy's word on an address.
pub(super) fn may_look_at(ip: IpAddr) -> Result<(), Failure> {
    let Some(what) = policy::denied(ip) else { return Ok(()) };
    let why = format!("{ip} is {what}: an agent does not look there");
    Err(Failure::new(ErrorKind::PolicyDenied, why))
}

/// One address, if the policy lets it be tried.
fn attempt(
    peer: SocketAddr,
    course: &mut Course<'_>,
) -> Result<impl Future<Output = Result<TcpStream, Failure>> + use<>, Failure> {
    may_look_at(peer.ip())?;
    course.peer = Some(peer);
    Ok(async move { TcpStream::connect(peer).await.map_err(|e| Failure::connecting(&e, peer)) })
}

/// IPv4 and IPv6 by turns, so that a broken family costs one attempt.
fn by_turns(found: Vec<IpAddr>) -> Vec<IpAddr> {
    let (v4, v6): (Vec<_>, Vec<_>) = found.into_iter().partition(IpAddr::is_ipv4);
    let most = v4.len().max(v6.len());
    (0..most).flat_map(|at| [v4.get(at), v6.get(at)]).flatten().copied().collect()
}
