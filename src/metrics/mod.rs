//! What is counted: cells on the hot path, summed only when somebody asks.
//!
//! `app` makes one [`Metrics`] a process; workers get their [`Counters`], snapshots their
//! families. Names and labels are a contract and stand in `encode`. A label's value must never
//! come from a client.

mod bounds;
mod cells;
mod census;
mod counters;
mod encode;
mod encode_census;
mod encode_fleet;
mod encode_process;
mod encode_rollout;
mod families;
mod fleet;
mod labels;
mod lost;
mod rollout;
mod tickets;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{label::Label, process};

pub use bounds::{Abuse, Limit};
pub use census::{Agreed, CensusGauge, WhatIfMetrics};
pub use counters::Counters;
pub use encode::CONTENT_TYPE;
pub use families::{RouteMetrics, RouteShard, UpstreamMetrics, UpstreamShard};
pub use fleet::{CheckOutcome, FleetMetrics, ServerMetrics};
pub use labels::{
    Credentials, Judged, LaneKind, LegacyOutcome, ListenerKind, Plain, Protocol, RetryReason,
    ServedVersion, StageKind, UpstreamOutcome,
};
pub use lost::{LostSpans, count_lost_lines_by};
pub use rollout::{ExemptionMetrics, RolloutGauge, RolloutMetrics};
pub use tickets::{TicketCounters, TicketResult};

/// Everything that is counted in this process.
#[derive(Debug)]
pub struct Metrics {
    workers: Box<[Arc<Counters>]>,
    families: Mutex<Families>,
    tickets: Arc<TicketCounters>,
    /// The rollouts' share.
    pub rollouts: RolloutMetrics,
    /// The census's share.
    pub census: CensusGauge,
    generation: AtomicU64,
    hash: AtomicU64,
    loaded: AtomicU64,
    /// Connections that the end of the process cut.
    cut: AtomicU64,
    /// Whether the last attempt failed.
    stale: AtomicBool,
    reloads: [AtomicU64; 2],
    lost_spans: LostSpans,
    /// When the process started, in seconds since 1970.
    started: Option<f64>,
}

#[derive(Debug, Default)]
struct Families {
    routes: BTreeMap<String, Arc<RouteMetrics>>,
    upstreams: BTreeMap<String, Arc<UpstreamMetrics>>,
    what_ifs: BTreeMap<String, Arc<WhatIfMetrics>>,
    /// When each certificate ends, in seconds since 1970.
    certificates: BTreeMap<String, i64>,
}

impl Families {
    /// What nobody counts in any more goes.
    fn clear_away(&mut self) {
        self.routes.retain(|_, route| Arc::strong_count(route) > 1);
        self.upstreams.retain(|_, upstream| Arc::strong_count(upstream) > 1);
        self.what_ifs.retain(|_, what_if| Arc::strong_count(what_if) > 1);
    }
}

impl Metrics {
    /// For as many workers; nothing is counted yet.
    #[must_use]
    pub fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self {
            workers: (0..workers).map(|_| Arc::default()).collect(),
            families: Mutex::default(),
            tickets: Arc::default(),
            rollouts: RolloutMetrics::default(),
            census: CensusGauge::default(),
            generation: AtomicU64::new(0),
            hash: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            loaded: AtomicU64::new(0),
            stale: AtomicBool::new(false),
            reloads: Default::default(),
            lost_spans: LostSpans::default(),
            started: process::started(),
        })
    }

    /// How many workers there are.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.workers.len()
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

    /// Where lost spans are counted.
    #[must_use]
    pub fn lost_spans(&self) -> LostSpans {
        self.lost_spans.clone()
    }

    /// The counters of session tickets.
    pub fn tickets(&self) -> Arc<TicketCounters> {
        Arc::clone(&self.tickets)
    }

    /// A configuration of this generation and hash came into force, with certificates that end
    /// then: a name and seconds since 1970 each. Series that no configuration names any more go
    /// with the one that did.
    pub fn in_force(
        &self,
        (generation, hash): (u64, u64),
        expiries: impl IntoIterator<Item = (String, i64)>,
    ) {
        let mut families = self.families();
        families.certificates = expiries.into_iter().collect();
        families.clear_away();
        drop(families);
        self.generation.store(generation, Ordering::Relaxed);
        self.hash.store(hash, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.loaded.store(now.as_secs(), Ordering::Relaxed);
        self.attempted(true);
    }

    /// A configuration did not, and the old one stays.
    pub fn reload_failed(&self) {
        self.families().clear_away();
        self.attempted(false);
    }

    fn attempted(&self, success: bool) {
        self.stale.store(!success, Ordering::Relaxed);
        if let Some(count) = self.reloads.get(usize::from(success)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// So many connections did not end by themselves in the drain.
    pub fn drain_cut(&self, connections: u64) {
        self.cut.store(connections, Ordering::Relaxed);
    }

    /// Open client connections by listener, and how many of all are parked.
    #[must_use]
    pub fn open_connections(&self) -> (BTreeMap<&'static str, u64>, u64) {
        let open = |listener: &ListenerKind| {
            let cells = self.workers.iter().filter_map(|worker| worker.open.get(listener.index()));
            (listener.as_str(), cells.map(|cell| cell.value()).sum())
        };
        let parked = self.workers.iter().map(|worker| worker.parked.value()).sum();
        (ListenerKind::ALL.iter().map(open).collect(), parked)
    }

    /// Whoever panicked while holding the maps left them whole: each change is one step.
    fn families(&self) -> MutexGuard<'_, Families> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
