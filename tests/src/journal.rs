//! What a collector's database holds, read beside it.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use parallax_model::{Body, IntervalSet};
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

/// Reads everything: per agent and epoch.
pub fn read(data: &Path) -> Result<BTreeMap<(String, u64), Stored>, String> {
    let file = data.join("parallax.db");
    let open = || -> rusqlite::Result<Vec<(String, Vec<u8>)>> {
        let db = Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut rows = db.prepare("SELECT agent, payload FROM batch ORDER BY rowid")?;
        rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    };
    let rows = open().map_err(|e| format!("{}: {e}", file.display()))?;
    let mut all: BTreeMap<(String, u64), Stored> = BTreeMap::new();
    let mut looks = HashSet::new();
    for (agent, payload) in rows {
        let batch = decode_batch(&payload).map_err(|e| e.to_string())?;
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
