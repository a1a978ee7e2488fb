//! What the control thread counts of an upstream, and its servers' health.
//!
//! Only that thread writes here. The list of servers follows what the upstream's names resolve
//! to, so that the series of a server that is gone disappears.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use super::cells::{Cell, Table};
use crate::label::{Label, labels};

labels! {
    /// How a health check came out.
    pub enum CheckOutcome {
        /// As it should.
        Success = "success",
        /// No TCP connection.
        ConnectFailed = "connect_failed",
        /// No TLS.
        TlsFailed = "tls_failed",
        /// Not in time.
        Timeout = "timeout",
        /// A status code that is not among the good ones.
        BadStatus = "bad_status",
        /// No HTTP or gRPC response.
        BadResponse = "bad_response",
        /// gRPC: the service says that it does not serve.
        NotServing = "not_serving",
    }
}

/// One server's health.
#[derive(Debug)]
pub struct ServerMetrics {
    /// The label: its URL, and its address where the URL has a name.
    pub label: String,
    healthy: AtomicBool,
}

impl ServerMetrics {
    /// Of a server that is healthy until something else is known.
    #[must_use]
    pub fn new(label: String) -> Self {
        Self { label, healthy: AtomicBool::new(true) }
    }

    /// Whether it takes requests.
    pub fn set_healthy(&self, healthy: bool) {
        self.healthy.store(healthy, Ordering::Relaxed);
    }

    pub(super) fn healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }
}

/// What is counted off the request path.
#[derive(Debug)]
pub struct FleetMetrics {
    servers: Mutex<Vec<Arc<ServerMetrics>>>,
    pub(super) ejections: Cell,
    pub(super) checks: Table<1>,
    pub(super) unresolved: Cell,
}

impl Default for FleetMetrics {
    fn default() -> Self {
        Self {
            servers: Mutex::default(),
            ejections: Cell::default(),
            checks: Table::new([CheckOutcome::ALL.len()]),
            unresolved: Cell::default(),
        }
    }
}

impl FleetMetrics {
    /// The servers that there are now.
    pub fn set_servers(&self, servers: Vec<Arc<ServerMetrics>>) {
        *self.servers.lock().unwrap_or_else(PoisonError::into_inner) = servers;
    }

    /// A server was taken out because requests to it kept failing.
    pub fn ejected(&self) {
        self.ejections.add(1);
    }

    /// A health check.
    pub fn checked(&self, outcome: CheckOutcome) {
        self.checks.add([outcome.index()]);
    }

    /// A name could not be looked up.
    pub fn unresolved(&self) {
        self.unresolved.add(1);
    }

    pub(super) fn servers(&self) -> Vec<Arc<ServerMetrics>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
