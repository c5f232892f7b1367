//! The bad looks of every suspect, laid out once for a whole sitting.

use crate::case::Case;

/// A bad look of a suspect: which, how many good ones lie between it and the next newer bad one,
/// and what its kind says.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Entry {
    /// Index into [`Ledger::looks`].
    pub(crate) bad: u32,
    pub(crate) newer_ok: u32,
    pub(crate) kind: f64,
}

/// The failures and the slow looks of every suspect, newest first. A failure says nothing for or
/// against slowness; a slow look did not fail.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// The bad looks: indices into the case, newest first.
    pub(crate) looks: Vec<u32>,
    fails: Column,
    slows: Column,
}

impl Ledger {
    pub(crate) fn new(case: &Case) -> Self {
        let bad = |l: &u32| case.looks[*l as usize].mark.is_bad();
        let looks: Vec<u32> = (0..case.looks.len() as u32).filter(bad).collect();
        let (mut fails, mut slows) = (Column::new(case), Column::new(case));
        for &look in &looks {
            let look = &case.looks[look as usize];
            let column = if look.mark.is_fail() { &mut fails } else { &mut slows };
            for &set in case.paths[look.path as usize].sets() {
                column.count(set as usize);
            }
        }
        fails.room();
        slows.room();
        let mut bad = 0;
        for look in &case.looks {
            for &set in case.paths[look.path as usize].sets() {
                let set = set as usize;
                if look.mark.is_fail() {
                    let what = case.suspects[set].what;
                    let kind = look.mark.kind().map_or(0.0, |k| what.kind_nats(k));
                    fails.push(set, bad, kind);
                } else {
                    fails.good(set);
                    if look.mark.is_slow() {
                        slows.push(set, bad, 0.0);
                    } else {
                        slows.good(set);
                    }
                }
            }
            bad += u32::from(look.mark.is_bad());
        }
        Self { looks, fails, slows }
    }

    /// The failures of a suspect.
    pub(crate) fn fails(&self, set: usize) -> &[Entry] {
        self.fails.of(set)
    }

    /// The slow looks of a suspect.
    pub(crate) fn slows(&self, set: usize) -> &[Entry] {
        self.slows.of(set)
    }
}

/// One list for each suspect, one behind the other.
#[derive(Debug)]
struct Column {
    entries: Vec<Entry>,
    /// Where each list begins, and the next free place in it.
    from: Vec<u32>,
    next: Vec<u32>,
    /// Good looks since the last entry of each.
    good: Vec<u32>,
}

impl Column {
    fn new(case: &Case) -> Self {
        let sets = case.suspects.len();
        Self { entries: Vec::new(), from: vec![0; sets + 1], next: Vec::new(), good: vec![0; sets] }
    }

    fn count(&mut self, set: usize) {
        self.from[set + 1] += 1;
    }

    /// Makes room for what was counted.
    fn room(&mut self) {
        for set in 1..self.from.len() {
            self.from[set] += self.from[set - 1];
        }
        self.next = self.from.clone();
        self.entries.resize(self.from.last().copied().unwrap_or(0) as usize, Entry::default());
    }

    fn push(&mut self, set: usize, bad: u32, kind: f64) {
        let newer_ok = std::mem::take(&mut self.good[set]);
        self.entries[self.next[set] as usize] = Entry { bad, newer_ok, kind };
        self.next[set] += 1;
    }

    fn good(&mut self, set: usize) {
        self.good[set] += 1;
    }

    fn of(&self, set: usize) -> &[Entry] {
        &self.entries[self.from[set] as usize..self.from[set + 1] as usize]
    }
}
