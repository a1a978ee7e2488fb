//! The snapshot in force, as it is handed to workers and looked at from outside.
//!
//! `reload` sets it, each worker takes it up at a connection's or request's beginning. Asking
//! whether there is another one costs a worker a relaxed load; only taking it up takes the lock.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use crate::snapshot::{Generation, Snapshot};

/// What is in force.
#[derive(Debug)]
pub(crate) struct Published {
    generation: AtomicU64,
    snapshot: Mutex<Arc<Snapshot>>,
}

impl Published {
    /// The first one.
    #[must_use]
    pub(crate) fn new(snapshot: Snapshot) -> Self {
        let generation = AtomicU64::new(snapshot.generation);
        Self { generation, snapshot: Mutex::new(Arc::new(snapshot)) }
    }

    /// Which one it is. May be a moment behind [`Self::snapshot`], never ahead of it.
    pub(crate) fn generation(&self) -> Generation {
        self.generation.load(Ordering::Relaxed)
    }

    /// It.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another one in force.
    pub(crate) fn set(&self, snapshot: Snapshot) {
        let generation = snapshot.generation;
        let snapshot = Arc::new(snapshot);
        *self.snapshot.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
        self.generation.store(generation, Ordering::Release);
    }
}
