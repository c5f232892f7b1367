//! Keys that looks may use, to whom each may be shown, and how much each may spend a day.
//!
//! A collector says which key a look wants, by its name; where the key is and to which hosts it may go, only
//! the agent's own configuration says. So nobody who can write targets can have a key sent to themselves.
//!
//! What a look may cost at most is taken from the day's budget before it begins, and on disk before it is
//! said to be: an agent that is killed over and over cannot spend more than its owner wrote down. What it
//! did not use comes back at the end.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use parallax_model::ErrorKind;
use serde::{Deserialize, Serialize};

use super::failure::Failure;

/// Largest key, in bytes.
const KEY_BYTES_MAX: u64 = 4096;

/// Largest file of what was spent: a line for each key.
const LEDGER_BYTES_MAX: u64 = 1 << 20;

const DAY_S: u64 = 24 * 60 * 60;

/// One key, as the agent's owner declared it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// File that holds it, read for every look.
    pub file: PathBuf,
    /// Hosts that may see it, in lower case.
    pub hosts: Vec<String>,
    /// Most tokens, questions and answers together, from one midnight (UTC) to the next.
    pub tokens_per_day: u64,
}

/// All keys of an agent.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    known: Arc<BTreeMap<String, Key>>,
    ledger: Arc<Mutex<Ledger>>,
}

impl Keys {
    /// These keys; what they spend is kept in `ledger`, or only in memory.
    pub fn new(known: BTreeMap<String, Key>, ledger: Option<PathBuf>) -> Self {
        let ledger = Arc::new(Mutex::new(Ledger::open(ledger)));
        Self { known: Arc::new(known), ledger }
    }

    /// The key called `name`, for a look at `host` that spends no tokens.
    pub(super) async fn shown_to(&self, name: &str, host: &str) -> Result<String, Failure> {
        let key = self.known(name, host)?.clone();
        let name = name.to_owned();
        let read = tokio::task::spawn_blocking(move || secret(&name, &key));
        read.await.map_err(|e| Failure::new(ErrorKind::Internal, e.to_string()))?
    }

    fn known(&self, name: &str, host: &str) -> Result<&Key, Failure> {
        let denied = |why: String| Failure::new(ErrorKind::PolicyDenied, why);
        let Some(key) = self.known.get(name) else {
            let why =
                format!("this agent has no key {name:?}: add [keys.{name}] to its configuration");
            return Err(denied(why));
        };
        if !key.hosts.iter().any(|h| h == host) {
            let why =
                format!("key {name:?} is not for {host}: its hosts are {}", key.hosts.join(", "));
            return Err(denied(why));
        }
        Ok(key)
    }

    /// The key called `name`, for a look at `host` that costs `tokens` at most.
    pub(super) async fn lend(&self, name: &str, host: &str, tokens: u64) -> Result<Lent, Failure> {
        let key = self.known(name, host)?;
        let (key, ledger, name) = (key.clone(), Arc::clone(&self.ledger), name.to_owned());
        let lent = tokio::task::spawn_blocking(move || {
            let secret = secret(&name, &key)?;
            let mut book = ledger.lock().unwrap_or_else(PoisonError::into_inner);
            let day = today();
            book.take(&name, tokens, key.tokens_per_day, day)?;
            drop(book);
            Ok(Lent { secret, name, tokens, day, ledger })
        });
        let broken = |e: tokio::task::JoinError| Failure::new(ErrorKind::Internal, e.to_string());
        lent.await.map_err(broken)?
    }
}

/// A key on loan for one look.
pub(super) struct Lent {
    secret: String,
    name: String,
    tokens: u64,
    day: u64,
    ledger: Arc<Mutex<Ledger>>,
}

impl Lent {
    pub(super) fn secret(&self) -> &str {
        &self.secret
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Gives the key back: the look used so many tokens. What is not given back counts as used.
    pub(super) async fn used(self, tokens: u64) {
        let back = self.tokens.saturating_sub(tokens);
        let more = tokens.saturating_sub(self.tokens);
        let settled = tokio::task::spawn_blocking(move || {
            let mut book = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
            book.settle(&self.name, back, more, self.day);
        });
        if let Err(error) = settled.await {
            tracing::warn!(%error, "what a look used was not written down");
        }
    }
}

fn secret(name: &str, key: &Key) -> Result<String, Failure> {
    read(&key.file).map_err(|e| {
        let why = format!("cannot read key {name:?} from {}: {e}", key.file.display());
        Failure::new(ErrorKind::Internal, why)
    })
}

fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(KEY_BYTES_MAX).read_to_string(&mut text)?;
    let key = text.trim();
    if key.is_empty() || key.contains(|c: char| c.is_control()) {
        return Err(io::Error::other("it must hold one line, the key"));
    }
    Ok(key.to_owned())
}

/// Days since 1970, UTC.
fn today() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / DAY_S
}

/// What was spent today.
#[derive(Debug, Default)]
struct Ledger {
    file: Option<PathBuf>,
    spent: Spent,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Spent {
    /// Days since 1970.
    day: u64,
    /// By name of the key.
    tokens: BTreeMap<String, u64>,
}

impl Ledger {
    fn open(file: Option<PathBuf>) -> Self {
        let spent = file.as_deref().map(Self::load).unwrap_or_default();
        Self { file, spent }
    }

