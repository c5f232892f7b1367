//! Messages that wait for a receiver: the outbox.
//!
//! Contract: a letter is stored in the transaction of the fault's change that it tells of, so neither
//! is there without the other. An update that was not delivered yet is replaced by what comes after
//! it: whoever was away hears of each fault's beginning, its latest state and its end, in this order.

use parallax_model::{FaultId, Timestamp};

/// Most letters that wait for one webhook; beyond it the oldest are dropped, and counted. Some 30 MB.
pub const LETTERS_MAX: usize = 10_000;

/// A letter's number; later letters have higher ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LetterId(pub u64);

/// What a letter tells of its fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// It began.
    Opened,
    /// Its place, state or scope is another.
    Updated,
    /// It ended.
    Closed,
}

impl Event {
    /// All of them, in the order of a fault's life.
    pub const ALL: [Self; 3] = [Self::Opened, Self::Updated, Self::Closed];

    /// The word used in JSON and configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Updated => "updated",
            Self::Closed => "closed",
        }
    }

    /// The event of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == word)
    }
}

/// A message for one receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The receiver's name.
    pub webhook: String,
    /// The fault it tells of.
    pub fault: FaultId,
    /// What it tells.
    pub event: Event,
    /// When that happened.
    pub at: Timestamp,
    /// What the receiver knew before an update.
    pub previous: Option<String>,
    /// The message.
    pub body: String,
}

impl Letter {
    /// True if nobody needs `older` once this is told.
    pub(super) fn supersedes(&self, older: &Self) -> bool {
        older.event == Event::Updated
            && self.event != Event::Opened
            && (&older.webhook, older.fault) == (&self.webhook, self.fault)
    }

    /// An update that takes another's place changes what was known before both.
    pub(super) fn inherit(&mut self, older: Option<String>) {
        if self.event == Event::Updated && older.is_some() {
            self.previous = older;
        }
    }

    /// Puts it behind `waiting`, in place of what it supersedes.
    pub(super) fn post(mut self, waiting: &mut Vec<Self>) {
        waiting.retain(|older| {
            let superseded = self.supersedes(older);
            if superseded {
                self.inherit(older.previous.clone());
            }
            !superseded
        });
        waiting.push(self);
    }
}

/// A letter that waits, without its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Its number.
    pub id: LetterId,
    /// The fault it tells of.
    pub fault: FaultId,
    /// What it tells.
    pub event: Event,
    /// When that happened.
    pub at: Timestamp,
}
