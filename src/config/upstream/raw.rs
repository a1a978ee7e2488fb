//! `[[upstreams]]` as written. See `config::raw`.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::config::{
    raw::{Number, ShownCertificate, Text},
    shape,
};

/// A group of API servers.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Upstream {
    /// The name that routes use.
    #[schemars(with = "shape::Name")]
    pub name: Option<Text>,
    /// http://HOST:PORT, https://HOST:PORT or h2c://HOST:PORT each.
    #[schemars(with = "Vec<shape::ServerUrl>")]
    pub servers: Option<Vec<Text>>,
    /// One for each server: its share of the requests.
    #[schemars(with = "Vec<shape::ServerWeight>")]
    #[serde(default)]
    pub weights: Option<Vec<Number>>,
    /// How a server is chosen: least_requests, round_robin or hash.
    #[schemars(with = "shape::Balance")]
    #[serde(default)]
    pub balance: Option<Text>,
    /// What balance = "hash" is taken of: client, or header:NAME.
    #[schemars(with = "shape::HashKey")]
    #[serde(default)]
    pub hash: Option<Text>,
    /// How long a server that came back gets less than its share.
    #[schemars(with = "shape::Duration")]
    #[serde(default)]
    pub slow_start: Option<Text>,
    /// Active checks.
    #[schemars(with = "Health")]
    #[serde(default)]
    pub health: Option<Spanned<Health>>,
    /// What takes a failing server out for a while.
    #[schemars(with = "Ejection")]
    #[serde(default)]
    pub ejection: Option<Spanned<Ejection>>,
    /// What is tried again.
    #[schemars(with = "Retry")]
    #[serde(default)]
    pub retry: Option<Spanned<Retry>>,
    /// TLS towards https servers.
    #[schemars(with = "UpstreamTls")]
    #[serde(default)]
    pub tls: Option<Spanned<UpstreamTls>>,
    /// Requests under way at once, of all workers; 0 is any number.
    #[schemars(with = "shape::Connections")]
    #[serde(default)]
    pub max_requests: Option<Number>,
    /// Requests that may wait for one of these to end.
    #[schemars(with = "shape::Connections")]
    #[serde(default)]
    pub queue: Option<Number>,
    /// How long they wait.
    #[schemars(with = "shape::Duration")]
    #[serde(default)]
    pub queue_timeout: Option<Text>,
    /// A PROXY header on each connection to a server: none, v1 or v2.
    #[schemars(with = "shape::ProxyProtocol")]
    #[serde(default)]
    pub proxy_protocol: Option<Text>,
}

/// Active checks.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Health {
    /// What is asked for.
    #[schemars(with = "shape::PathPrefix")]
    pub path: Option<Text>,
    /// Host of the check; absent: the server's own.
    #[schemars(with = "shape::Name")]
    pub host: Option<Text>,
    /// From one check to the next, with a tenth of jitter.
    #[schemars(with = "shape::Duration")]
    pub interval: Option<Text>,
    /// How long a check may take.
    #[schemars(with = "shape::Duration")]
    pub timeout: Option<Text>,
    /// Good status codes: "200" or "200-299" each.
    #[schemars(with = "Vec<shape::Codes>")]
    pub codes: Option<Vec<Text>>,
    /// Good checks in a row that bring a server back.
    #[schemars(with = "shape::Times")]
    pub healthy: Option<Number>,
    /// Bad checks in a row that take it out.
    #[schemars(with = "shape::Times")]
    pub unhealthy: Option<Number>,
    /// Asks grpc.health.v1.Health/Check about this service instead; "" is the whole server.
    #[schemars(with = "String")]
    pub grpc: Option<Text>,
}

/// What takes a failing server out for a while.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Ejection {
    /// Failures in a row (connect, timeout, 5xx) that eject; 0: never.
    #[schemars(with = "shape::Lines")]
    pub failures: Option<Number>,
    /// How long the first time; twice as long each time after.
    #[schemars(with = "shape::Duration")]
    pub time: Option<Text>,
    /// At the most.
    #[schemars(with = "shape::Duration")]
    pub longest: Option<Text>,
}

/// What is tried again.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Retry {
    /// Tries after the first.
    #[schemars(with = "shape::Tries")]
    pub tries: Option<Number>,
    /// connect, refused, timeout, or a status code from 500 to 599.
    #[schemars(with = "Vec<shape::RetryOn>")]
    pub on: Option<Vec<Text>>,
    /// Retries in percent of requests.
    #[schemars(with = "shape::Percent")]
    pub budget: Option<Number>,
    /// Retries a second that are always allowed, of all workers.
    #[schemars(with = "shape::Connections")]
    pub floor: Option<Number>,
}

/// TLS towards https servers.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct UpstreamTls {
    /// PEM bundle of the authorities; absent: the system's.
    #[schemars(with = "shape::File")]
    pub ca: Option<Text>,
    /// The name that is sent and verified; absent: the server's own.
    #[schemars(with = "shape::HostName")]
    pub server_name: Option<Text>,
    /// What we show a server that asks for a certificate.
    #[schemars(with = "ShownCertificate")]
    pub certificate: Option<Spanned<ShownCertificate>>,
}
