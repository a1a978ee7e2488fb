//! How many connections each client has open, so that none takes them all.
//!
//! Shared by all workers: a connection passes here once when it begins and once when it ends, off
//! the request path. Clients are told apart by IPv4 address or IPv6 /64. A client without
//! connections has no row, so the table is no larger than the number of open connections.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::refusals::network;

/// Everybody's open connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clients(Arc<Mutex<HashMap<IpAddr, u32>>>);

/// A connection, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    clients: Clients,
    network: IpAddr,
}

impl Clients {
    /// One more connection of `client`, unless it has `most` already.
    pub(crate) fn hold(&self, client: IpAddr, most: u32) -> Option<Held> {
        let network = network(client);
        let mut rows = self.rows();
        let open = rows.entry(network).or_default();
        if *open >= most {
            return None;
        }
        *open += 1;
        Some(Held { clients: self.clone(), network })
    }

    /// A row is changed in one step, so a panic elsewhere leaves the table whole.
    fn rows(&self) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut rows = self.clients.rows();
        if let Some(open) = rows.get_mut(&self.network) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                rows.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Clients;

    #[test]
    fn a_client_gets_its_share_back_and_leaves_nothing_behind() {
        let clients = Clients::default();
        let hold = |address: &str| clients.hold(address.parse().unwrap(), 2);
        let held = [hold("10.0.0.1"), hold("10.0.0.1")];
        assert!(held.iter().all(Option::is_some));
        assert!(hold("10.0.0.1").is_none());
        let other = hold("10.0.0.2");
        assert!(other.is_some());
        drop(held);
        assert!(hold("10.0.0.1").is_some());
        drop(other);
        assert!(clients.rows().is_empty());
    }

    #[test]
    fn an_ipv6_client_is_its_network() {
        let clients = Clients::default();
        let hold = |address: &str| clients.hold(address.parse().unwrap(), 1);
        let first = hold("2001:db8::1");
        assert!(first.is_some() && hold("2001:db8::2").is_none());
        assert!(hold("2001:db8:0:1::1").is_some());
    }
}
