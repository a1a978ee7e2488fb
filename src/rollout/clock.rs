//! What time it is for the rollouts and the census: the system's, or one that a rehearsal moves by hand.
//!
//! `control` has one for the life of the process and each configuration's rollouts carry it to
//! `greet` and `http`. Only `app::Surroundings` can put another one in: no configuration key and no
//! variable of the environment can, so nobody moves the time of a process that serves clients.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::time::Instant;

use super::Moment;

/// Where moments come from.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The system's clocks.
    #[default]
    System,
    /// One that stands still until it is moved.
    Simulated(Simulated),
}

impl Clock {
    /// This moment.
    #[must_use]
    pub fn now(&self) -> Moment {
        match self {
            Self::System => Moment { wall: Timestamp::now(), monotonic: Instant::now() },
            Self::Simulated(simulated) => *simulated.moment(),
        }
    }

    /// The wall's part of this moment.
    #[must_use]
    pub fn wall(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Simulated(simulated) => simulated.moment().wall,
        }
    }
}

/// A clock that stands still until it is moved; its copies show the same time.
#[derive(Clone, Debug)]
pub struct Simulated(Arc<Mutex<Moment>>);

impl Simulated {
    /// One that shows `wall`.
    #[must_use]
    pub fn at(wall: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Moment { wall, monotonic: Instant::now() })))
    }

    /// It is `wall` from now on. The monotonic clock moves along; like the real one it never goes
    /// back, whatever happens to the wall's.
    pub fn set(&self, wall: Timestamp) {
        let mut moment = self.moment();
        let passed = wall.duration_since(moment.wall).unsigned_abs();
        if wall > moment.wall {
            moment.monotonic += passed;
        }
        moment.wall = wall;
    }

    /// Each change is two plain stores, so a panic elsewhere leaves it whole.
    fn moment(&self) -> std::sync::MutexGuard<'_, Moment> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Clock, Simulated};

    #[test]
    fn a_simulated_clock_stands_still_and_its_monotonic_part_never_goes_back() {
        let start = "2041-01-01T00:00:00Z".parse().unwrap();
        let simulated = Simulated::at(start);
        let clock = Clock::Simulated(simulated.clone());
        let first = clock.now();
        assert_eq!((first.wall, clock.now().monotonic), (start, first.monotonic));
        simulated.set("2041-01-01T01:00:00Z".parse().unwrap());
        let later = clock.now();
        assert_eq!(later.monotonic - first.monotonic, Duration::from_secs(3600));
        simulated.set(start);
        assert_eq!((clock.now().wall, clock.now().monotonic), (start, later.monotonic));
    }

    #[test]
    fn the_systems_clock_is_the_default_and_runs() {
        let before = jiff::Timestamp::now();
        let now = Clock::default().now();
        assert!(before <= now.wall && now.wall <= jiff::Timestamp::now());
    }
}