    fn load(file: &Path) -> Spent {
        let text = File::open(file).and_then(|file| {
            let mut text = String::new();
            file.take(LEDGER_BYTES_MAX).read_to_string(&mut text).map(|_| text)
        });
        let read = match text {
            Ok(text) => serde_json::from_str(&text).map_err(io::Error::other),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Spent::default(),
            Err(e) => Err(e),
        };
        read.unwrap_or_else(|error| {
            tracing::warn!(file = %file.display(), %error, "spent tokens cannot be read: counted anew");
            Spent::default()
        })
    }

    /// Takes `tokens` from the day's budget, durably, or says why not.
    fn take(&mut self, name: &str, tokens: u64, budget: u64, today: u64) -> Result<(), Failure> {
        // a clock that is set back opens no new day
        if today > self.spent.day {
            self.spent = Spent { day: today, tokens: BTreeMap::new() };
        }
        let before = self.spent.tokens.get(name).copied().unwrap_or_default();
        let after = before.saturating_add(tokens);
        if after > budget {
            let why = format!(
                "the day's tokens of key {name:?} are used up ({before} of {budget}, a look may take \
                 {tokens}): until 00:00 UTC nothing is asked"
            );
            return Err(Failure::new(ErrorKind::PolicyDenied, why));
        }
        self.spent.tokens.insert(name.to_owned(), after);
        self.save().map_err(|e| {
            self.spent.tokens.insert(name.to_owned(), before);
            let why = format!("cannot write down what is spent, so nothing is: {e}");
            Failure::new(ErrorKind::Internal, why)
        })
    }

    /// What was taken on `day` was `back` too much or `more` too little. What came from another day's
    /// budget does not go back into today's.
    fn settle(&mut self, name: &str, back: u64, more: u64, day: u64) {
        let today = self.spent.day;
        if let Some(spent) = self.spent.tokens.get_mut(name).filter(|_| day == today) {
            *spent = spent.saturating_sub(back).saturating_add(more);
        }
        if let Err(error) = self.save() {
            tracing::warn!(%error, "what a look did not use was not written down");
        }
    }

    fn save(&self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let draft = file.with_extension("new");
        let mut out = File::create(&draft)?;
        out.write_all(&serde_json::to_vec(&self.spent).map_err(io::Error::other)?)?;
        out.sync_all()?;
        fs::rename(draft, file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(folder: &Path, tokens_per_day: u64) -> Keys {
        let file = folder.join("key");
        fs::write(&file, "sk-secret\n").unwrap();
        let key = Key { file, hosts: vec!["api.test".into()], tokens_per_day };
        let known = BTreeMap::from([("main".to_owned(), key)]);
        Keys::new(known, Some(folder.join("tokens")))
    }

    fn denied(refused: Result<Lent, Failure>) -> (ErrorKind, String) {
        let failure = refused.err().unwrap();
        (failure.kind, failure.detail)
    }

    #[tokio::test]
    async fn a_key_goes_only_where_its_owner_said() {
        let folder = tempfile::tempdir().unwrap();
        let keys = keys(folder.path(), 100);
        assert_eq!(keys.lend("main", "api.test", 1).await.unwrap().secret(), "sk-secret");
        let (kind, why) = denied(keys.lend("main", "evil.test", 1).await);
        assert_eq!(kind, ErrorKind::PolicyDenied);
        assert_eq!(why, "key \"main\" is not for evil.test: its hosts are api.test");
        let (kind, why) = denied(keys.lend("other", "api.test", 1).await);
        assert_eq!(kind, ErrorKind::PolicyDenied);
        assert!(why.contains("add [keys.other]"), "{why}");
        fs::write(folder.path().join("key"), "").unwrap();
        let (kind, _) = denied(keys.lend("main", "api.test", 1).await);
        assert_eq!(kind, ErrorKind::Internal);
    }

    #[tokio::test]
    async fn a_days_budget_is_kept_over_restarts_and_unused_tokens_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let first = keys(folder.path(), 100);
        first.lend("main", "api.test", 60).await.unwrap().used(30).await;
        // killed amid a look: what it may have used counts
        drop(first.lend("main", "api.test", 60).await.unwrap());
        let again = keys(folder.path(), 100);
        let (kind, why) = denied(again.lend("main", "api.test", 20).await);
        assert_eq!(kind, ErrorKind::PolicyDenied);
        assert!(why.contains("(90 of 100, a look may take 20)"), "{why}");
        again.lend("main", "api.test", 10).await.unwrap().used(10).await;
        assert_eq!(denied(again.lend("main", "api.test", 1).await).0, ErrorKind::PolicyDenied);
    }

    #[test]
    fn a_new_day_has_a_new_budget_and_a_clock_set_back_has_none() {
        let mut ledger = Ledger::default();
        assert!(ledger.take("k", 100, 100, 7).is_ok());
        assert!(ledger.take("k", 1, 100, 7).is_err());
        assert!(ledger.take("k", 1, 100, 6).is_err());
        assert!(ledger.take("k", 100, 100, 8).is_ok());
        ledger.settle("k", 90, 0, 7);
        assert_eq!(ledger.spent.tokens["k"], 100, "what yesterday gave back");
        ledger.settle("k", 90, 0, 8);
        assert_eq!(ledger.spent.tokens["k"], 10);
    }

    #[test]
    fn a_damaged_ledger_is_counted_anew() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        fs::write(&file, "{\"day\":").unwrap();
        assert_eq!(Ledger::open(Some(file)).spent, Spent::default());
    }
}
