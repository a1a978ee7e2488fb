//! How long a server that keeps failing rests, and how many may rest at once. Pure.
//!
//! Kept by `standing`, asked by `control`. A server that fails again soon after it came back rests
//! twice as long; each time it has behaved well for as long as it rested, half of that is
//! forgiven.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::Ejection;

/// What is remembered of one server.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rests {
    last: Duration,
    until: Option<Instant>,
    ended: Option<Instant>,
}

impl Rests {
    /// When the running one ends.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// How long the last one is or was.
    pub(super) fn length(&self) -> Option<Duration> {
        (!self.last.is_zero()).then_some(self.last)
    }

    /// Begins one and says how long it is.
    pub(super) fn begin(&mut self, now: Instant, ejection: &Ejection) -> Duration {
        let well = self.ended.map_or(Duration::ZERO, |ended| now.duration_since(ended));
        let last = forgiven(self.last, well, ejection.time);
        self.last = if last.is_zero() { ejection.time } else { last.saturating_mul(2) };
        self.last = self.last.min(ejection.longest);
        self.until = now.checked_add(self.last);
        self.last
    }

    /// Ends the running one if its time is up.
    pub(super) fn end(&mut self, now: Instant) -> bool {
        let due = self.until.is_some_and(|until| until <= now);
        if due {
            self.ended = self.until.take();
        }
        due
    }
}

/// What a rest still counts after the server has behaved `well`; nothing below the `first`.
fn forgiven(mut rest: Duration, mut well: Duration, first: Duration) -> Duration {
    while !rest.is_zero() && well >= rest {
        well = well.saturating_sub(rest);
        rest = if rest <= first { Duration::ZERO } else { rest / 2 };
    }
    rest
}

/// Whether one more may rest: never more than half of them.
pub(super) fn may_rest(resting: usize, servers: usize) -> bool {
    resting < servers / 2
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Rests, may_rest};
    use crate::config::Ejection;

    const SECOND: Duration = Duration::from_secs(1);

    fn ejection() -> Ejection {
        Ejection { failures: 5, time: 10 * SECOND, longest: 60 * SECOND }
    }

    /// Rests of a server that fails again so many seconds after each.
    fn rests(well: &[u32]) -> Vec<u64> {
        let (mut rests, mut now) = (Rests::default(), Instant::now());
        let mut all = Vec::new();
        for well in well {
            now += *well * SECOND;
            let rest = rests.begin(now, &ejection());
            assert!(!rests.end(now + rest - SECOND));
            now += rest;
            assert!(rests.end(now) && rests.until().is_none());
            all.push(rest.as_secs());
        }
        all
    }

    #[test]
    fn each_rest_is_twice_the_one_before_up_to_the_longest() {
        assert_eq!(rests(&[0, 1, 1, 1, 1]), [10, 20, 40, 60, 60]);
    }

    #[test]
    fn behaving_well_halves_it_and_in_the_end_forgets_it() {
        assert_eq!(rests(&[0, 1, 1, 40]), [10, 20, 40, 40], "forgiven once, doubled once");
        assert_eq!(rests(&[0, 1, 1, 60]), [10, 20, 40, 20]);
        assert_eq!(rests(&[0, 1, 1, 70]), [10, 20, 40, 10]);
        assert_eq!(rests(&[0, 10]), [10, 10]);
    }

    #[test]
    fn a_time_above_the_longest_is_cut() {
        let short = Ejection { failures: 1, time: 10 * SECOND, longest: 2 * SECOND };
        assert_eq!(Rests::default().begin(Instant::now(), &short), 2 * SECOND);
    }

    #[test]
    fn never_more_than_half() {
        let most = |servers| (0..servers).take_while(|resting| may_rest(*resting, servers)).count();
        assert_eq!([0, 1, 2, 3, 4, 5].map(most), [0, 0, 1, 1, 2, 2]);
    }
}
