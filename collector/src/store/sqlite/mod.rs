//! The embedded store: one `SQLite` file in the data folder.
//!
//! Contract: write-ahead log with `synchronous = FULL`, so what [`WriteStore::append`] returned
//! outlives a power cut; one writer, who owns its connection; readers own theirs and never wait for
//! the writer. One collector a folder: a lock file says so. A damaged file is moved aside and named.
//! Never: a row rewritten or deleted in the journal; SQL outside this folder.
//!
//! [`WriteStore::append`]: super::WriteStore::append

mod open;
mod outbox;
mod read;
mod schema;
mod write;

pub use open::{OpenError, Opened, lock, open, open_read};
pub use read::SqliteRead;
pub use write::SqliteWrite;

use super::StoreError;

fn failed(what: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |why| StoreError::new(what, why)
}

#[cfg(test)]
mod tests;
