//! Names as dense numbers, handed out in the order they are first met and never reused.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// Most names of one kind: what a hostile or broken sender can make us remember is bounded.
const NAMES_MAX: usize = 200_000;

#[derive(Debug, Clone)]
pub(crate) struct Names<T> {
    // only looked up, never walked: its order must not show
    ids: HashMap<T, u32>,
    names: Vec<T>,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self { ids: HashMap::new(), names: Vec::new() }
    }
}

impl<T: Clone + Eq + Hash + Borrow<str>> Names<T> {
    pub(crate) fn find(&self, name: &T) -> Option<u32> {
        self.ids.get(name.borrow()).copied()
    }

    /// The number of `name`, a new one if need be; none when there are too many already.
    pub(crate) fn intern(&mut self, name: &T) -> Option<u32> {
        if let Some(id) = self.find(name) {
            return Some(id);
        }
        if self.names.len() >= NAMES_MAX {
            return None;
        }
        let id = self.names.len() as u32;
        self.ids.insert(name.clone(), id);
        self.names.push(name.clone());
        Some(id)
    }

    pub(crate) fn name(&self, id: u32) -> &T {
        &self.names[id as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }
}
