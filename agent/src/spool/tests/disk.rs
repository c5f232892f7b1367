//! A disk in memory that keeps only what was synced, and refuses when told to.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use super::super::Disk;

#[derive(Debug, Clone, Default)]
pub(super) struct TestDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, Bytes>,
    /// How many calls from now on are refused.
    refusals: u32,
    /// What a refused call leaves behind, and what a crash keeps: a little generator.
    chance: u64,
    /// A file handle whose sync failed.
    poisoned: Vec<u64>,
    handles: u64,
}

#[derive(Debug, Clone, Default)]
struct Bytes {
    durable: usize,
    bytes: Vec<u8>,
}

/// An open file: its name, and a number to tell one opening from another.
#[derive(Debug)]
pub(super) struct Handle(String, u64);

impl State {
    fn chance(&mut self, of: usize) -> usize {
        self.chance = self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.chance >> 33) as usize % of.max(1)
    }

    fn refused(&mut self) -> bool {
        let refused = self.refusals > 0;
        self.refusals = self.refusals.saturating_sub(1);
        refused
    }

    fn handle(&mut self, name: &str) -> Handle {
        self.handles += 1;
        Handle(name.to_owned(), self.handles)
    }
}

fn no() -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, "refused")
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl TestDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Power goes: of what was not synced a part stays, or rubbish of its length.
    pub(super) fn crash(&self, seed: u64) {
        let mut state = self.state();
        state.chance = state.chance.wrapping_add(seed);
        let names: Vec<String> = state.files.keys().cloned().collect();
        for name in names {
            let Bytes { durable, bytes } = state.files[&name].clone();
            let keep = durable + state.chance(bytes.len() - durable + 1);
            let rubbish = state.chance(3) == 0;
            let file = state.files.get_mut(&name).unwrap();
            file.bytes.truncate(keep);
            if rubbish {
                file.bytes[durable..].fill(0);
            }
            file.durable = keep;
        }
        state.refusals = 0;
        state.poisoned.clear();
    }

    pub(super) fn refuse(&self, calls: u32) {
        self.state().refusals = calls;
    }

    pub(super) fn flip(&self, name: &str, at: usize) {
        self.state().files.get_mut(name).unwrap().bytes[at] ^= 0x55;
    }

    pub(super) fn len(&self, name: &str) -> usize {
        self.state().files[name].bytes.len()
    }

    pub(super) fn cut_bluntly(&self, name: &str, len: usize) {
        let mut state = self.state();
        let file = state.files.get_mut(name).unwrap();
        file.bytes.truncate(len);
        file.durable = len;
    }

    pub(super) fn segments(&self) -> Vec<String> {
        let names = self.state().files.keys().cloned().collect::<Vec<_>>();
        names.into_iter().filter(|name| name.ends_with("seg")).collect()
    }

    pub(super) fn only_segment(&self) -> String {
        let segments = self.segments();
        assert_eq!(segments.len(), 1, "{segments:?}");
        segments[0].clone()
    }
}

impl Disk for TestDisk {
    type File = Handle;

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.state().files.keys().cloned().collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.state().files.get(name).map(|file| file.bytes.clone()).ok_or_else(missing)
    }

    fn read_at(&self, name: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let bytes = self.read(name)?;
        let from = bytes.len().min(offset as usize);
        Ok(bytes[from..bytes.len().min(from + len)].to_vec())
    }

    fn create(&self, name: &str, content: &[u8]) -> io::Result<Handle> {
        let mut state = self.state();
        let mut file = Bytes { durable: content.len(), bytes: content.to_vec() };
        if state.refused() {
            // a part may be there, and stay
            let part = state.chance(content.len() + 1);
            file.bytes.truncate(part);
            file.durable = part;
            if state.chance(2) == 0 {
                state.files.insert(name.to_owned(), file);
            }
            return Err(no());
        }
        state.files.insert(name.to_owned(), file);
        Ok(state.handle(name))
    }

    fn open(&self, name: &str) -> io::Result<Handle> {
        let mut state = self.state();
        if state.refused() { Err(no()) } else { Ok(state.handle(name)) }
    }

    fn append(&self, handle: &mut Handle, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        assert!(!state.poisoned.contains(&handle.1), "a failed file is used again");
        let refused = state.refused();
        let part = if refused { state.chance(bytes.len() + 1) } else { bytes.len() };
        let file = state.files.get_mut(&handle.0).unwrap();
        file.bytes.extend(&bytes[..part]);
        if refused { Err(no()) } else { Ok(()) }
    }

    fn sync(&self, handle: &mut Handle) -> io::Result<()> {
        let mut state = self.state();
        assert!(!state.poisoned.contains(&handle.1), "a failed file is used again");
        if state.refused() {
            state.poisoned.push(handle.1);
            // it may have reached the disk, or a part of it
            let file = state.files[&handle.0].clone();
            let more = state.chance(file.bytes.len() - file.durable + 1);
            state.files.get_mut(&handle.0).unwrap().durable += more;
            return Err(no());
        }
        let file = state.files.get_mut(&handle.0).unwrap();
        file.durable = file.bytes.len();
        Ok(())
    }

    fn cut(&self, name: &str, len: u64) -> io::Result<()> {
        let mut state = self.state();
        if state.refused() {
            return Err(no());
        }
        let file = state.files.get_mut(name).unwrap();
        file.bytes.truncate(len as usize);
        file.durable = file.bytes.len();
        Ok(())
    }

    fn replace(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let refused = state.refused();
        // refused at the very end, it may have happened all the same
        if !refused || state.chance(2) == 0 {
            let file = Bytes { durable: content.len(), bytes: content.to_vec() };
            state.files.insert(name.to_owned(), file);
        }
        if refused { Err(no()) } else { Ok(()) }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        if state.refused() {
            return Err(no());
        }
        let file = state.files.remove(from).ok_or_else(missing)?;
        state.files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        if state.refused() {
            return Err(no());
        }
        state.files.remove(name).map(drop).ok_or_else(missing)
    }
}
