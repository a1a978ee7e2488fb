//! The configuration as meant: every value parsed, every default filled in.
//!
//! Made by `resolve` from a file and by `cli/demo` by hand; read by everything above. It is also
//! what `/config` shows, so a secret must never be a field here (paths of keys are no secret).

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use serde::{Serialize, Serializer};

use super::{
    Census, Dns, Errors, Place, PlainHttp, Rollout, Route, SelfTest, Tls, Traces, Upstream, WhatIf,
};
use crate::network::Network;

/// A whole configuration.
#[derive(Clone, Debug, Serialize)]
pub struct Config {
    /// `[listen]`
    pub listen: Listen,
    /// `[tls]`
    pub tls: Tls,
    /// `[plain_http]`
    pub plain_http: PlainHttp,
    /// `[forwarding]`
    pub forwarding: Forwarding,
    /// `[hsts]`
    pub hsts: Hsts,
    /// `[[upstreams]]`
    pub upstreams: Vec<Upstream>,
    /// `[dns]`
    pub dns: Dns,
    /// `[[routes]]`
    pub routes: Vec<Route>,
    /// `[rollout]`
    pub rollout: Rollout,
    /// `[self_test]`
    pub self_test: Option<SelfTest>,
    /// `[[policies]]`
    pub policies: Vec<WhatIf>,
    /// `[census]`
    pub census: Census,
    /// `[fleet]`
    pub fleet: Fleet,
    /// `[errors]`
    pub errors: Errors,
    /// `[reload]`
    pub reload: Reload,
    /// `[log]`
    pub log: Log,
    /// `[traces]`
    pub traces: Option<Traces>,
    /// `[drain]`
    pub drain: Drain,
    /// `[compression]`
    pub compression: Compression,
    /// `[limits]`
    pub limits: Limits,
}

/// `[listen]`: the addresses, and how many workers serve them.
#[derive(Clone, Debug, Serialize)]
pub struct Listen {
    /// TLS ports.
    pub https: Vec<SocketAddr>,
    /// Plain HTTP ports.
    pub http: Vec<SocketAddr>,
    /// The admin port.
    pub admin: SocketAddr,
    /// What whoever changes something there has to show; none: whoever reaches it may.
    pub admin_token: Option<FileAt>,
    /// Whose peers send PROXY protocol v1 or v2, and have to.
    pub proxy_protocol_from: Vec<Network>,
    /// Whose `X-Forwarded-*`, `Forwarded` and `X-Request-Id` are kept and appended to.
    pub trusted_proxies: Vec<Network>,
    /// Whether a client that closes its half still gets the answer; else it has left.
    pub half_close: bool,
    /// Worker threads; 0 is one per CPU that the cgroup allows.
    pub workers: usize,
}

/// A file that something else than a certificate is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct FileAt {
    /// Absolute or relative to the working directory by now.
    pub path: PathBuf,
    /// Where the value stands, for problems found later.
    #[serde(skip)]
    pub place: Place,
}

/// `[forwarding]`: what the two sides are told about each other.
#[derive(Clone, Debug, Serialize)]
pub struct Forwarding {
    /// How an upstream is told who asks.
    pub style: ForwardedStyle,
    /// Whether `Via` is added, both ways.
    pub via: bool,
    /// Whether a trace begins where a request brings none.
    pub traceparent: bool,
    /// Whether `Server` and `X-Powered-By` are taken from upstreams' responses.
    pub hide_server: bool,
}

/// `forwarding.style`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedStyle {
    /// `X-Forwarded-For`, `-Proto` and `-Host`.
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// Both.
    Both,
}

impl ForwardedStyle {
    /// Whether `X-Forwarded-*` are set.
    #[must_use]
    pub fn has_x_forwarded(self) -> bool {
        self != Self::Forwarded
    }

    /// Whether `Forwarded` is set.
    #[must_use]
    pub fn has_forwarded(self) -> bool {
        self != Self::XForwarded
    }
}

/// `[hsts]`: the `Strict-Transport-Security` field of responses over TLS (RFC 6797).
#[derive(Clone, Debug, Serialize)]
pub struct Hsts {
    /// Zero: no field is sent.
    #[serde(serialize_with = "seconds")]
    pub max_age: Duration,
    /// `includeSubDomains`
    pub include_subdomains: bool,
    /// `preload`
    pub preload: bool,
}

/// What of `[[routes]]` overrides `[limits]`; absent: as there.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RouteBounds {
    /// `limits.body_size`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_size: Option<usize>,
    /// `limits.request_timeout`
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "some_seconds")]
    pub request_timeout: Option<Duration>,
    /// `compression.enabled`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compress: Option<bool>,
}

/// `[compression]`
#[derive(Clone, Debug, Serialize)]
pub struct Compression {
    /// Where a route says nothing.
    pub enabled: bool,
    /// In the order of our preference.
    pub algorithms: Vec<Algorithm>,
    /// Whole types, or `text/*`; in small letters.
    pub types: Vec<String>,
    /// Bytes; a shorter response is left alone.
    pub min_size: usize,
}

/// A content coding (RFC 9110 8.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// RFC 8878
    Zstd,
    /// RFC 7932
    Br,
    /// RFC 1952
    Gzip,
}

/// `[fleet]`: all copies of this process together.
#[derive(Clone, Debug, Serialize)]
pub struct Fleet {
    /// How many there are; each has its share of what is set for all.
    pub replicas: u32,
}

