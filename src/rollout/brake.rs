//! What stops a rollout while it runs: the fuse, by itself, and the pause, by an operator.
//!
//! One for each rollout in the life of the process, so a reload changes neither. Whether it is on is
//! an atomic that anybody may ask; the rest is behind a lock that only clients that are about to be
//! refused, operators and the control thread take. A restart forgets both.

use std::{
    net::IpAddr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Moment, fuse::Fuse};
use crate::{config, refusals};

/// No pause.
const NOT: i64 = i64::MIN;

/// A pause that an operator has ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Its end.
    pub until: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub why: String,
}

/// A fuse that has blown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blown {
    /// When.
    pub since: Timestamp,
    /// The configuration key of the step that blew it.
    pub step: String,
    /// How many clients it may have refused.
    pub most: u32,
}

/// The state of one rollout.
#[derive(Debug)]
pub struct Brake {
    /// Which rollout, for the log.
    name: &'static str,
    paused_until: AtomicI64,
    blown: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    pause: Option<Pause>,
    blown: Option<Blown>,
    fuse: Fuse,
    /// `fuse.rearm` of the configuration in force; none before there is one.
    rearm: Option<Option<String>>,
}

impl Brake {
    /// A rollout that runs.
    #[must_use]
    pub(super) fn new(name: &'static str) -> Self {
        let state = Mutex::default();
        Self { name, paused_until: AtomicI64::new(NOT), blown: AtomicBool::new(false), state }
    }

    /// Whether an operator has paused it and the end has not come.
    #[must_use]
    pub fn is_paused(&self, now: Timestamp) -> bool {
        now.as_second() < self.paused_until.load(Ordering::Relaxed)
    }

    /// Whether the fuse has blown.
    #[must_use]
    pub fn is_blown(&self) -> bool {
        self.blown.load(Ordering::Relaxed)
    }

    /// The pause, for as long as it lasts.
    #[must_use]
    pub fn pause(&self, now: Timestamp) -> Option<Pause> {
        self.state().pause.clone().filter(|_| self.is_paused(now))
    }

    /// What blew the fuse.
    #[must_use]
    pub fn blown(&self) -> Option<Blown> {
        self.state().blown.clone()
    }

    /// Clients that were refused within the window of the fuse.
    #[must_use]
    pub fn refused(&self, now: Instant) -> usize {
        self.state().fuse.refused(now)
    }

    /// One more client is about to be refused; whether it may be. The one that is too many blows
    /// the fuse and is spared, as everybody is after it.
    pub(super) fn admits(
        &self,
        client: IpAddr,
        now: Moment,
        fuse: &config::Fuse,
        step: &str,
    ) -> bool {
        let mut state = self.state();
        if state.blown.is_some() {
            return false;
        }
        let most = usize::try_from(fuse.refused).unwrap_or(usize::MAX);
        let client = refusals::network(client);
        if !state.fuse.is_blown_by(client, now.monotonic, most, fuse.within) {
            return true;
        }
        let blown = Blown { since: now.wall, step: step.to_owned(), most: fuse.refused };
        state.blown = Some(blown);
        self.blown.store(true, Ordering::Relaxed);
        drop(state);
        tracing::error!(
            event = "fuse",
            rollout = self.name,
            state = "blown",
            step,
            refused = fuse.refused,
            within = fuse.within.as_secs(),
            at = %now.wall,
            "more clients were refused than the fuse allows; brownouts and ramp are stopped until \
             POST /rollout/rearm or another fuse.rearm",
        );
        false
    }

    /// Stops it until `pause` ends, the cut included.
    pub(super) fn stop(&self, pause: Pause) {
        let Pause { until, by, why } = &pause;
        tracing::warn!(
            event = "pause",
            rollout = self.name,
            state = "paused",
            %until,
            by,
            why,
            "nobody is refused by the rollout until then",
        );
        self.paused_until.store(until.as_second(), Ordering::Relaxed);
        self.state().pause = Some(pause);
    }

    /// Ends a pause; gives back whether there was one.
    pub(super) fn resume(&self, now: Timestamp, by: &str, why: &str) -> bool {
        let was = self.is_paused(now);
        self.paused_until.store(NOT, Ordering::Relaxed);
        self.state().pause = None;
        if was {
            tracing::warn!(event = "pause", rollout = self.name, state = "resumed", by, why);
        }
        was
    }

    /// Forgets a pause whose end has come, and says so once.
    pub(super) fn expire(&self, now: Timestamp) {
        let mut state = self.state();
        if let Some(Pause { until, by, why }) = state.pause.take_if(|pause| pause.until <= now) {
            // A clock that is set back does not bring it back.
            self.paused_until.store(NOT, Ordering::Relaxed);
            tracing::warn!(
                event = "pause",
                rollout = self.name,
                state = "ended",
                %until,
                by,
                why,
            );
        }
    }

    /// Makes a fuse that has blown good again; gives back whether it had.
    pub(super) fn rearm(&self, by: &str, why: &str) -> bool {
        let mut state = self.state();
        let was = state.blown.take();
        state.fuse.clear();
        self.blown.store(false, Ordering::Relaxed);
        drop(state);
        if let Some(Blown { since, step, .. }) = &was {
            tracing::warn!(
                event = "fuse",
                rollout = self.name,
                state = "rearmed",
                step,
                %since,
                by,
                why,
            );
        }
        was.is_some()
    }

    /// Another configuration is in force: it rearms where it says so.
    pub(super) fn adopt(&self, fuse: Option<&config::Fuse>) {
        let word = fuse.and_then(|fuse| fuse.rearm.clone());
        let before = self.state().rearm.replace(word.clone());
        if before.is_some_and(|before| before != word) {
            self.rearm("reload", "another fuse.rearm");
        }
    }

    /// Each change is one step, so a panic elsewhere leaves the state whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
