//! Where one server stands: up, down by its checks, resting, or just back. Pure.
//!
//! Kept by `endpoint`, moved by the control thread only. It says what share of its weight a
//! server may get; it must never look at a clock itself.

use std::time::Duration;

use tokio::time::Instant;

use super::ejection::Rests;
use crate::{
    config::{Health, Upstream},
    label::labels,
    metrics::CheckOutcome,
};

labels! {
    /// What a server may get.
    pub enum Standing {
        /// All that its weight gives it.
        Up = "up",
        /// Nothing: its checks fail.
        Down = "down",
        /// Nothing, if there is another: requests to it kept failing.
        Ejected = "ejected",
        /// Less than its weight gives it: it has just come.
        SlowStart = "slow_start",
    }
}

/// What the control thread knows of one server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub now: Standing,
    pub rests: Rests,
    /// How the last check came out.
    pub checked: Option<CheckOutcome>,
    good: u32,
    bad: u32,
    down: bool,
    /// When its slow start began.
    came: Option<Instant>,
}

/// The steps of a share.
pub(super) const WHOLE: u32 = 100;

impl Record {
    /// A server that is up; one that is `new` where others served already starts slowly.
    pub(super) fn new(new: Option<Instant>) -> Self {
        Self {
            now: if new.is_some() { Standing::SlowStart } else { Standing::Up },
            rests: Rests::default(),
            checked: None,
            good: 0,
            bad: 0,
            down: false,
            came: new,
        }
    }

    /// Notes how a check came out.
    pub(super) fn check(&mut self, outcome: CheckOutcome, health: &Health) {
        self.checked = Some(outcome);
        if outcome == CheckOutcome::Success {
            (self.good, self.bad) = (self.good.saturating_add(1), 0);
            self.down &= self.good < health.healthy;
        } else {
            (self.good, self.bad) = (0, self.bad.saturating_add(1));
            self.down |= self.bad >= health.unhealthy;
        }
    }

    /// Moves to where it stands at `now`, and gives the share of its weight in hundredths.
    pub(super) fn settle(&mut self, now: Instant, config: &Upstream) -> u32 {
        let before = self.now;
        self.now = match (self.down, self.rests.until()) {
            (true, _) => Standing::Down,
            (false, Some(_)) => Standing::Ejected,
            (false, None) => Standing::Up,
        };
        if self.now != Standing::Up {
            return if self.now == Standing::Ejected { WHOLE } else { 0 };
        }
        if matches!(before, Standing::Down | Standing::Ejected) {
            self.came = Some(now);
        }
        let since = self.came.map(|came| now.duration_since(came));
        let share = since.map_or(WHOLE, |since| grown(since, config.slow_start));
        if share < WHOLE {
            self.now = Standing::SlowStart;
        } else {
            self.came = None;
        }
        share
    }

    /// When it has to be settled again, if nothing else happens.
    pub(super) fn next(&self, now: Instant, config: &Upstream) -> Option<Instant> {
        let step = config.slow_start / WHOLE;
        match self.now {
            Standing::Ejected => self.rests.until(),
            Standing::SlowStart => now.checked_add(step.clamp(STEP, 10 * STEP)),
            Standing::Up | Standing::Down => None,
        }
    }
}

/// Between two steps of a slow start, at the least.
const STEP: Duration = Duration::from_millis(50);

/// The share of a server that came `since`, in hundredths; never nothing, or it would not begin.
fn grown(since: Duration, slow_start: Duration) -> u32 {
    if since >= slow_start {
        return WHOLE;
    }
    let hundredths = since.as_millis().saturating_mul(WHOLE.into()) / slow_start.as_millis().max(1);
    u32::try_from(hundredths).unwrap_or(WHOLE).clamp(1, WHOLE)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Record, Standing, grown};
    use crate::{
        config::{Health, Upstream},
        metrics::CheckOutcome,
    };

    const SECOND: Duration = Duration::from_secs(1);

    fn upstream(slow_start: u64) -> Upstream {
        let text = format!(
            "[tls]\ncertificates = [{{ chain = \"a\", key = \"b\" }}]\n[[upstreams]]\n\
             name = \"api\"\nservers = [\"http://127.0.0.1:1\"]\nslow_start = \"{slow_start}s\"\n\
             health = {{ healthy = 2, unhealthy = 3 }}\n"
        );
        let file = std::path::Path::new("/x/t.toml");
        crate::config::parse(&text, file).unwrap().upstreams.remove(0)
    }

    #[test]
    fn a_share_grows_evenly_to_the_whole() {
        let shares = [0, 1, 100, 500, 990, 1000, 5000];
        let shares = shares.map(|ms| grown(Duration::from_millis(ms), SECOND));
        assert_eq!(shares, [1, 1, 10, 50, 99, 100, 100]);
        assert_eq!(grown(Duration::ZERO, Duration::ZERO), 100);
    }

    #[test]
    fn checks_in_a_row_take_it_out_and_bring_it_back_slowly() {
        let config = upstream(10);
        let health: Health = config.health.clone().unwrap();
        let (mut record, start) = (Record::new(None), Instant::now());
        let mut stands = |outcomes: &[CheckOutcome], at: u32| {
            outcomes.iter().for_each(|outcome| record.check(*outcome, &health));
            let share = record.settle(start + at * SECOND, &config);
            (record.now, share)
        };
        let (good, bad) = (CheckOutcome::Success, CheckOutcome::Timeout);
        assert_eq!(stands(&[bad, bad, good, bad, bad], 1), (Standing::Up, 100));
        assert_eq!(stands(&[bad], 2), (Standing::Down, 0));
        assert_eq!(stands(&[good, bad, good], 3), (Standing::Down, 0));
        assert_eq!(stands(&[good], 4), (Standing::SlowStart, 1));
        assert_eq!(stands(&[], 9), (Standing::SlowStart, 50));
        assert_eq!(stands(&[], 14), (Standing::Up, 100));
        assert_eq!(stands(&[], 15), (Standing::Up, 100));
    }

    #[test]
    fn a_rest_ends_in_a_slow_start_and_a_new_one_begins_with_it() {
        let config = upstream(10);
        let (mut record, now) = (Record::new(None), Instant::now());
        let rest = record.rests.begin(now, &config.ejection);
        assert_eq!((record.settle(now, &config), record.now), (100, Standing::Ejected));
        assert_eq!(record.next(now, &config), Some(now + rest));
        assert!(record.rests.end(now + rest));
        assert_eq!((record.settle(now + rest, &config), record.now), (1, Standing::SlowStart));
        let mut new = Record::new(Some(now));
        assert_eq!((new.settle(now + 5 * SECOND, &config), new.now), (50, Standing::SlowStart));
        // Without slow start there is none.
        let (mut new, config) = (Record::new(Some(now)), upstream(0));
        assert_eq!((new.settle(now, &config), new.now), (100, Standing::Up));
    }
}
