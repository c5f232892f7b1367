//! What an agent asks for, and what it is given.

use std::time::Duration;

use parallax_model::{AgentName, Timestamp};
use parallax_proto::JoinToken;

use super::authority::Authority;
use super::refusal::{Refusal, date};
use super::register::Place;

/// How far an agent's clock may be off. Certificates begin an hour early and streams correct for offsets;
/// more than this is a mistake that somebody wants to hear of.
const CLOCK_OFF_MAX: Duration = Duration::from_mins(10);

/// Who wants to join.
#[derive(Debug, Clone)]
pub struct Application<'a> {
    /// Its leave to.
    pub token: JoinToken,
    /// PKCS#10, DER.
    pub csr: &'a [u8],
    /// The name it wishes for.
    pub name: Option<AgentName>,
    /// Its clock.
    pub now: Timestamp,
}

/// What it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// Its certificate, DER.
    pub certificate: Vec<u8>,
    /// The authority's, DER.
    pub authority: Vec<u8>,
    /// Its name.
    pub name: AgentName,
    /// Where it stands.
    pub place: Place,
    /// The collector's clock.
    pub now: Timestamp,
    /// When the certificate ends.
    pub until: Timestamp,
}

impl Granted {
    pub(super) fn new(
        authority: &Authority,
        certificate: Vec<u8>,
        name: AgentName,
        place: &Place,
        now: Timestamp,
        until: Timestamp,
    ) -> Self {
        let (authority, place) = (authority.der().to_vec(), place.clone());
        Self { certificate, authority, name, place, now, until }
    }
}

/// Refuses clocks that are far apart.
pub(super) fn clocks(theirs: Timestamp, ours: Timestamp) -> Result<(), Refusal> {
    let off = theirs.millis().abs_diff(ours.millis());
    if Duration::from_millis(off) <= CLOCK_OFF_MAX {
        return Ok(());
    }
    let off = in_words(Duration::from_millis(off));
    let (behind, theirs, ours) = (theirs < ours, date(theirs), date(ours));
    Err(Refusal::Clock { off, behind, theirs, ours })
}

/// The largest unit that fits, rounded.
fn in_words(time: Duration) -> String {
    let minutes = (time.as_secs() + 30) / 60;
    // a minute short of a day is a day
    let (unit, of) = match minutes {
        1430.. => ("day", 1440),
        57.. => ("hour", 60),
        _ => ("minute", 1),
    };
    let n = (minutes + of / 2) / of;
    format!("{n} {unit}{}", if n == 1 { "" } else { "s" })
}

/// A name that nobody wrote down but the agent: it will stand in tables, logs and labels, and be typed.
pub(super) fn plain(name: &AgentName) -> Result<(), Refusal> {
    let typed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.as_str().chars().all(typed) {
        return Ok(());
    }
    let what = format!("the name {:?}: use letters, digits, dots, - and _", name.as_str());
    Err(Refusal::Request(what))
}
