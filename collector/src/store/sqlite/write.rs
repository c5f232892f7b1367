//! The writer's side.

use std::collections::HashMap;

use parallax_model::{AgentName, Batch, Epoch, Fault, IntervalSet};
use parallax_proto::limits::BATCH_BYTES_MAX;
use rusqlite::{Connection, OptionalExtension, ToSql, Transaction, TransactionBehavior, params};

use super::failed;
use super::outbox;
use crate::json::FaultJson;
use crate::store::letter::{Letter, LetterId};
use crate::store::tally::Tallies;
use crate::store::{
    Arrival, Counts, Dropped, Kept, StoreError, TALLIED_TARGETS_MAX, WriteStore, part, spans,
};

/// Owns the only connection that writes.
#[derive(Debug)]
pub struct SqliteWrite {
    db: Connection,
}

type Held = HashMap<(AgentName, Epoch), IntervalSet>;

impl SqliteWrite {
    pub(super) fn new(db: Connection) -> Self {
        Self { db }
    }

    /// Lets the file grow to so many pages, or as it likes.
    #[cfg(test)]
    pub(super) fn limit_pages(&self, pages: Option<u32>) {
        let pages = pages.unwrap_or(u32::MAX - 1);
        self.db.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    }
}

impl WriteStore for SqliteWrite {
    fn append(&mut self, arrivals: &[Arrival]) -> Result<Vec<Kept>, StoreError> {
        let begun = TransactionBehavior::Immediate;
        let db = self.db.transaction_with_behavior(begun).map_err(failed("begin"))?;
        let mut held = Held::new();
        let mut counts = Counts::default();
        let mut tallies = Tallies::default();
        let mut all = Vec::with_capacity(arrivals.len());
        for arrival in arrivals {
            let kept = take(&db, arrival, &mut held, &mut tallies)?;
            counts.count(&arrival.batch, &kept);
            all.push(kept);
        }
        put_held(&db, &held)?;
        put_counts(&db, counts)?;
        put_tallies(&db, tallies)?;
        db.commit().map_err(failed("commit"))?;
        Ok(all)
    }

    fn put_faults(&mut self, faults: &[Fault], letters: &[Letter]) -> Result<Dropped, StoreError> {
        let db = self.db.transaction().map_err(failed("begin"))?;
        {
            let sql = "INSERT OR REPLACE INTO fault (id, open, json) VALUES (?1, ?2, ?3)";
            let mut put = db.prepare_cached(sql).map_err(failed("store a fault"))?;
            for fault in faults {
                let json = serde_json::to_string(&FaultJson::from(fault))
                    .map_err(|why| StoreError::new("write a fault as JSON", why))?;
                put.execute(params![fault.id.0 as i64, fault.ended.is_none(), json])
                    .map_err(failed("store a fault"))?;
            }
        }
        let dropped = outbox::post(&db, letters)?;
        db.commit().map_err(failed("commit"))?;
        Ok(dropped)
    }

    fn forget_letters(&mut self, letters: &[LetterId]) -> Result<(), StoreError> {
        let db = self.db.transaction().map_err(failed("begin"))?;
        outbox::forget(&db, letters)?;
        db.commit().map_err(failed("commit"))
    }
}

/// Stores the new parts of one arrival.
fn take(
    db: &Transaction<'_>,
    arrival: &Arrival,
    held: &mut Held,
    tallies: &mut Tallies,
) -> Result<Kept, StoreError> {
    let batch = &arrival.batch;
    let key = (arrival.agent.clone(), batch.epoch);
    if !held.contains_key(&key) {
        held.insert(key.clone(), held_of(db, &arrival.agent, batch.epoch)?);
    }
    let before = held.entry(key).or_default();
    let mut after = before.clone();
    let kept = spans::take(&mut after, batch.span);
    let parts: Vec<(Batch, Vec<u8>)> = kept
        .fresh
        .iter()
        .filter_map(|&span| part(batch, span))
        .map(|part| {
            let payload = parallax_proto::encode_batch(&part);
            (part, payload)
        })
        .collect();
    // what could not be read back must not count as stored
    if parts.iter().any(|(_, payload)| payload.len() > BATCH_BYTES_MAX) {
        return Ok(Kept { refused: true, ..Kept::default() });
    }
    *before = after;
    for (part, payload) in &parts {
        put_batch(db, arrival, part, payload)?;
        tallies.count(arrival, part.results());
    }
    Ok(kept)
}

