//! Files of which half would be worse than none.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::IdentityError;

fn failed(what: &'static str, file: &Path) -> impl FnOnce(std::io::Error) -> IdentityError {
    let file = file.to_owned();
    move |why| IdentityError::File { what, file, why }
}

/// Makes a folder that nobody else looks into.
pub(super) fn make_folder(folder: &Path) -> Result<(), IdentityError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.and_then(|()| fs::set_permissions(folder, Permissions::from_mode(0o700)))
        .map_err(failed("make the folder", folder))
}

/// The file's content, or none if there is no such file.
pub(super) fn read(file: &Path) -> Result<Option<String>, IdentityError> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(why) if why.kind() == ErrorKind::NotFound => Ok(None),
        Err(why) => Err(failed("read", file)(why)),
    }
}

/// Replaces a file (0600) whole, durably.
pub(super) fn write(file: &Path, content: &[u8]) -> Result<(), IdentityError> {
    let new = file.with_extension("new");
    let folder = file.parent().unwrap_or(Path::new("."));
    let replace = || {
        let mut options = OpenOptions::new();
        let mut out = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        out.write_all(content)?;
        out.sync_all()?;
        fs::rename(&new, file)?;
        File::open(folder)?.sync_all()
    };
    replace().map_err(failed("write", file))
}

pub(super) fn read_json<T: DeserializeOwned>(file: &Path) -> Result<Option<T>, IdentityError> {
    let Some(text) = read(file)? else { return Ok(None) };
    let parsed = serde_json::from_str(&text);
    parsed
        .map(Some)
        .map_err(|e| IdentityError::Damaged { file: file.to_owned(), why: e.to_string() })
}

pub(super) fn write_json(file: &Path, value: &impl Serialize) -> Result<(), IdentityError> {
    let damaged =
        |e: serde_json::Error| IdentityError::Damaged { file: file.to_owned(), why: e.to_string() };
    write(file, &serde_json::to_vec_pretty(value).map_err(damaged)?)
}
