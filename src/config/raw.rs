//! The configuration as written: the keys there are, and nothing about what they mean.
//!
//! Read by `document`, turned into `types` by `resolve`. The first line of each comment is the
//! key's description in the schema. Everything may be absent here; what must not is `resolve`'s
//! to say, together with everything else that is wrong.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::{
    census, dns, policies, raw_client_auth::ClientAuth, raw_errors, raw_plain_http, raw_routes,
    rollout::raw as rollout, self_test, shape, traces, upstream::raw::Upstream,
};

pub(super) type Text = Spanned<String>;
pub(super) type Number = Spanned<i64>;
pub(super) type Switch = Spanned<bool>;
pub(super) type Fields = BTreeMap<Text, Text>;
pub(super) type Moment = Spanned<toml::value::Datetime>;

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
    #[schemars(with = "raw_plain_http::PlainHttp")]
    pub plain_http: Option<Spanned<raw_plain_http::PlainHttp>>,
    /// What the two sides are told about each other.
    #[schemars(with = "Forwarding")]
    pub forwarding: Option<Spanned<Forwarding>>,
    /// Strict-Transport-Security on responses over TLS.
    #[schemars(with = "Hsts")]
    pub hsts: Option<Spanned<Hsts>>,
    /// The API servers.
    #[schemars(with = "Vec<Upstream>")]
    pub upstreams: Vec<Spanned<Upstream>>,
    /// How names of API servers are looked up.
    #[schemars(with = "dns::Raw")]
    pub dns: Option<Spanned<dns::Raw>>,
    /// Which requests get what.
    #[schemars(with = "Vec<raw_routes::Route>")]
    pub routes: Vec<Spanned<raw_routes::Route>>,
    /// Retiring what fails the floor, by a schedule.
    #[schemars(with = "rollout::TlsRollout")]
    pub rollout: Option<Spanned<rollout::Rollout>>,
    /// The host where customers test their clients.
    #[schemars(with = "self_test::Raw")]
    pub self_test: Option<Spanned<self_test::Raw>>,
    /// What if more were asked of clients: only counted.
    #[schemars(with = "Vec<policies::Raw>")]
    pub policies: Vec<Spanned<policies::Raw>>,
    /// What is kept of clients that fail the floor or a policy.
    #[schemars(with = "census::Raw")]
    pub census: Option<Spanned<census::Raw>>,
    /// All copies of this process together.
    #[schemars(with = "Fleet")]
    pub fleet: Option<Spanned<Fleet>>,
    /// Answers of the proxy's own.
    #[schemars(with = "raw_errors::Errors")]
    pub errors: Option<Spanned<raw_errors::Errors>>,
    /// How changes of files come into force.
    #[schemars(with = "Reload")]
    pub reload: Option<Spanned<Reload>>,
    /// What is logged, and how.
    #[schemars(with = "Log")]
    pub log: Option<Spanned<Log>>,
    /// Spans of requests, sent by OTLP over HTTP.
    #[schemars(with = "traces::Raw")]
    pub traces: Option<Spanned<traces::Raw>>,
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
    /// File with the bearer token that whoever changes something by the admin port has to show.
    #[schemars(with = "shape::File")]
    pub admin_token: Option<Text>,
    /// Networks whose peers send PROXY protocol v1 or v2, and have to.
    #[schemars(with = "Vec<shape::Network>")]
    pub proxy_protocol_from: Option<Vec<Text>>,
    /// Networks whose X-Forwarded-For, -Proto, -Host, Forwarded and X-Request-Id are kept.
    #[schemars(with = "Vec<shape::Network>")]
    pub trusted_proxies: Option<Vec<Text>>,
    /// Serves clients that close their half after a request, instead of taking it for a leave.
    #[schemars(with = "bool")]
    pub half_close: Option<Switch>,
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
    /// Which certificates clients have to show, or may.
    #[schemars(with = "ClientAuth")]
    pub client_auth: Option<Spanned<ClientAuth>>,
    /// What a client gets that names no host: default (the certificates above) or refuse.
    #[schemars(with = "shape::Stranger")]
    pub without_sni: Option<Text>,
    /// What a client gets that names a host no certificate and no host below has.
    #[schemars(with = "shape::Stranger")]
    pub unknown_sni: Option<Text>,
    /// File of secrets for session tickets, one a line; the same on all replicas.
    #[schemars(with = "shape::File")]
    pub ticket_secret: Option<Text>,
    /// How long a session can be resumed.
    #[schemars(with = "shape::Duration")]
    pub ticket_lifetime: Option<Text>,
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
    /// File of an OCSP response (DER, PEM or base64), stapled while it is fresh.
    #[schemars(with = "shape::File")]
    #[serde(default)]
    pub ocsp: Option<Text>,
}

