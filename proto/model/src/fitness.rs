//! How fit an agent is to bear witness, by its own measure.
//!
//! It is told to the fleet's owner and shown beside evidence. It is never evidence about a target.

use std::time::Duration;

/// What an agent measured of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fitness {
    /// Why it is unfit; empty: it is fit.
    pub unfit: Vec<Unfit>,
    /// How long looks that were due waited for the agent itself, over the last minute: the median …
    pub delay_median: Duration,
    /// … and the 99th percentile.
    pub delay_p99: Duration,
    /// Slots of the last minute that it came too late for.
    pub late_slots: u32,
    /// Slots of the last minute.
    pub due_slots: u32,
    /// References it looks at.
    pub references: u32,
    /// Those whose last look failed.
    pub references_failing: u32,
    /// Whether the kernel holds the wall clock for synchronised, where it says.
    pub clock_synchronised: Option<bool>,
    /// How far off the wall clock is by the kernel's estimate, where it is synchronised.
    pub clock_error: Option<Duration>,
    /// Thousandths of the last minute in which something waited for a CPU, where the kernel says.
    pub cpu_pressure_permille: Option<u32>,
    /// Thousandths of the last minute in which everything waited for memory, where the kernel says.
    pub memory_pressure_permille: Option<u32>,
    /// Files that are open, where the system says.
    pub files_open: Option<u32>,
    /// Files that may be open, where the system says.
    pub files_max: Option<u32>,
}

impl Fitness {
    /// True if what it sees can be trusted, as far as it knows itself.
    pub const fn is_fit(&self) -> bool {
        self.unfit.is_empty()
    }
}

macro_rules! unfit {
    ($($(#[$doc:meta])* $name:ident $word:literal $says:literal;)*) => {
        /// Why an agent holds itself for unfit.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Unfit { $($(#[$doc])* $name,)* }

        impl Unfit {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word used in JSON and metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The same in words, with the agent as its subject.
            pub const fn says(self) -> &'static str {
                match self { $(Self::$name => $says,)* }
            }
        }
    };
}

unfit! {
    /// Most of its references fail.
    References "references" "cannot reach most of its references";
    /// Its looks start late.
    Late "late" "starts its looks late";
    /// It misses slots because it is late.
    MissedSlots "missed_slots" "misses slots";
    /// Its machine has too little CPU.
    Cpu "cpu" "is short of CPU";
    /// Its machine has too little memory.
    Memory "memory" "is short of memory";
    /// It may hardly open another file or socket.
    Files "files" "has hardly a socket left";
    /// Its wall clock is far off, by the kernel's own estimate.
    Clock "clock" "has a wall clock that is far off";
    /// A reason of a newer version.
    Other "other" "is unfit for a reason that this version does not know";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_reasons_share_a_word() {
        let words: std::collections::BTreeSet<_> = Unfit::ALL.iter().map(|u| u.as_str()).collect();
        assert_eq!(words.len(), Unfit::ALL.len());
        assert!(Fitness::default().is_fit());
    }
}
