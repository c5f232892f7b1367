//! What was said of faults and is not stored yet.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use parallax_model::{Fault, FaultId};
use tokio::sync::Notify;

use crate::store::letter::{Letter, LetterId};

/// What is not stored yet. Bounded: while the store refuses, nothing new is heard, so no more is said
/// than the faults that were being judged then; of each the latest word, and at most two letters a
/// webhook.
#[derive(Debug, Clone, Default)]
pub(super) struct Mail {
    pub(super) faults: BTreeMap<FaultId, Fault>,
    pub(super) letters: Vec<Letter>,
    pub(super) done: Vec<LetterId>,
    /// Of what came last.
    pub(super) ticket: u64,
}

#[derive(Debug, Default)]
pub(super) struct Mailbox {
    mail: Mutex<Mail>,
    pub(super) rang: Notify,
}

impl Mailbox {
    pub(super) fn put(&self, add: impl FnOnce(&mut Mail)) -> u64 {
        let mut mail = self.mail.lock().unwrap_or_else(PoisonError::into_inner);
        add(&mut mail);
        mail.ticket += 1;
        self.rang.notify_one();
        mail.ticket
    }

    /// Takes what waits, if anything does.
    pub(super) fn take(&self) -> Option<Mail> {
        let mut mail = self.mail.lock().unwrap_or_else(PoisonError::into_inner);
        if mail.faults.is_empty() && mail.letters.is_empty() && mail.done.is_empty() {
            return None;
        }
        let empty = Mail { ticket: mail.ticket, ..Mail::default() };
        Some(std::mem::replace(&mut mail, empty))
    }

    /// Puts back what could not be stored, under what came in meanwhile.
    pub(super) fn put_back(&self, mut older: Mail) {
        let mut mail = self.mail.lock().unwrap_or_else(PoisonError::into_inner);
        let newer = std::mem::take(&mut *mail);
        older.faults.extend(newer.faults);
        for letter in newer.letters {
            letter.post(&mut older.letters);
        }
        older.done.extend(newer.done);
        older.ticket = newer.ticket;
        *mail = older;
    }
}
