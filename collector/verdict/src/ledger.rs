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
        let (mut bad, mut good) = (0, vec![Good::default(); case.suspects.len()]);
        for look in &case.looks {
            let sets = case.paths[look.path as usize].sets().iter().map(|&set| set as usize);
            if look.mark.is_fail() {
                let kind = look.mark.kind();
                for set in sets {
                    let nats = kind.map_or(0.0, |k| case.suspects[set].what.kind_nats(k));
                    fails.push(set, bad, std::mem::take(&mut good[set].of_fails), nats);
                }
                bad += 1;
            } else if look.mark.is_slow() {
                for set in sets {
                    slows.push(set, bad, std::mem::take(&mut good[set].of_slows), 0.0);
                    good[set].of_fails += 1;
                }
                bad += 1;
            } else {
                for set in sets {
                    good[set].of_fails += 1;
                    good[set].of_slows += 1;
                }
            }
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

/// Good looks of a suspect since its last failure, and since its last slow look.
#[derive(Debug, Clone, Copy, Default)]
struct Good {
    of_fails: u32,
    of_slows: u32,
}

/// One list for each suspect, one behind the other.
#[derive(Debug)]
struct Column {
    entries: Vec<Entry>,
    /// Where each list begins, and the next free place in it.
    from: Vec<u32>,
    next: Vec<u32>,
}

impl Column {
    fn new(case: &Case) -> Self {
        let sets = case.suspects.len();
        Self { entries: Vec::new(), from: vec![0; sets + 1], next: Vec::new() }
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

    fn push(&mut self, set: usize, bad: u32, newer_ok: u32, kind: f64) {
        self.entries[self.next[set] as usize] = Entry { bad, newer_ok, kind };
        self.next[set] += 1;
    }

    fn of(&self, set: usize) -> &[Entry] {
        &self.entries[self.from[set] as usize..self.from[set + 1] as usize]
    }
}
