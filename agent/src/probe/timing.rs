//! Which stage took how long, also of a look that is cut off in the middle.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parallax_model::{Clues, Family, Seen, Stage, Stages};

/// So long before its deadline a look that has something to tell stops waiting, and tells it.
const LAST_WORD: Duration = Duration::from_millis(10);

/// When the first byte of an answer came. Shared between a look and its connection, so that it is
/// known also when the look is cut off before the answer made sense.
#[derive(Debug)]
pub(super) struct Mark {
    origin: Instant,
    /// Nanoseconds after `origin`; 0: not yet.
    after_ns: AtomicU64,
}

impl Mark {
    pub(super) fn new(origin: Instant) -> Self {
        Self { origin, after_ns: AtomicU64::new(0) }
    }

    /// When the look began.
    pub(super) const fn origin(&self) -> Instant {
        self.origin
    }

    /// A byte came. Only the first one counts.
    pub(super) fn hit(&self) {
        if self.after_ns.load(Ordering::Relaxed) == 0 {
            let after = self.origin.elapsed().as_nanos().max(1);
            self.after_ns.store(after as u64, Ordering::Relaxed);
        }
    }

    pub(super) fn get(&self) -> Option<Instant> {
        let after = self.after_ns.load(Ordering::Relaxed);
        (after > 0).then(|| self.origin + Duration::from_nanos(after))
    }

    fn reset(&self) {
        self.after_ns.store(0, Ordering::Relaxed);
    }
}

/// How far a look came.
#[derive(Debug)]
pub(super) struct Course<'a> {
    pub(super) stages: Stages,
    pub(super) status: Option<u16>,
    pub(super) peer: Option<SocketAddr>,
    pub(super) seen: Option<Seen>,
    /// How long the look took, if that is not the time that passed.
    pub(super) latency: Option<Duration>,
    pub(super) clues: Clues,
    pub(super) family: Family,
    pub(super) deadline: Instant,
    pub(super) mark: &'a Mark,
    running: Option<(Stage, Instant)>,
}

impl<'a> Course<'a> {
    pub(super) fn new(mark: &'a Mark, deadline: Instant) -> Self {
        let stages = Stages::default();
        Self {
            stages,
            status: None,
            peer: None,
            seen: None,
            latency: None,
            clues: Clues::default(),
            family: Family::Any,
            deadline,
            mark,
            running: None,
        }
    }

    /// Ends the running stage and begins `stage`.
    pub(super) fn begin(&mut self, stage: Stage) {
        let now = Instant::now();
        self.end(now);
        if stage == Stage::FirstByte {
            self.mark.reset();
        }
        self.running = Some((stage, now));
    }

    /// Ends the running stage. An awaited first byte that has come ended that stage when it came; the
    /// rest was transfer.
    pub(super) fn end(&mut self, now: Instant) {
        let Some((stage, since)) = self.running.take() else { return };
        match self.mark.get() {
            Some(came) if stage == Stage::FirstByte => {
                self.add(Stage::FirstByte, came.saturating_duration_since(since));
                self.add(Stage::Transfer, now.saturating_duration_since(came));
            }
            _ => self.add(stage, now.saturating_duration_since(since)),
        }
    }

    /// Ends the running stage, which took as long as was measured otherwise.
    pub(super) fn end_with(&mut self, time: Duration) {
        if let Some((stage, _)) = self.running.take() {
            self.add(stage, time);
        }
    }

    /// When a look that waits should stop and say what has come so far.
    pub(super) fn last_word(&self) -> tokio::time::Instant {
        self.deadline.checked_sub(LAST_WORD).unwrap_or(self.deadline).into()
    }

    /// The stage that is under way.
    pub(super) fn running(&self) -> Option<Stage> {
        match self.running {
            Some((Stage::FirstByte, _)) if self.mark.get().is_some() => Some(Stage::Transfer),
            other => other.map(|(stage, _)| stage),
        }
    }

    /// Redirects go through the stages again, so times add up.
    fn add(&mut self, stage: Stage, time: Duration) {
        let kept = match stage {
            Stage::Resolve => &mut self.stages.resolve,
            Stage::Connect => &mut self.stages.connect,
            Stage::Tls => &mut self.stages.tls,
            Stage::FirstByte => &mut self.stages.first_byte,
            Stage::Transfer => &mut self.stages.transfer,
            // judging takes no time worth telling
            Stage::Assert => return,
        };
        *kept = Some(kept.unwrap_or_default() + time);
    }
}
