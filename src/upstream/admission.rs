//! How many requests an upstream has under way, and who waits for a place.
//!
//! Asked by `send` before a server is chosen; only an upstream with `max_requests` has one. The
//! queue is bounded in length and time: whoever finds it full is told at once.

use std::{cell::Cell, sync::Arc};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::UpstreamError;
use crate::{
    config::Upstream,
    timer::{Ticks, Timer},
};

/// A request's place; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _held: OwnedSemaphorePermit,
}

/// One worker's share of the places.
#[derive(Debug)]
pub(super) struct Admission {
    places: Arc<Semaphore>,
    waiting: Cell<usize>,
    queue: usize,
    longest: Ticks,
}

impl Admission {
    /// None where any number is let in.
    pub(super) fn new(config: &Upstream, workers: usize) -> Option<Self> {
        let share = |all: usize| all.div_ceil(workers.max(1));
        (config.max_requests > 0).then(|| Self {
            places: Arc::new(Semaphore::new(share(config.max_requests))),
            waiting: Cell::new(0),
            queue: share(config.queue),
            longest: Ticks::from(config.queue_timeout),
        })
    }

    /// A place, at once or after some waiting.
    ///
    /// # Errors
    /// Where the queue is full, or the wait was too long.
    pub(super) async fn enter(&self, timer: &Timer) -> Result<Place, UpstreamError> {
        let place = |held| Place { _held: held };
        if let Ok(held) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place(held));
        }
        if self.waiting.get() >= self.queue {
            return Err(UpstreamError::Overloaded);
        }
        let _counted = Waiting::count(&self.waiting);
        match timer.limit(self.longest, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(held)) => Ok(place(held)),
            // Nobody closes the semaphore; a wait that was too long ends the same way.
            Ok(Err(_)) | Err(_) => Err(UpstreamError::Overloaded),
        }
    }
}

/// Counted for as long as it lives, however the wait ends.
struct Waiting<'a>(&'a Cell<usize>);

impl<'a> Waiting<'a> {
    fn count(waiting: &'a Cell<usize>) -> Self {
        waiting.set(waiting.get().saturating_add(1));
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}
