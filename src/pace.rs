//! Whether bytes come fast enough, by coarse ticks and without reading a clock.
//!
//! Used by a request's body. Only time that is spent waiting for the client counts, so an upstream
//! that takes slowly never looks like a slow client. A wait is measured in whole ticks: short ones
//! come out as none or one, and right on average.

use std::time::Duration;

use crate::timer::{Moment, PER_SECOND, Ticks};

/// The least that has to come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    bytes_per_second: u64,
    window: u32,
}

impl Rate {
    /// So many bytes a second, measured over windows of `window`; none where anything will do.
    #[must_use]
    pub(crate) fn new(bytes_per_second: usize, window: Duration) -> Option<Self> {
        let bytes_per_second = u64::try_from(bytes_per_second).unwrap_or(u64::MAX);
        let window = Ticks::from(window).count();
        (bytes_per_second > 0).then_some(Self { bytes_per_second, window })
    }
}

/// How fast one body comes.
#[derive(Debug)]
pub(crate) struct Pace {
    rate: Rate,
    /// Ticks of waiting until it is judged.
    left: u32,
    waited: u32,
    bytes: u64,
    since: Option<Moment>,
}

impl Pace {
    /// A body of which nothing has come; it is first judged after two windows.
    #[must_use]
    pub(crate) fn new(rate: Rate) -> Self {
        let left = rate.window.saturating_mul(2);
        Self { rate, left, waited: 0, bytes: 0, since: None }
    }

    /// From now on the client is waited for.
    pub(crate) fn waits(&mut self, now: Moment) {
        self.since.get_or_insert(now);
    }

    /// Bytes have come; whether fast enough so far.
    pub(crate) fn came(&mut self, now: Moment, bytes: u64) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        let waited = self.since.take().map_or(0, |since| now.ticks_since(since));
        self.waited = self.waited.saturating_add(waited);
        if self.waited < self.left {
            return true;
        }
        let due = self.rate.bytes_per_second.saturating_mul(u64::from(self.waited));
        let enough = self.bytes.saturating_mul(PER_SECOND) >= due;
        (self.left, self.waited, self.bytes) = (self.rate.window, 0, 0);
        enough
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Pace, Rate};
    use crate::timer::Moment;

    /// Bytes every `every` ticks until it is too slow; how many ticks that took.
    fn ends_after(rate: Rate, bytes: u64, every: u32) -> Option<u32> {
        let mut pace = Pace::new(rate);
        (0..1000).find_map(|turn| {
            pace.waits(Moment::at(turn * every));
            let now = (turn + 1) * every;
            (!pace.came(Moment::at(now), bytes)).then_some(now)
        })
    }

    #[test]
    fn a_dripping_body_ends_after_two_windows_and_one_that_keeps_up_never() {
        let rate = Rate::new(100, Duration::from_secs(10)).unwrap();
        assert_eq!(ends_after(rate, 1, 1), Some(202));
        assert_eq!(ends_after(rate, 9, 1), Some(202));
        assert_eq!(ends_after(rate, 10, 1), None);
        // One wait longer than a window is judged by all of its length.
        assert_eq!(ends_after(rate, 1_000, 150), Some(300));
        assert_eq!(ends_after(rate, 1_500, 150), None);
    }

    #[test]
    fn time_in_which_nobody_waits_does_not_count() {
        let mut pace = Pace::new(Rate::new(1 << 30, Duration::from_secs(1)).unwrap());
        assert!((0..1000).all(|turn| pace.came(Moment::at(turn * 100), 1)));
        assert!(Rate::new(0, Duration::from_secs(1)).is_none());
    }
}
