//! One request from its head to the last byte of its answer, as counters, log and traces see it.
//!
//! Begun by `service`, carried by the response body, closed when that is dropped. What only the
//! access log and a span need is collected only if one of them is on, and once for both.

mod span;

use std::{rc::Rc, sync::Arc};

use hyper::{HeaderMap, Method, Request, StatusCode, Version, header::HeaderValue};
use tokio::time::Instant;

use super::{Asker, Client, authority::Authority, body::BodyError, trace};
use crate::{
    io::{ClientAddr, Turn},
    metrics::{Limit, Protocol, ServedVersion},
    shard::View,
    snapshot::Snapshot,
    traces::Begun,
};

/// nginx's code for a client that went away before there was an answer.
const CLIENT_CLOSED: u16 = 499;

/// A request under way.
#[derive(Debug)]
pub(super) struct Exchange {
    client: Rc<Client>,
    snapshot: Arc<Snapshot>,
    route: Option<usize>,
    upstream: Option<usize>,
    protocol: Protocol,
    started: Instant,
    code: u16,
    bytes: u64,
    entry: Option<Box<Entry>>,
}

/// What the access log and a span say beyond the counters.
#[derive(Debug)]
struct Entry {
    span: Option<Begun>,
    address: ClientAddr,
    method: Method,
    host: String,
    path: String,
    id: HeaderValue,
    trace: Option<String>,
    broke_off: Option<String>,
}

impl Exchange {
    pub(super) fn begin<B>(client: &Rc<Client>, view: &View, request: &Request<B>) -> Self {
        client.activity.request_begins();
        Self {
            client: Rc::clone(client),
            snapshot: Arc::clone(&view.snapshot),
            route: None,
            upstream: None,
            protocol: protocol(request.version()),
            started: Instant::now(),
            code: CLIENT_CLOSED,
            bytes: 0,
            entry: None,
        }
    }

    /// Notes for the access log and a span whom the request is for; its query may hold secrets and
    /// is left out.
    pub(super) fn note<B>(
        &mut self,
        request: &Request<B>,
        authority: Option<&Authority>,
        asker: &Asker,
    ) {
        let span = self.begin_span(request.headers());
        if self.snapshot.config.log.access || span.is_some() {
            self.entry = Some(Box::new(Entry {
                span,
                address: asker.address,
                method: request.method().clone(),
                host: authority.map_or_else(String::new, |authority| authority.host().to_owned()),
                path: request.uri().path().to_owned(),
                id: asker.id.clone(),
                trace: span.map(|span| format!("{:032x}", span.trace)),
                broke_off: None,
            }));
        }
    }

    /// Notes for the access log which trace the request belongs to, as its upstream is told.
    pub(super) fn traced(&mut self, headers: &HeaderMap) {
        if let Some(entry) = &mut self.entry {
            entry.trace = trace::id(headers).map(str::to_owned);
        }
    }

    pub(super) fn takes(&mut self, route: usize) {
        self.route = Some(route);
    }

    /// The self-test host answers; its counters stand behind those of the routes.
    pub(super) fn tests(&mut self) {
        self.route = Some(self.snapshot.config.routes.len());
    }

    pub(super) fn is_test(&self) -> bool {
        self.route == Some(self.snapshot.config.routes.len())
    }

    pub(super) fn goes_to(&mut self, upstream: usize) {
        self.upstream = Some(upstream);
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

    /// A tunnel took the place of a body.
    pub(super) fn tunnelled(&mut self, bytes: u64) {
        self.bytes = self.bytes.wrapping_add(bytes);
    }

    /// The answer cannot be completed: the connection must not end as if it had been.
    pub(super) fn broke_off(&mut self, error: &BodyError) {
        self.client.activity.abort();
        if matches!(error, BodyError::Overdue) {
            self.client.shard.counters.limit(Limit::RequestTimeout);
        }
        if let Some(entry) = &mut self.entry {
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

    fn route_label(&self) -> Option<&str> {
        let route = self.snapshot.routes.get(self.route?)?;
        Some(route.label.as_str())
    }

    fn upstream_name(&self) -> Option<&str> {
        Some(&*self.snapshot.config.upstreams.get(self.upstream?)?.name)
    }

    /// The share of requests that this one's line speaks for, in percent; none: it has no line.
    /// What an operator has to see always has one.
    fn share(&self, entry: &Entry) -> Option<u8> {
        if self.code >= 500 || entry.broke_off.is_some() {
            return Some(100);
        }
        let percent = self.snapshot.config.log.access_percent;
        self.client.shard.chance.percent(percent).then_some(percent)
    }

    fn write_log(&self, entry: &Entry) {
        let Some(share) = self.share(entry) else { return };
        let tls = self.client.tls.as_ref();
        let identity = tls.and_then(|tls| tls.identity.as_deref());
        tracing::info!(
            event = "access",
            client = %entry.address.ip,
            port = entry.address.port,
            request_id = entry.id.to_str().unwrap_or_default(),
            trace_id = entry.trace,
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
            client_cert_subject = identity.and_then(|one| one.subject.as_deref()),
            client_cert_san = identity.and_then(|one| one.san.as_deref()),
            client_cert_fingerprint = identity.map(|one| &*one.fingerprint),
            route = self.route_label(),
            upstream = self.upstream_name(),
            broke_off = entry.broke_off,
            sampled = (share < 100).then_some(share),
        );
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.client.activity.request_ends(self.client.rest);
        self.count();
        if let Some(entry) = self.entry.take() {
            if self.snapshot.config.log.access {
                self.write_log(&entry);
            }
            self.end_span(*entry);
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
