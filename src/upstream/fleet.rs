//! One upstream as all workers and the control plane share it: its servers' addresses now.
//!
//! Built by `snapshot`; the control plane publishes addresses as names resolve, workers take them
//! up at a request boundary (one relaxed load each). Nothing here is locked on the request path
//! while nothing changes.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::Notify;

use super::{endpoint::Endpoint, hash::Table};
use crate::{
    config::{Balance, CertificateSource, Dns, Server, Upstream},
    files::Files,
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
    /// By which it is known again.
    pub print: FleetPrint,
    generation: AtomicU64,
    addresses: Mutex<Arc<Addresses>>,
    calls: Notify,
}

/// All that an upstream is made of: two with the same one are the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FleetPrint {
    /// As the admin port shows it, which leaves out the lines of the file.
    config: serde_json::Value,
    /// How its names are looked up, where it has any.
    dns: serde_json::Value,
    /// What was in its authorities, its chain and its key.
    contents: [Option<[u8; 32]>; 3],
}

impl FleetPrint {
    /// Of an upstream whose files have been read.
    #[must_use]
    pub fn of(config: &Upstream, dns: &Dns, files: &Files) -> Self {
        let content = |path: &PathBuf| files.content(path);
        let (chain, key) = match &config.tls.certificate {
            Some(CertificateSource::Files { chain, key, .. }) => (content(chain), content(key)),
            Some(CertificateSource::Memory { .. }) | None => (None, None),
        };
        let ca = config.tls.ca.as_ref().and_then(|ca| content(&ca.file));
        let has_names = config.servers.iter().any(|server| server.host.ip().is_none());
        let dns = if has_names { serde_json::json!(dns) } else { serde_json::Value::Null };
        Self { config: serde_json::json!(config), dns, contents: [ca, chain, key] }
    }
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

/// The endpoint of a server whose URL has an address.
fn literal(server: &Server) -> Option<Arc<Endpoint>> {
    let address = SocketAddr::new(server.host.ip()?, server.port);
    Some(Arc::new(Endpoint::new(server, address)))
}

impl Fleet {
    /// With the addresses that need no resolving.
    #[must_use]
    pub fn new(
        config: Upstream,
        tls: Option<ClientTls>,
        metrics: Arc<UpstreamMetrics>,
        print: FleetPrint,
    ) -> Self {
        let endpoints = config.servers.iter().filter_map(literal).collect();
        let addresses = Addresses::new(&config.balance, endpoints);
        let generation = AtomicU64::new(1);
        let addresses = Mutex::new(Arc::new(addresses));
        Self { config, tls, metrics, print, generation, addresses, calls: Notify::new() }
    }

    /// The same with what is known of its servers, if they are judged as they were before: one that
    /// rests or is down goes on so, and names keep their addresses until they are looked up.
    #[must_use]
    pub fn knowing(mut self, before: &Self) -> Self {
        if serde_json::json!(before.config.health) != serde_json::json!(self.config.health) {
            return self;
        }
        let known = before.addresses();
        let endpoints = self.config.servers.iter().flat_map(|server| {
            let same = known.endpoints.iter().filter(|endpoint| endpoint.server == *server);
            let same: Vec<_> = same.cloned().collect();
            if same.is_empty() { literal(server).into_iter().collect() } else { same }
        });
        let addresses = Addresses::new(&self.config.balance, endpoints.collect());
        self.addresses = Mutex::new(Arc::new(addresses));
        self
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
