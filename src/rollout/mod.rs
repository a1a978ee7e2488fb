//! What happens to a connection: the one place that turns a verdict into a lane.
//!
//! Pure; asked by `greet`. Without a rollout a hello that fails the floor is refused at once.

use crate::policy::{Failure, Verdict};

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// It is terminated here.
    Serve,
    /// Its sender is told why not.
    Refuse(Failure),
}

/// The lane for a hello that was judged so by the floor.
#[must_use]
pub(crate) fn lane(verdict: Verdict) -> Lane {
    match verdict {
        Verdict::Pass => Lane::Serve,
        Verdict::Fail(failure) => Lane::Refuse(failure),
    }
}
