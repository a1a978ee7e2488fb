//! Upstreams as the admin page `/upstreams` shows them.
//!
//! Made by `app` when somebody asks; it reads and changes nothing.

use std::{
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Serialize;

use super::{Endpoint, Fleet, endpoint::State};
use crate::config::Balance;

/// One upstream now.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    name: &'a str,
    balance: &'a Balance,
    servers: Vec<ServerReport>,
}

/// One server now.
#[derive(Debug, Serialize)]
struct ServerReport {
    server: String,
    address: SocketAddr,
    weight: u32,
    /// Percent of the weight that it gets.
    share: u32,
    state: &'static str,
    /// Seconds since 1970.
    since: u64,
    in_flight: u32,
    /// How the last check came out; null before the first, and without checks.
    check: Option<&'static str>,
}

impl Fleet {
    /// What there is to see of it.
    #[must_use]
    pub fn report(&self) -> Report<'_> {
        let servers = self.addresses().endpoints.iter().map(|endpoint| server(endpoint)).collect();
        Report { name: &self.config.name, balance: &self.config.balance, servers }
    }
}

fn server(endpoint: &Endpoint) -> ServerReport {
    let State { record, since } = endpoint.state();
    let weight = endpoint.server.weight;
    ServerReport {
        server: endpoint.server.to_string(),
        address: endpoint.address,
        weight,
        share: endpoint.share().checked_div(weight).unwrap_or(0),
        state: record.now.as_str(),
        since: seconds(since),
        in_flight: endpoint.in_flight(),
        check: record.checked.map(|outcome| outcome.as_str()),
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
