//! From what is written to what is meant: defaults filled in, every value parsed and checked.
//!
//! Called by `config::parse`. Nothing stops at the first problem: each is reported to the
//! document, and a default stands in for the value until all are known.

mod bounds;
mod client_auth;
mod compression;
mod errors;
mod forwarding;
mod header_rules;
mod hsts;
mod limits;
pub(super) mod listen;
pub(super) mod plain_http;
mod route_target;
mod routes;
pub(super) mod tls;
pub(super) mod value;

use super::{
    Config, Fleet, census, dns, document::Document, policies, raw, rollout, self_test, traces,
    upstream,
};

/// What `raw` means; what it gives counts only if no problem was reported.
pub(super) fn resolve(raw: raw::Config, document: &mut Document<'_>) -> Option<Config> {
    let listen = listen::listen(raw.listen, document);
    let mut tls = tls::tls(raw.tls, document);
    let plain_http = plain_http::plain_http(raw.plain_http, document);
    let forwarding = forwarding::forwarding(raw.forwarding, document);
    let hsts = hsts::hsts(raw.hsts, document);
    let upstreams = upstream::resolve::upstreams(raw.upstreams, document);
    let dns = dns::dns(raw.dns, document);
    let routes = routes::routes(raw.routes, &upstreams, document);
    let rollout = rollout::resolve::tls(raw.rollout, &listen, document);
    let self_test = self_test::self_test(raw.self_test, &tls, &routes, document);
    tls.self_test = self_test.as_ref().map(|test| test.sites(&tls)).unwrap_or_default();
    let policies = policies::policies(raw.policies, document);
    let census = census::census(raw.census, document);
    let (fleet, _) = value::section(raw.fleet);
    let replicas = fleet.replicas.as_ref();
    let replicas = value::number(document, replicas, "fleet.replicas", 1, 1..=10_000);
    let fleet = Fleet { replicas };
    let errors = errors::errors(raw.errors, document);
    let reload = limits::reload(raw.reload, document);
    let log = limits::log(raw.log, document);
    let traces = traces::traces(raw.traces, document);
    let drain = limits::drain(raw.drain, document);
    let compression = compression::compression(raw.compression, document);
    let limits = limits::limits(raw.limits, document);
    Some(Config {
        listen,
        tls,
        plain_http,
        forwarding,
        hsts,
        upstreams,
        dns,
        routes,
        rollout,
        self_test,
        policies,
        census,
        fleet,
        errors,
        reload,
        log,
        traces,
        drain,
        compression,
        limits,
    })
}
