//! What counts clients that went too far: limits that fired, requests that were none.
//!
//! One block in each worker's [`super::Counters`]; the words are a contract with dashboards.

use super::cells::{Cell, Table};
use crate::label::{Label, labels};

labels! {
    /// A limit of `[limits]` that a client ran into.
    pub enum Limit {
        /// No whole handshake in time.
        HandshakeTimeout = "handshake_timeout",
        /// No whole head in time.
        HeaderTimeout = "header_timeout",
        /// A request body stood still.
        BodyTimeout = "body_timeout",
        /// The client took nothing of what waited for it.
        WriteTimeout = "write_timeout",
        /// No next request in time.
        IdleTimeout = "idle_timeout",
        /// The response had not ended in time.
        RequestTimeout = "request_timeout",
        /// A head of too many bytes.
        HeaderSize = "header_size",
        /// A head of too many fields.
        HeaderCount = "header_count",
        /// A path too long.
        UriLength = "uri_length",
        /// A request body too large.
        BodySize = "body_size",
        /// A request body too slow.
        BodyRate = "body_rate",
        /// Too many connections.
        Connections = "connections",
        /// Too many of one client.
        ConnectionsPerClient = "connections_per_client",
        /// A connection ended because it had served enough.
        RequestsPerConnection = "requests_per_connection",
    }
}

/// The cells.
#[derive(Debug)]
pub(super) struct Bounds {
    pub limits: Table<1>,
    pub malformed: Cell,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { limits: Table::new([Limit::ALL.len()]), malformed: Cell::default() }
    }
}

impl super::Counters {
    /// A limit fired.
    pub fn limit(&self, limit: Limit) {
        self.bounds.limits.add([limit.index()]);
    }

    /// What a client sent could not be read as a request.
    pub fn malformed(&self) {
        self.bounds.malformed.add(1);
    }
}
