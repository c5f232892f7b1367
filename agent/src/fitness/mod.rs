//! How fit this agent is to bear witness.
//!
//! Contract: [`Fitness`] is measured from what the schedule counts of itself,
//! from the looks at references, and from what the kernel says of clock, CPU, memory and files. What
//! the system does not tell is absent, never a guess.
//!
//! Never: a word about a target; a reading that waits. An agent that is unfit looks on and says so:
//! whoever reads its evidence decides.

mod clock;
mod references;
mod system;

use std::time::Instant;

use parallax_model::{Fitness, Unfit};

use crate::schedule::Minute;
pub use references::References;
use system::System;

/// Delays beyond this make a latency that was measured meanwhile doubtful.
const LATE_P99_MS: u128 = 100;

/// Fewer slots in a minute say nothing about punctuality.
const SLOTS_MIN: u32 = 10;

/// One late slot in so many is one too many.
const LATE_SLOTS_SHARE: u32 = 100;

/// Of a thousand: nine tenths of a minute in which something waited for a CPU …
const CPU_PERMILLE_MAX: u32 = 900;

/// … and a tenth of one in which nothing went on for want of memory.
const MEMORY_PERMILLE_MAX: u32 = 100;

/// Of ten files that may be open, nine are.
const FILES_TENTHS_MAX: u32 = 9;

/// A clock that is further off confuses people; the collector corrects for it.
const CLOCK_ERROR_MAX_MS: u128 = 1000;

/// Measures, from what happened in the last minute and what the system says now.
pub fn measure(minute: Minute, references: &References, now: Instant) -> Fitness {
    let (all, failing) = references.count(now);
    let fitness = Fitness {
        unfit: Vec::new(),
        delay_median: minute.delay_median,
        delay_p99: minute.delay_p99,
        late_slots: minute.late,
        due_slots: minute.due,
        references: all,
        references_failing: failing,
        ..System::read().into()
    };
    Fitness { unfit: judge(&fitness), ..fitness }
}

/// Why an agent that measured this is unfit.
fn judge(f: &Fitness) -> Vec<Unfit> {
    let enough = f.due_slots >= SLOTS_MIN;
    let files = f.files_open.zip(f.files_max);
    let reasons = [
        (Unfit::References, f.references > 0 && f.references_failing * 2 > f.references),
        (Unfit::Late, enough && f.delay_p99.as_millis() > LATE_P99_MS),
        (Unfit::MissedSlots, enough && f.late_slots > f.due_slots / LATE_SLOTS_SHARE),
        (Unfit::Cpu, f.cpu_pressure_permille.is_some_and(|p| p > CPU_PERMILLE_MAX)),
        (Unfit::Memory, f.memory_pressure_permille.is_some_and(|p| p > MEMORY_PERMILLE_MAX)),
        (Unfit::Files, files.is_some_and(|(open, max)| open > max / 10 * FILES_TENTHS_MAX)),
        (Unfit::Clock, f.clock_error.is_some_and(|off| off.as_millis() > CLOCK_ERROR_MAX_MS)),
    ];
    reasons.into_iter().filter(|(_, is_so)| *is_so).map(|(reason, _)| reason).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_reason_is_told_apart_and_an_idle_agent_is_fit() {
        type Spoil = fn(&mut Fitness);
        assert_eq!(judge(&Fitness::default()), []);
        let cases: [(Unfit, Spoil); 7] = [
            (Unfit::References, |f| (f.references, f.references_failing) = (3, 2)),
            (Unfit::Late, |f| f.delay_p99 = Duration::from_millis(101)),
            (Unfit::MissedSlots, |f| f.late_slots = 11),
            (Unfit::Cpu, |f| f.cpu_pressure_permille = Some(901)),
            (Unfit::Memory, |f| f.memory_pressure_permille = Some(101)),
            (Unfit::Files, |f| (f.files_open, f.files_max) = (Some(950), Some(1000))),
            (Unfit::Clock, |f| f.clock_error = Some(Duration::from_millis(1001))),
        ];
        let busy = || Fitness {
            due_slots: 1000,
            late_slots: 10,
            references: 2,
            references_failing: 1,
            delay_p99: Duration::from_millis(100),
            files_open: Some(100),
            files_max: Some(1000),
            ..Fitness::default()
        };
        assert_eq!(judge(&busy()), []);
        for (reason, spoil) in cases {
            let mut fitness = busy();
            spoil(&mut fitness);
            assert_eq!(judge(&fitness), [reason]);
        }
    }

    #[test]
    fn this_machine_tells_of_itself() {
        let fitness = measure(Minute::default(), &References::default(), Instant::now());
        if cfg!(target_os = "linux") {
            assert!(fitness.files_open.unwrap() > 2);
            assert!(fitness.files_max.unwrap() >= fitness.files_open.unwrap());
            assert!(fitness.clock_synchronised.is_some());
        }
    }
}
