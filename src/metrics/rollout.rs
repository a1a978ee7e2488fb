//! Gauges of the rollouts and counters of exemptions.
//!
//! The control thread says what stage there is; any worker counts a use of an exemption, which only
//! clients that fail cause, so a shared counter is good enough.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
};

use super::StageKind;
use crate::label::Label;

/// No moment: nothing has happened yet.
const NEVER: i64 = i64::MIN;

/// One rollout as dashboards see it.
#[derive(Debug, Default)]
pub struct RolloutGauge {
    stage: AtomicU64,
    percent: AtomicU64,
    blown: AtomicBool,
    /// Whether there is one at all.
    shown: AtomicBool,
}

impl RolloutGauge {
    /// What is in force.
    pub fn show(&self, stage: StageKind, percent: u8, blown: bool) {
        self.stage.store(u64::try_from(stage.index()).unwrap_or(0), Ordering::Relaxed);
        self.percent.store(percent.into(), Ordering::Relaxed);
        self.blown.store(blown, Ordering::Relaxed);
        self.shown.store(true, Ordering::Relaxed);
    }

    /// There is none any more.
    pub fn hide(&self) {
        self.shown.store(false, Ordering::Relaxed);
    }

    pub(super) fn is_shown(&self) -> bool {
        self.shown.load(Ordering::Relaxed)
    }

    pub(super) fn is_in(&self, stage: StageKind) -> bool {
        u64::try_from(stage.index()) == Ok(self.stage.load(Ordering::Relaxed))
    }

    pub(super) fn percent(&self) -> u64 {
        self.percent.load(Ordering::Relaxed)
    }

    pub(super) fn is_blown(&self) -> bool {
        self.blown.load(Ordering::Relaxed)
    }
}

/// One exemption's uses, for as long as its owner and conditions stay the same.
#[derive(Debug)]
pub struct ExemptionMetrics {
    /// The label: owner and conditions.
    pub label: String,
    uses: AtomicU64,
    last: AtomicI64,
}

impl ExemptionMetrics {
    fn new(label: &str) -> Self {
        Self { label: label.to_owned(), uses: AtomicU64::new(0), last: AtomicI64::new(NEVER) }
    }

    /// It spared a client at this second.
    pub fn used(&self, second: i64) {
        self.uses.fetch_add(1, Ordering::Relaxed);
        self.last.store(second, Ordering::Relaxed);
    }

    /// How often so far.
    #[must_use]
    pub fn uses(&self) -> u64 {
        self.uses.load(Ordering::Relaxed)
    }

    /// The second in which it was last used.
    #[must_use]
    pub fn last(&self) -> Option<i64> {
        Some(self.last.load(Ordering::Relaxed)).filter(|second| *second != NEVER)
    }
}

/// Everything about rollouts that is shown.
#[derive(Debug, Default)]
pub struct RolloutMetrics {
    /// `[rollout]`
    pub tls: RolloutGauge,
    /// `[plain_http.rollout]`
    pub plain_http: RolloutGauge,
    exemptions: Mutex<BTreeMap<String, Known>>,
}

#[derive(Debug)]
struct Known {
    metrics: Arc<ExemptionMetrics>,
    /// When it ends, once it is in force.
    expires: Option<i64>,
}

impl RolloutMetrics {
    /// The counters of an exemption, the same ones for the same label.
    pub fn exemption(&self, label: &str) -> Arc<ExemptionMetrics> {
        let new = || Known { metrics: Arc::new(ExemptionMetrics::new(label)), expires: None };
        let mut known = self.known();
        Arc::clone(&known.entry(label.to_owned()).or_insert_with(new).metrics)
    }

    /// These exemptions and no others are in force, with the second in which each ends.
    pub fn in_force<'a>(&self, exemptions: impl IntoIterator<Item = (&'a str, i64)>) {
        let ends: BTreeMap<_, _> = exemptions.into_iter().collect();
        self.known().retain(|label, known| {
            known.expires = ends.get(label.as_str()).copied();
            known.expires.is_some()
        });
    }

    /// Those in force: label, uses, end.
    pub(super) fn exemptions(&self) -> Vec<(String, u64, i64)> {
        let known = self.known();
        let shown = known.values().filter_map(|known| {
            Some((known.metrics.label.clone(), known.metrics.uses(), known.expires?))
        });
        shown.collect()
    }

    /// Whoever panicked while holding the map left it whole: each change is one step.
    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.exemptions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::RolloutMetrics;

    #[test]
    fn counts_stay_with_owner_and_conditions_and_go_with_them() {
        let metrics = RolloutMetrics::default();
        metrics.exemption("acme 10.0.0.0/8").used(7);
        assert_eq!(metrics.exemptions(), [], "not in force yet");
        let again = metrics.exemption("acme 10.0.0.0/8");
        metrics.in_force([("acme 10.0.0.0/8", 99)]);
        assert_eq!((again.uses(), again.last()), (1, Some(7)));
        assert_eq!(metrics.exemptions(), [("acme 10.0.0.0/8".to_owned(), 1, 99)]);
        metrics.in_force([]);
        assert_eq!(metrics.exemption("acme 10.0.0.0/8").uses(), 0);
    }
}