fn put_batch(
    db: &Transaction<'_>,
    arrival: &Arrival,
    part: &Batch,
    payload: &[u8],
) -> Result<(), StoreError> {
    let sql = "INSERT INTO batch (agent, epoch, first_seq, last_seq, received_us, payload)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let mut put = db.prepare_cached(sql).map_err(failed("store a batch"))?;
    // numbers above 2^63 wrap: the columns are for people, the payload and `held` decide
    put.execute(params![
        arrival.agent.as_str(),
        part.epoch.0 as i64,
        part.span.first() as i64,
        part.span.last() as i64,
        arrival.received.micros(),
        payload,
    ])
    .map_err(failed("store a batch"))?;
    Ok(())
}

/// What is held of one epoch.
pub(super) fn held_of(
    db: &Connection,
    agent: &AgentName,
    epoch: Epoch,
) -> Result<IntervalSet, StoreError> {
    let sql = "SELECT spans FROM held WHERE agent = ?1 AND epoch = ?2";
    let mut get = db.prepare_cached(sql).map_err(failed("read what is held"))?;
    let bytes: Option<Vec<u8>> = get
        .query_row(params![agent.as_str(), epoch.0 as i64], |row| row.get(0))
        .optional()
        .map_err(failed("read what is held"))?;
    spans::from_bytes(&bytes.unwrap_or_default())
        .ok_or_else(|| StoreError::new("read what is held", format!("no spans of {agent}")))
}

fn put_held(db: &Transaction<'_>, held: &Held) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO held (agent, epoch, spans) VALUES (?1, ?2, ?3)";
    let mut put = db.prepare_cached(sql).map_err(failed("store what is held"))?;
    for ((agent, epoch), set) in held {
        put.execute(params![agent.as_str(), epoch.0 as i64, spans::to_bytes(set)])
            .map_err(failed("store what is held"))?;
    }
    Ok(())
}

fn put_counts(db: &Transaction<'_>, new: Counts) -> Result<(), StoreError> {
    // 2^62 is as good as for ever, and nothing added to it runs over
    let sql = "UPDATE tally SET
                   results = min(results + ?1, 4611686018427387904),
                   gaps = min(gaps + ?2, 4611686018427387904),
                   batches = min(batches + ?3, 4611686018427387904),
                   duplicates = min(duplicates + ?4, 4611686018427387904)";
    let mut put = db.prepare_cached(sql).map_err(failed("count"))?;
    let numbers = [new.results, new.gaps, new.batches, new.duplicates].map(capped);
    put.execute(numbers).map_err(failed("count"))?;
    Ok(())
}

/// Adds to what each path has counted; a path that was never counted gets a row, unless its agent has
/// more than any honest one.
fn put_tallies(db: &Transaction<'_>, tallies: Tallies) -> Result<(), StoreError> {
    let add = "UPDATE path_tally SET looks = looks + ?3, ok = ok + ?4,
                   took_us = min(took_us + ?5, 4611686018427387904),
                   took_0 = took_0 + ?6, took_1 = took_1 + ?7, took_2 = took_2 + ?8,
                   took_3 = took_3 + ?9, took_4 = took_4 + ?10, took_5 = took_5 + ?11,
                   took_6 = took_6 + ?12, took_7 = took_7 + ?13, took_8 = took_8 + ?14,
                   took_9 = took_9 + ?15, took_10 = took_10 + ?16
               WHERE agent = ?1 AND target = ?2";
    let begin = "INSERT INTO path_tally
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16
                 WHERE (SELECT count(*) FROM path_tally WHERE agent = ?1) < ?17";
    let wrong = failed("tally");
    for ((agent, target), tally) in tallies.into_iter() {
        let numbers = [tally.looks, tally.ok, tally.took_us];
        let numbers: Vec<i64> = numbers.into_iter().chain(tally.within).map(capped).collect();
        let names = (agent.as_str(), target.as_str());
        let mut row: Vec<&dyn ToSql> = vec![&names.0, &names.1];
        row.extend(numbers.iter().map(|n| n as &dyn ToSql));
        let mut put = db.prepare_cached(add).map_err(&wrong)?;
        if put.execute(&*row).map_err(&wrong)? == 0 {
            row.push(&TALLIED_TARGETS_MAX);
            let mut put = db.prepare_cached(begin).map_err(&wrong)?;
            if put.execute(&*row).map_err(&wrong)? == 0 {
                tracing::warn!(%agent, %target, "not tallied: this agent has too many targets");
            }
        }
    }
    Ok(())
}

/// A count as `SQLite` can add it: a gap may claim more numbers than there will ever be, and a sum
/// that runs over would become a float.
fn capped(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX).min(1 << 53)
}
