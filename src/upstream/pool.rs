//! One upstream as one worker sees it: its servers now, and which of them gets a request.
//!
//! Made by `shard` with each snapshot. Servers follow the fleet: what the control plane publishes
//! is taken up at the next request, and connections to addresses that stay are kept.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use super::{
    Fleet,
    admission::Admission,
    budget::Budget,
    connect,
    server::{Limits, ServerPool},
};
use crate::{
    config,
    timer::{Ticks, Timers},
};

/// The waits of an exchange.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    /// TCP connect and TLS handshake.
    pub connect: Ticks,
    /// To the response head, while nothing moves.
    pub response: Ticks,
    /// Between two pieces of a response body.
    pub response_body: Ticks,
}

/// One upstream.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(super) fleet: Arc<Fleet>,
    pub(super) timers: Timers,
    pub(super) timeouts: Timeouts,
    pub(super) budget: Budget,
    pub(super) admission: Option<Admission>,
    pub(super) worker: usize,
    limits: Limits,
    generation: Cell<u64>,
    servers: RefCell<Servers>,
    turn: Cell<usize>,
}

type Servers = Rc<[Rc<ServerPool>]>;

/// Who serves: worker `index` of `of`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Worker {
    /// Which.
    pub index: usize,
    /// Of how many.
    pub of: usize,
}

impl Pool {
    /// A pool without connections.
    #[must_use]
    pub(crate) fn new(
        fleet: &Arc<Fleet>,
        limits: &config::Limits,
        timers: Timers,
        worker: Worker,
    ) -> Self {
        let timeouts = Timeouts {
            connect: Ticks::from(limits.connect_timeout),
            response: Ticks::from(limits.response_timeout),
            response_body: Ticks::from(limits.response_body_timeout),
        };
        let buffers = connect::Buffers { head: limits.header_size, body: limits.buffer };
        let limits = Limits {
            buffers,
            idle_most: limits.upstream_idle_connections,
            idle_longest: Ticks::from(limits.upstream_idle_timeout),
        };
        Self {
            budget: Budget::new(&fleet.config.retry, worker.of, timers.now()),
            admission: Admission::new(&fleet.config, worker.of),
            fleet: Arc::clone(fleet),
            timers,
            timeouts,
            worker: worker.index,
            limits,
            generation: Cell::new(0),
            servers: RefCell::new(Rc::new([])),
            turn: Cell::new(0),
        }
    }

    /// The servers now; those whose address stayed keep their connections.
    fn servers(&self) -> Servers {
        let generation = self.fleet.generation();
        if self.generation.replace(generation) != generation {
            let before = self.servers();
            let same = |endpoint: &Arc<_>| {
                let same = |server: &&Rc<ServerPool>| Arc::ptr_eq(&server.endpoint, endpoint);
                let new = || Rc::new(ServerPool::new(&self.fleet, endpoint, self.limits));
                before.iter().find(same).map_or_else(new, Rc::clone)
            };
            *self.servers.borrow_mut() = self.fleet.endpoints().iter().map(same).collect();
        }
        Rc::clone(&self.servers.borrow())
    }

    /// The server for a request; not one that it was `tried` at, if there is another.
    pub(super) fn pick(&self, tried: Option<&Rc<ServerPool>>) -> Option<Rc<ServerPool>> {
        let servers = self.servers();
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        let start = turn.checked_rem(servers.len())?;
        let order = servers.iter().cycle().skip(start).take(servers.len());
        let was_tried =
            |server: &Rc<ServerPool>| tried.is_some_and(|tried| Rc::ptr_eq(tried, server));
        order.min_by_key(|server| (was_tried(server), server.in_flight())).map(Rc::clone)
    }

    /// Whether requests have to say [`super::OnBehalfOf`] whom they are.
    pub(crate) fn wants_to_know_whom(&self) -> bool {
        self.fleet.config.proxy_protocol.is_some()
    }

    /// Whether there is a second server to try.
    pub(super) fn has_others(&self) -> bool {
        self.servers().len() > 1
    }

    /// Drops kept connections that have ended or are too old.
    pub(crate) fn sweep(&self) {
        let now = self.timers.now();
        self.servers().iter().for_each(|server| server.sweep(now));
    }
}
