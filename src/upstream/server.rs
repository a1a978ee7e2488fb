//! One address of an upstream, as one worker sees it: its connections and what is under way.
//!
//! The HTTP/1.1 connection used last is taken first, so that idle ones age and go; HTTP/2
//! connections are shared. Nothing polls an idle connection: it is looked at when it is taken and
//! by [`ServerPool::sweep`] once a second. `exchange` puts connections back.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use hyper::Request;
use tokio::sync::Notify;

use super::{
    Endpoint, Fleet, OnBehalfOf, RequestBody, UpstreamError,
    connect::{self, Made},
    link::{Http1, Http2, Link, Shared},
};
use crate::{
    config::Scheme,
    timer::{Moment, Ticks, Timer},
    tls::Offer,
};

/// One address.
#[derive(Debug)]
pub(super) struct ServerPool {
    /// As all workers share it.
    pub endpoint: Arc<Endpoint>,
    fleet: Arc<Fleet>,
    limits: Limits,
    idle: RefCell<Vec<Idle>>,
    shared: RefCell<Vec<Rc<Shared>>>,
    /// Somebody is opening an HTTP/2 connection; whoever comes meanwhile waits for it.
    opening: Cell<bool>,
    /// A server behind TLS that has chosen HTTP/1.1 is not waited for.
    speaks_http1: Cell<bool>,
    opened: Notify,
    /// No new request comes; nothing is kept for one.
    retired: Cell<bool>,
    /// Written by this worker alone.
    in_flight: Arc<AtomicU32>,
}

/// What the configuration says of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub buffers: connect::Buffers,
    pub idle_most: usize,
    pub idle_longest: Ticks,
}

#[derive(Debug)]
struct Idle {
    link: Box<Http1>,
    since: Moment,
}

/// A kept connection.
#[derive(Debug)]
pub(super) struct Taken {
    pub link: Link,
    /// It was idle for so long that the server may just be closing it.
    pub may_be_stale: bool,
}

/// How long a kept connection is hardly ever closed by its server.
const FRESH: Duration = Duration::from_millis(500);

impl ServerPool {
    pub(super) fn new(fleet: &Arc<Fleet>, endpoint: &Arc<Endpoint>, limits: Limits) -> Self {
        Self {
            endpoint: Arc::clone(endpoint),
            fleet: Arc::clone(fleet),
            limits,
            idle: RefCell::default(),
            shared: RefCell::default(),
            opening: Cell::new(false),
            speaks_http1: Cell::new(endpoint.server.scheme == Scheme::Http),
            opened: Notify::new(),
            retired: Cell::new(false),
            in_flight: endpoint.cell(),
        }
    }

    /// A kept connection, if one is still alive; the one used last.
    pub(super) fn kept(&self, offer: Offer, now: Moment) -> Option<Taken> {
        if self.speaks_for_one() {
            return None;
        }
        if offer == Offer::Any
            && self.endpoint.server.scheme != Scheme::Http
            && let Some(shared) = self.shared.borrow().iter().find(|shared| shared.has_room())
        {
            return Some(Taken { link: Link::Http2(Http2::on(shared)), may_be_stale: true });
        }
        let Idle { link, since } = self.kept_http1()?;
        let may_be_stale = now.is_after(since, Ticks::from(FRESH));
        Some(Taken { link: Link::Http1(link), may_be_stale })
    }

    fn kept_http1(&self) -> Option<Idle> {
        loop {
            let mut idle = self.idle.borrow_mut().pop()?;
            if idle.link.is_usable() {
                return Some(idle);
            }
        }
    }

    /// A fresh connection, or a place on one that somebody else has just opened.
    pub(super) async fn fresh(
        &self,
        offer: Offer,
        request: &Request<RequestBody>,
        timer: &Timer,
        limit: Ticks,
    ) -> Result<Link, UpstreamError> {
        let whom = self.fleet.config.proxy_protocol.zip(request.extensions().get::<OnBehalfOf>());
        let preface = whom.map_or_else(Vec::new, |(version, whom)| whom.header(version));
        // Boxed: a request that finds a kept connection does not reserve room for this.
        match timer.limit(limit, Box::pin(self.open(offer, &preface))).await {
            Ok(opened) => opened,
            Err(_elapsed) => Err(UpstreamError::ConnectTimeout),
        }
    }

