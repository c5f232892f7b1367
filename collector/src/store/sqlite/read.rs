//! The readers' side.

use std::ops::{ControlFlow, RangeInclusive};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use parallax_model::{
    AgentName, Epoch, Fault, FaultId, IntervalSet, InvalidName, TargetName, Timestamp,
};
use rusqlite::types::Type;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};

use super::{failed, open::BUSY, write::held_of};
use crate::json::FaultJson;
use crate::store::{Arrival, Counts, FaultQuery, PathTally, ReadStore, StoreError, Tally};

/// Most connections kept for the next reader; more may be open at once.
const IDLE_MAX: usize = 4;

/// What was received within two instants. Received times follow the commits but for steps of the clock, so
/// the first and the last row by time bound the walk, and the walk goes by commit.
pub(super) const JOURNAL: &str = "
    SELECT id, agent, received_us, payload FROM batch
    WHERE id BETWEEN (SELECT min(id) FROM batch WHERE received_us BETWEEN ?1 AND ?2)
                 AND (SELECT max(id) FROM batch WHERE received_us BETWEEN ?1 AND ?2)
      AND +received_us BETWEEN ?1 AND ?2 ORDER BY id";

/// Reads with a connection of its own each time, so that readers never wait for one another.
#[derive(Debug)]
pub struct SqliteRead {
    file: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl SqliteRead {
    pub(super) fn new(file: PathBuf) -> Self {
        Self { file, idle: Mutex::default() }
    }

    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let db = idle.map_or_else(|| self.connect(), Ok).map_err(failed("open"))?;
        let done = work(&db);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(db);
        }
        done
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&self.file, flags)?;
        db.busy_timeout(BUSY)?;
        Ok(db)
    }

    /// The schema's version.
    pub(super) fn version(&self) -> rusqlite::Result<usize> {
        super::schema::version(&self.connect()?)
    }
}

impl ReadStore for SqliteRead {
    fn fault(&self, id: FaultId) -> Result<Option<Fault>, StoreError> {
        self.with(|db| {
            let mut get = db
                .prepare_cached("SELECT json FROM fault WHERE id = ?1")
                .map_err(failed("read a fault"))?;
            let json: Option<String> = get
                .query_row([id.0 as i64], |row| row.get(0))
                .optional()
                .map_err(failed("read a fault"))?;
            json.map(|json| fault_of(&json)).transpose()
        })
    }

    fn faults(&self, query: &FaultQuery) -> Result<Vec<Fault>, StoreError> {
        // one statement a case lets the partial index serve the open ones
        let sql = match query.open {
            None => "SELECT json FROM fault WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
            Some(true) => {
                "SELECT json FROM fault WHERE open = 1 AND id < ?1 ORDER BY id DESC LIMIT ?2"
            }
            Some(false) => {
                "SELECT json FROM fault WHERE open = 0 AND id < ?1 ORDER BY id DESC LIMIT ?2"
            }
        };
        let before = query.before.map_or(i64::MAX, |id| i64::try_from(id.0).unwrap_or(i64::MAX));
        let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
        self.with(|db| {
            let mut get = db.prepare_cached(sql).map_err(failed("list faults"))?;
            let rows = get
                .query_map(params![before, limit], |row| row.get::<_, String>(0))
                .map_err(failed("list faults"))?;
            let mut faults = Vec::new();
            for json in rows {
                match fault_of(&json.map_err(failed("list faults"))?) {
                    Ok(fault) => faults.push(fault),
                    // one row must not keep a collector from starting
                    Err(why) => tracing::error!(%why, "skipped a fault that cannot be read"),
                }
            }
            Ok(faults)
        })
    }

    fn newest_fault(&self) -> Result<Option<FaultId>, StoreError> {
        self.with(|db| {
            db.query_row("SELECT max(id) FROM fault", [], |row| row.get::<_, Option<i64>>(0))
                .map(|id| id.map(|id| FaultId(id as u64)))
                .map_err(failed("find the newest fault"))
        })
    }

