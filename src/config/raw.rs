//! The configuration as written: the keys there are, and nothing about what they mean.
//!
//! Read by `document`, turned into `types` by `resolve`. The first line of each comment is the
//! key's description in the schema. Everything may be absent here; what must not is `resolve`'s
//! to say, together with everything else that is wrong.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::shape;

pub(super) type Text = Spanned<String>;
pub(super) type Number = Spanned<i64>;
pub(super) type Switch = Spanned<bool>;

/// The configuration of tlsfloor.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Config {
    /// Addresses and workers.
    #[schemars(with = "Listen")]
    pub listen: Option<Spanned<Listen>>,
    /// The floor and the certificates.
    #[schemars(with = "Tls")]
    pub tls: Option<Spanned<Tls>>,
    /// What requests on plain ports get.
    #[schemars(with = "PlainHttp")]
    pub plain_http: Option<Spanned<PlainHttp>>,
    /// Strict-Transport-Security on responses over TLS.
    #[schemars(with = "Hsts")]
    pub hsts: Option<Spanned<Hsts>>,
    /// The API servers.
    #[schemars(with = "Vec<Upstream>")]
    pub upstreams: Vec<Spanned<Upstream>>,
    /// Which requests go to which upstream.
    #[schemars(with = "Vec<Route>")]
    pub routes: Vec<Spanned<Route>>,
    /// What is logged, and how.
    #[schemars(with = "Log")]
    pub log: Option<Spanned<Log>>,
    /// What SIGTERM does.
    #[schemars(with = "Drain")]
    pub drain: Option<Spanned<Drain>>,
    /// Compression of responses.
    #[schemars(with = "Compression")]
    pub compression: Option<Spanned<Compression>>,
    /// Every timeout and cap.
    #[schemars(with = "Limits")]
    pub limits: Option<Spanned<Limits>>,
}

/// Addresses and workers.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Listen {
    /// TLS ports.
    #[schemars(with = "Vec<shape::Address>")]
    pub https: Option<Vec<Text>>,
    /// Plain HTTP ports; empty for none.
    #[schemars(with = "Vec<shape::Address>")]
    pub http: Option<Vec<Text>>,
    /// The admin port: probes, metrics, configuration.
    #[schemars(with = "shape::Address")]
    pub admin: Option<Text>,
    /// Worker threads; 0 is one per CPU that the cgroup allows.
    #[schemars(with = "shape::Workers")]
    pub workers: Option<Number>,
}

/// The floor and the certificates.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Tls {
    /// The least TLS version served.
    #[schemars(with = "shape::Minimum")]
    pub minimum: Option<Text>,
    /// Certificates for names that no host below claims; RSA and ECDSA side by side is normal.
    #[schemars(with = "Vec<Certificate>")]
    pub certificates: Vec<Spanned<Certificate>>,
    /// Names with a floor or certificates of their own.
    #[schemars(with = "Vec<TlsHost>")]
    pub hosts: Vec<Spanned<TlsHost>>,
}

/// A certificate chain and its key.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Certificate {
    /// PEM file of the chain, leaf first; relative to this file's folder.
    #[schemars(with = "shape::File")]
    pub chain: Option<Text>,
    /// PEM file of the private key (PKCS#8, PKCS#1 or SEC1), not encrypted.
    #[schemars(with = "shape::File")]
    pub key: Option<Text>,
}

/// Names with a floor or certificates of their own.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsHost {
    /// Host names; `*.example.com` covers one label.
    #[schemars(with = "Vec<shape::HostName>")]
    pub names: Option<Vec<Text>>,
    /// The least TLS version for these names; not below tls.minimum.
    #[schemars(with = "shape::Minimum")]
    #[serde(default)]
    pub minimum: Option<Text>,
    /// Certificates for these names; absent: those of `[tls]`.
    #[schemars(with = "Vec<Certificate>")]
    #[serde(default)]
    pub certificates: Vec<Spanned<Certificate>>,
}

/// What requests on plain ports get.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PlainHttp {
    /// redirect to HTTPS, refuse with 403, or forward.
    #[schemars(with = "shape::Action")]
    pub action: Option<Text>,
    /// Status of the redirect.
    #[schemars(with = "shape::RedirectStatus")]
    pub status: Option<Number>,
    /// Port of the redirect's target.
    #[schemars(with = "shape::Port")]
    pub https_port: Option<Number>,
    /// Path prefixes forwarded in clear, such as ACME challenges.
    #[schemars(with = "Vec<shape::PathPrefix>")]
    pub exempt_paths: Option<Vec<Text>>,
}

/// Strict-Transport-Security on responses over TLS.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Hsts {
    /// How long clients remember it; "0s" sends no field.
    #[schemars(with = "shape::Duration")]
    pub max_age: Option<Text>,
    /// Adds includeSubDomains.
    #[schemars(with = "bool")]
    pub include_subdomains: Option<Switch>,
    /// Adds preload.
    #[schemars(with = "bool")]
    pub preload: Option<Switch>,
}

/// A group of API servers.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Upstream {
    /// The name that routes use.
    #[schemars(with = "shape::Name")]
    pub name: Option<Text>,
    /// http://HOST:PORT each.
    #[schemars(with = "Vec<shape::ServerUrl>")]
    pub servers: Option<Vec<Text>>,
}

