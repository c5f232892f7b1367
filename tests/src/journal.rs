//! What a collector's database holds, read beside it.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use parallax_model::{Batch, Body, IntervalSet, ProbeResult};
use parallax_proto::decode_batch;
use rusqlite::{Connection, OpenFlags};

/// What is stored of one epoch of one agent.
#[derive(Debug, Default)]
pub struct Stored {
    /// Numbers of results and gaps.
    pub numbers: IntervalSet,
    /// Results stored.
    pub results: u64,
    /// Numbers declared as gaps.
    pub lost: u64,
    /// Numbers that are stored more than once.
    pub twice: u64,
    /// Results that are the same look under another number.
    pub same_look: u64,
}

/// What is stored, per agent and epoch.
pub type All = BTreeMap<(String, u64), Stored>;

/// Every epoch's numbers are one run from 1: an acked result that the collector lost would be a hole,
/// since its agent has forgotten it; one that still lies in a spool is a hole for a while.
pub fn has_no_holes(stored: &All) -> Result<(), String> {
    for (key, s) in stored {
        let [run] = s.numbers.spans() else {
            return Err(format!("{key:?} has holes: {:?}", s.numbers));
        };
        if run.first() != 1 {
            return Err(format!("{key:?} begins at {run:?}"));
        }
    }
    Ok(())
}

/// When the first look that failed was over, of those that began after some moment; both in ms since
/// the Unix epoch.
pub fn first_failure(data: &Path, after_ms: i64) -> Result<Option<i64>, String> {
    let mut first: Option<i64> = None;
    for (_, batch) in batches(data)? {
        let Body::Results(results) = &batch.body else { continue };
        let failed = |r: &&ProbeResult| !r.outcome.is_ok() && r.started.millis() >= after_ms;
        let over = |r: &ProbeResult| r.started.millis() + r.latency.as_millis() as i64;
        first = first.into_iter().chain(results.iter().filter(failed).map(over)).min();
    }
    Ok(first)
}

/// Reads everything.
pub fn read(data: &Path) -> Result<All, String> {
    let mut all = All::new();
    let mut looks = HashSet::new();
    for (agent, batch) in batches(data)? {
        let stored = all.entry((agent.clone(), batch.epoch.0)).or_default();
        let fresh: u64 = stored.numbers.insert(batch.span).iter().map(|s| s.count()).sum();
        stored.twice += batch.span.count() - fresh;
        match &batch.body {
            Body::Gap(_) => stored.lost += batch.span.count(),
            Body::Results(results) => {
                stored.results += results.len() as u64;
                for r in results {
                    let look = (agent.clone(), r.target.clone(), r.started, r.asked);
                    stored.same_look += u64::from(!looks.insert(look));
                }
            }
        }
    }
    Ok(all)
}

fn batches(data: &Path) -> Result<Vec<(String, Batch)>, String> {
    let file = data.join("parallax.db");
    let open = || -> rusqlite::Result<Vec<(String, Vec<u8>)>> {
        let db = Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut rows = db.prepare("SELECT agent, payload FROM batch ORDER BY rowid")?;
        rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    };
    let rows = open().map_err(|e| format!("{}: {e}", file.display()))?;
    let decode = |(agent, payload): (String, Vec<u8>)| {
        Ok((agent, decode_batch(&payload).map_err(|e| e.to_string())?))
    };
    rows.into_iter().map(decode).collect()
}
