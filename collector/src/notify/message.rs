//! The message: what receivers are told, as JSON.

use parallax_model::{Fault, FaultState, Locus, Reason, Region, TargetName};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::json::{FaultJson, LocusJson};
use crate::store::letter::{Event, Letter};
use crate::view::words::{self, Story};

/// Grows when a key changes its meaning or goes; new keys may come at any time.
const VERSION: u32 = 1;

/// What a receiver is told. Every key is always there, so that templates need not ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageJson {
    /// Version of this shape.
    pub version: u32,
    /// The same on every try: who has it already needs it no more.
    pub key: String,
    /// `opened`, `updated` or `closed`
    pub event: String,
    /// When that happened.
    pub at: String,
    /// The same.
    pub at_ms: i64,
    /// What is wrong and where.
    pub title: String,
    /// What follows for the reader.
    pub aside: String,
    /// The evidence in words, sentence by sentence.
    pub words: Vec<String>,
    /// The fault, as the API has it.
    pub fault: FaultJson,
    /// What was told before an update.
    pub previous: Option<PreviousJson>,
    /// The fault goes on, but belongs to another route now: it is over for this one.
    pub moved: bool,
    /// The fault is over already; `closed` follows at once. Nobody needs to be woken for this one.
    pub over: bool,
    /// Only a try-out.
    pub test: bool,
    /// The fault's page, where it is known.
    pub url: Option<String>,
}

/// What was told of a fault before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousJson {
    /// Where it was thought to be.
    #[serde(flatten)]
    pub locus: LocusJson,
    /// `down` or `degraded`
    pub state: String,
    /// `silent` or `slow`
    pub reason: Option<String>,
    /// Services that suffered with it.
    pub affected_targets: Vec<String>,
    /// Regions in which it showed.
    pub regions: Vec<String>,
}

/// What of a fault is worth a message when it changes. Not its confidence and evidence: those change
/// with every look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gist {
    pub(super) locus: Locus,
    state: FaultState,
    reason: Option<Reason>,
    affected: Vec<TargetName>,
    regions: Vec<Region>,
}

impl Gist {
    pub(super) fn of(fault: &Fault) -> Self {
        Self {
            locus: fault.locus.clone(),
            state: fault.state,
            reason: fault.reason,
            affected: fault.affected_targets.clone(),
            regions: fault.regions.clone(),
        }
    }
}

impl From<&Gist> for PreviousJson {
    fn from(gist: &Gist) -> Self {
        Self {
            locus: (&gist.locus).into(),
            state: gist.state.as_str().to_owned(),
            reason: gist.reason.map(|r| r.as_str().to_owned()),
            affected_targets: gist.affected.iter().map(ToString::to_string).collect(),
            regions: gist.regions.iter().map(ToString::to_string).collect(),
        }
    }
}

/// The key of what happened to a fault: a fault's number is never used twice, and two things do not
/// happen to it in one millisecond.
pub(super) fn key(letter: &Letter) -> String {
    format!("{}-{}-{}", letter.fault, letter.event.as_str(), letter.at.millis())
}

/// A letter without the text, and the message that will be its text.
pub(super) fn compose(
    mut letter: Letter,
    fault: &Fault,
    story: &Story,
    moved: bool,
    page: Option<&Url>,
) -> Letter {
    let message = MessageJson {
        version: VERSION,
        key: key(&letter),
        event: letter.event.as_str().to_owned(),
        at: words::rfc3339(letter.at),
        at_ms: letter.at.millis(),
        title: story.title.clone(),
        aside: story.aside.to_owned(),
        words: story.sentences(),
        fault: fault.into(),
        previous: None,
        moved,
        over: false,
        test: false,
        url: page.and_then(|page| page.join(&format!("faults/{}", fault.id)).ok()).map(Into::into),
    };
    // no part of it can fail to be JSON
    letter.body = serde_json::to_string(&message).unwrap_or_default();
    letter
}

/// The message of a letter as it is told now.
pub(super) fn read(letter: &Letter, over: bool) -> serde_json::Result<MessageJson> {
    let mut message: MessageJson = serde_json::from_str(&letter.body)?;
    message.previous = letter.previous.as_deref().map(serde_json::from_str).transpose()?;
    message.over = over;
    Ok(message)
}

/// A made-up message, to try a webhook out.
pub fn sample(event: Event, now_ms: i64) -> MessageJson {
    use parallax_model::{Confidence, Coverage, Evidence, FaultId, Timestamp};
    let now = Timestamp::from_millis(now_ms);
    let target = || TargetName::new("example").ok();
    let fault = Fault {
        id: FaultId(0),
        locus: target().map_or(Locus::Collector, |target| Locus::Service { target }),
        state: FaultState::Down,
        reason: None,
        onset: now,
        opened: now,
        updated: now,
        ended: (event == Event::Closed).then_some(now),
        confidence: Confidence::new(0.99),
        coverage: Coverage { domains: 3, assigned: 3 },
        affected_targets: Vec::new(),
        regions: Vec::new(),
        evidence: Evidence::default(),
    };
    MessageJson {
        version: VERSION,
        key: format!("test-{}-{now_ms}", event.as_str()),
        event: event.as_str().to_owned(),
        at: words::rfc3339(now),
        at_ms: now_ms,
        title: "This is only a test: example is down everywhere".to_owned(),
        aside: "nothing is wrong".to_owned(),
        words: vec!["Somebody tries out whether messages arrive.".to_owned()],
        previous: (event == Event::Updated).then(|| (&Gist::of(&fault)).into()),
        fault: (&fault).into(),
        moved: false,
        over: false,
        test: true,
        url: None,
    }
}
