//! What was meant to be seen and was not: log lines and spans that were lost.
//!
//! Whoever writes the log counts its lines; `telemetry` says once where that is read, because this
//! module must not know it. Both counts move only when something is wrong.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

type Count = Box<dyn Fn() -> u64 + Send + Sync>;

/// A process has one log, so its count is the process's too.
static LINES: OnceLock<Count> = OnceLock::new();

/// From now on lost lines are counted by `count`; the first one stays.
pub fn count_lost_lines_by(count: impl Fn() -> u64 + Send + Sync + 'static) {
    LINES.get_or_init(|| Box::new(count));
}

/// Lines lost so far.
pub(super) fn lines() -> u64 {
    LINES.get().map_or(0, |count| count())
}

/// Spans lost so far; workers and whoever sends them add to it.
#[derive(Clone, Debug, Default)]
pub struct LostSpans(Arc<AtomicU64>);

impl LostSpans {
    /// So many more.
    pub fn add(&self, spans: u64) {
        self.0.fetch_add(spans, Ordering::Relaxed);
    }

    /// All of them.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
