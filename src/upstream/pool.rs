//! The kept connections to one upstream's servers, of one worker.
//!
//! A request goes to the server with the fewest requests in flight; the connection used last is
//! taken first, so that idle ones age and go. Nothing polls an idle connection: it is looked at
//! when it is taken and by [`Pool::sweep`] once a second. `exchange` puts connections back.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Waker},
};

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use super::{RequestBody, UpstreamError, connect};
use crate::{
    config::{Limits, Server, Upstream},
    metrics::UpstreamMetrics,
    timer::{Moment, Ticks, Timer, Timers},
    wire::Wire,
};

/// The waits of an exchange.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    /// TCP connect, name look-up included.
    pub connect: Ticks,
    /// To the response head, while nothing moves.
    pub response: Ticks,
    /// Between two pieces of a response body.
    pub response_body: Ticks,
}

/// One upstream as one worker sees it.
#[derive(Debug)]
pub(crate) struct Pool {
    servers: Vec<Rc<ServerPool>>,
    next: Cell<usize>,
    pub(super) timers: Timers,
    pub(super) timeouts: Timeouts,
    pub(super) metrics: Arc<UpstreamMetrics>,
    pub(super) worker: usize,
}

#[derive(Debug)]
pub(super) struct ServerPool {
    server: Server,
    buffers: connect::Buffers,
    idle: RefCell<Vec<Idle>>,
    idle_most: usize,
    idle_longest: Ticks,
    in_flight: Cell<u32>,
}

#[derive(Debug)]
struct Idle {
    /// Boxed once, because it is moved with each request and response.
    link: Box<Link>,
    since: Moment,
}

/// A connection, driven by whoever holds it: nothing runs it in the background.
#[derive(Debug)]
pub(super) struct Link {
    pub sender: http1::SendRequest<RequestBody>,
    connection: http1::Connection<TokioIo<Wire>, RequestBody>,
}

impl Link {
    pub(super) fn new(
        sender: http1::SendRequest<RequestBody>,
        connection: http1::Connection<TokioIo<Wire>, RequestBody>,
    ) -> Self {
        Self { sender, connection }
    }

    /// Moves bytes both ways; false once the connection has ended.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) -> bool {
        Pin::new(&mut self.connection).poll(cx).is_pending()
    }

    /// Both halves apart, so that a response can be awaited while the connection is driven.
    pub(super) fn split(
        &mut self,
    ) -> (&mut http1::SendRequest<RequestBody>, &mut http1::Connection<TokioIo<Wire>, RequestBody>)
    {
        (&mut self.sender, &mut self.connection)
    }

    /// Whether it can take a request now: looks for an end that came while it was idle.
    fn is_usable(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop())) && self.sender.is_ready()
    }
}

impl Pool {
    /// An empty pool for `upstream`.
    #[must_use]
    pub(crate) fn new(
        upstream: &Upstream,
        limits: &Limits,
        timers: Timers,
        metrics: Arc<UpstreamMetrics>,
        worker: usize,
    ) -> Self {
        let buffers = connect::Buffers { head: limits.header_size, body: limits.buffer };
        let server = |server: &Server| {
            Rc::new(ServerPool {
                server: server.clone(),
                buffers,
                idle: RefCell::default(),
                idle_most: limits.upstream_idle_connections,
                idle_longest: Ticks::from(limits.upstream_idle_timeout),
                in_flight: Cell::new(0),
            })
        };
        let timeouts = Timeouts {
            connect: Ticks::from(limits.connect_timeout),
            response: Ticks::from(limits.response_timeout),
            response_body: Ticks::from(limits.response_body_timeout),
        };
        let servers = upstream.servers.iter().map(server).collect();
        Self { servers, next: Cell::new(0), timers, timeouts, metrics, worker }
    }

    /// The server with the fewest requests in flight; among equals they take turns.
    pub(super) fn pick(&self) -> Option<Rc<ServerPool>> {
        let turn = self.next.get();
        self.next.set(turn.wrapping_add(1));
        let start = turn.checked_rem(self.servers.len())?;
        let order = self.servers.iter().cycle().skip(start).take(self.servers.len());
        order.min_by_key(|server| server.in_flight.get()).map(Rc::clone)
    }

    /// Drops kept connections that have ended or are too old.
    pub(crate) fn sweep(&self) {
        let now = self.timers.now();
        for server in &self.servers {
            let fresh = |idle: &mut Idle| {
                !now.is_after(idle.since, server.idle_longest) && idle.link.is_usable()
            };
            server.idle.borrow_mut().retain_mut(fresh);
        }
    }
}

impl ServerPool {
    /// The kept connection used last, if one is still alive.
    pub(super) fn kept(&self) -> Option<Box<Link>> {
        loop {
            let mut idle = self.idle.borrow_mut().pop()?;
            if idle.link.is_usable() {
                return Some(idle.link);
            }
        }
    }

    /// A fresh connection.
    pub(super) async fn fresh(
        &self,
        timer: &Timer,
        limit: Ticks,
    ) -> Result<Box<Link>, UpstreamError> {
        // Boxed: a request that finds a kept connection does not reserve room for this.
        let connecting = Box::pin(connect::connect(&self.server, self.buffers));
        match timer.limit(limit, connecting).await {
            Ok(connected) => connected,
            Err(_elapsed) => Err(UpstreamError::ConnectTimeout),
        }
    }

    /// Takes a connection back after its exchange, if it can serve another.
    pub(super) fn keep(&self, mut link: Box<Link>, now: Moment) {
        // Most often the connection has come to rest with the body's last byte.
        let at_rest = link.sender.is_ready() || link.is_usable();
        let mut idle = self.idle.borrow_mut();
        if idle.len() < self.idle_most && at_rest {
            idle.push(Idle { link, since: now });
        }
    }

    pub(super) fn begin(&self) {
        self.in_flight.set(self.in_flight.get().saturating_add(1));
    }

    pub(super) fn end(&self) {
        self.in_flight.set(self.in_flight.get().saturating_sub(1));
    }
}
