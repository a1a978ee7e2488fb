//! One address of a server, as all workers and the control plane share it.
//!
//! Made when an address becomes known, and the same one for as long as it stays. Workers read its
//! share for each request, one relaxed load; it must never take a lock from them.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::config::Server;

/// One address of a server.
#[derive(Debug)]
pub struct Endpoint {
    /// The server as configured.
    pub server: Server,
    /// Where it is now.
    pub address: SocketAddr,
    share: AtomicU32,
}

/// A server's share is so many times its weight, so that a slow start has steps.
pub(super) const WHOLE: u32 = 100;

impl Endpoint {
    /// An address that nothing is known about yet; it gets its whole share.
    #[must_use]
    pub fn new(server: &Server, address: SocketAddr) -> Self {
        let share = AtomicU32::new(server.weight.saturating_mul(WHOLE));
        Self { server: server.clone(), address, share }
    }

    /// What it may get now, compared with others; 0: nothing.
    pub(super) fn share(&self) -> u32 {
        self.share.load(Ordering::Relaxed)
    }
}