/// Which requests go to which upstream.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Route {
    /// A name, *.example.com, or * for all.
    #[schemars(with = "shape::HostName")]
    #[serde(default)]
    pub host: Option<Text>,
    /// A path prefix; the longest that matches wins.
    #[schemars(with = "shape::PathPrefix")]
    #[serde(default)]
    pub path: Option<Text>,
    /// The upstream's name.
    #[schemars(with = "shape::Name")]
    pub upstream: Option<Text>,
    /// The most bytes of a request body here; absent: limits.body_size.
    #[schemars(with = "shape::Size")]
    #[serde(default)]
    pub body_size: Option<Text>,
    /// The most time for a request here; absent: limits.request_timeout.
    #[schemars(with = "shape::Duration")]
    #[serde(default)]
    pub request_timeout: Option<Text>,
    /// Whether responses are compressed here; absent: compression.enabled.
    #[schemars(with = "bool")]
    #[serde(default)]
    pub compress: Option<Switch>,
}

/// What is logged, and how.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Log {
    /// json or text.
    #[schemars(with = "shape::Format")]
    pub format: Option<Text>,
    /// error, warn, info, debug, or a filter such as info,tlsfloor=debug.
    #[schemars(with = "shape::Name")]
    pub level: Option<Text>,
    /// One line a request.
    #[schemars(with = "bool")]
    pub access: Option<Switch>,
    /// Lines about refused hellos per client and minute; 0: every one.
    #[schemars(with = "shape::Lines")]
    pub refused_per_minute: Option<Number>,
}

/// What SIGTERM does.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Drain {
    /// Not ready, still accepting.
    #[schemars(with = "shape::Duration")]
    pub delay: Option<Text>,
    /// Then what is left is cut.
    #[schemars(with = "shape::Duration")]
    pub grace: Option<Text>,
}

/// Compression of responses.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Compression {
    /// Whether responses are compressed where a route says nothing.
    #[schemars(with = "bool")]
    pub enabled: Option<Switch>,
    /// zstd, br, gzip; the first wins among those that a client likes equally.
    #[schemars(with = "Vec<shape::Algorithm>")]
    pub algorithms: Option<Vec<Text>>,
    /// Content types that are compressed; text/* is all of a kind.
    #[schemars(with = "Vec<shape::ContentType>")]
    pub types: Option<Vec<Text>>,
    /// A shorter response is left alone.
    #[schemars(with = "shape::Size")]
    pub min_size: Option<Text>,
}

/// Every timeout and cap.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    /// From accept to the end of the TLS handshake.
    #[schemars(with = "shape::Duration")]
    pub handshake_timeout: Option<Text>,
    /// From a request's first byte to the end of its head.
    #[schemars(with = "shape::Duration")]
    pub header_timeout: Option<Text>,
    /// Between two pieces of a request body.
    #[schemars(with = "shape::Duration")]
    pub body_timeout: Option<Text>,
    /// How long a client may take nothing of what waits for it.
    #[schemars(with = "shape::Duration")]
    pub write_timeout: Option<Text>,
    /// How long a connection may wait for its next request.
    #[schemars(with = "shape::Duration")]
    pub idle_timeout: Option<Text>,
    /// TCP connect to an upstream server, name look-up included.
    #[schemars(with = "shape::Duration")]
    pub connect_timeout: Option<Text>,
    /// From a request to the upstream's response head, while nothing moves.
    #[schemars(with = "shape::Duration")]
    pub response_timeout: Option<Text>,
    /// Between two pieces of an upstream's response body.
    #[schemars(with = "shape::Duration")]
    pub response_body_timeout: Option<Text>,
    /// How long an unused upstream connection is kept.
    #[schemars(with = "shape::Duration")]
    pub upstream_idle_timeout: Option<Text>,
    /// Unused connections kept per upstream server and worker.
    #[schemars(with = "shape::Connections")]
    pub upstream_idle_connections: Option<Number>,
    /// The head of a request or response.
    #[schemars(with = "shape::Size")]
    pub header_size: Option<Text>,
    /// Fields in a request's head.
    #[schemars(with = "shape::Fields")]
    pub header_count: Option<Number>,
    /// Path and query of a request.
    #[schemars(with = "shape::Size")]
    pub uri_length: Option<Text>,
    /// A request body; 0B: no limit.
    #[schemars(with = "shape::Size")]
    pub body_size: Option<Text>,
    /// The least of a request body in a second, while it is waited for; 0B: any.
    #[schemars(with = "shape::Size")]
    pub body_rate: Option<Text>,
    /// Over how much waiting body_rate is measured; the first time over twice that.
    #[schemars(with = "shape::Duration")]
    pub body_rate_window: Option<Text>,
    /// From a request's head to the end of its response; 0s: no limit.
    #[schemars(with = "shape::Duration")]
    pub request_timeout: Option<Text>,
    /// Open client connections in all; 0: no limit.
    #[schemars(with = "shape::Cap")]
    pub connections: Option<Number>,
    /// Open connections of one client, an IPv4 address or IPv6 /64; 0: no limit.
    #[schemars(with = "shape::Cap")]
    pub connections_per_client: Option<Number>,
    /// Requests after which a connection is ended; 0: no limit.
    #[schemars(with = "shape::Cap")]
    pub requests_per_connection: Option<Number>,
    /// Streams at once on one HTTP/2 connection.
    #[schemars(with = "shape::Streams")]
    pub http2_streams: Option<Number>,
    /// What is buffered of one body on each side.
    #[schemars(with = "shape::Size")]
    pub buffer: Option<Text>,
}
