//! The fuse: counts the clients that a brownout or a ramp refuses, and blows where there are more
//! than was thought.
//!
//! A client is an IPv4 address or an IPv6 /64, as in the limits of the log; one that tries again is
//! counted once. A pure state machine by a monotonic clock that the caller reads, so a wall clock
//! that jumps can neither blow nor spare it. It keeps at most one client more than it may have
//! refused. Behind a lock of `brake`; only clients that are about to be refused come here.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use tokio::time::Instant;

/// A window moves on by a tenth of its length, so it is up to a tenth longer than said.
const SLOTS: u32 = 10;

/// The clients refused of late.
#[derive(Debug)]
pub(super) struct Fuse {
    within: Duration,
    /// The slot that runs, and when it began.
    slot: u64,
    since: Option<Instant>,
    /// By client, the slot in which it was last refused.
    clients: HashMap<IpAddr, u64>,
}

impl Default for Fuse {
    fn default() -> Self {
        Self { within: Duration::ZERO, slot: 0, since: None, clients: HashMap::new() }
    }
}

impl Fuse {
    /// One client is about to be refused; whether it is one more than `most` within `within`.
    pub(super) fn is_blown_by(
        &mut self,
        client: IpAddr,
        now: Instant,
        most: usize,
        within: Duration,
    ) -> bool {
        if self.within != within {
            *self = Self { within, ..Self::default() };
        }
        self.move_on(now);
        let slot = self.slot;
        if let Some(last) = self.clients.get_mut(&client) {
            *last = slot;
            return self.clients.len() > most;
        }
        if self.clients.len() <= most {
            self.clients.insert(client, slot);
        }
        self.clients.len() > most
    }

    /// Clients that were refused within the window.
    #[must_use]
    pub(super) fn refused(&mut self, now: Instant) -> usize {
        self.move_on(now);
        self.clients.len()
    }

    /// Forgets them.
    pub(super) fn clear(&mut self) {
        self.clients = HashMap::new();
    }

    fn move_on(&mut self, now: Instant) {
        let length = self.within / SLOTS;
        let since = *self.since.get_or_insert(now);
        let passed = now.saturating_duration_since(since);
        if length.is_zero() || passed < length {
            return;
        }
        let slots = passed.as_nanos() / length.as_nanos();
        let whole = u64::try_from(slots).unwrap_or(u64::MAX);
        self.slot = self.slot.saturating_add(whole);
        let rest = passed.as_nanos() % length.as_nanos();
        let rest = Duration::from_nanos(u64::try_from(rest).unwrap_or(0));
        self.since = now.checked_sub(rest).or(Some(now));
        let oldest = self.slot.saturating_sub(u64::from(SLOTS));
        self.clients.retain(|_, last| *last >= oldest);
    }
}

#[cfg(test)]
#[path = "fuse_balancing.rs"]
mod balancing;

#[cfg(test)]
mod tests {
    use std::{
        net::{IpAddr, Ipv4Addr},
        time::Duration,
    };

    use tokio::time::Instant;

    use super::Fuse;

    const MINUTE: Duration = Duration::from_secs(60);

    fn client(n: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(n))
    }

    #[test]
    fn one_more_than_it_may_blows_it_and_one_that_tries_again_does_not() {
        let mut fuse = Fuse::default();
        let now = Instant::now();
        for n in 0..100 {
            for _ in 0..3 {
                assert!(!fuse.is_blown_by(client(n), now, 100, MINUTE), "{n}");
            }
        }
        assert!(fuse.is_blown_by(client(100), now, 100, MINUTE));
        assert_eq!(fuse.refused(now), 101);
    }

    #[test]
    fn what_is_older_than_the_window_does_not_count() {
        let mut fuse = Fuse::default();
        let start = Instant::now();
        for n in 0..100 {
            assert!(!fuse.is_blown_by(client(n), start, 100, MINUTE));
        }
        // Still within: the window is never shorter than it says.
        let edge = start + MINUTE - Duration::from_millis(1);
        assert_eq!(fuse.refused(edge), 100);
        let later = start + MINUTE + MINUTE / 10;
        assert_eq!(fuse.refused(later), 0);
        for n in 100..200 {
            assert!(!fuse.is_blown_by(client(n), later, 100, MINUTE));
        }
        assert!(fuse.is_blown_by(client(7), later + MINUTE / 2, 100, MINUTE));
    }

    #[test]
    fn a_client_counts_from_its_last_refusal() {
        let mut fuse = Fuse::default();
        let start = Instant::now();
        for second in (0..300).step_by(5) {
            let now = start + Duration::from_secs(second);
            assert!(!fuse.is_blown_by(client(1), now, 1, MINUTE), "{second}");
        }
        assert!(fuse.is_blown_by(client(2), start + Duration::from_secs(340), 1, MINUTE));
    }

    #[test]
    fn memory_is_bounded_and_another_window_begins_anew() {
        let mut fuse = Fuse::default();
        let now = Instant::now();
        let blown = (0..100_000).filter(|n| fuse.is_blown_by(client(*n), now, 50, MINUTE)).count();
        assert_eq!(blown, 100_000 - 50);
        assert_eq!(fuse.refused(now), 51);
        assert!(!fuse.is_blown_by(client(1), now, 50, 2 * MINUTE));
        fuse.clear();
        assert_eq!(fuse.refused(now + 1000 * MINUTE), 0);
    }
}
