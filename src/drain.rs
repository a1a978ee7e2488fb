//! The end of the process, in steps: everything serves, sends its clients away, drains, is cut; last
//! goes the admin port.
//!
//! `app` moves the phase; every worker watches it. Readiness is what `/readyz` says and moves
//! ahead of it: not ready comes first, so that load balancers let go before anything closes.

use tokio::sync::watch;

use crate::label::labels;

/// What workers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Accept and serve.
    Serve,
    /// Accept and serve, but each answer over HTTP/1.1 is its connection's last: a client that is
    /// busy has moved on before anything closes, and no request of it crosses the close.
    Leave,
    /// Accept no more; end each connection after what it is doing.
    Drain,
    /// End at once.
    Cut,
    /// Nobody looks at the numbers any more.
    Gone,
}

labels! {
    /// What `/readyz` says.
    pub enum Readiness {
        /// Not everything listens yet.
        Starting = "starting",
        /// Send traffic here.
        Ready = "ready",
        /// Send no more.
        Draining = "draining",
    }
}

/// Both, as `app` moves them.
#[derive(Debug)]
pub struct Progress {
    phase: watch::Sender<Phase>,
    readiness: watch::Sender<Readiness>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            phase: watch::Sender::new(Phase::Serve),
            readiness: watch::Sender::new(Readiness::Starting),
        }
    }
}

impl Progress {
    /// A view of the phase for one worker.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// A view of the readiness for the admin port.
    #[must_use]
    pub fn readiness(&self) -> watch::Receiver<Readiness> {
        self.readiness.subscribe()
    }

    /// Says what `/readyz` says from now on.
    pub fn say(&self, readiness: Readiness) {
        self.readiness.send_replace(readiness);
    }

    /// Moves every worker on; a phase never goes back.
    pub fn enter(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            let later = phase > *now;
            *now = phase.max(*now);
            later
        });
    }
}
