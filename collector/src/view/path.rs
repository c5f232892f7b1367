//! One agent's way to one target: the last look, and a short memory of the ones before.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parallax_model::{Clues, ErrorKind, Outcome, ProbeResult, Seen, Stage, Timestamp};

/// Looks remembered of each path: half a minute at a 1 s interval, a quarter of an hour at 30 s.
pub(super) const LOOKS_KEPT: usize = 30;

/// Bytes of the last failure's detail that are kept, so that a path stays below 200 bytes.
const DETAIL_KEPT_BYTES_MAX: usize = 48;

/// For so long after a look arrived, those that seem older are a backlog. Those that come later tell that
/// the agent's clock was set back: without an end, its path would look dead until that clock caught up.
const NEWEST_FOR: Duration = Duration::from_mins(2);

/// Steps of the latency code per e-fold: 0.05 % precision, and an hour fits into 16 bits.
const STEPS_PER_E: f64 = 2000.0;

/// Stages that take time: all before the judgement.
const STAGES_TIMED: usize = Stage::Assert as usize;

/// A stage that was not begun.
const NO_STAGE: u32 = u32::MAX;

/// Codes below this one are no latency.
const CODE_FAIL: u16 = 0;
const CODE_OK_MIN: u16 = 1;

/// What is known of a path.
#[derive(Debug, Clone)]
pub struct Path {
    started: Timestamp,
    received: Timestamp,
    latency_us: u32,
    stages_us: [u32; STAGES_TIMED],
    peer: Option<Peer>,
    status: Option<u16>,
    outcome: Outcome,
    used: u8,
    next: u8,
    ring: [u16; LOOKS_KEPT],
    detail: Option<Box<str>>,
    /// Boxed: most kinds have none.
    seen: Option<Box<Seen>>,
    clues: Option<Arc<Clues>>,
    /// When the finding among the clues was first heard, Unix seconds: eight bytes would be too many.
    found_s: u32,
}

/// The address that a look connected to, as told in metrics: enough to see that it changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Of the address.
    pub ip_version: IpVersion,
    /// FNV-1a of the address' bytes, as `blackbox_exporter` makes it.
    pub hash: u32,
}

/// As told in metrics: 4 or 6. Not a number here, so that no peer takes no byte more than a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpVersion {
    /// IPv4.
    V4 = 4,
    /// IPv6.
    V6 = 6,
}

/// One remembered look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// As it should be, and how long it took.
    Ok(Duration),
    /// Not as it should be.
    Fail,
}

impl Path {
    /// A path of which `result` is the first look.
    pub fn new(result: &ProbeResult, received: Timestamp) -> Self {
        let mut path = Self {
            started: Timestamp::from_micros(i64::MIN),
            received,
            latency_us: 0,
            stages_us: [NO_STAGE; STAGES_TIMED],
            peer: None,
            status: None,
            outcome: Outcome::Ok,
            used: 0,
            next: 0,
            ring: [CODE_FAIL; LOOKS_KEPT],
            detail: None,
            seen: None,
            clues: None,
            found_s: 0,
        };
        path.see(result, received);
        path
    }

    /// Takes a look in. One that began before the last known one (backlog after a cut) is history
    /// and changes nothing here. The measuring side's own failures count as looks that say nothing.
    pub fn see(&mut self, result: &ProbeResult, received: Timestamp) {
        if result.started < self.started && received.since(self.received) < NEWEST_FOR {
            return;
        }
        self.started = result.started;
        self.received = received;
        self.latency_us = u32::try_from(result.latency.as_micros()).unwrap_or(u32::MAX);
        self.stages_us = [NO_STAGE; STAGES_TIMED];
        for (stage, took) in result.stages.iter() {
            if let Some(slot) = self.stages_us.get_mut(stage as usize) {
                *slot = u32::try_from(took.as_micros()).unwrap_or(NO_STAGE - 1);
            }
        }
        self.peer = result.peer.as_deref().and_then(peer);
        self.status = result.status;
        self.outcome = result.outcome;
        self.detail = match result.outcome {
            Outcome::Ok => None,
            Outcome::Fail(_) => result.detail.as_deref().map(|d| cut(d).into()),
        };
        self.seen.clone_from(&result.seen);
        // looks mostly see the same: what is equal is kept once
        if self.clues != result.clues {
            if finding(result.clues.as_deref()) != self.finding() {
                self.found_s = u32::try_from(received.millis() / 1000).unwrap_or(u32::MAX);
            }
            self.clues.clone_from(&result.clues);
        }
        if let Some(slot) = self.ring.get_mut(usize::from(self.next)) {
            *slot = encode(result);
        }
        self.next = (self.next + 1) % LOOKS_KEPT as u8;
        self.used = (self.used + 1).min(LOOKS_KEPT as u8);
    }

