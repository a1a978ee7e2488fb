//! How many connections each worker holds, so that a crowded one can hand some over.
//!
//! Each worker writes its own cell and reads the others'; whoever hands a socket over counts it in
//! for the other at once, so that no burst runs past a cap. `app` waits for all to be 0 in a drain.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Differences below this are left alone: handing a socket over costs more than they do.
const CROWD: usize = 16;

/// How many connections each worker has.
#[derive(Clone, Debug)]
pub(crate) struct Loads(Arc<[Load]>);

#[derive(Debug, Default)]
struct Load {
    /// Those that it serves; written by itself alone.
    held: AtomicUsize,
    /// Those that others are handing to it.
    coming: AtomicUsize,
}

impl Load {
    fn value(&self) -> usize {
        self.held.load(Ordering::Relaxed).saturating_add(self.coming.load(Ordering::Relaxed))
    }
}

impl Loads {
    /// For `workers` workers without connections.
    #[must_use]
    pub(crate) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Load::default()).collect())
    }

    /// How many workers there are.
    #[must_use]
    pub(crate) fn workers(&self) -> usize {
        self.0.len()
    }

    /// Connections of worker `index`.
    #[must_use]
    pub(crate) fn of(&self, index: usize) -> usize {
        self.0.get(index).map_or(0, Load::value)
    }

    /// The least loaded worker and its connections.
    #[must_use]
    pub(crate) fn least(&self) -> Option<(usize, usize)> {
        self.0.iter().map(Load::value).enumerate().min_by_key(|(_, load)| *load)
    }

    /// A worker to hand a fresh socket to, where worker `index` has a quarter and [`CROWD`] more
    /// connections than the least loaded one.
    #[must_use]
    pub(crate) fn less_crowded(&self, index: usize) -> Option<usize> {
        let (least, load) = self.least()?;
        let crowded = load.saturating_add(load / 4).saturating_add(CROWD);
        (self.of(index) > crowded).then_some(least)
    }

    /// Connections of all workers.
    #[must_use]
    pub(crate) fn total(&self) -> usize {
        self.0.iter().map(Load::value).sum()
    }

    /// Worker `index` has one more, said by itself.
    pub(crate) fn begins(&self, index: usize) {
        self.set(index, |held| held.saturating_add(1));
    }

    /// And one less.
    pub(crate) fn ends(&self, index: usize) {
        self.set(index, |held| held.saturating_sub(1));
    }

    fn set(&self, index: usize, next: impl FnOnce(usize) -> usize) {
        if let Some(load) = self.0.get(index) {
            load.held.store(next(load.held.load(Ordering::Relaxed)), Ordering::Relaxed);
        }
    }

    /// One is on its way to worker `index`.
    pub(crate) fn hands_over(&self, index: usize) {
        if let Some(load) = self.0.get(index) {
            load.coming.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// It has come.
    pub(crate) fn receives(&self, index: usize) {
        if let Some(load) = self.0.get(index) {
            load.coming.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CROWD, Loads};

    #[test]
    fn a_crowded_worker_hands_to_the_least_loaded_one() {
        let loads = Loads::new(3);
        let set = |index, load| loads.set(index, |_| load);
        assert_eq!(loads.less_crowded(0), None);
        set(0, 100);
        set(1, 70);
        set(2, 90);
        assert_eq!(loads.less_crowded(0), None, "a difference that is left alone");
        set(1, 60);
        assert_eq!(loads.less_crowded(0), Some(1));
        assert_eq!(loads.less_crowded(1), None);
        set(1, 0);
        assert_eq!(loads.less_crowded(2), Some(1));
        set(2, CROWD);
        assert_eq!(loads.less_crowded(2), None);
        assert_eq!(loads.total(), 100 + CROWD);
    }

    #[test]
    fn what_is_on_its_way_counts_for_where_it_goes() {
        let loads = Loads::new(2);
        loads.begins(0);
        loads.hands_over(1);
        assert_eq!((loads.of(0), loads.of(1), loads.total()), (1, 1, 2));
        loads.receives(1);
        loads.begins(1);
        assert_eq!(loads.total(), 2);
        loads.ends(1);
        loads.ends(0);
        assert_eq!(loads.total(), 0);
    }
}