    async fn open(&self, offer: Offer, preface: &[u8]) -> Result<Link, UpstreamError> {
        if offer == Offer::Http1 {
            return self.open_http1(preface).await;
        }
        let shares = !self.speaks_for_one();
        while shares && self.opening.get() && !self.speaks_http1.get() {
            self.opened.notified().await;
            if let Some(shared) = self.shared.borrow().iter().find(|one| one.has_room()) {
                return Ok(Link::Http2(Http2::on(shared)));
            }
        }
        let opening = Opening::begin(self);
        let made = self.connect(offer, preface).await?;
        let link = match made {
            Made::Http1(link) => {
                self.speaks_http1.set(true);
                Link::Http1(link)
            }
            Made::Http2(shared) => {
                self.speaks_http1.set(false);
                let link = Link::Http2(Http2::on(&shared));
                if shares && !self.retired.get() {
                    self.shared.borrow_mut().push(shared);
                }
                link
            }
        };
        drop(opening);
        Ok(link)
    }

    /// For what cannot go over HTTP/2; that a server speaks nothing else is not its failure.
    async fn open_http1(&self, preface: &[u8]) -> Result<Link, UpstreamError> {
        if self.endpoint.server.scheme == Scheme::H2c {
            return Err(UpstreamError::NoUpgrade);
        }
        match self.connect(Offer::Http1, preface).await {
            Ok(Made::Http1(link)) => Ok(Link::Http1(link)),
            Ok(Made::Http2(_)) => Err(UpstreamError::NoUpgrade),
            Err(UpstreamError::Tls(error)) if error.lacks_protocol() => {
                Err(UpstreamError::NoUpgrade)
            }
            Err(error) => Err(error),
        }
    }

    async fn connect(&self, offer: Offer, preface: &[u8]) -> Result<Made, UpstreamError> {
        let tls = self.fleet.tls.as_ref();
        connect::connect(&self.endpoint, tls, offer, self.limits.buffers, preface).await
    }

    /// Takes a connection back after its exchange, if it can serve another.
    pub(super) fn keep(&self, link: Link, now: Moment) {
        let Link::Http1(mut link) = link else {
            return;
        };
        if self.speaks_for_one() || self.retired.get() {
            return;
        }
        // Most often the connection has come to rest with the body's last byte.
        let at_rest = link.is_ready() || link.is_usable();
        let mut idle = self.idle.borrow_mut();
        if idle.len() < self.limits.idle_most && at_rest {
            idle.push(Idle { link, since: now });
        }
    }

    /// A connection that begins with a PROXY header is one client's, and serves one request.
    fn speaks_for_one(&self) -> bool {
        self.fleet.config.proxy_protocol.is_some()
    }

    /// Drops kept connections that have ended or are too old.
    pub(super) fn sweep(&self, now: Moment) {
        let fresh = |idle: &mut Idle| {
            !now.is_after(idle.since, self.limits.idle_longest) && idle.link.is_usable()
        };
        self.idle.borrow_mut().retain_mut(fresh);
        // One that is unused stays as long as the server keeps it: it costs one connection.
        self.shared.borrow_mut().retain(|shared| shared.is_open());
    }

    /// Lets go of what is kept: nobody sweeps it any more, and a request under way may last for
    /// hours.
    pub(super) fn retire(&self) {
        self.retired.set(true);
        drop(self.idle.take());
        drop(self.shared.take());
    }

    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn begin(&self) {
        self.in_flight.store(self.in_flight().saturating_add(1), Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.in_flight.store(self.in_flight().saturating_sub(1), Ordering::Relaxed);
    }
}

/// Held while an HTTP/2 connection may be opened; wakes those who wait, however it went.
struct Opening<'a>(&'a ServerPool);

impl<'a> Opening<'a> {
    fn begin(server: &'a ServerPool) -> Self {
        server.opening.set(true);
        Self(server)
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.0.opening.set(false);
        self.0.opened.notify_waiters();
    }
}
