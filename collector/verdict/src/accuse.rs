//! Which sets of paths are accused: all whose bad looks could pay what it costs to believe in a fault of them.
//!
//! A sitting meets every warm path and each set it belongs to, most of them in vain: this is where
//! time goes while much is suspicious. Sets are numbered as they are met, and everything about
//! them is kept by number.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use parallax_model::ErrorKind;

use crate::case::{Known, cost};
use crate::suspect::What;
use crate::warm::{SETS_OF_PATH, Warm};
use crate::world::{NONE, World};

/// Most paths weighed at once. Beyond it (a fleet of a million paths failing as a whole) the
/// rest waits: what is at fault then shows in any part.
pub(crate) const PATHS_MAX: usize = 400_000;

/// The most that kinds can add: see `What::kind_nats` and `gain`.
const KINDS_NATS_MAX: f64 = 4.0;

/// A path that is looked at, and the numbers of its sets, [`NONE`] where there is none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) id: u32,
    pub(crate) sets: [u32; SETS_OF_PATH],
}

/// A set: what its bad looks could be worth at most, how many there are, how many were refusals,
/// and which paths it has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Set {
    what: What,
    nats: f64,
    bad: u32,
    blocked: u32,
    /// How many paths, and a sum over them that tells different ones apart.
    members: (u32, u64),
    accused: bool,
}

/// Warm paths and their sets.
#[derive(Debug)]
pub(crate) struct Accusations {
    pub(crate) sets: Vec<Set>,
    pub(crate) rows: Vec<Row>,
    /// How many are of open faults: the first.
    open: usize,
    // only looked up, never walked: its order must not show
    numbers: HashMap<u64, u32, BuildHasherDefault<Scramble>>,
}

impl Accusations {
    /// Lays the paths out, and sums up what speaks against their sets.
    pub(crate) fn new(world: &World, known: &Known, warm: &Warm, ids: &[u32]) -> Self {
        let rows = Vec::with_capacity(ids.len());
        let open = known.open.len();
        let mut new = Self { sets: Vec::new(), rows, open, numbers: HashMap::default() };
        for &what in &known.open {
            new.number(what);
        }
        for &id in ids {
            let path = &world.paths[id as usize];
            let mut row = Row { id, sets: [NONE; SETS_OF_PATH] };
            for (number, what) in row.sets.iter_mut().zip(warm.sets_of(world, path)) {
                *number = what.map_or(NONE, |what| new.number(what));
            }
            let (mut nats, mut bad, mut blocked) = (0.0, 0, 0);
            let unsettled = path.seen().map(|s| s.mark).filter(|m| m.is_bad() && !m.is_settled());
            for mark in unsettled {
                let usual =
                    if mark.is_slow() { path.noise.slow_rate() } else { path.noise.fail_rate() };
                nats += -usual.ln();
                bad += 1;
                blocked += u32::from(mark.kind() == Some(ErrorKind::Blocked));
            }
            let member = scramble(u64::from(id));
            for &set in row.sets.iter().filter(|&&set| set != NONE) {
                let set = &mut new.sets[set as usize];
                set.members = (set.members.0 + 1, set.members.1.wrapping_add(member));
                if bad > 0 {
                    set.nats += nats;
                    set.bad += bad;
                    set.blocked += blocked;
                }
            }
            new.rows.push(row);
        }
        new
    }

    /// Drops what could not pay its cost (and what has none of the paths in `only`), and the paths that are of nothing
    /// else; false if nothing is left.
    pub(crate) fn stand(&mut self, known: &Known, only: Option<&BTreeSet<u32>>) -> bool {
        for (number, set) in self.sets.iter_mut().enumerate() {
            let most = set.nats + KINDS_NATS_MAX;
            // what is known only ever makes it cheaper
            let pays = || most >= set.what.cost() || most >= cost(set.what, known);
            set.accused = number < self.open || set.bad > 0 && pays();
        }
        if let Some(only) = only {
            let rows = self.rows.iter().filter(|row| only.contains(&row.id));
            let wanted: BTreeSet<u32> = rows.flat_map(|row| row.sets).collect();
            for (number, set) in (0..).zip(&mut self.sets) {
                set.accused &= wanted.contains(&number);
            }
        }
        let sets = &self.sets;
        for row in &mut self.rows {
            for set in &mut row.sets {
                if *set != NONE && !sets[*set as usize].accused {
                    *set = NONE;
                }
            }
        }
        self.rows.retain(|row| row.sets.iter().any(|&set| set != NONE));
        self.rows.truncate(PATHS_MAX);
        self.sets.iter().any(|set| set.accused)
    }

    /// Of sets with the same paths keeps the first in the order of words; open faults come before all,
    /// and a refusal of addresses is told of the provider, not of its region. With their numbers, in
    /// the order of words.
    pub(crate) fn first_words(&self) -> Vec<(What, u32)> {
        let accused = (0..).zip(&self.sets).filter(|(_, s)| s.accused && s.members.0 > 0);
        let mut order: Vec<(bool, bool, What, u32)> = accused
            .map(|(number, s)| {
                let refusal = matches!(s.what, What::ServiceProvider(..)) && s.blocked * 2 > s.bad;
                (number as usize >= self.open, !refusal, s.what, number)
            })
            .collect();
        order.sort_unstable();
        let mut seen = BTreeSet::new();
        order.retain(|&(.., number)| seen.insert(self.sets[number as usize].members));
        let mut kept: Vec<(What, u32)> =
            order.into_iter().map(|(_, _, what, number)| (what, number)).collect();
        kept.sort_unstable();
        kept
    }

    fn number(&mut self, what: What) -> u32 {
        let next = self.sets.len() as u32;
        let number = *self.numbers.entry(what.packed()).or_insert(next);
        if number == next {
            let members = (0, 0);
            self.sets.push(Set { what, nats: 0.0, bad: 0, blocked: 0, members, accused: false });
        }
        number
    }
}

/// Spreads a number over 64 bits (the finaliser of `SplitMix64`).
const fn scramble(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Hashes one number. The numbers are our own: nobody outside can choose them to collide.
#[derive(Debug, Default)]
struct Scramble(u64);

impl Hasher for Scramble {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = scramble(self.0 ^ number);
    }
}
