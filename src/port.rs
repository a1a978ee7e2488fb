//! A listening address, as all workers and every connection that came through it know it.
//!
//! Made by `listening`. A reload may close one port while the others serve on: its connections
//! then end as in a drain, each after what it is doing.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
};

use tokio::sync::Notify;

use crate::metrics::ListenerKind;

/// One of them.
#[derive(Debug)]
pub(crate) struct Port {
    /// What is spoken there.
    pub kind: ListenerKind,
    /// As configured: port 0 stays 0.
    pub address: SocketAddr,
    closed: AtomicBool,
    closing: Notify,
}

impl Port {
    /// One that is open.
    #[must_use]
    pub(crate) fn new(kind: ListenerKind, address: SocketAddr) -> Self {
        Self { kind, address, closed: AtomicBool::new(false), closing: Notify::new() }
    }

    /// No more connections come through it, and those that did are to end.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.closing.notify_waiters();
    }

    /// Whether it is closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Until it is.
    pub(crate) async fn closed(&self) {
        // Made before the look, so that a close in between is not missed.
        let closing = self.closing.notified();
        if !self.is_closed() {
            closing.await;
        }
    }
}