/// A certificate chain and its key, shown to API servers.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ShownCertificate {
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
    /// Which certificates clients have to show, or may; absent: as in `[tls]`.
    #[schemars(with = "ClientAuth")]
    #[serde(default)]
    pub client_auth: Option<Spanned<ClientAuth>>,
}

/// All copies of this process together.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Fleet {
    /// How many there are; each has its share of what is set for all: the fuses,
    /// `limits.connections_per_client`, `self_test.rate`.
    #[schemars(with = "shape::Replicas")]
    pub replicas: Option<Number>,
}

/// What the two sides are told about each other.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Forwarding {
    /// x-forwarded, forwarded (RFC 7239), or both.
    #[schemars(with = "shape::ForwardedStyle")]
    pub style: Option<Text>,
    /// Adds Via both ways, under the name tlsfloor.
    #[schemars(with = "bool")]
    pub via: Option<Switch>,
    /// Begins a trace where a request brings no traceparent.
    #[schemars(with = "bool")]
    pub traceparent: Option<Switch>,
    /// Takes Server and X-Powered-By from upstreams' responses.
    #[schemars(with = "bool")]
    pub hide_server: Option<Switch>,
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

/// Changes of header fields, in this order: remove, set, append.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HeaderRules {
    /// Fields by name with the one value that they shall have; variables stand in braces.
    #[schemars(with = "BTreeMap<String, shape::FieldValue>")]
    pub set: Fields,
    /// Fields by name with a value more.
    #[schemars(with = "BTreeMap<String, shape::FieldValue>")]
    pub append: Fields,
    /// Names of fields that go.
    #[schemars(with = "Vec<shape::Name>")]
    pub remove: Option<Vec<Text>>,
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
    /// Of the requests that went well so many in a hundred; 5xx and responses that broke off always.
    #[schemars(with = "shape::Percent")]
    pub access_percent: Option<Number>,
    /// Lines about refused hellos per client and minute, and as many about leaked credentials; 0: every one.
    #[schemars(with = "shape::Lines")]
    pub refused_per_minute: Option<Number>,
}

/// How changes of files come into force.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Reload {
    /// How often files are looked at; a change is taken at the look after; 0s: only when asked.
    #[schemars(with = "shape::Duration")]
    pub poll: Option<Text>,
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
    /// How long the admin port stays after something was cut, so that it is scraped.
    #[schemars(with = "shape::Duration")]
    pub linger: Option<Text>,
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
    /// How long nothing may move through a WebSocket or another upgraded connection.
    #[schemars(with = "shape::Duration")]
    pub tunnel_timeout: Option<Text>,
    /// TCP connect and TLS handshake with an upstream server.
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
    /// Open client connections in all; 0: as many as file descriptors and memory are there for.
    #[schemars(with = "shape::Cap")]
    pub connections: Option<Number>,
    /// What happens to a connection beyond that: wait (in the kernel's queue) or close.
    #[schemars(with = "shape::AtCapacity")]
    pub at_capacity: Option<Text>,
    /// What the process may have of memory; 0B: four fifths of what its cgroup has.
    #[schemars(with = "shape::Size")]
    pub memory: Option<Text>,
    /// Open connections of one client, an IPv4 address or IPv6 /64, with all replicas of `[fleet]`
    /// together; 0: no limit.
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
