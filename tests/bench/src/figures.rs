//! What a run measured, and how a process fares by `/proc`.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// The kernel counts a process's time in hundredths of a second.
const TICKS_PER_S: f64 = 100.0;

/// What one run measured. Printed as one line of JSON by whoever was measured.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) looks: u64,
    pub(crate) ok: u64,
    pub(crate) seconds: f64,
    /// User and system time of the whole process.
    pub(crate) cpu_ms_per_look: f64,
    /// Reported latency minus the time the server kept the request: median and 99th percentile.
    pub(crate) error_us: Option<(f64, f64)>,
    /// The same of the first byte.
    pub(crate) first_byte_error_us: Option<(f64, f64)>,
}

impl Figures {
    /// What a core would give that did nothing else, whatever the servers and the machine's other
    /// tenants let through.
    pub(crate) fn per_core_second(&self) -> f64 {
        1e3 / self.cpu_ms_per_look
    }

    pub(crate) fn print(&self) -> Result<()> {
        crate::say(&serde_json::to_string(self)?);
        Ok(())
    }
}

/// Counts what this process takes from now on.
pub(crate) struct Meter {
    pid: u32,
    cpu_s: f64,
    since: Instant,
}

impl Meter {
    pub(crate) fn of(pid: u32) -> Result<Self> {
        Ok(Self { pid, cpu_s: cpu_s(pid)?, since: Instant::now() })
    }

    /// The figures of `looks` looks made since.
    pub(crate) fn read(&self, looks: u64, ok: u64) -> Result<Figures> {
        let cpu_ms = (cpu_s(self.pid)? - self.cpu_s) * 1e3;
        Ok(Figures {
            looks,
            ok,
            seconds: self.since.elapsed().as_secs_f64(),
            cpu_ms_per_look: cpu_ms / looks.max(1) as f64,
            ..Figures::default()
        })
    }
}

/// User and system time of a process so far.
fn cpu_s(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("read its times")?;
    let after = stat.rsplit(')').next().context("odd stat")?;
    let field = |n: usize| after.split_whitespace().nth(n).and_then(|f| f.parse::<f64>().ok());
    let (user, system) = field(11).zip(field(12)).context("odd stat")?;
    Ok((user + system) / TICKS_PER_S)
}

/// How large a process is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Size {
    pub(crate) rss_kb: u64,
    pub(crate) rss_max_kb: u64,
    pub(crate) threads: u64,
    pub(crate) files: u64,
}

pub(crate) fn size(pid: u32) -> Result<Size> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("read its size")?;
    let value = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
    };
    Ok(Size {
        rss_kb: value("VmRSS:"),
        rss_max_kb: value("VmHWM:"),
        threads: value("Threads:"),
        files: std::fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64,
    })
}

/// Median and 99th percentile, in microseconds.
pub(crate) fn spread_us(mut seconds: Vec<f64>) -> Option<(f64, f64)> {
    seconds.sort_by(f64::total_cmp);
    let at = |q: f64| {
        let last = seconds.len().checked_sub(1)?;
        seconds.get((last as f64 * q).round() as usize).map(|s| s * 1e6)
    };
    at(0.5).zip(at(0.99))
}

/// Of several runs, the one with the median cost.
pub(crate) fn median(mut runs: Vec<Figures>) -> Option<Figures> {
    runs.sort_by(|a, b| a.cpu_ms_per_look.total_cmp(&b.cpu_ms_per_look));
    let middle = runs.len() / 2;
    runs.into_iter().nth(middle)
}

/// Until when something goes on.
pub(crate) fn end_after(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}