    /// When the last look began, by the agent's clock.
    pub const fn started(&self) -> Timestamp {
        self.started
    }

    /// When the last look arrived.
    pub const fn received(&self) -> Timestamp {
        self.received
    }

    /// How long the last look took.
    pub const fn latency(&self) -> Duration {
        Duration::from_micros(self.latency_us as u64)
    }

    /// How long a stage of the last look took, if it was begun.
    pub fn stage(&self, stage: Stage) -> Option<Duration> {
        let us = self.stages_us.get(stage as usize).copied().filter(|us| *us != NO_STAGE)?;
        Some(Duration::from_micros(us.into()))
    }

    /// What the last look connected to.
    pub const fn peer(&self) -> Option<Peer> {
        self.peer
    }

    /// How the last look failed, if it did.
    pub const fn error(&self) -> Option<ErrorKind> {
        self.outcome.error()
    }

    /// The protocol's status of the last look.
    pub const fn status(&self) -> Option<u16> {
        self.status
    }

    /// What the last look said of its failure.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// What the last look measured beside its stages.
    pub fn seen(&self) -> Option<&Seen> {
        self.seen.as_deref()
    }

    /// What its agent found out about the failure that goes on.
    pub fn finding(&self) -> Option<&str> {
        finding(self.clues())
    }

    /// True if that was not heard before `at`, to the second.
    pub fn found_since(&self, at: Timestamp) -> bool {
        i64::from(self.found_s) >= at.millis() / 1000
    }

    /// What the last look saw beside its outcome.
    pub fn clues(&self) -> Option<&Clues> {
        self.clues.as_deref()
    }

    /// The remembered looks, oldest first.
    pub fn looks(&self) -> Vec<Look> {
        let (used, next) = (usize::from(self.used), usize::from(self.next));
        (0..used)
            .filter_map(|i| self.ring.get((next + LOOKS_KEPT - used + i) % LOOKS_KEPT))
            .map(|&code| decode(code))
            .collect()
    }
}

fn finding(clues: Option<&Clues>) -> Option<&str> {
    clues.and_then(|clues| clues.diagnosis.as_deref())
}

fn peer(peer: &str) -> Option<Peer> {
    let ip = peer.parse::<SocketAddr>().map(|at| at.ip()).or_else(|_| peer.parse::<IpAddr>());
    Some(match ip.ok()?.to_canonical() {
        IpAddr::V4(ip) => Peer { ip_version: IpVersion::V4, hash: fnv_1a(&ip.octets()) },
        IpAddr::V6(ip) => Peer { ip_version: IpVersion::V6, hash: fnv_1a(&ip.octets()) },
    })
}

/// The 32-bit FNV-1a hash: a short name for bytes, the same in every build.
pub fn fnv_1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

fn cut(detail: &str) -> &str {
    detail.get(..detail.floor_char_boundary(DETAIL_KEPT_BYTES_MAX)).unwrap_or_default()
}

fn encode(result: &ProbeResult) -> u16 {
    match result.outcome {
        Outcome::Fail(_) => CODE_FAIL,
        Outcome::Ok => {
            let us = result.latency.as_micros() as f64;
            // as-casts from floats saturate
            ((us.ln_1p() * STEPS_PER_E) as u16).saturating_add(CODE_OK_MIN)
        }
    }
}

