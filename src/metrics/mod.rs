//! What is counted: cells on the hot path, summed only when somebody asks.
//!
//! `app` makes one [`Metrics`] a process; workers get their [`Counters`], snapshots their
//! families. Names and labels are a contract and stand in `encode`. A label's value must never
//! come from a client.

mod bounds;
mod cells;
mod counters;
mod encode;
mod encode_fleet;
mod encode_rollout;
mod families;
mod fleet;
mod labels;
mod rollout;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

pub use bounds::{Abuse, Limit};
pub use counters::Counters;
pub use encode::CONTENT_TYPE;
pub use families::{RouteMetrics, RouteShard, UpstreamMetrics, UpstreamShard};
pub use fleet::{CheckOutcome, FleetMetrics, ServerMetrics};
pub use labels::{
    Credentials, Judged, LaneKind, LegacyOutcome, ListenerKind, Plain, Protocol, RetryReason,
    ServedVersion, StageKind, UpstreamOutcome,
};
pub use rollout::{ExemptionMetrics, RolloutGauge, RolloutMetrics};

/// Everything that is counted in this process.
#[derive(Debug)]
pub struct Metrics {
    workers: Box<[Arc<Counters>]>,
    families: Mutex<Families>,
    /// The rollouts' share.
    pub rollouts: RolloutMetrics,
    generation: AtomicU64,
    loaded: AtomicU64,
}

#[derive(Debug, Default)]
struct Families {
    routes: BTreeMap<String, Arc<RouteMetrics>>,
    upstreams: BTreeMap<String, Arc<UpstreamMetrics>>,
    /// When each certificate ends, in seconds since 1970.
    certificates: BTreeMap<String, i64>,
}

impl Metrics {
    /// For as many workers; nothing is counted yet.
    #[must_use]
    pub fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self {
            workers: (0..workers).map(|_| Arc::default()).collect(),
            families: Mutex::default(),
            rollouts: RolloutMetrics::default(),
            generation: AtomicU64::new(0),
            loaded: AtomicU64::new(0),
        })
    }

    /// The cells of one worker.
    #[must_use]
    pub fn worker(&self, index: usize) -> Arc<Counters> {
        self.workers.get(index).map(Arc::clone).unwrap_or_default()
    }

    /// The counters of a route, the same ones for the same label.
    pub fn route(&self, label: &str) -> Arc<RouteMetrics> {
        let mut families = self.families();
        let new = || Arc::new(RouteMetrics::new(label, self.workers.len()));
        Arc::clone(families.routes.entry(label.to_owned()).or_insert_with(new))
    }

    /// The counters of an upstream, the same ones for the same name.
    pub fn upstream(&self, name: &str) -> Arc<UpstreamMetrics> {
        let mut families = self.families();
        let new = || Arc::new(UpstreamMetrics::new(name, self.workers.len()));
        Arc::clone(families.upstreams.entry(name.to_owned()).or_insert_with(new))
    }

    /// When the certificates in force end: a name and seconds since 1970 each.
    pub fn certificates(&self, expiries: impl IntoIterator<Item = (String, i64)>) {
        self.families().certificates = expiries.into_iter().collect();
    }

    /// A configuration came into force.
    pub fn in_force(&self, generation: u64) {
        self.generation.store(generation, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.loaded.store(now.as_secs(), Ordering::Relaxed);
    }

    /// Whoever panicked while holding the maps left them whole: each change is one step.
    fn families(&self) -> MutexGuard<'_, Families> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
