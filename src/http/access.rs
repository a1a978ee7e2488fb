//! One request from its head to the last byte of its answer, as counters and the log see it.
//!
//! Begun by `service`, carried by the response body, closed when that is dropped. What only the
//! access log needs is collected only if it is on.

use std::{rc::Rc, sync::Arc};

use hyper::{Method, Request, StatusCode, Version, header::HeaderValue};
use tokio::time::Instant;

use super::{Client, authority::Authority, body::BodyError};
use crate::{
    io::Turn,
    metrics::{Limit, Protocol, ServedVersion},
    shard::View,
    snapshot::Snapshot,
};

/// nginx's code for a client that went away before there was an answer.
const CLIENT_CLOSED: u16 = 499;

/// A request under way.
#[derive(Debug)]
pub(super) struct Exchange {
    client: Rc<Client>,
    snapshot: Arc<Snapshot>,
    route: Option<usize>,
    protocol: Protocol,
    started: Instant,
    code: u16,
    bytes: u64,
    log: Option<Box<Entry>>,
}

/// What the access log says beyond the counters.
#[derive(Debug)]
struct Entry {
    method: Method,
    host: String,
    path: String,
    id: HeaderValue,
    broke_off: Option<String>,
}

impl Exchange {
    pub(super) fn begin<B>(client: &Rc<Client>, view: &View, request: &Request<B>) -> Self {
        client.activity.request_begins();
        Self {
            client: Rc::clone(client),
            snapshot: Arc::clone(&view.snapshot),
            route: None,
            protocol: protocol(request.version()),
            started: Instant::now(),
            code: CLIENT_CLOSED,
            bytes: 0,
            log: None,
        }
    }

    /// Notes for the access log whom the request is for; its query may hold secrets and is left
    /// out.
    pub(super) fn note<B>(
        &mut self,
        request: &Request<B>,
        authority: Option<&Authority>,
        id: &HeaderValue,
    ) {
        if self.snapshot.config.log.access {
            self.log = Some(Box::new(Entry {
                method: request.method().clone(),
                host: authority.map_or_else(String::new, |authority| authority.host().to_owned()),
                path: request.uri().path().to_owned(),
                id: id.clone(),
                broke_off: None,
            }));
        }
    }

    pub(super) fn takes(&mut self, route: usize) {
        self.route = Some(route);
    }

    pub(super) fn answered(&mut self, status: StatusCode) {
        self.code = status.as_u16();
        self.turn(true);
    }

    /// Whether it is the client's turn, who has been given something, or still ours.
    pub(super) fn turn(&self, given: bool) {
        self.client.activity.turn.set(if given { Turn::Client } else { Turn::Proxy });
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.bytes = self.bytes.wrapping_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// The answer cannot be completed: the connection must not end as if it had been.
    pub(super) fn broke_off(&mut self, error: &BodyError) {
        self.client.activity.abort();
        if matches!(error, BodyError::Overdue) {
            self.client.shard.counters.limit(Limit::RequestTimeout);
        }
        if let Some(entry) = &mut self.log {
            entry.broke_off = Some(error.to_string());
        }
        tracing::debug!(client = %self.client.address.ip, %error, "response broke off");
    }

    fn count(&self) {
        let snapshot = &self.snapshot;
        let route = self.route.and_then(|route| snapshot.routes.get(route));
        let version = self
            .client
            .tls
            .as_ref()
            .map_or(ServedVersion::None, |tls| ServedVersion::from(tls.session.version));
        let metrics = route.unwrap_or(&snapshot.no_route);
        if let Some(shard) = metrics.shard(self.client.shard.index) {
            shard.observe(self.protocol, version, self.code, self.started.elapsed());
        }
    }

    fn write_log(&self, entry: &Entry) {
        let config = &self.snapshot.config;
        let route = self.route.and_then(|route| config.routes.get(route));
        let upstream = route.and_then(|route| config.upstreams.get(route.upstream));
        let tls = self.client.tls.as_ref();
        tracing::info!(
            event = "access",
            client = %self.client.address.ip,
            port = self.client.address.port,
            request_id = entry.id.to_str().unwrap_or_default(),
            method = %entry.method,
            host = entry.host,
            path = entry.path,
            protocol = self.protocol.as_str(),
            status = self.code,
            bytes = self.bytes,
            seconds = self.started.elapsed().as_secs_f64(),
            tls_version = tls.map(|tls| tls.session.version.as_str()),
            cipher = tls.map(|tls| tls.session.cipher.as_str()),
            sni = tls.and_then(|tls| tls.sni.as_ref()).map(|sni| sni.as_str()),
            ja4 = tls.map(|tls| tls.ja4.as_str()),
            route = route.map(|route| format!("{}{}", route.host, route.path)),
            upstream = upstream.map(|upstream| &*upstream.name),
            broke_off = entry.broke_off,
        );
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.client.activity.request_ends(self.client.rest);
        self.count();
        if let Some(entry) = &self.log {
            self.write_log(entry);
        }
    }
}

fn protocol(version: Version) -> Protocol {
    match version {
        Version::HTTP_2 => Protocol::Http2,
        Version::HTTP_10 | Version::HTTP_09 => Protocol::Http10,
        _ => Protocol::Http11,
    }
}