impl Fleet {
    /// What one replica has of a number that is set for all. Rounded up: with uneven shares the fleet
    /// may have a little more than was set, never less because of it, and 0 stays 0.
    #[must_use]
    pub fn share(&self, whole: u32) -> u32 {
        whole.div_ceil(self.replicas.max(1))
    }
}

/// `[reload]`: how changes of files come into force.
#[derive(Clone, Debug, Serialize)]
pub struct Reload {
    /// From one look at the files to the next; zero: only when asked.
    #[serde(serialize_with = "seconds")]
    pub poll: Duration,
}

/// `[log]`
#[derive(Clone, Debug, Serialize)]
pub struct Log {
    /// JSON or text.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug` (or a `tracing` filter such as `info,tlsfloor=debug`).
    pub level: String,
    /// Where it stands, for problems found later.
    #[serde(skip)]
    pub level_place: Place,
    /// One line a request.
    pub access: bool,
    /// Of the requests that went well so many in a hundred; those that did not are all logged.
    pub access_percent: u8,
    /// Lines about refused hellos per client and minute, and as many about leaked credentials; 0:
    /// every one.
    pub refused_per_minute: u32,
}

/// `log.format`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// `[drain]`: what SIGTERM does.
#[derive(Clone, Debug, Serialize)]
pub struct Drain {
    /// Not ready, still accepting.
    #[serde(serialize_with = "seconds")]
    pub delay: Duration,
    /// Then what is left is cut.
    #[serde(serialize_with = "seconds")]
    pub grace: Duration,
    /// How long the admin port stays after something was cut.
    #[serde(serialize_with = "seconds")]
    pub linger: Duration,
}

/// `[limits]`: every timeout and cap.
#[derive(Clone, Debug, Serialize)]
pub struct Limits {
    /// From accept to the end of the TLS handshake.
    #[serde(serialize_with = "seconds")]
    pub handshake_timeout: Duration,
    /// From a request's first byte to the end of its head.
    #[serde(serialize_with = "seconds")]
    pub header_timeout: Duration,
    /// Between two bytes of a request body.
    #[serde(serialize_with = "seconds")]
    pub body_timeout: Duration,
    /// How long a client may take no byte of what waits for it.
    #[serde(serialize_with = "seconds")]
    pub write_timeout: Duration,
    /// How long a client's connection may wait for its next request.
    #[serde(serialize_with = "seconds")]
    pub idle_timeout: Duration,
    /// How long nothing may move through an upgraded connection.
    #[serde(serialize_with = "seconds")]
    pub tunnel_timeout: Duration,
    /// TCP connect to an upstream server.
    #[serde(serialize_with = "seconds")]
    pub connect_timeout: Duration,
    /// From the request to the upstream's response head, while no byte moves to it.
    #[serde(serialize_with = "seconds")]
    pub response_timeout: Duration,
    /// Between two pieces of an upstream's response body.
    #[serde(serialize_with = "seconds")]
    pub response_body_timeout: Duration,
    /// How long a pooled upstream connection is kept unused.
    #[serde(serialize_with = "seconds")]
    pub upstream_idle_timeout: Duration,
    /// Pooled unused connections per upstream server and worker.
    pub upstream_idle_connections: usize,
    /// Bytes of a request's or response's head.
    pub header_size: usize,
    /// What one client may take.
    #[serde(flatten)]
    pub client: ClientBounds,
    /// What happens to a connection for which there is no room.
    pub at_capacity: AtCapacity,
    /// What the process may have of memory, in bytes; 0: by its cgroup.
    pub memory: usize,
    /// Streams at once on one HTTP/2 connection.
    pub http2_streams: u32,
    /// Bytes buffered of one body on each side.
    pub buffer: usize,
}

/// `limits.at_capacity`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AtCapacity {
    /// It waits in the kernel's queue.
    Wait,
    /// It is closed.
    Close,
}

/// `[limits]`: what one client may take, in one request and with all its connections.
#[derive(Clone, Debug, Serialize)]
pub struct ClientBounds {
    /// Fields in a request's head.
    pub header_count: usize,
    /// Bytes of a request's path and query.
    pub uri_length: usize,
    /// Bytes of a request body; 0: no limit.
    pub body_size: usize,
    /// The least bytes of a request body in a second, while it is waited for; 0: any.
    pub body_rate: usize,
    /// Over how much waiting that is measured; the first time over twice that.
    #[serde(serialize_with = "seconds")]
    pub body_rate_window: Duration,
    /// From a request's head to the end of its response; zero: no limit.
    #[serde(serialize_with = "seconds")]
    pub request_timeout: Duration,
    /// Open client connections in all; 0: as many as there is room for.
    pub connections: usize,
    /// Open connections of one client; 0: no limit.
    pub connections_per_client: u32,
    /// Requests after which a connection is ended; 0: no limit.
    pub requests_per_connection: u32,
}

/// Durations are shown as written in a configuration: `10s`, `250ms`.
pub(super) fn some_seconds<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => seconds(duration, serializer),
        None => serializer.serialize_none(),
    }
}

pub(super) fn seconds<S: Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match (duration.as_secs(), duration.subsec_millis()) {
        (seconds, 0) => serializer.collect_str(&format_args!("{seconds}s")),
        _ => serializer.collect_str(&format_args!("{}ms", duration.as_millis())),
    }
}
