//! One agent a folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use super::StartError;

/// Takes the folder, making it if it is not there. It is given back when the file is closed, also by
/// a crash.
pub(super) fn take(folder: &Path) -> Result<File, StartError> {
    let name = || folder.display().to_string();
    let broken = |source| StartError::Folder { folder: name(), source };
    std::fs::create_dir_all(folder).map_err(broken)?;
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join("lock"))
        .map_err(broken)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StartError::InUse { folder: name() }),
        Err(TryLockError::Error(source)) => Err(broken(source)),
    }
}
