//! The tables, and how an older file becomes a newer one.

use rusqlite::Connection;

/// Each step makes version `n + 1` of version `n`. Steps are never changed once released.
const STEPS: &[&str] = &[
    "
    -- Batches as they arrived, in the order of their commits. Never updated.
    CREATE TABLE batch (
        id          INTEGER PRIMARY KEY,
        agent       TEXT    NOT NULL,
        epoch       INTEGER NOT NULL,
        first_seq   INTEGER NOT NULL,
        last_seq    INTEGER NOT NULL,
        received_us INTEGER NOT NULL,
        payload     BLOB    NOT NULL
    ) STRICT;
    CREATE INDEX batch_received ON batch (received_us);
    -- What of each epoch is in batch: the guard against storing twice.
    CREATE TABLE held (
        agent TEXT    NOT NULL,
        epoch INTEGER NOT NULL,
        spans BLOB    NOT NULL,
        PRIMARY KEY (agent, epoch)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE tally (
        one        INTEGER PRIMARY KEY CHECK (one = 1),
        results    INTEGER NOT NULL,
        gaps       INTEGER NOT NULL,
        batches    INTEGER NOT NULL,
        duplicates INTEGER NOT NULL
    ) STRICT;
    INSERT INTO tally VALUES (1, 0, 0, 0, 0);
    CREATE TABLE fault (
        id   INTEGER PRIMARY KEY,
        open INTEGER NOT NULL,
        json TEXT    NOT NULL
    ) STRICT;
    CREATE INDEX fault_open ON fault (id) WHERE open = 1;
",
    "
    -- Counts of each path, for ever: they outlive the journal they were counted from. took_0 to
    -- took_10 are looks by how long they took, by the bounds in store/tally.rs.
    CREATE TABLE path_tally (
        agent   TEXT    NOT NULL,
        target  TEXT    NOT NULL,
        looks   INTEGER NOT NULL,
        ok      INTEGER NOT NULL,
        took_us INTEGER NOT NULL,
        took_0  INTEGER NOT NULL,
        took_1  INTEGER NOT NULL,
        took_2  INTEGER NOT NULL,
        took_3  INTEGER NOT NULL,
        took_4  INTEGER NOT NULL,
        took_5  INTEGER NOT NULL,
        took_6  INTEGER NOT NULL,
        took_7  INTEGER NOT NULL,
        took_8  INTEGER NOT NULL,
        took_9  INTEGER NOT NULL,
        took_10 INTEGER NOT NULL,
        PRIMARY KEY (agent, target)
    ) STRICT, WITHOUT ROWID;
",
    "
    -- Messages that wait for a receiver, written in the transaction of the fault they tell of. Numbers
    -- are never used twice: who delivers knows letters by them.
    CREATE TABLE outbox (
        id       INTEGER PRIMARY KEY AUTOINCREMENT,
        webhook  TEXT    NOT NULL,
        fault    INTEGER NOT NULL,
        event    TEXT    NOT NULL,
        at_us    INTEGER NOT NULL,
        previous TEXT,
        body     TEXT    NOT NULL
    ) STRICT;
    CREATE INDEX outbox_webhook ON outbox (webhook, id);
",
];

/// The newest version this build knows.
pub(super) const VERSION: usize = STEPS.len();

/// The version of a file; 0 is an empty one.
pub(super) fn version(db: &Connection) -> rusqlite::Result<usize> {
    db.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0)).map(|v| v as usize)
}

/// Brings a file to [`VERSION`], each step whole or not at all.
pub(super) fn migrate(db: &mut Connection) -> rusqlite::Result<()> {
    let from = version(db)?;
    for (at, step) in STEPS.iter().enumerate().skip(from) {
        let step_of = db.transaction()?;
        step_of.execute_batch(step)?;
        step_of.pragma_update(None, "user_version", at as u32 + 1)?;
        step_of.commit()?;
    }
    Ok(())
}
