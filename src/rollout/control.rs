//! What of the rollouts outlives a reload: brakes, fuses, and which configuration is in force.
//!
//! One a process, made by `app`, which tells it of each snapshot that comes into force. The admin
//! port gives it orders and asks it for a report; the control thread runs [`Control::run`].

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::{MissedTickBehavior, interval};

use super::{
    Brake, Clock, PLAIN_HTTP, Rollouts, TLS,
    watch::{Event, Watch},
};
use crate::metrics::Metrics;

/// How often the stage is looked at: a clock that jumps is followed within a second.
const LOOK: Duration = Duration::from_secs(1);

/// The running state of both rollouts.
#[derive(Debug)]
pub struct Control {
    tls: Arc<Brake>,
    plain_http: Arc<Brake>,
    metrics: Arc<Metrics>,
    clock: Clock,
    in_force: Mutex<Option<Arc<Rollouts>>>,
    watch: Mutex<Watch>,
}

impl Control {
    /// Of a process that begins: nothing is paused, no fuse has blown.
    #[must_use]
    pub fn new(metrics: &Arc<Metrics>) -> Self {
        Self {
            tls: Arc::new(Brake::new(TLS)),
            plain_http: Arc::new(Brake::new(PLAIN_HTTP)),
            metrics: Arc::clone(metrics),
            clock: Clock::System,
            in_force: Mutex::default(),
            watch: Mutex::default(),
        }
    }

    /// The same by another clock.
    #[must_use]
    pub fn by(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// What time it is for the rollouts.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// A snapshot with these rollouts is in force from now on.
    pub fn enter(&self, rollouts: &Arc<Rollouts>) {
        self.tls.adopt(rollouts.tls.fuse.as_ref());
        let plain = rollouts.plain_http.as_ref().and_then(|plain| plain.rollout.fuse.as_ref());
        self.plain_http.adopt(plain);
        let entries = rollouts.each().flat_map(|(_, rollout)| rollout.exemptions.iter());
        let shown =
            entries.map(|one| (one.metrics.label.as_str(), one.written.expires.as_second()));
        self.metrics.rollouts.in_force(shown);
        *self.in_force.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(rollouts));
        self.show(rollouts, self.clock.wall());
    }

    /// The rollouts in force.
    #[must_use]
    pub fn in_force(&self) -> Option<Arc<Rollouts>> {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Follows the time until it is dropped: says when a stage begins, an exemption is about to end
    /// or has ended, and how often each was used.
    pub async fn run(self: Arc<Self>) {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look();
        }
    }

    /// Looks now. A rehearsal that has moved its clock does not wait for the next second.
    pub fn look(&self) {
        let mut watch = self.watch();
        let now = self.clock.wall();
        self.tls.expire(now);
        self.plain_http.expire(now);
        if let Some(rollouts) = self.in_force() {
            self.show(&rollouts, now);
            watch.look(&rollouts, now).iter().for_each(Event::log);
        }
    }

    /// Says what is left to say when the process ends: uses of exemptions in its last minute.
    pub fn finish(&self) {
        if let Some(rollouts) = self.in_force() {
            self.watch().last_look(&rollouts, self.clock.wall()).iter().for_each(Event::log);
        }
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The brake of `[rollout]`.
    pub(super) fn tls(&self) -> &Arc<Brake> {
        &self.tls
    }

    /// The brake of `[plain_http.rollout]`.
    pub(super) fn plain_http(&self) -> &Arc<Brake> {
        &self.plain_http
    }

    fn show(&self, rollouts: &Rollouts, now: Timestamp) {
        let gauges = &self.metrics.rollouts;
        let stage = rollouts.tls.in_effect(now).stage;
        gauges.tls.show(stage.kind(), stage.percent(), self.tls.is_blown());
        match &rollouts.plain_http {
            None => gauges.plain_http.hide(),
            Some(plain) => {
                let stage = plain.rollout.in_effect(now).stage;
                let blown = self.plain_http.is_blown();
                gauges.plain_http.show(stage.kind(), stage.percent(), blown);
            }
        }
    }
}
