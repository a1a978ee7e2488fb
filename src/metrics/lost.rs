//! Log lines that were lost, counted by whoever writes the log.
//!
//! `telemetry` says once where the count is read, because this module must not know it; the log
//! belongs to the process, so the count does too.

use std::sync::OnceLock;

type Count = Box<dyn Fn() -> u64 + Send + Sync>;

static LINES: OnceLock<Count> = OnceLock::new();

/// From now on lost lines are counted by `count`; the first one stays.
pub fn count_lost_lines_by(count: impl Fn() -> u64 + Send + Sync + 'static) {
    LINES.get_or_init(|| Box::new(count));
}

/// Lines lost so far.
pub(super) fn lines() -> u64 {
    LINES.get().map_or(0, |count| count())
}
