//! The cells that are counted in: one writer each, read by whoever scrapes.
//!
//! A worker adds to its own cells with a plain load and store, so counting costs no locked
//! instruction and no cache line moves between workers. Two writers on one cell would lose
//! counts: every cell belongs to one thread.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// A number that one thread moves and others read.
#[derive(Debug, Default)]
pub(super) struct Cell(AtomicU64);

impl Cell {
    pub(super) fn add(&self, by: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
    }

    pub(super) fn subtract(&self, by: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).saturating_sub(by), Ordering::Relaxed);
    }

    pub(super) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Cells by the members of several closed sets, in one block.
#[derive(Debug)]
pub(super) struct Table<const N: usize> {
    sizes: [usize; N],
    cells: Box<[Cell]>,
}

impl<const N: usize> Table<N> {
    /// One cell for each combination.
    pub(super) fn new(sizes: [usize; N]) -> Self {
        let cells = (0..sizes.iter().product()).map(|_| Cell::default()).collect();
        Self { sizes, cells }
    }

    /// The cell of one combination.
    pub(super) fn cell(&self, index: [usize; N]) -> Option<&Cell> {
        let place = self
            .sizes
            .iter()
            .zip(index)
            .fold(0usize, |place, (size, index)| place.wrapping_mul(*size).wrapping_add(index));
        self.cells.get(place)
    }

    pub(super) fn add(&self, index: [usize; N]) {
        if let Some(cell) = self.cell(index) {
            cell.add(1);
        }
    }
}

/// Upper bounds of the duration buckets, in seconds; the last bucket has none.
pub(super) const BOUNDS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// The same in nanoseconds, so that observing compares integers.
const NANOS: [u64; 15] = [
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
    60_000_000_000,
];

/// Durations by bucket, and their sum.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [Cell; 16],
    nanos: Cell,
}

impl Histogram {
    pub(super) fn observe(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = NANOS.iter().position(|bound| nanos <= *bound).unwrap_or(NANOS.len());
        if let Some(cell) = self.buckets.get(bucket) {
            cell.add(1);
        }
        self.nanos.add(nanos);
    }
}

/// Several histograms summed.
#[derive(Clone, Debug, Default)]
pub(super) struct Summed {
    pub buckets: [u64; 16],
    pub nanos: u64,
}

impl Summed {
    pub(super) fn add(&mut self, histogram: &Histogram) {
        for (sum, cell) in self.buckets.iter_mut().zip(&histogram.buckets) {
            *sum = sum.wrapping_add(cell.value());
        }
        self.nanos = self.nanos.wrapping_add(histogram.nanos.value());
    }

    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    pub(super) fn seconds(&self) -> f64 {
        Duration::from_nanos(self.nanos).as_secs_f64()
    }

    /// Each bucket's upper bound and own count.
    pub(super) fn bounded(&self) -> Vec<(f64, u64)> {
        BOUNDS.into_iter().chain([f64::INFINITY]).zip(self.buckets).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{BOUNDS, Histogram, NANOS, Summed, Table};

    #[test]
    fn the_bounds_are_the_same_in_both_units() {
        for (seconds, nanos) in BOUNDS.into_iter().zip(NANOS) {
            assert_eq!(Duration::from_secs_f64(seconds), Duration::from_nanos(nanos));
        }
    }

    #[test]
    fn a_duration_falls_into_the_bucket_that_ends_at_it() {
        let histogram = Histogram::default();
        for millis in [0, 1, 2, 60_000, 60_001] {
            histogram.observe(Duration::from_millis(millis));
        }
        let mut sum = Summed::default();
        sum.add(&histogram);
        assert_eq!((sum.buckets[0], sum.buckets[1]), (2, 1));
        assert_eq!((sum.buckets[14], sum.buckets[15]), (1, 1));
        assert_eq!((sum.count(), sum.seconds()), (5, 120.004));
    }

    #[test]
    fn combinations_do_not_share_cells() {
        let table = Table::new([2, 3]);
        table.add([1, 2]);
        table.add([5, 5]);
        let counts = (0..2).flat_map(|a| (0..3).map(move |b| [a, b]));
        let counts: Vec<u64> = counts.map(|at| table.cell(at).unwrap().value()).collect();
        assert_eq!(counts, [0, 0, 0, 0, 0, 1]);
    }
}
