//! What one worker has to itself: counters, timers, pools, and the snapshot it serves by.
//!
//! Made by `worker`, handed to every connection, reached from every request. Nothing in it is
//! shared with another thread, so nothing on the request path takes a lock.

use std::{
    cell::{Cell, RefCell},
    net::IpAddr,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{
    bounds::Bounds,
    chance::Chance,
    clients::{Clients, Held},
    config::Limits,
    metrics::{Counters, Limit, ListenerKind},
    port::Port,
    published::Published,
    refusals::RefusalLog,
    request_id::RequestIds,
    snapshot::Snapshot,
    timer::{Ticks, Timers},
    traces::Tracer,
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
    /// Spans of requests, where `[traces]` is configured.
    pub tracer: Option<Tracer>,
    /// Which refusals are logged; shared by all workers, off the request path.
    pub refusals: Arc<RefusalLog>,
    /// Which credentials in clear are logged; shared like the refusals.
    pub leaks: Arc<RefusalLog>,
    /// Who has how many connections; shared by all workers, off the request path.
    clients: Clients,
    published: Arc<Published>,
    view: RefCell<Rc<View>>,
    draining: Cell<bool>,
    loads: Loads,
}

/// Differences below this are left alone: handing a socket over costs more than they do.
const CROWD: usize = 16;

/// How many connections each worker holds. Each writes its own cell and reads the others'.
#[derive(Clone, Debug)]
pub(crate) struct Loads(Arc<[AtomicUsize]>);

impl Loads {
    /// For `workers` workers without connections.
    #[must_use]
    pub(crate) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| AtomicUsize::new(0)).collect())
    }

    /// How many workers there are.
    #[must_use]
    pub(crate) fn workers(&self) -> usize {
        self.0.len()
    }

    /// Connections of worker `index`.
    #[must_use]
    pub(crate) fn of(&self, index: usize) -> usize {
        self.0.get(index).map_or(0, |cell| cell.load(Ordering::Relaxed))
    }

    /// The least loaded worker and its connections.
    #[must_use]
    pub(crate) fn least(&self) -> Option<(usize, usize)> {
        let loads = self.0.iter().map(|cell| cell.load(Ordering::Relaxed));
        loads.enumerate().min_by_key(|(_, load)| *load)
    }

    /// A worker to hand a fresh socket to, where worker `index` has a quarter and [`CROWD`] more
    /// connections than the least loaded one.
    #[must_use]
    pub(crate) fn less_crowded(&self, index: usize) -> Option<usize> {
        let (least, load) = self.least()?;
        let crowded = load.saturating_add(load / 4).saturating_add(CROWD);
        (self.of(index) > crowded).then_some(least)
    }

    /// Connections of all workers.
    #[must_use]
    pub(crate) fn total(&self) -> usize {
        self.0.iter().map(|cell| cell.load(Ordering::Relaxed)).sum()
    }

    fn set(&self, index: usize, load: usize) {
        if let Some(cell) = self.0.get(index) {
            cell.store(load, Ordering::Relaxed);
        }
    }
}

/// A snapshot as one worker serves by it: with pools, and its times in ticks.
#[derive(Debug)]
pub(crate) struct View {
    /// What all workers serve by.
    pub snapshot: Arc<Snapshot>,
    /// By upstream, as numbered in the configuration.
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
    pub(crate) fn new(
        index: usize,
        published: Arc<Published>,
        counters: Arc<Counters>,
        refusals: Arc<RefusalLog>,
        leaks: Arc<RefusalLog>,
        clients: Clients,
        loads: Loads,
    ) -> Self {
        let timers = Timers::default();
        let worker = Worker { index, of: loads.workers() };
        let view = View::new(published.snapshot(), &timers, worker, &[]);
        Self {
            index,
            counters,
            timers,
            request_ids: RequestIds::default(),
            chance: Chance::default(),
            tracer: None,
            refusals,
            leaks,
            clients,
            published,
            view: RefCell::new(Rc::new(view)),
            draining: Cell::new(false),
            loads,
        }
    }

    /// The same with spans of its requests.
    #[must_use]
    pub(crate) fn traced(self, tracer: Option<Tracer>) -> Self {
        Self { tracer, ..self }
    }

    /// What to serve by now. Asked at each connection for TLS and at each request for the rest.
    pub(crate) fn view(&self) -> Rc<View> {
        let view = Rc::clone(&self.view.borrow());
        if view.snapshot.generation == self.published.generation() {
            return view;
        }
        let worker = Worker { index: self.index, of: self.loads.workers() };
        let next = View::new(self.published.snapshot(), &self.timers, worker, &view.pools);
        let next = Rc::new(next);
        self.view.replace(Rc::clone(&next));
        next
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

    /// Connections that this worker holds.
    pub(crate) fn open(&self) -> usize {
        self.loads.of(self.index)
    }

    /// Whether there is room for one more connection; one that finds none is counted.
    pub(crate) fn has_room(&self) -> bool {
        let most = self.view().snapshot.config.limits.client.connections;
        let room = most == 0 || self.loads.total() < most;
        if !room {
            self.counters.limit(Limit::Connections);
        }
        room
    }

    /// A place among the connections of `client`, kept until it is dropped; none, and counted,
    /// where it has its share already. `Some(None)`: nobody's connections are counted.
    pub(crate) fn hold(&self, client: IpAddr) -> Option<Option<Held>> {
        let most = self.view().snapshot.config.limits.client.connections_per_client;
        if most == 0 {
            return Some(None);
        }
        let held = self.clients.hold(client, most);
        if held.is_none() {
            self.counters.limit(Limit::ConnectionsPerClient);
        }
        held.map(Some)
    }

    /// Counts a connection in until the guard goes.
    pub(crate) fn enter(self: &Rc<Self>, listener: ListenerKind) -> Open {
        self.loads.set(self.index, self.open().saturating_add(1));
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
        self.shard.loads.set(self.shard.index, self.shard.open().saturating_sub(1));
        self.shard.counters.connection_closed(self.listener);
    }
}

impl View {
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

#[cfg(test)]
mod tests {
    use super::{CROWD, Loads};

    #[test]
    fn a_crowded_worker_hands_to_the_least_loaded_one() {
        let loads = Loads::new(3);
        assert_eq!(loads.less_crowded(0), None);
        loads.set(0, 100);
        loads.set(1, 70);
        loads.set(2, 90);
        assert_eq!(loads.less_crowded(0), None, "a difference that is left alone");
        loads.set(1, 60);
        assert_eq!(loads.less_crowded(0), Some(1));
        assert_eq!(loads.less_crowded(1), None);
        loads.set(1, 0);
        assert_eq!(loads.less_crowded(2), Some(1));
        loads.set(2, CROWD);
        assert_eq!(loads.less_crowded(2), None);
        assert_eq!(loads.total(), 100 + CROWD);
    }
}
