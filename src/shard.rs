//! What one worker has to itself: counters, timers, pools, and the snapshot it serves by.
//!
//! Made by `worker`, handed to every connection, reached from every request. Nothing in it is
//! shared with another thread, so nothing on the request path takes a lock.

use std::{
    cell::{Cell, RefCell},
    net::IpAddr,
    rc::Rc,
    sync::Arc,
};

use crate::{
    bounds::Bounds,
    capacity::Capacity,
    chance::Chance,
    clients::Held,
    config::{AtCapacity, Limits},
    metrics::{Counters, Limit, ListenerKind},
    port::Port,
    request_id::RequestIds,
    shared::Shared,
    snapshot::Snapshot,
    timer::{Ticks, Timers},
    upstream::{Pool, Waits, Worker},
};

/// One worker's own.
#[derive(Debug)]
pub(crate) struct Shard {
    /// Which worker.
    pub index: usize,
    /// This worker's cells.
    pub counters: Arc<Counters>,
    /// This worker's timers.
    pub timers: Timers,
    /// Names for requests.
    pub request_ids: RequestIds,
    /// Choices among upstreams.
    pub chance: Chance,
    /// What it shares with the others; off the request path, or read only.
    pub shared: Shared,
    view: RefCell<Rc<View>>,
    leaving: Cell<bool>,
    draining: Cell<bool>,
}

/// A snapshot as one worker serves by it: with pools, and its times in ticks.
#[derive(Debug)]
pub(crate) struct View {
    /// What all workers serve by.
    pub snapshot: Arc<Snapshot>,
    /// By upstream, as numbered in the snapshot.
    pub pools: Vec<Rc<Pool>>,
    /// What routes say of timeouts, as numbered in the configuration.
    pub waits: Vec<Waits>,
    /// The client side's timeouts.
    pub timeouts: Timeouts,
    /// What each route takes of a request.
    pub bounds: Vec<Bounds>,
}

/// The client side's timeouts in ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// `limits.header_timeout`
    pub header: Ticks,
    /// `limits.body_timeout`
    pub body: Ticks,
    /// `limits.write_timeout`
    pub write: Ticks,
    /// `limits.idle_timeout`
    pub idle: Ticks,
    /// `limits.tunnel_timeout`
    pub tunnel: Ticks,
}

impl Timeouts {
    fn new(limits: &Limits) -> Self {
        Self {
            header: Ticks::from(limits.header_timeout),
            body: Ticks::from(limits.body_timeout),
            write: Ticks::from(limits.write_timeout),
            idle: Ticks::from(limits.idle_timeout),
            tunnel: Ticks::from(limits.tunnel_timeout),
        }
    }
}

impl Shard {
    /// A worker's own things, by its number.
    #[must_use]
    pub(crate) fn new(index: usize, counters: Arc<Counters>, shared: Shared) -> Self {
        let timers = Timers::default();
        let worker = Worker { index, of: shared.loads.workers() };
        let view = View::new(shared.published.snapshot(), &timers, worker, &[]);
        Self {
            index,
            counters,
            timers,
            request_ids: RequestIds::default(),
            chance: Chance::default(),
            shared,
            view: RefCell::new(Rc::new(view)),
            leaving: Cell::new(false),
            draining: Cell::new(false),
        }
    }

    /// What to serve by now. Asked at each connection for TLS and at each request for the rest.
    pub(crate) fn view(&self) -> Rc<View> {
        let view = Rc::clone(&self.view.borrow());
        if view.snapshot.generation == self.shared.published.generation() {
            return view;
        }
        let worker = Worker { index: self.index, of: self.shared.loads.workers() };
        let next = View::new(self.shared.published.snapshot(), &self.timers, worker, &view.pools);
        let next = Rc::new(next);
        self.view.replace(Rc::clone(&next));
        let gone = |pool: &&Rc<Pool>| !next.pools.iter().any(|stays| Rc::ptr_eq(pool, stays));
        view.pools.iter().filter(gone).for_each(|pool| pool.retire());
        next
    }

    /// From now on each answer over HTTP/1.1 is its connection's last.
    pub(crate) fn leave(&self) {
        self.leaving.set(true);
    }

    /// Whether it is so.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.get()
    }

    /// From now on connections end after what they are doing.
    pub(crate) fn drain(&self) {
        self.draining.set(true);
        self.timers.wake_all();
    }

    /// Whether a connection that came through `port` is to end after what it is doing.
    pub(crate) fn lets_go(&self, port: &Port) -> bool {
        self.draining.get() || port.is_closed()
    }

    /// What keeps one more connection from having room, if something does.
    pub(crate) fn is_full(&self) -> Option<Limit> {
        let Capacity { connections, .. } = self.view().snapshot.capacity;
        let open = self.shared.loads.total();
        if open >= connections {
            Some(Limit::Connections)
        } else {
            self.shared.pressure.is_tight(|| open).then_some(Limit::Memory)
        }
    }

    /// What happens to a connection for which there is no room.
    pub(crate) fn at_capacity(&self) -> AtCapacity {
        self.view().snapshot.capacity.at
    }

    /// Whether there is memory for one more request.
    pub(crate) fn has_memory(&self) -> bool {
        !self.shared.pressure.is_over(|| self.shared.loads.total())
    }

    /// A place among the connections of `client`, kept until it is dropped; none, and counted,
    /// where it has its share already. `Some(None)`: nobody's connections are counted.
    pub(crate) fn hold(&self, client: IpAddr) -> Option<Option<Held>> {
        let config = &self.view().snapshot.config;
        let most = config.fleet.share(config.limits.client.connections_per_client);
        if most == 0 {
            return Some(None);
        }
        let held = self.shared.clients.hold(client, most);
        if held.is_none() {
            self.counters.limit(Limit::ConnectionsPerClient);
        }
        held.map(Some)
    }

    /// Counts a connection in until the guard goes.
    pub(crate) fn enter(self: &Rc<Self>, listener: ListenerKind) -> Open {
        self.shared.loads.begins(self.index);
        self.counters.connection_opened(listener);
        Open { shard: Rc::clone(self), listener }
    }
}

/// An open connection, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Open {
    shard: Rc<Shard>,
    listener: ListenerKind,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shard.shared.loads.ends(self.shard.index);
        self.shard.counters.connection_closed(self.listener);
    }
}

impl View {
    /// The way to today's terminators, if there is one.
    pub(crate) fn legacy(&self) -> Option<&Rc<Pool>> {
        self.pools.get(self.snapshot.legacy?)
    }

    /// Of the pools that there are those are kept that did not change.
    fn new(snapshot: Arc<Snapshot>, timers: &Timers, worker: Worker, before: &[Rc<Pool>]) -> Self {
        let config = &snapshot.config;
        let new = |fleet| Rc::new(Pool::new(fleet, &config.limits, timers.clone(), worker));
        let pool = |fleet| {
            let same = before.iter().find(|pool| pool.fits(fleet, &config.limits));
            same.map_or_else(|| new(fleet), Rc::clone)
        };
        let pools = snapshot.upstreams.iter().map(pool).collect();
        let timeouts = Timeouts::new(&config.limits);
        let waits = config.routes.iter().map(Waits::of).collect();
        let bounds = config.routes.iter().map(|route| Bounds::new(config, route));
        let bounds = bounds.collect();
        Self { snapshot, pools, waits, timeouts, bounds }
    }
}
