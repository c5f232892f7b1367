//! What the kernel says of CPU, memory and files, through `/proc`.

use std::fs;

use parallax_model::Fitness;

use super::clock;

/// One reading; what this system does not tell is absent.
#[derive(Debug, Default)]
pub(super) struct System {
    clock: clock::State,
    cpu_permille: Option<u32>,
    memory_permille: Option<u32>,
    files_open: Option<u32>,
    files_max: Option<u32>,
}

impl System {
    pub(super) fn read() -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Self {
            clock: clock::read(),
            cpu_permille: minute(&text("/proc/pressure/cpu"), "some"),
            memory_permille: minute(&text("/proc/pressure/memory"), "full"),
            files_open: fs::read_dir("/proc/self/fd").ok().map(|fds| fds.count() as u32),
            files_max: files_max(&text("/proc/self/limits")),
        }
    }
}

impl From<System> for Fitness {
    fn from(system: System) -> Self {
        Self {
            clock_synchronised: system.clock.synchronised,
            clock_error: system.clock.error,
            cpu_pressure_permille: system.cpu_permille,
            memory_pressure_permille: system.memory_permille,
            files_open: system.files_open,
            files_max: system.files_max,
            ..Self::default()
        }
    }
}

/// `avg60` of the line that begins with `who`, in thousandths; the kernel writes per cent.
fn minute(pressure: &str, who: &str) -> Option<u32> {
    let line = pressure.lines().find(|line| line.starts_with(who))?;
    let percent: f64 = line.split_once("avg60=")?.1.split(' ').next()?.parse().ok()?;
    Some((percent * 10.0).round() as u32)
}

/// The soft limit; `unlimited` is none.
fn files_max(limits: &str) -> Option<u32> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_read() {
        let cpu = "some avg10=54.84 avg60=34.76 avg300=14.15 total=82221735\n\
                   full avg10=0.00 avg60=1.04 avg300=0.00 total=0\n";
        assert_eq!(minute(cpu, "some"), Some(348));
        assert_eq!(minute(cpu, "full"), Some(10));
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max processes             95143                95143                processes\n\
                      Max open files            1024                 524288               files\n";
        assert_eq!(files_max(limits), Some(1024));
        for nothing in ["", "some", "Max open files unlimited", "some avg10=1 avg60=x"] {
            assert_eq!(minute(nothing, "some"), None);
            assert_eq!(files_max(nothing), None);
        }
    }
}
