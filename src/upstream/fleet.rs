//! One upstream as all workers and the control plane share it: its servers' addresses now.
//!
//! Built by `snapshot`; the control plane publishes addresses as names resolve, workers take them
//! up at a request boundary (one relaxed load each). Nothing here is locked on the request path
//! while nothing changes.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::Notify;

use super::{endpoint::Endpoint, hash::Table};
use crate::{
    config::{Balance, Server, Upstream},
    metrics::UpstreamMetrics,
    tls::ClientTls,
};

/// One upstream.
#[derive(Debug)]
pub struct Fleet {
    /// As configured.
    pub config: Upstream,
    /// For its `https://` servers.
    pub tls: Option<ClientTls>,
    /// Its counters.
    pub metrics: Arc<UpstreamMetrics>,
    generation: AtomicU64,
    addresses: Mutex<Arc<Addresses>>,
    calls: Notify,
}

/// The addresses of an upstream at one time.
#[derive(Debug, Default)]
pub struct Addresses {
    /// In the order of the configuration's servers.
    pub endpoints: Box<[Arc<Endpoint>]>,
    /// By which keys find their server, where they do.
    pub(super) table: Option<Table>,
}

impl Addresses {
    fn new(balance: &Balance, endpoints: Vec<Arc<Endpoint>>) -> Self {
        let name =
            |endpoint: &Arc<Endpoint>| (endpoint.address.to_string(), endpoint.server.weight);
        let hashes = matches!(balance, Balance::Hash(_));
        let table = hashes.then(|| Table::new(&endpoints.iter().map(name).collect::<Vec<_>>()));
        Self { endpoints: endpoints.into(), table }
    }
}

impl Fleet {
    /// With the addresses that need no resolving.
    #[must_use]
    pub fn new(config: Upstream, tls: Option<ClientTls>, metrics: Arc<UpstreamMetrics>) -> Self {
        let literal = |server: &Server| {
            let address = SocketAddr::new(server.host.ip()?, server.port);
            Some(Arc::new(Endpoint::new(server, address)))
        };
        let endpoints = config.servers.iter().filter_map(literal).collect();
        let addresses = Addresses::new(&config.balance, endpoints);
        let generation = AtomicU64::new(1);
        let addresses = Mutex::new(Arc::new(addresses));
        Self { config, tls, metrics, generation, addresses, calls: Notify::new() }
    }

    /// Counts up with each [`Self::publish`].
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The addresses now.
    #[must_use]
    pub fn addresses(&self) -> Arc<Addresses> {
        Arc::clone(&self.addresses.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Has the control thread look at the endpoints.
    pub(super) fn call(&self) {
        self.calls.notify_one();
    }

    /// Until somebody calls.
    pub(super) async fn called(&self) {
        self.calls.notified().await;
    }

    /// Replaces the addresses; an endpoint that stays must be the same `Arc`.
    pub fn publish(&self, endpoints: Vec<Arc<Endpoint>>) {
        let addresses = Arc::new(Addresses::new(&self.config.balance, endpoints));
        *self.addresses.lock().unwrap_or_else(PoisonError::into_inner) = addresses;
        self.generation.fetch_add(1, Ordering::Release);
        self.show();
        self.call();
    }

    /// Makes the servers now the ones that are in the metrics.
    pub(super) fn show(&self) {
        let endpoints = &self.addresses().endpoints;
        let servers = endpoints.iter().map(|endpoint| Arc::clone(&endpoint.metrics));
        self.metrics.fleet.set_servers(servers.collect());
    }
}
