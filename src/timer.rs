//! Coarse timers, one table a worker: arming one is a store, not a heap entry.
//!
//! A connection keeps one timer for its whole life, an exchange with an upstream another. The
//! table is walked once a tick, which costs less than the two queue operations a request that a
//! precise timer needs. Used by `connection`, `http` and `upstream`; it must never be used where
//! a tick too late (100 ms) matters, nor shared between threads.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use slab::Slab;
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior},
};

/// How often the table is walked.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// No time is set.
const NEVER: u32 = u32::MAX;

/// A duration in ticks, made once where a configuration is taken, so that arming divides nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticks(u32);

impl Ticks {
    /// `duration` rounded up, and one tick more because the running tick has begun already:
    /// a timer may be late by a tick and is never early.
    #[must_use]
    pub(crate) fn from(duration: Duration) -> Self {
        let ticks = duration.as_millis().div_ceil(TICK.as_millis()).saturating_add(1);
        Self(u32::try_from(ticks).unwrap_or(NEVER - 1))
    }

    /// How many.
    pub(crate) fn count(self) -> u32 {
        self.0
    }

    /// What is left of them when so many have passed.
    pub(crate) fn after(self, passed: u32) -> Self {
        Self(self.0.saturating_sub(passed))
    }
}

/// Ticks in a second.
pub(crate) const PER_SECOND: u64 = 10;

/// A tick, for comparing with a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u32);

impl Moment {
    /// The tick with this number, for tests.
    #[cfg(test)]
    pub(crate) fn at(tick: u32) -> Self {
        Self(tick)
    }

    /// Whether `wait` has passed since `earlier`.
    pub(crate) fn is_after(self, earlier: Self, wait: Ticks) -> bool {
        self.0.saturating_sub(earlier.0) >= wait.0
    }

    /// Ticks that have passed since `earlier`.
    pub(crate) fn ticks_since(self, earlier: Self) -> u32 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The table of one worker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers(Rc<Table>);

#[derive(Debug)]
struct Table {
    started: Instant,
    now: Cell<u32>,
    slots: RefCell<Slab<Slot>>,
    first: Notify,
}

#[derive(Debug)]
struct Slot {
    due: u32,
    waker: Option<Waker>,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            now: Cell::new(0),
            slots: RefCell::default(),
            first: Notify::new(),
        }
    }
}

impl Timers {
    /// A timer that is not armed yet.
    #[must_use]
    pub(crate) fn timer(&self) -> Timer {
        let mut slots = self.0.slots.borrow_mut();
        if slots.is_empty() {
            // The walk rests while there is nothing to walk, and its clock with it.
            self.0.now.set(self.0.clock());
            self.0.first.notify_one();
        }
        let key = slots.insert(Slot { due: NEVER, waker: None });
        Timer { table: Rc::clone(&self.0), key }
    }

    /// The running tick.
    pub(crate) fn now(&self) -> Moment {
        if self.0.slots.borrow().is_empty() {
            self.0.now.set(self.0.clock());
        }
        Moment(self.0.now.get())
    }

    /// Wakes every task that waits on a timer, whether its time has come or not: the worker's
    /// state changed (it drains), and each task looks at that itself.
    pub(crate) fn wake_all(&self) {
        let wakers: Vec<Waker> =
            self.0.slots.borrow().iter().filter_map(|(_, slot)| slot.waker.clone()).collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Walks the table every tick, for as long as the worker lives.
    pub(crate) async fn run(self) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut due = Vec::new();
        loop {
            if self.0.slots.borrow().is_empty() {
                self.0.first.notified().await;
            }
            ticks.tick().await;
            self.0.collect(&mut due);
            // Woken outside the borrow: a waker may run code that arms a timer.
            due.drain(..).for_each(Waker::wake);
        }
    }
}

impl Table {
    fn clock(&self) -> u32 {
        let ticks = self.started.elapsed().as_millis() / TICK.as_millis();
        u32::try_from(ticks).unwrap_or(NEVER - 1)
    }