    fn held(&self, agent: &AgentName, epoch: Epoch) -> Result<IntervalSet, StoreError> {
        self.with(|db| held_of(db, agent, epoch))
    }

    fn counts(&self) -> Result<Counts, StoreError> {
        self.with(|db| {
            let count = |row: &Row<'_>, at| row.get::<_, i64>(at).map(|n| n as u64);
            db.query_row("SELECT results, gaps, batches, duplicates FROM tally", [], |row| {
                Ok(Counts {
                    results: count(row, 0)?,
                    gaps: count(row, 1)?,
                    batches: count(row, 2)?,
                    duplicates: count(row, 3)?,
                })
            })
            .map_err(failed("count"))
        })
    }

    fn tallies(&self, only: Option<&TargetName>) -> Result<Vec<PathTally>, StoreError> {
        self.with(|db| {
            let sql = "SELECT * FROM path_tally WHERE ?1 IS NULL OR target = ?1
                       ORDER BY agent, target";
            let mut get = db.prepare_cached(sql).map_err(failed("read the tallies"))?;
            let rows = get
                .query_map([only.map(TargetName::as_str)], tally_of)
                .map_err(failed("read the tallies"))?;
            rows.collect::<rusqlite::Result<_>>().map_err(failed("read the tallies"))
        })
    }

    fn batches(
        &self,
        received: RangeInclusive<Timestamp>,
        visit: &mut dyn FnMut(Arrival) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.with(|db| {
            let mut get = db.prepare_cached(JOURNAL).map_err(failed("read the journal"))?;
            let mut rows = get
                .query([received.start().micros(), received.end().micros()])
                .map_err(failed("read the journal"))?;
            while let Some(row) = rows.next().map_err(failed("read the journal"))? {
                let (id, arrival) = arrival_of(row).map_err(failed("read the journal"))?;
                match arrival {
                    Ok(arrival) => {
                        if visit(arrival).is_break() {
                            break;
                        }
                    }
                    Err(why) => tracing::error!(row = id, why, "skipped a damaged journal row"),
                }
            }
            Ok(())
        })
    }
}

/// A row of the journal, or why it is none.
fn arrival_of(row: &Row<'_>) -> rusqlite::Result<(i64, Result<Arrival, String>)> {
    let (id, agent): (i64, String) = (row.get(0)?, row.get(1)?);
    let received = Timestamp::from_micros(row.get(2)?);
    let payload = row.get_ref(3)?.as_blob()?;
    let arrival = AgentName::new(&agent).map_err(|why| why.to_string()).and_then(|agent| {
        let batch = parallax_proto::decode_batch(payload).map_err(|why| why.to_string())?;
        Ok(Arrival { agent, received, batch })
    });
    Ok((id, arrival))
}

fn tally_of(row: &Row<'_>) -> rusqlite::Result<PathTally> {
    let text = |at| row.get::<_, String>(at);
    let count = |at| row.get::<_, i64>(at).map(|n| n as u64);
    let broken = |at, why: InvalidName| {
        rusqlite::Error::FromSqlConversionFailure(at, Type::Text, Box::new(why))
    };
    let mut tally =
        Tally { looks: count(2)?, ok: count(3)?, took_us: count(4)?, ..Tally::default() };
    for (at, within) in tally.within.iter_mut().enumerate() {
        *within = count(5 + at)?;
    }
    Ok(PathTally {
        agent: AgentName::new(&text(0)?).map_err(|why| broken(0, why))?,
        target: TargetName::new(&text(1)?).map_err(|why| broken(1, why))?,
        tally,
    })
}

fn fault_of(json: &str) -> Result<Fault, StoreError> {
    let json: FaultJson =
        serde_json::from_str(json).map_err(|why| StoreError::new("read a fault", why))?;
    Fault::try_from(&json).map_err(|why| StoreError::new("read a fault", why))
}
