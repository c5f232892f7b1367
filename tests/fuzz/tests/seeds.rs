//! Every seed, and what a clumsy hand makes of it, through its door: nothing breaks, and nothing rots.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use parallax_fuzz::{DOORS, Door};

/// Mutilations of each seed.
const MUTILATIONS: u64 = 24;

/// A little generator: the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n.max(1)
    }

    /// Flipped, cut, doubled or overwritten at a few places.
    fn mutilate(&mut self, seed: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            match self.below(4) {
                0 => bytes.truncate(at),
                1 => bytes.extend_from_within(at..),
                2 => bytes.insert(at, self.below(256) as u8),
                _ => bytes.iter_mut().skip(at).take(1).for_each(|b| *b ^= 1 << self.below(8)),
            }
        }
        bytes
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds")
}

fn seeds(door: &Door) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(folder().join(door.name));
    let listed = listed.unwrap_or_else(|e| panic!("no seeds for {}: {e}", door.name));
    let mut seeds: Vec<PathBuf> = listed.map(|entry| entry.unwrap().path()).collect();
    seeds.sort();
    seeds
}

#[test]
fn every_seed_goes_through_its_door() {
    let mut dice = Dice(1);
    for door in DOORS {
        let seeds = seeds(door);
        assert!(seeds.len() >= 2, "{} has too few seeds", door.name);
        for seed in seeds {
            let bytes = std::fs::read(&seed).unwrap();
            assert!(bytes.len() <= 4096, "{} is large for a seed", seed.display());
            (door.take)(&bytes);
            for _ in 0..MUTILATIONS {
                (door.take)(&dice.mutilate(&bytes));
            }
        }
    }
}

#[test]
fn every_folder_of_seeds_has_a_door() {
    let doors: BTreeSet<String> = DOORS.iter().map(|door| door.name.to_owned()).collect();
    assert_eq!(doors.len(), DOORS.len());
    let folders = std::fs::read_dir(folder()).unwrap();
    let folders = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(doors, folders);
}
