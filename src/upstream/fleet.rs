//! One upstream as all workers and the control plane share it: its servers' addresses now.
//!
//! Built by `snapshot`; the control plane publishes addresses as names resolve, workers take them
//! up at a request boundary (one relaxed load each). Nothing here is locked on the request path
//! while nothing changes.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    config::{Server, Upstream},
    metrics::UpstreamMetrics,
    tls::ClientTls,
};

/// One address of a server.
#[derive(Debug)]
pub struct Endpoint {
    /// The server as configured.
    pub server: Server,
    /// Where it is now.
    pub address: SocketAddr,
}

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
    endpoints: Mutex<Arc<[Arc<Endpoint>]>>,
}

impl Fleet {
    /// With the addresses that need no resolving.
    #[must_use]
    pub fn new(config: Upstream, tls: Option<ClientTls>, metrics: Arc<UpstreamMetrics>) -> Self {
        let literal = |server: &Server| {
            let address = SocketAddr::new(server.host.ip()?, server.port);
            Some(Arc::new(Endpoint { server: server.clone(), address }))
        };
        let endpoints = config.servers.iter().filter_map(literal).collect();
        let generation = AtomicU64::new(1);
        Self { config, tls, metrics, generation, endpoints: Mutex::new(endpoints) }
    }

    /// Looks every name up once and publishes what there is; blocks.
    pub fn resolve(&self) {
        let mut endpoints = Vec::new();
        for server in &self.config.servers {
            match (server.host.as_str(), server.port).to_socket_addrs() {
                Ok(addresses) => endpoints.extend(
                    addresses.map(|address| Arc::new(Endpoint { server: server.clone(), address })),
                ),
                Err(error) => {
                    tracing::warn!(server = %server.host, %error, "the name has no address");
                }
            }
        }
        self.publish(endpoints.into());
    }

    /// Counts up with each [`Self::publish`].
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The addresses now.
    #[must_use]
    pub fn endpoints(&self) -> Arc<[Arc<Endpoint>]> {
        Arc::clone(&self.endpoints.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the addresses; an endpoint that stays must be the same `Arc`.
    pub fn publish(&self, endpoints: Arc<[Arc<Endpoint>]>) {
        *self.endpoints.lock().unwrap_or_else(PoisonError::into_inner) = endpoints;
        self.generation.fetch_add(1, Ordering::Release);
    }
}
