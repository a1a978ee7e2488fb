//! How much of something one client may cause: lines about its refusals, so that none can fill a
//! log, and answers of the self-test host.
//!
//! Shared by all workers: all of that is off the request path. Lines have windows of a minute; clients
//! are told apart by IPv4 address or IPv6 /64, and what does not fit the table shares a row.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// Clients that are told apart at one time.
const ROWS: usize = 4096;
const MINUTE: Duration = Duration::from_secs(60);

/// The limiter.
#[derive(Debug)]
pub(crate) struct RefusalLog {
    per_window: AtomicU32,
    window: Duration,
    rows: Mutex<HashMap<Key, Row>>,
}

/// A client, or all that found no row of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    Client(IpAddr),
    Others,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    since: Instant,
    lines: u32,
    suppressed: u64,
}

impl RefusalLog {
    /// `per_minute` lines for each client; 0 is no limit.
    #[must_use]
    pub(crate) fn new(per_minute: u32) -> Self {
        Self::within(MINUTE, per_minute)
    }

    /// `count` for each client in each `window`; 0 is no limit.
    #[must_use]
    pub(crate) fn within(window: Duration, count: u32) -> Self {
        Self { per_window: AtomicU32::new(count), window, rows: Mutex::default() }
    }

    /// Another number, from now on.
    pub(crate) fn set(&self, count: u32) {
        self.per_window.store(count, Ordering::Relaxed);
    }

    /// Whether `client` may cause one more, and how many were left out since its last one.
    pub(crate) fn admit(&self, client: IpAddr, now: Instant) -> Option<u64> {
        let most = self.per_window.load(Ordering::Relaxed);
        if most == 0 {
            return Some(0);
        }
        // A row is changed in one step, so a panic elsewhere leaves the table whole.
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let key = self.place(&mut rows, Key::Client(network(client)), now);
        let row = rows.entry(key).or_insert(Row { since: now, lines: 0, suppressed: 0 });
        if now.duration_since(row.since) >= self.window {
            (row.since, row.lines) = (now, 0);
        }
        if row.lines < most {
            row.lines += 1;
            Some(std::mem::take(&mut row.suppressed))
        } else {
            row.suppressed += 1;
            None
        }
    }

    /// Its own row, a fresh one, or the one that all share while the table is full.
    fn place(&self, rows: &mut HashMap<Key, Row>, key: Key, now: Instant) -> Key {
        if rows.len() >= ROWS && !rows.contains_key(&key) {
            // At most once a window for a full table: what is left after it is younger than one.
            let stale = |row: &Row| now.duration_since(row.since) >= self.window;
            if rows.get(&Key::Others).is_none_or(stale) {
                rows.retain(|_, row| !stale(row));
            }
            if rows.len() >= ROWS {
                return Key::Others;
            }
        }
        key
    }
}

/// What tells clients apart: an IPv4 address, or the /64 that one IPv6 client has to itself.
pub(crate) fn network(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{IpAddr, Ipv4Addr},
        time::Duration,
    };

    use tokio::time::Instant;

    use super::{ROWS, RefusalLog};

    const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn what_was_left_out_is_told_by_the_next_line() {
        let log = RefusalLog::new(2);
        let start = Instant::now();
        let admitted: Vec<_> = (0..5).map(|_| log.admit(CLIENT, start)).collect();
        assert_eq!(admitted, [Some(0), Some(0), None, None, None]);
        assert_eq!(log.admit(CLIENT, start + Duration::from_secs(59)), None);
        assert_eq!(log.admit(CLIENT, start + Duration::from_secs(60)), Some(4));
        assert_eq!(log.admit(CLIENT, start + Duration::from_secs(61)), Some(0));
    }

    #[test]
    fn zero_is_every_one() {
        let log = RefusalLog::new(0);
        assert!((0..1000).all(|_| log.admit(CLIENT, Instant::now()) == Some(0)));
    }

    #[test]
    fn an_ipv6_client_is_its_network() {
        let log = RefusalLog::new(1);
        let now = Instant::now();
        assert_eq!(log.admit("2001:db8::1".parse().unwrap(), now), Some(0));
        assert_eq!(log.admit("2001:db8::2".parse().unwrap(), now), None);
        assert_eq!(log.admit("2001:db8:0:1::1".parse().unwrap(), now), Some(0));
    }

    #[test]
    fn many_clients_share_a_row_and_no_more_memory() {
        let log = RefusalLog::new(3);
        let now = Instant::now();
        let clients = |n: u32| IpAddr::V4(Ipv4Addr::from_bits(n));
        let lines = (0..100_000).filter(|n| log.admit(clients(*n), now).is_some()).count();
        assert_eq!(lines, ROWS + 3);
        assert!(log.rows.lock().unwrap().len() <= ROWS + 1);
        // A minute later there is room again, and nothing that was left out is forgotten.
        let later = now + Duration::from_secs(60);
        assert_eq!(log.admit(clients(200_000), later), Some(0));
    }
}
