//! The file that says who an agent is.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::IdentityError;

/// Largest file taken; one takes about 3 KiB.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// More than a credential takes.
const CREDENTIAL_BYTES: usize = 8 << 10;

/// Who an agent is, and where it reports to.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// The collector's address.
    pub collector: String,
    /// The agent's name.
    pub name: String,
    /// The region it stands in.
    pub region: String,
    /// Its provider.
    pub provider: String,
    /// Its site; empty where there is none.
    #[serde(default)]
    pub site: String,
    /// When the certificate ends, Unix ms.
    pub not_after_ms: u64,
    /// When to ask for the next one: by this machine's clock, which may be wrong, Unix ms.
    pub renew_at_ms: u64,
    /// The authority of the collector, PEM.
    pub ca: String,
    /// The agent's certificate, PEM.
    pub certificate: String,
    /// The agent's key, PKCS#8 PEM.
    pub key: String,
}

impl fmt::Debug for Credential {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("collector", &self.collector)
            .field("name", &self.name)
            .field("not_after_ms", &self.not_after_ms)
            .finish_non_exhaustive()
    }
}

impl Credential {
    /// Where the agent stands, for people: `eu-west, hetzner, fsn1`.
    pub fn place(&self) -> String {
        let site = (!self.site.is_empty()).then_some(self.site.as_str());
        let words = [self.region.as_str(), self.provider.as_str()].into_iter().chain(site);
        words.collect::<Vec<_>>().join(", ")
    }

    pub(super) fn read(file: &Path) -> Result<Self, IdentityError> {
        let named = || file.to_owned();
        let mut text = Vec::new();
        File::open(file)
            .and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut text))
            .map_err(|source| {
                if source.kind() == io::ErrorKind::NotFound {
                    return IdentityError::Missing { file: named() };
                }
                IdentityError::Unreadable { file: named(), source }
            })?;
        serde_json::from_slice(&text)
            .map_err(|why| IdentityError::Damaged { file: named(), why: why.to_string() })
    }

    /// Replaces the file, durably and at once. Whoever owns the folder owns the file: root lets an agent
    /// join that will run as another user.
    pub(super) fn write(&self, folder: &Path, name: &str) -> io::Result<()> {
        let (draft, mut out) = draft(folder, name)?;
        out.write_all(&serde_json::to_vec_pretty(self)?)?;
        out.write_all(b"\n")?;
        let (mine, its) = (out.metadata()?, fs::metadata(folder)?);
        // nobody else may give files away, nor has to
        if mine.uid() == 0 && (mine.uid(), mine.gid()) != (its.uid(), its.gid()) {
            fchown(&out, Some(its.uid()), Some(its.gid()))?;
        }
        out.sync_all()?;
        fs::rename(draft, folder.join(name))?;
        File::open(folder)?.sync_all()
    }
}

/// An empty file for nobody else's eyes, in a folder that is made if it is not there.
fn draft(folder: &Path, name: &str) -> io::Result<(PathBuf, File)> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let draft = folder.join(format!("{name}.new"));
    // what an earlier try left may be open to others
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    Ok((draft, out))
}

/// Room for a credential, found before anybody is asked for one: a token that is used up for nothing
/// would be lost. What was made for it goes with it, unless something was kept.
#[derive(Debug)]
pub struct Room {
    folder: PathBuf,
    draft: PathBuf,
    made: bool,
}

impl Room {
    /// Makes room in `folder`.
    pub fn make(folder: &Path) -> Result<Self, IdentityError> {
        let made = !folder.exists();
        let broken = |source| IdentityError::Write { folder: folder.to_owned(), source };
        let (draft, mut out) = draft(folder, super::FILE).map_err(broken)?;
        let room = Self { folder: folder.to_owned(), draft, made };
        out.write_all(&[b' '; CREDENTIAL_BYTES]).and_then(|()| out.sync_all()).map_err(broken)?;
        Ok(room)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.draft));
        if self.made {
            // only if nothing is in it
            drop(fs::remove_dir(&self.folder));
        }
    }
}
