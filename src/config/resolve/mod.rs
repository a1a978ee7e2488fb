//! From what is written to what is meant: defaults filled in, every value parsed and checked.
//!
//! Called by `config::parse`. Nothing stops at the first problem: each is reported to the
//! document, and a default stands in for the value until all are known.

mod bounds;
mod compression;
mod http;
mod limits;
mod listen;
mod tls;
mod value;

use super::{Config, document::Document, raw};

/// What `raw` means; what it gives counts only if no problem was reported.
pub(super) fn resolve(raw: raw::Config, document: &mut Document<'_>) -> Option<Config> {
    let listen = listen::listen(raw.listen, document);
    let tls = tls::tls(raw.tls, document);
    let plain_http = http::plain_http(raw.plain_http, document);
    let hsts = http::hsts(raw.hsts, document);
    let upstreams = http::upstreams(raw.upstreams, document);
    let routes = http::routes(raw.routes, &upstreams, document);
    let log = limits::log(raw.log, document);
    let drain = limits::drain(raw.drain, document);
    let compression = compression::compression(raw.compression, document);
    let limits = limits::limits(raw.limits, document);
    Some(Config {
        listen,
        tls,
        plain_http,
        hsts,
        upstreams,
        routes,
        log,
        drain,
        compression,
        limits,
    })
}
