//! Names as dense numbers, handed out in the order they are first met; one that is let go of is handed out again.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// Most names of one kind at a time: what a hostile or broken sender can make us remember is bounded.
const NAMES_MAX: usize = 200_000;

#[derive(Debug, Clone)]
pub(crate) struct Names<T> {
    // only looked up, never walked: its order must not show
    ids: HashMap<T, u32>,
    known: Vec<T>,
    /// Numbers that nobody has.
    free: Vec<u32>,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self { ids: HashMap::new(), known: Vec::new(), free: Vec::new() }
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
        let id = if let Some(id) = self.free.pop() {
            self.known[id as usize] = name.clone();
            id
        } else if self.known.len() < NAMES_MAX {
            self.known.push(name.clone());
            self.known.len() as u32 - 1
        } else {
            return None;
        };
        self.ids.insert(name.clone(), id);
        Some(id)
    }

    /// Lets go of the numbers that are not `used`; answers which those are.
    pub(crate) fn release(&mut self, used: impl Fn(u32) -> bool) -> Vec<u32> {
        let mut gone: Vec<u32> = self.ids.values().copied().filter(|&id| !used(id)).collect();
        // the least is handed out first, and the order of a map must not show
        gone.sort_unstable_by(|a, b| b.cmp(a));
        self.ids.retain(|_, id| used(*id));
        self.free.extend(&gone);
        gone
    }

    pub(crate) fn name(&self, id: u32) -> &T {
        &self.known[id as usize]
    }
}