fn decode(code: u16) -> Look {
    match code.checked_sub(CODE_OK_MIN) {
        None => Look::Fail,
        Some(steps) => {
            let us = (f64::from(steps) / STEPS_PER_E).exp_m1();
            Look::Ok(Duration::from_micros(us.round() as u64))
        }
    }
}

#[cfg(test)]
mod tests {
    use parallax_model::{Stages, TargetName};

    use super::*;

    fn look(at: i64, outcome: Outcome, latency: Duration) -> ProbeResult {
        ProbeResult {
            target: TargetName::new("shop").unwrap(),
            started: Timestamp::from_millis(at),
            latency,
            outcome,
            stages: Stages::default(),
            status: None,
            peer: None,
            clues: None,
            detail: (!outcome.is_ok()).then(|| "é".repeat(100)),
            seen: None,
            asked: false,
        }
    }

    #[test]
    fn it_remembers_the_last_thirty_in_order() {
        let at = Timestamp::from_millis(0);
        let ms = Duration::from_millis;
        let mut path = Path::new(&look(0, Outcome::Ok, ms(1)), at);
        for n in 1..40 {
            path.see(&look(n, Outcome::Ok, ms(n as u64 + 1)), at);
        }
        path.see(&look(40, Outcome::Fail(ErrorKind::Reset), ms(7)), at);
        let looks = path.looks();
        assert_eq!(looks.len(), LOOKS_KEPT);
        assert_eq!(looks[LOOKS_KEPT - 1], Look::Fail);
        for (look, expected) in looks.iter().zip(12..) {
            let Look::Ok(latency) = look else { continue };
            let off = latency.as_secs_f64() / ms(expected).as_secs_f64() - 1.0;
            assert!(off.abs() < 0.001, "{latency:?} for {expected} ms");
        }
    }

    #[test]
    fn late_looks_are_history() {
        let at = Timestamp::from_millis(0);
        let mut path = Path::new(&look(10, Outcome::Ok, Duration::from_millis(3)), at);
        path.see(&look(5, Outcome::Fail(ErrorKind::Reset), Duration::ZERO), at);
        assert_eq!(path.error(), None);
        assert_eq!(path.looks().len(), 1);
        // the clock was an hour ahead, and is right again
        let later = at + NEWEST_FOR;
        path.see(&look(6, Outcome::Fail(ErrorKind::Reset), Duration::ZERO), later);
        assert_eq!((path.error(), path.received()), (Some(ErrorKind::Reset), later));
    }

    #[test]
    fn the_last_looks_stages_and_peer_are_known() {
        let mut result = look(0, Outcome::Ok, Duration::from_millis(9));
        result.stages.tls = Some(Duration::from_millis(3));
        result.peer = Some("127.0.0.1:80".into());
        let mut path = Path::new(&result, Timestamp::from_millis(0));
        assert_eq!(path.stage(Stage::Tls), Some(Duration::from_millis(3)));
        assert_eq!(path.stage(Stage::Connect), None);
        // what blackbox_exporter's own fixture says of 127.0.0.1
        assert_eq!(path.peer(), Some(Peer { ip_version: IpVersion::V4, hash: 3_668_918_509 }));
        path.see(&look(1, Outcome::Ok, Duration::ZERO), Timestamp::from_millis(1));
        assert_eq!((path.stage(Stage::Tls), path.peer()), (None, None));
    }

    #[test]
    fn a_path_stays_small() {
        let result = look(0, Outcome::Fail(ErrorKind::Reset), Duration::from_hours(1));
        let path = Path::new(&result, Timestamp::from_millis(0));
        let bytes = size_of::<Path>() + path.detail().map_or(0, str::len);
        assert!(bytes <= 200, "{bytes}");
        let hour = look(1, Outcome::Ok, Duration::from_hours(1));
        let Look::Ok(back) = decode(encode(&hour)) else { panic!("an hour is no failure") };
        assert!(back.as_secs_f64() > 3590.0, "{back:?}");
    }
}
