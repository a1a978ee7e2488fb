//! How often requests may be sent once more, so that retries never make an outage worse.
//!
//! Asked by `send` before each retry. Every request earns a share of a retry, and a few a second
//! are always allowed; what is not spent is kept for a short while only.

use std::cell::Cell;

use crate::{
    config::Retry,
    timer::{Moment, TICK},
};

/// One worker's budget for one upstream, in hundredths of a retry.
#[derive(Debug)]
pub(super) struct Budget {
    earned: Cell<u32>,
    allowed: Cell<u32>,
    looked: Cell<Moment>,
    each: u32,
    per_tick: u32,
    per_second: u32,
}

const RETRY: u32 = 100;

/// As many retries are kept at the most, so that a quiet hour does not buy a storm.
const KEPT: u32 = 100 * RETRY;

impl Budget {
    /// This worker's share of what `retry` allows.
    pub(super) fn new(retry: &Retry, workers: usize, now: Moment) -> Self {
        let ticks = u32::try_from(1000 / TICK.as_millis()).unwrap_or(1);
        let workers = u32::try_from(workers).unwrap_or(u32::MAX).max(1);
        let per_tick = (retry.floor.saturating_mul(RETRY) / ticks).div_ceil(workers);
        // A floor below one a second and worker still allows one now and then.
        let least = if per_tick == 0 { 0 } else { RETRY };
        let per_second = per_tick.saturating_mul(ticks).max(least);
        Self {
            earned: Cell::new(0),
            allowed: Cell::new(per_second),
            looked: Cell::new(now),
            each: retry.budget,
            per_tick,
            per_second,
        }
    }

    /// A request came.
    pub(super) fn earn(&self) {
        self.earned.set(self.earned.get().saturating_add(self.each).min(KEPT));
    }

    /// Whether one may be sent once more.
    pub(super) fn spend(&self, now: Moment) -> bool {
        let ticks = now.ticks_since(self.looked.replace(now));
        let allowed = self.allowed.get().saturating_add(self.per_tick.saturating_mul(ticks));
        self.allowed.set(allowed.min(self.per_second));
        [&self.allowed, &self.earned].into_iter().any(|purse| {
            let left = purse.get().checked_sub(RETRY);
            left.inspect(|left| purse.set(*left)).is_some()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Budget;
    use crate::{config::Retry, timer::Moment};

    fn retry(budget: u32, floor: u32) -> Retry {
        let codes = Vec::new();
        Retry { tries: 1, connect: true, refused: true, timeout: false, codes, budget, floor }
    }

    fn spent(budget: &Budget, at: u32) -> usize {
        (0..1000).take_while(|_| budget.spend(Moment::at(at))).count()
    }

    #[test]
    fn a_fifth_of_the_requests_and_no_more() {
        let budget = Budget::new(&retry(20, 0), 2, Moment::at(0));
        assert_eq!(spent(&budget, 0), 0);
        (0..50).for_each(|_| budget.earn());
        assert_eq!(spent(&budget, 0), 10);
        (0..100_000).for_each(|_| budget.earn());
        assert_eq!(spent(&budget, 0), 100, "no more than is kept");
    }

    #[test]
    fn the_floor_comes_back_with_time_and_is_shared_by_workers() {
        let budget = Budget::new(&retry(0, 10), 2, Moment::at(0));
        assert_eq!(spent(&budget, 0), 5);
        assert_eq!(spent(&budget, 1), 0);
        assert_eq!(spent(&budget, 5), 2);
        assert_eq!(spent(&budget, 1000), 5, "a second's worth is kept");
    }
}
