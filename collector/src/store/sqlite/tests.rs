use std::fs;
use std::io::Write;

use parallax_model::{Epoch, FaultId, Timestamp};

use super::*;
use crate::store::suite::{arrival, fault, results, span};
use crate::store::{ReadStore, WriteStore};

fn now() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

#[test]
fn what_was_kept_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = open(folder.path(), now()).unwrap();
    let batch = arrival("a", 10, results(1, 1, 3));
    first.write.append(std::slice::from_ref(&batch)).unwrap();
    first.write.put_faults(&[fault(4, None)], &[]).unwrap();
    drop(first);
    let mut second = open(folder.path(), now()).unwrap();
    assert_eq!(second.quarantined, None);
    assert_eq!(second.read.held(&batch.agent, Epoch(1)).unwrap().spans(), [span(1, 3)]);
    assert_eq!(second.read.newest_fault().unwrap(), Some(FaultId(4)));
    assert_eq!(second.write.append(&[batch]).unwrap()[0].duplicates, 3);
    assert_eq!(second.read.counts().unwrap().results, 3);
}

#[test]
fn a_folder_has_one_collector() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), now()).unwrap();
    let refused = open(folder.path(), now()).unwrap_err();
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused}");
    assert!(refused.to_string().contains("stop it or name another folder"), "{refused}");
    drop(first);
    open(folder.path(), now()).unwrap();
}

#[test]
fn a_folder_that_cannot_be_made_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = open(&file.join("data"), now()).unwrap_err();
    assert!(matches!(refused, OpenError::Folder { .. }), "{refused}");
}

#[test]
fn a_damaged_file_is_moved_aside_and_a_new_one_begins() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = open(folder.path(), now()).unwrap();
    for n in 0..200 {
        let batch = results(1, 100 * n + 1, 100 * n + 100);
        first.write.append(&[arrival("a", 10, batch)]).unwrap();
    }
    drop(first);
    let file = folder.path().join("parallax.db");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[4096..middle].fill(0xa5);
    fs::File::create(&file).unwrap().write_all(&bytes).unwrap();
    let second = open(folder.path(), now()).unwrap();
    let aside = second.quarantined.unwrap();
    assert_eq!(fs::read(aside.join("parallax.db")).unwrap(), bytes);
    assert_eq!(second.read.counts().unwrap().results, 0);
}

#[test]
fn a_file_that_is_no_database_is_moved_aside_too() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("parallax.db"), "this is a letter to my aunt ".repeat(50))
        .unwrap();
    assert!(open(folder.path(), now()).unwrap().quarantined.is_some());
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path(), now()).unwrap());
    let db = rusqlite::Connection::open(folder.path().join("parallax.db")).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    let refused = open(folder.path(), now()).unwrap_err();
    assert!(matches!(refused, OpenError::Newer { found: 99, .. }), "{refused}");
}

#[test]
fn a_transaction_that_fails_leaves_nothing_and_can_be_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path(), now()).unwrap();
    // a file that may not grow stands for a full disk
    store.write.append(&[arrival("a", 1, results(1, 1, 1))]).unwrap();
    store.write.limit_pages(Some(12));
    let big: Vec<_> =
        (0..20).map(|n| arrival("a", 2, results(1, 1000 * n + 2, 1000 * n + 1001))).collect();
    let failed = store.write.append(&big).unwrap_err();
    assert!(failed.to_string().contains("full"), "{failed}");
    assert_eq!(store.read.counts().unwrap().results, 1);
    assert_eq!(store.read.held(&big[0].agent, Epoch(1)).unwrap().spans(), [span(1, 1)]);
    store.write.limit_pages(None);
    store.write.append(&big).unwrap();
    assert_eq!(store.read.counts().unwrap().results, 20_001);
}

#[test]
fn the_journal_is_walked_no_further_than_asked() {
    let folder = tempfile::tempdir().unwrap();
    let opened = open(folder.path(), now()).unwrap();
    let plan = opened.read.with(|db| {
        let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {}", read::JOURNAL)).unwrap();
        let rows = plan.query_map([1, 2], |row| row.get::<_, String>(3)).unwrap();
        Ok(rows.map(Result::unwrap).collect::<Vec<_>>())
    });
    let plan = plan.unwrap();
    assert_eq!(plan[0], "SEARCH batch USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)", "{plan:?}");
    let bound =
        "SEARCH batch USING COVERING INDEX batch_received (received_us>? AND received_us<?)";
    assert_eq!(plan.iter().filter(|line| *line == bound).count(), 2, "{plan:?}");
}
