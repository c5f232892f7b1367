//! The outbox: letters that wait.

use std::collections::BTreeMap;

use parallax_model::{FaultId, Timestamp};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{SqliteRead, failed};
use crate::store::letter::{Event, LETTERS_MAX, Letter, LetterId, Waiting};
use crate::store::{Dropped, ReadOutbox, StoreError};

/// Stores letters in place of those they supersede, and drops the oldest where too many wait.
pub(super) fn post(db: &Transaction<'_>, letters: &[Letter]) -> Result<Dropped, StoreError> {
    let mut dropped = Dropped::new();
    for letter in letters {
        let mut letter = letter.clone();
        for older in updates(db, &letter)? {
            letter.inherit(older.1);
            forget(db, &[older.0])?;
        }
        put(db, &letter)?;
        let over = drop_oldest(db, &letter.webhook)?;
        if over > 0 {
            *dropped.entry(letter.webhook).or_default() += over;
        }
    }
    Ok(dropped)
}

fn put(db: &Transaction<'_>, letter: &Letter) -> Result<(), StoreError> {
    let sql = "INSERT INTO outbox (webhook, fault, event, at_us, previous, body)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let mut put = db.prepare_cached(sql).map_err(failed("store a letter"))?;
    put.execute(params![
        letter.webhook,
        letter.fault.0 as i64,
        letter.event.as_str(),
        letter.at.micros(),
        letter.previous,
        letter.body,
    ])
    .map_err(failed("store a letter"))?;
    Ok(())
}

/// The waiting updates that `letter` supersedes, and what was known before them.
fn updates(
    db: &Transaction<'_>,
    letter: &Letter,
) -> Result<Vec<(LetterId, Option<String>)>, StoreError> {
    if letter.event == Event::Opened {
        return Ok(Vec::new());
    }
    let sql = "SELECT id, previous FROM outbox
               WHERE webhook = ?1 AND fault = ?2 AND event = 'updated' ORDER BY id";
    let mut get = db.prepare_cached(sql).map_err(failed("read the outbox"))?;
    let row = |row: &Row<'_>| Ok((LetterId(row.get::<_, i64>(0)? as u64), row.get(1)?));
    let rows = get
        .query_map(params![letter.webhook, letter.fault.0 as i64], row)
        .map_err(failed("read the outbox"))?;
    rows.collect::<rusqlite::Result<_>>().map_err(failed("read the outbox"))
}

fn drop_oldest(db: &Transaction<'_>, webhook: &str) -> Result<u64, StoreError> {
    let sql = "DELETE FROM outbox WHERE id IN (
                   SELECT id FROM outbox WHERE webhook = ?1 ORDER BY id DESC LIMIT -1 OFFSET ?2)";
    let mut drop = db.prepare_cached(sql).map_err(failed("drop letters"))?;
    let dropped =
        drop.execute(params![webhook, LETTERS_MAX as i64]).map_err(failed("drop letters"))?;
    Ok(dropped as u64)
}

pub(super) fn forget(db: &Transaction<'_>, letters: &[LetterId]) -> Result<(), StoreError> {
    let sql = "DELETE FROM outbox WHERE id = ?1";
    let mut forget = db.prepare_cached(sql).map_err(failed("forget a letter"))?;
    for id in letters {
        forget.execute([id.0 as i64]).map_err(failed("forget a letter"))?;
    }
    Ok(())
}

impl ReadOutbox for SqliteRead {
    fn waiting(&self, webhook: &str, limit: usize) -> Result<Vec<Waiting>, StoreError> {
        self.with(|db| {
            let sql = "SELECT id, fault, event, at_us FROM outbox
                       WHERE webhook = ?1 ORDER BY id LIMIT ?2";
            let mut get = db.prepare_cached(sql).map_err(failed("read the outbox"))?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = get
                .query_map(params![webhook, limit], waiting_of)
                .map_err(failed("read the outbox"))?;
            let all: Vec<_> =
                rows.collect::<rusqlite::Result<_>>().map_err(failed("read the outbox"))?;
            Ok(all.into_iter().flatten().collect())
        })
    }

    fn letter(&self, id: LetterId) -> Result<Option<Letter>, StoreError> {
        self.with(|db| {
            let sql =
                "SELECT webhook, fault, event, at_us, previous, body FROM outbox WHERE id = ?1";
            let mut get = db.prepare_cached(sql).map_err(failed("read a letter"))?;
            let letter =
                get.query_row([id.0 as i64], letter_of).optional().map_err(failed("read a letter"));
            Ok(letter?.flatten())
        })
    }

    fn outbox(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        self.with(|db| {
            let sql = "SELECT webhook, count(*) FROM outbox GROUP BY webhook";
            let mut get = db.prepare_cached(sql).map_err(failed("count letters"))?;
            let row = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64));
            let rows = get.query_map([], row).map_err(failed("count letters"))?;
            rows.collect::<rusqlite::Result<_>>().map_err(failed("count letters"))
        })
    }
}

/// None for an event that only another version knows.
fn waiting_of(row: &Row<'_>) -> rusqlite::Result<Option<Waiting>> {
    let (id, fault, at) = (row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get(3)?);
    let event = Event::from_word(row.get_ref(2)?.as_str()?);
    Ok(event.map(|event| Waiting {
        id: LetterId(id as u64),
        fault: FaultId(fault as u64),
        event,
        at: Timestamp::from_micros(at),
    }))
}

fn letter_of(row: &Row<'_>) -> rusqlite::Result<Option<Letter>> {
    let (webhook, fault, at) = (row.get(0)?, row.get::<_, i64>(1)?, row.get(3)?);
    let (event, previous, body) =
        (Event::from_word(row.get_ref(2)?.as_str()?), row.get(4)?, row.get(5)?);
    Ok(event.map(|event| Letter {
        webhook,
        fault: FaultId(fault as u64),
        event,
        at: Timestamp::from_micros(at),
        previous,
        body,
    }))
}
