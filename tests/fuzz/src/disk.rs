//! A folder in memory that anybody may write to.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use parallax_agent::spool::Disk;

#[derive(Debug, Clone, Default)]
pub(super) struct Files(Rc<RefCell<BTreeMap<String, Vec<u8>>>>);

impl Files {
    pub(super) fn put(&self, name: &str, content: &[u8]) {
        self.0.borrow_mut().insert(name.to_owned(), content.to_vec());
    }

    /// Changes the file at this place in the order of names.
    pub(super) fn change(&self, at: usize, change: impl FnOnce(&mut Vec<u8>)) {
        let mut files = self.0.borrow_mut();
        let count = files.len().max(1);
        if let Some(bytes) = files.values_mut().nth(at % count) {
            change(bytes);
        }
    }

    fn with<T>(&self, name: &str, act: impl FnOnce(&mut Vec<u8>) -> T) -> io::Result<T> {
        self.0.borrow_mut().get_mut(name).map(act).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disk for Files {
    type File = String;

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.0.borrow().keys().cloned().collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.with(name, |bytes| bytes.clone())
    }

    fn read_at(&self, name: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.with(name, |bytes| bytes.iter().skip(offset as usize).take(len).copied().collect())
    }

    fn create(&self, name: &str, content: &[u8]) -> io::Result<String> {
        self.put(name, content);
        Ok(name.to_owned())
    }

    fn open(&self, name: &str) -> io::Result<String> {
        self.with(name, |_| name.to_owned())
    }

    fn append(&self, file: &mut String, bytes: &[u8]) -> io::Result<()> {
        self.with(file, |content| content.extend_from_slice(bytes))
    }

    fn sync(&self, _: &mut String) -> io::Result<()> {
        Ok(())
    }

    fn cut(&self, name: &str, len: u64) -> io::Result<()> {
        self.with(name, |bytes| bytes.resize(len as usize, 0))
    }

    fn replace(&self, name: &str, content: &[u8]) -> io::Result<()> {
        self.put(name, content);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let content = self.read(from)?;
        self.put(to, &content);
        self.remove(from)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let removed = self.0.borrow_mut().remove(name);
        removed.map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}
