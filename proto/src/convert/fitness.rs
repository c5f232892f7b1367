//! What an agent measured of itself.

use std::time::Duration;

use parallax_model::{Fitness, Unfit};

use super::{InvalidMessage, bounded};
use crate::pb;

/// Most reasons taken; a newer version may have more than we know.
const UNFIT_MAX: usize = 64;

pub(super) fn fitness_to_wire(fitness: &Fitness) -> pb::Fitness {
    pb::Fitness {
        unfit: fitness.unfit.iter().map(|u| unfit_to_wire(*u).into()).collect(),
        delay_median_us: micros(fitness.delay_median),
        delay_p99_us: micros(fitness.delay_p99),
        late_slots: fitness.late_slots,
        due_slots: fitness.due_slots,
        references: fitness.references,
        references_failing: fitness.references_failing,
        clock_synchronised: fitness.clock_synchronised,
        clock_error_us: fitness.clock_error.map(micros),
        cpu_pressure_permille: fitness.cpu_pressure_permille,
        memory_pressure_permille: fitness.memory_pressure_permille,
        files_open: fitness.files_open,
        files_max: fitness.files_max,
    }
}

pub(super) fn fitness_from_wire(wire: &pb::Fitness) -> Result<Fitness, InvalidMessage> {
    bounded("heartbeat.fitness.unfit", wire.unfit.len(), UNFIT_MAX)?;
    Ok(Fitness {
        unfit: wire.unfit().map(unfit_from_wire).collect(),
        delay_median: Duration::from_micros(wire.delay_median_us),
        delay_p99: Duration::from_micros(wire.delay_p99_us),
        late_slots: wire.late_slots,
        due_slots: wire.due_slots,
        references: wire.references,
        references_failing: wire.references_failing,
        clock_synchronised: wire.clock_synchronised,
        clock_error: wire.clock_error_us.map(Duration::from_micros),
        cpu_pressure_permille: wire.cpu_pressure_permille,
        memory_pressure_permille: wire.memory_pressure_permille,
        files_open: wire.files_open,
        files_max: wire.files_max,
    })
}

fn micros(d: Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}

fn unfit_to_wire(unfit: Unfit) -> pb::Unfit {
    match unfit {
        Unfit::References => pb::Unfit::References,
        Unfit::Late => pb::Unfit::Late,
        Unfit::MissedSlots => pb::Unfit::MissedSlots,
        Unfit::Cpu => pb::Unfit::Cpu,
        Unfit::Memory => pb::Unfit::Memory,
        Unfit::Files => pb::Unfit::Files,
        Unfit::Clock => pb::Unfit::Clock,
        Unfit::Other => pb::Unfit::Unknown,
    }
}

/// A reason of a newer version reads as unknown: the agent is unfit all the same.
fn unfit_from_wire(unfit: pb::Unfit) -> Unfit {
    match unfit {
        pb::Unfit::References => Unfit::References,
        pb::Unfit::Late => Unfit::Late,
        pb::Unfit::MissedSlots => Unfit::MissedSlots,
        pb::Unfit::Cpu => Unfit::Cpu,
        pb::Unfit::Memory => Unfit::Memory,
        pb::Unfit::Files => Unfit::Files,
        pb::Unfit::Clock => Unfit::Clock,
        pb::Unfit::Unknown => Unfit::Other,
    }
}
