//! One address of a server, as all workers and the control plane share it.
//!
//! Made when an address becomes known, and the same one for as long as it stays. Workers read its
//! share for each request and count failures in a row, in atomics; only the control thread moves
//! what is behind the lock.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::SystemTime,
};

use tokio::time::Instant;

use super::standing::{self, Record, Standing};
use crate::{
    config::{Server, Upstream},
    metrics::ServerMetrics,
};

/// One address of a server.
#[derive(Debug)]
pub struct Endpoint {
    /// The server as configured.
    pub server: Server,
    /// Where it is now.
    pub address: SocketAddr,
    pub(super) metrics: Arc<ServerMetrics>,
    /// Its weight's share, and [`RESTING`].
    share: AtomicU32,
    /// In a row, of all workers.
    failures: AtomicU32,
    state: Mutex<State>,
    /// Requests under way, a cell each worker that has the server.
    under_way: Mutex<Vec<Arc<AtomicU32>>>,
}

/// Where it stands, and since when.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    pub record: Record,
    pub since: SystemTime,
}

/// A server's share is so many times its weight, so that a slow start has steps.
pub(super) const WHOLE: u32 = standing::WHOLE;

/// Requests to it kept failing: it is chosen only where no other is left.
const RESTING: u32 = 1 << 31;

impl Endpoint {
    /// An address that nothing is known about yet; it gets its whole share.
    #[must_use]
    pub fn new(server: &Server, address: SocketAddr) -> Self {
        Self::with(server, address, Record::new(None))
    }

    /// An address that joins others at `now`: it starts slowly, where that is wanted.
    pub(super) fn joining(
        server: &Server,
        address: SocketAddr,
        now: Instant,
        config: &Upstream,
    ) -> Self {
        let mut record = Record::new(Some(now));
        let share = record.settle(now, config);
        let endpoint = Self::with(server, address, record);
        endpoint.take(share, false);
        endpoint
    }

    fn with(server: &Server, address: SocketAddr, record: Record) -> Self {
        let label = match server.host.ip() {
            Some(_) => server.to_string(),
            None => format!("{server} {}", address.ip()),
        };
        Self {
            server: server.clone(),
            address,
            metrics: Arc::new(ServerMetrics::new(label)),
            share: AtomicU32::new(server.weight.saturating_mul(WHOLE)),
            failures: AtomicU32::new(0),
            state: Mutex::new(State { record, since: SystemTime::now() }),
            under_way: Mutex::default(),
        }
    }

    /// What it may get now, compared with others; 0: nothing.
    pub(super) fn share(&self) -> u32 {
        let share = self.share.load(Ordering::Relaxed);
        if share & RESTING == 0 { share } else { 0 }
    }

    /// The same where all others are out: one that only rests is better than none.
    pub(super) fn last_resort(&self) -> u32 {
        self.share.load(Ordering::Relaxed) & !RESTING
    }

    /// A request went well: failures before it are not in a row with later ones.
    pub(super) fn worked(&self) {
        // Most often there is none, and the cache line stays shared.
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// One failed; true for the one that makes them as many as `most`.
    pub(super) fn failed(&self, most: u32) -> bool {
        self.failures.fetch_add(1, Ordering::Relaxed).wrapping_add(1) == most
    }

    /// A cell for a worker to say in how many requests it has under way; made once a worker and
    /// pool, and forgotten with that.
    pub(super) fn cell(&self) -> Arc<AtomicU32> {
        let cell = Arc::default();
        let mut cells = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        cells.retain(|cell| Arc::strong_count(cell) > 1);
        cells.push(Arc::clone(&cell));
        cell
    }

    /// Requests under way, of all workers.
    pub(super) fn in_flight(&self) -> u32 {
        let cells = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        cells.iter().map(|cell| cell.load(Ordering::Relaxed)).sum()
    }

    /// Whether as many failed; they are forgotten with that. For the control thread, as all below.
    pub(super) fn take_failures(&self, most: u32) -> bool {
        let many = most > 0 && self.failures.load(Ordering::Relaxed) >= most;
        if many {
            self.failures.store(0, Ordering::Relaxed);
        }
        many
    }

    /// Where it stands.
    pub(super) fn state(&self) -> State {
        *self.lock()
    }

    /// Makes a change, moves to where it then stands, and says so where that is elsewhere.
    pub(super) fn settle(
        &self,
        now: Instant,
        config: &Upstream,
        change: impl FnOnce(&mut Record),
    ) -> Record {
        let mut state = self.lock();
        let before = state.record.now;
        change(&mut state.record);
        let share = state.record.settle(now, config);
        self.take(share, state.record.now == Standing::Ejected);
        if state.record.now != before {
            state.since = SystemTime::now();
            self.moved(before, &state.record, config);
        }
        state.record
    }

    fn take(&self, hundredths: u32, resting: bool) {
        let share = self.server.weight.saturating_mul(hundredths);
        self.share.store(if resting { share | RESTING } else { share }, Ordering::Relaxed);
    }

    fn moved(&self, before: Standing, record: &Record, config: &Upstream) {
        let up = matches!(record.now, Standing::Up | Standing::SlowStart);
        self.metrics.set_healthy(up);
        let (upstream, server) = (&*config.name, &self.metrics.label);
        let (state, was) = (record.now.as_str(), before.as_str());
        if up {
            tracing::info!(event = "upstream", upstream, server, state, was);
        } else {
            let ejected = record.now == Standing::Ejected;
            let seconds = record.rests.length().filter(|_| ejected).map(|length| length.as_secs());
            let check = record.checked.filter(|_| !ejected).map(|outcome| outcome.as_str());
            tracing::warn!(event = "upstream", upstream, server, state, was, check, seconds);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, WHOLE};

    #[test]
    fn failures_count_in_a_row_and_are_reported_once() {
        let file = std::path::Path::new("/x/t.toml");
        let text = "[tls]\ncertificates = [{ chain = \"a\", key = \"b\" }]\n[[upstreams]]\n\
            name = \"api\"\nservers = [\"http://[::1]:81\", \"https://orders\"]\n";
        let servers = crate::config::parse(text, file).unwrap().upstreams.remove(0).servers;
        let address = "[::1]:81".parse().unwrap();
        let endpoint = Endpoint::new(&servers[0], address);
        assert_eq!(endpoint.share(), WHOLE);
        let failed = || (0..2).map(|_| endpoint.failed(3)).collect::<Vec<_>>();
        assert_eq!(failed(), [false, false]);
        endpoint.worked();
        assert_eq!(failed(), [false, false]);
        assert!(!endpoint.take_failures(3));
        assert_eq!(failed(), [true, false]);
        assert!(endpoint.take_failures(3) && !endpoint.take_failures(3));
        assert_eq!(endpoint.metrics.label, "http://[::1]:81");
        assert_eq!(Endpoint::new(&servers[1], address).metrics.label, "https://orders:443 ::1");
    }
}
