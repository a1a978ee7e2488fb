//! `[[upstreams]]` as meant: servers, and how requests are spread over them and tried again.
//!
//! Made by `resolve` in this folder, read by `upstream`. Every default stands in `resolve`.

pub(super) mod raw;
pub(super) mod resolve;

use std::{fmt, net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use serde::Serialize;

use super::{CertificateSource, Place, types::seconds};
use crate::{host::Host, label::labels};

/// What the servers of `rollout.legacy` are called among the upstreams.
pub(in crate::config) const LEGACY: &str = "(legacy)";

/// `[[upstreams]]`
#[derive(Clone, Debug, Serialize)]
pub struct Upstream {
    /// The name that routes use.
    pub name: Arc<str>,
    /// At least one.
    pub servers: Vec<Server>,
    /// How a server is chosen.
    pub balance: Balance,
    /// How long a server that came back gets less than its share; zero: not at all.
    #[serde(serialize_with = "seconds")]
    pub slow_start: Duration,
    /// Active checks; none where absent.
    pub health: Option<Health>,
    /// What takes a failing server out for a while.
    pub ejection: Ejection,
    /// What is tried again.
    pub retry: Retry,
    /// TLS towards `https://` servers.
    pub tls: UpstreamTls,
    /// Requests under way at once, of all workers; 0: any number.
    pub max_requests: usize,
    /// Requests that may wait for one of these to end.
    pub queue: usize,
    /// How long they wait.
    #[serde(serialize_with = "seconds")]
    pub queue_timeout: Duration,
    /// A PROXY header at the head of each connection.
    pub proxy_protocol: Option<ProxyVersion>,
}

/// One server of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Server {
    /// What it speaks.
    pub scheme: Scheme,
    /// Name or address.
    pub host: Host,
    /// The scheme's own where the URL has none.
    pub port: u16,
    /// Its share, relative to the others'.
    pub weight: u32,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, host, port, .. } = self;
        match host.ip() {
            Some(IpAddr::V6(ip)) => write!(f, "{scheme}://[{ip}]:{port}"),
            _ => write!(f, "{scheme}://{host}:{port}"),
        }
    }
}

labels! {
    /// What a server speaks.
    pub enum Scheme {
        /// HTTP/1.1 in clear.
        Http = "http",
        /// HTTP/2 in clear, by prior knowledge (RFC 9113 3.3).
        H2c = "h2c",
        /// HTTP/2 or HTTP/1.1 over TLS, by ALPN.
        Https = "https",
        /// Whatever a client speaks: of the legacy lane, and of no upstream.
        Tcp = "tcp",
    }
}

impl Serialize for Scheme {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// How a server is chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// Two at random; the one with fewer requests under way for its weight.
    LeastRequests,
    /// In turn, by weight.
    RoundRobin,
    /// The same key to the same server (Maglev or a ring: few keys move when a server goes).
    Hash(HashKey),
}

/// What a consistent hash is taken of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HashKey {
    /// The client's address.
    Client,
    /// A header field; requests without it are spread by the client's address.
    Header(String),
}

/// `upstreams.health`: active checks.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// What is asked for.
    pub path: String,
    /// `Host` of the check; the server's own where absent.
    pub host: Option<String>,
    /// From one check to the next, with a tenth of jitter.
    #[serde(serialize_with = "seconds")]
    pub interval: Duration,
    /// How long a check may take.
    #[serde(serialize_with = "seconds")]
    pub timeout: Duration,
    /// Status codes that are good, as ranges with both ends.
    pub codes: Vec<(u16, u16)>,
    /// Good checks in a row that bring a server back.
    pub healthy: u32,
    /// Bad checks in a row that take it out.
    pub unhealthy: u32,
    /// The service to ask `grpc.health.v1.Health/Check` about, instead of a path.
    pub grpc: Option<String>,
}

/// `upstreams.ejection`: a server that keeps failing rests for a while.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Ejection {
    /// Failures in a row (connect, timeout, 5xx) that eject; 0: never.
    pub failures: u32,
    /// How long the first time; twice as long each time after.
    #[serde(serialize_with = "seconds")]
    pub time: Duration,
    /// At the most.
    #[serde(serialize_with = "seconds")]
    pub longest: Duration,
}

/// `upstreams.retry`
#[derive(Clone, Debug, Serialize)]
pub struct Retry {
    /// Tries after the first.
    pub tries: u32,
    /// Whether a connection that could not be made is tried elsewhere.
    pub connect: bool,
    /// Whether a stream that the server refused is (RFC 9113 8.7).
    pub refused: bool,
    /// Whether a response head that did not come in time is.
    pub timeout: bool,
    /// Status codes that are; only for idempotent requests without a body.
    pub codes: Vec<u16>,
    /// Retries in percent of requests.
    pub budget: u32,
    /// Retries a second that are always allowed, of all workers.
    pub floor: u32,
}

/// `upstreams.tls`
#[derive(Clone, Debug, Default, Serialize)]
pub struct UpstreamTls {
    /// PEM bundle of the authorities; the system's where absent.
    pub ca: Option<Authorities>,
    /// The name that is sent and verified; the server's own where absent.
    pub server_name: Option<Host>,
    /// What we show a server that asks.
    pub certificate: Option<CertificateSource>,
}

/// A PEM bundle of authorities.
#[derive(Clone, Debug, Serialize)]
pub struct Authorities {
    /// Absolute, or relative to the working directory by now.
    pub file: PathBuf,
    /// Where the value stands.
    #[serde(skip)]
    pub place: Place,
}

/// The version of a PROXY header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProxyVersion {
    /// In text.
    V1,
    /// In binary.
    V2,
}
