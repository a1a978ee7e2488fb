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
        /// Nothing moved through a tunnel for too long.
        TunnelTimeout = "tunnel_timeout",
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
        /// No memory for more.
        Memory = "memory",
        /// A connection ended because it had served enough.
        RequestsPerConnection = "requests_per_connection",
        /// Too many questions at the self-test host (`self_test.rate`).
        SelfTest = "self_test",
    }
}

labels! {
    /// What a client did over HTTP/2 that costs more than it should.
    pub enum Abuse {
        /// Streams opened and canceled at once (CVE-2023-44487).
        RapidReset = "rapid_reset",
        /// Streams that we are made to reset (CVE-2025-8671).
        MadeYouReset = "made_you_reset",
        /// A head in ever more CONTINUATION frames.
        Continuation = "continuation",
        /// SETTINGS to acknowledge.
        Settings = "settings",
        /// PING to answer.
        Ping = "ping",
        /// DATA without data.
        EmptyData = "empty_data",
        /// DATA of a few bytes each, unread.
        SmallData = "small_data",
        /// PRIORITY
        Priority = "priority",
        /// WINDOW_UPDATE for nothing, or byte by byte.
        WindowUpdate = "window_update",
        /// Frames that nobody here knows.
        UnknownFrame = "unknown_frame",
        /// A small head that unpacks to a large one.
        HeaderBomb = "header_bomb",
        /// A stream that its client lets stand.
        StalledStream = "stalled_stream",
        /// Anything else that h2 ends with ENHANCE_YOUR_CALM.
        Other = "other",
    }
}

/// The cells.
#[derive(Debug)]
pub(super) struct Bounds {
    pub limits: Table<1>,
    pub malformed: Cell,
    pub abuse: Table<1>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            limits: Table::new([Limit::ALL.len()]),
            malformed: Cell::default(),
            abuse: Table::new([Abuse::ALL.len()]),
        }
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

    /// A client's HTTP/2 connection or stream was ended for its own doing.
    pub fn abuse(&self, abuse: Abuse) {
        self.bounds.abuse.add([abuse.index()]);
    }
}