    fn collect(&self, due: &mut Vec<Waker>) {
        let now = self.clock();
        self.now.set(now);
        for (_, slot) in self.slots.borrow_mut().iter_mut() {
            if slot.due <= now {
                due.extend(slot.waker.take());
            }
        }
    }
}

/// One armed or resting timer; its place in the table is freed with it.
#[derive(Debug)]
pub(crate) struct Timer {
    table: Rc<Table>,
    key: usize,
}

impl Timer {
    /// Arms it, or moves its time.
    pub(crate) fn set(&self, after: Ticks) {
        self.due(self.table.now.get().saturating_add(after.0));
    }

    /// The running tick.
    pub(crate) fn now(&self) -> Moment {
        // There is a slot, so the walk keeps the clock.
        Moment(self.table.now.get())
    }

    fn due(&self, due: u32) {
        if let Some(slot) = self.table.slots.borrow_mut().get_mut(self.key) {
            slot.due = due;
        }
    }

    /// Ready once the time has come, and until it is armed again.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let mut slots = self.table.slots.borrow_mut();
        let Some(slot) = slots.get_mut(self.key) else {
            return Poll::Pending;
        };
        if slot.due <= self.table.now.get() {
            return Poll::Ready(());
        }
        match &slot.waker {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            _ => slot.waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Runs `future` for at most `limit`.
    ///
    /// # Errors
    /// [`Elapsed`] if the time was up first.
    pub(crate) async fn limit<F: Future>(
        &self,
        limit: Ticks,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        self.set(limit);
        self.bound(future).await
    }

    /// Runs `future` until the time that was set.
    ///
    /// # Errors
    /// [`Elapsed`] if the time was up first.
    pub(crate) async fn bound<F: Future>(&self, future: F) -> Result<F::Output, Elapsed> {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|cx| match Pin::as_mut(&mut future).poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => self.poll(cx).map(|()| Err(Elapsed)),
        })
        .await
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.table.slots.borrow_mut().try_remove(self.key);
    }
}

/// The time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the time was up")]
pub(crate) struct Elapsed;

#[cfg(test)]
mod tests {
    use std::{future::pending, future::poll_fn, time::Duration};

    use tokio::{task::LocalSet, time::Instant};

    use super::{Elapsed, Ticks, Timers};

    async fn with_walk<F: Future>(timers: Timers, test: F) -> F::Output {
        let set = LocalSet::new();
        set.spawn_local(timers.run());
        set.run_until(test).await
    }

    #[tokio::test(start_paused = true)]
    async fn fires_never_early_and_at_most_two_ticks_late() {
        let timers = Timers::default();
        with_walk(timers.clone(), async {
            for wait in [1, 99, 100, 101, 2500] {
                // The table is empty in between, so its clock rests.
                tokio::time::sleep(Duration::from_millis(1234)).await;
                let (timer, wait) = (timers.timer(), Duration::from_millis(wait));
                let start = Instant::now();
                timer.set(Ticks::from(wait));
                poll_fn(|cx| timer.poll(cx)).await;
                let took = start.elapsed();
                assert!(took >= wait && took <= wait + 3 * super::TICK, "{wait:?} took {took:?}");
            }
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_is_moved_fires_at_its_last_time_only() {
        let timers = Timers::default();
        with_walk(timers.clone(), async {
            let timer = timers.timer();
            let start = Instant::now();
            timer.set(Ticks::from(Duration::from_secs(1)));
            let moved = timer.limit(Ticks::from(Duration::from_secs(5)), pending::<()>());
            assert_eq!(moved.await, Err(Elapsed));
            assert!(start.elapsed() >= Duration::from_secs(5));
        })
        .await;
    }

    #[tokio::test]
    async fn a_dropped_timer_leaves_no_slot() {
        let timers = Timers::default();
        drop((timers.timer(), timers.timer()));
        assert!(timers.0.slots.borrow().is_empty());
    }
}
