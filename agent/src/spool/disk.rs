//! The little that a spool needs of a file system.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A flat folder of files. Everything here may be refused; what returned successfully and is called
/// durable survives a loss of power.
pub trait Disk {
    /// A file open for appending.
    type File;

    /// The names of the files.
    fn names(&self) -> io::Result<Vec<String>>;
    /// A file's bytes.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;
    /// At most `len` bytes from `offset` on; fewer only at the end.
    fn read_at(&self, name: &str, offset: u64, len: usize) -> io::Result<Vec<u8>>;
    /// Makes a file with `content`, durably, instead of any other of that name.
    fn create(&self, name: &str, content: &[u8]) -> io::Result<Self::File>;
    /// Opens a file for appending.
    fn open(&self, name: &str) -> io::Result<Self::File>;
    /// Appends, not durably.
    fn append(&self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()>;
    /// Makes what was appended durable. After an error the file must not be used again.
    fn sync(&self, file: &mut Self::File) -> io::Result<()>;
    /// Shortens a file to `len` bytes, durably.
    fn cut(&self, name: &str, len: u64) -> io::Result<()>;
    /// Puts `content` in a file's place, durably and at once: either the old or the new.
    fn replace(&self, name: &str, content: &[u8]) -> io::Result<()>;
    /// Renames a file.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
}

/// A folder of the real file system.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at `path`, made if it is not there.
    pub fn new(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        Ok(Self(path.to_owned()))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Makes the folder's own entries durable.
    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }
}

impl Disk for Folder {
    type File = File;

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.0)? {
            // a name that is no text is none of ours
            names.extend(entry?.file_name().into_string().ok());
        }
        Ok(names)
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        std::fs::read(self.path(name))
    }

    fn read_at(&self, name: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.path(name))?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::with_capacity(len);
        file.take(len as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn create(&self, name: &str, content: &[u8]) -> io::Result<File> {
        let mut file = File::create(self.path(name))?;
        file.write_all(content)?;
        file.sync_all()?;
        self.sync_names()?;
        Ok(file)
    }

    fn open(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().append(true).open(self.path(name))
    }

    fn append(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync(&self, file: &mut File) -> io::Result<()> {
        file.sync_data()
    }

    fn cut(&self, name: &str, len: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.path(name))?;
        file.set_len(len)?;
        file.sync_all()
    }

    fn replace(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let draft = self.path(&format!("{name}.new"));
        let mut file = File::create(&draft)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(draft, self.path(name))?;
        self.sync_names()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path(name))
    }
}
