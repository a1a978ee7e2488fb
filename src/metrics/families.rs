//! Counters of what a configuration names: routes and upstreams.
//!
//! A family is found by name when a snapshot is built and kept across reloads; a request reaches
//! its worker's shard by index. Nothing is looked up by a label while serving.

use std::{sync::OnceLock, time::Duration};

use super::{
    cells::{Cell, Histogram, Table},
    fleet::FleetMetrics,
    labels::{Protocol, RetryReason, ServedVersion, UpstreamOutcome},
};
use crate::label::Label;

/// Status codes that are counted by themselves; any other is `other`.
pub(super) const CODES: [u16; 47] = [
    101, 200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 307, 308,
    400, 401, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 421, 422, 426,
    428, 429, 431, 451, 499, 500, 502, 503, 504,
];

/// One worker's share of something, on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Aligned<T>(pub T);

/// One route's counters.
#[derive(Debug)]
pub struct RouteMetrics {
    /// The label: host and path.
    pub label: String,
    shards: Box<[Aligned<RouteShard>]>,
}

/// One worker's share of a route.
#[derive(Debug, Default)]
pub struct RouteShard {
    /// By protocol and TLS version; made when the first such request comes.
    codes: [OnceLock<Box<[Cell]>>; 9],
    pub(super) duration: Histogram,
}

impl RouteMetrics {
    pub(super) fn new(label: &str, workers: usize) -> Self {
        let shards = (0..workers).map(|_| Aligned::default()).collect();
        Self { label: label.to_owned(), shards }
    }

    /// The share of a worker.
    pub fn shard(&self, worker: usize) -> Option<&RouteShard> {
        self.shards.get(worker).map(|aligned| &aligned.0)
    }

    pub(super) fn shards(&self) -> impl Iterator<Item = &RouteShard> {
        self.shards.iter().map(|aligned| &aligned.0)
    }
}

impl RouteShard {
    /// A request that has been answered.
    pub fn observe(
        &self,
        protocol: Protocol,
        version: ServedVersion,
        code: u16,
        duration: Duration,
    ) {
        let codes = self.codes.get(Self::place(protocol, version));
        let codes = codes.map(|codes| codes.get_or_init(new_codes));
        let place = CODES.binary_search(&code).unwrap_or(CODES.len());
        if let Some(cell) = codes.and_then(|codes| codes.get(place)) {
            cell.add(1);
        }
        self.duration.observe(duration);
    }

    fn place(protocol: Protocol, version: ServedVersion) -> usize {
        protocol.index() * ServedVersion::ALL.len() + version.index()
    }

    /// Requests by code, in the order of [`CODES`] and then all others.
    pub(super) fn codes(&self, protocol: Protocol, version: ServedVersion) -> Option<&[Cell]> {
        self.codes.get(Self::place(protocol, version))?.get().map(|codes| &**codes)
    }
}

fn new_codes() -> Box<[Cell]> {
    (0..=CODES.len()).map(|_| Cell::default()).collect()
}

/// One upstream's counters.
#[derive(Debug)]
pub struct UpstreamMetrics {
    /// The label: its name.
    pub label: String,
    /// What the control thread counts.
    pub fleet: FleetMetrics,
    shards: Box<[Aligned<UpstreamShard>]>,
}

/// One worker's share of an upstream.
#[derive(Debug)]
pub struct UpstreamShard {
    pub(super) outcomes: Table<1>,
    pub(super) retries: Table<1>,
    pub(super) duration: Histogram,
}

impl Default for UpstreamShard {
    fn default() -> Self {
        let outcomes = Table::new([UpstreamOutcome::ALL.len()]);
        let retries = Table::new([RetryReason::ALL.len()]);
        Self { outcomes, retries, duration: Histogram::default() }
    }
}

impl UpstreamMetrics {
    pub(super) fn new(label: &str, workers: usize) -> Self {
        let shards = (0..workers).map(|_| Aligned::default()).collect();
        Self { label: label.to_owned(), fleet: FleetMetrics::default(), shards }
    }

    /// The share of a worker.
    pub fn shard(&self, worker: usize) -> Option<&UpstreamShard> {
        self.shards.get(worker).map(|aligned| &aligned.0)
    }

    pub(super) fn shards(&self) -> impl Iterator<Item = &UpstreamShard> {
        self.shards.iter().map(|aligned| &aligned.0)
    }
}

impl UpstreamShard {
    /// A request that has come to its end.
    pub fn observe(&self, outcome: UpstreamOutcome, duration: Duration) {
        self.outcomes.add([outcome.index()]);
        self.duration.observe(duration);
    }

    /// A request that was sent to no server, so that it took no time of one.
    pub fn unsent(&self, outcome: UpstreamOutcome) {
        self.outcomes.add([outcome.index()]);
    }

    /// A request that is sent once more, or is not because the budget is spent.
    pub fn retry(&self, reason: RetryReason) {
        self.retries.add([reason.index()]);
    }
}

#[cfg(test)]
mod tests {
    use super::CODES;

    #[test]
    fn codes_are_sorted_for_the_search() {
        assert!(CODES.is_sorted());
    }
}
