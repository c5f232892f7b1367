//! A host and a port to a TCP connection.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use parallax_model::{ErrorKind, Stage};
use tokio::net::TcpStream;

use super::Surroundings;
use super::failure::Failure;
use super::policy;
use super::timing::Course;

/// Connects to `host` (a name, or an address with or without brackets) at `port`.
pub(super) async fn connect(
    host: &str,
    port: u16,
    around: &Surroundings,
    course: &mut Course<'_>,
) -> Result<TcpStream, Failure> {
    let addresses = addresses(host, port, around, course).await?;
    course.begin(Stage::Connect);
    let mut worst: Option<Failure> = None;
    for (at, &peer) in addresses.iter().enumerate() {
        match attempt(peer, addresses.len() - at, course).await {
            Ok(stream) => return Ok(stream),
            Err(failure) => {
                let told = worst.as_ref().map_or(0, |failure| telling(failure.kind));
                if telling(failure.kind) > told {
                    worst = Some(failure);
                }
            }
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
    let found = around.resolver.addresses(host).await?;
    Ok(found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
}

/// The policy's word on an address.
pub(super) fn may_look_at(ip: IpAddr) -> Result<(), Failure> {
    let Some(what) = policy::denied(ip) else { return Ok(()) };
    let why = format!("{ip} is {what}: an agent does not look there");
    Err(Failure::new(ErrorKind::PolicyDenied, why))
}

/// One address, which gets a fair share of the time that is left for it and those after it.
async fn attempt(
    peer: SocketAddr,
    left: usize,
    course: &mut Course<'_>,
) -> Result<TcpStream, Failure> {
    may_look_at(peer.ip())?;
    course.peer = Some(peer);
    let attempt = TcpStream::connect(peer);
    if left == 1 {
        // the look's own timeout stands over the last one
        return attempt.await.map_err(|e| Failure::connecting(&e, peer));
    }
    let share = course.deadline.saturating_duration_since(Instant::now()) / left as u32;
    let late = || {
        let why = format!("no connection to {peer} within its share of the time");
        Failure::new(ErrorKind::ConnectTimeout, why)
    };
    let connected = tokio::time::timeout(share, attempt).await.map_err(|_| late())?;
    connected.map_err(|e| Failure::connecting(&e, peer))
}
