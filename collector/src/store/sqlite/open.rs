//! Opening a data folder.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parallax_model::Timestamp;
use rusqlite::{Connection, ErrorCode};

use super::{SqliteRead, SqliteWrite, schema};

/// The store's file in the data folder.
const FILE: &str = "parallax.db";

/// The file whose lock says that a collector works here.
const LOCK_FILE: &str = "collector.lock";

/// Files up to this size are checked at every start: about two seconds from a cold disk. Larger ones
/// would hold up the start for longer than agents hold their breath.
const CHECKED_BYTES_MAX: u64 = 2 << 30;

/// How long one statement waits for another connection's lock. Only checkpoints make it wait.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// The log is cut back to this size after a checkpoint, so that one long reader does not leave a
/// large file behind for ever.
const LOG_BYTES_MAX: i64 = 64 << 20;

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be made or written to.
    #[error("cannot use the data folder {folder}: {why}; make it writable or name another one")]
    Folder {
        /// The folder.
        folder: String,
        /// What the system said.
        why: io::Error,
    },
    /// Another collector works there.
    #[error("another collector works in {folder}; stop it or name another folder with --data-dir")]
    InUse {
        /// The folder.
        folder: String,
    },
    /// A newer build wrote the file.
    #[error(
        "{file} was written by a newer version (schema {found}, this one knows {known}); \
         run that version"
    )]
    Newer {
        /// The file.
        file: String,
        /// Its schema.
        found: usize,
        /// The newest schema known here.
        known: usize,
    },
    /// An older build wrote the file, and it is only to be read.
    #[error(
        "{file} was written by an older version (schema {found}, this one knows {known}); start the \
         collector once, it brings the file up to date"
    )]
    Older {
        /// The file.
        file: String,
        /// Its schema.
        found: usize,
        /// The schema known here.
        known: usize,
    },
    /// The file cannot be opened.
    #[error("cannot open {file}: {why}")]
    Database {
        /// The file.
        file: String,
        /// What `SQLite` said.
        why: rusqlite::Error,
    },
}

/// An open data folder.
#[derive(Debug)]
pub struct Opened {
    /// The writer's side.
    pub write: SqliteWrite,
    /// The readers' side.
    pub read: Arc<SqliteRead>,
    /// Held as long as the collector runs.
    pub lock: File,
    /// Where a damaged file was moved, if there was one.
    pub quarantined: Option<PathBuf>,
}

/// Opens (or makes) the store in `folder`. `now` names a damaged file that is moved aside.
pub fn open(folder: &Path, now: Timestamp) -> Result<Opened, OpenError> {
    let lock = lock(folder)?;
    let file = folder.join(FILE);
    let named = |why| OpenError::Database { file: file.display().to_string(), why };
    let mut quarantined = None;
    let db = match connect(&file) {
        Err(why) if is_damage(&why) => {
            quarantined = Some(move_aside(folder, &file, now)?);
            connect(&file).map_err(named)?
        }
        other => other.map_err(named)?,
    };
    let db = current(db, &file)?;
    Ok(Opened {
        write: SqliteWrite::new(db),
        read: Arc::new(SqliteRead::new(file)),
        lock,
        quarantined,
    })
}

/// Opens the store of a collector, running or not, for reading only.
pub fn open_read(folder: &Path) -> Result<SqliteRead, OpenError> {
    let file = folder.join(FILE);
    let named = |why| OpenError::Database { file: file.display().to_string(), why };
    let read = SqliteRead::new(file.clone());
    let found = read.version().map_err(named)?;
    if found != schema::VERSION {
        let file = file.display().to_string();
        let known = schema::VERSION;
        return Err(if found > known {
            OpenError::Newer { file, found, known }
        } else {
            OpenError::Older { file, found, known }
        });
    }
    Ok(read)
}

/// Takes a data folder for oneself, until the file is dropped; the folder is made if it is not there.
pub fn lock(folder: &Path) -> Result<File, OpenError> {
    let name = || folder.display().to_string();
    let unusable = |why| OpenError::Folder { folder: name(), why };
    fs::create_dir_all(folder).map_err(unusable)?;
    let lock = File::create(folder.join(LOCK_FILE)).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { folder: name() }),
        Err(TryLockError::Error(why)) => Err(unusable(why)),
    }
}

/// A connection for the writer, if the file is sound.
fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let size = fs::metadata(file).map_or(0, |meta| meta.len());
    let db = Connection::open(file)?;
    db.busy_timeout(BUSY)?;
    db.pragma_update(None, "journal_mode", "wal")?;
    db.pragma_update(None, "synchronous", "full")?;
    db.pragma_update(None, "cell_size_check", true)?;
    db.pragma_update(None, "trusted_schema", false)?;
    db.pragma_update(None, "journal_size_limit", LOG_BYTES_MAX)?;
    if (1..CHECKED_BYTES_MAX).contains(&size) {
        let word: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if word != "ok" {
            return Err(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
                Some(word),
            ));
        }
    }
    Ok(db)
}

fn is_damage(why: &rusqlite::Error) -> bool {
    matches!(why.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Moves the file and its log to a folder of their own; evidence is never deleted.
fn move_aside(folder: &Path, file: &Path, now: Timestamp) -> Result<PathBuf, OpenError> {
    let unusable = |why| OpenError::Folder { folder: folder.display().to_string(), why };
    let aside = folder.join(format!("damaged-{}", now.millis()));
    fs::create_dir_all(&aside).map_err(unusable)?;
    for end in ["", "-wal", "-shm"] {
        let name = format!("{FILE}{end}");
        match fs::rename(folder.join(&name), aside.join(&name)) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(unusable(why)),
            _ => {}
        }
    }
    tracing::warn!(
        file = %file.display(), moved_to = %aside.display(),
        "the store is damaged: moved aside, a new one begins; agents send again what is not acked"
    );
    Ok(aside)
}

fn current(mut db: Connection, file: &Path) -> Result<Connection, OpenError> {
    let name = || file.display().to_string();
    let failed = |why| OpenError::Database { file: name(), why };
    let found = schema::version(&db).map_err(failed)?;
    if found > schema::VERSION {
        return Err(OpenError::Newer { file: name(), found, known: schema::VERSION });
    }
    schema::migrate(&mut db).map_err(failed)?;
    Ok(db)
}
