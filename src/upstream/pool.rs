//! One upstream as one worker sees it: its servers now, and which of them gets a request.
//!
//! Made by `shard` with each snapshot. Servers follow the fleet: what the control plane publishes
//! is taken up at the next request, and connections to addresses that stay are kept.

use std::{
    cell::{Cell, RefCell},
    net::IpAddr,
    rc::Rc,
    sync::Arc,
};

use hyper::Request;

use super::{
    Addresses, Fleet,
    admission::Admission,
    balance::Members,
    budget::Budget,
    connect,
    endpoint::WHOLE,
    hash,
    server::{Limits, ServerPool},
};
use crate::{
    chance::Chance,
    config::{self, Balance},
    timer::{Ticks, Timers},
};

/// The waits of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    servers: RefCell<Rc<Servers>>,
    chance: Chance,
}

/// The servers at one time, as they are chosen from.
#[derive(Debug)]
struct Servers {
    members: Members<Rc<ServerPool>>,
    addresses: Arc<Addresses>,
}

/// What of `[limits]` is about upstreams.
fn bounds(limits: &config::Limits) -> (Timeouts, Limits) {
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
    (timeouts, limits)
}

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
        let (timeouts, limits) = bounds(limits);
        Self {
            budget: Budget::new(&fleet.config.retry, worker.of, timers.now()),
            admission: Admission::new(&fleet.config, worker.of),
            fleet: Arc::clone(fleet),
            timers,
            timeouts,
            worker: worker.index,
            limits,
            generation: Cell::new(0),
            servers: RefCell::new(Rc::new(Servers {
                members: Members::new(std::iter::empty(), 0),
                addresses: Arc::default(),
            })),
            chance: Chance::default(),
        }
    }

    /// Whether this pool would be made again for `fleet` and `limits`.
    pub(crate) fn fits(&self, fleet: &Arc<Fleet>, limits: &config::Limits) -> bool {
        Arc::ptr_eq(&self.fleet, fleet) && (self.timeouts, self.limits) == bounds(limits)
    }

    /// The servers now; those whose address stayed keep their connections.
    fn servers(&self) -> Rc<Servers> {
        let generation = self.fleet.generation();
        if self.generation.replace(generation) != generation {
            let before = self.servers();
            let addresses = self.fleet.addresses();
            let same = |endpoint: &Arc<_>| {
                let same = |server: &&Rc<ServerPool>| Arc::ptr_eq(&server.endpoint, endpoint);
                let new = || Rc::new(ServerPool::new(&self.fleet, endpoint, self.limits));
                before.members.iter().find(same).map_or_else(new, Rc::clone)
            };
            let heaviest = addresses.endpoints.iter().map(|endpoint| endpoint.server.weight);
            let heaviest = heaviest.max().unwrap_or(0).saturating_mul(WHOLE);
            let members = Members::new(addresses.endpoints.iter().map(same), heaviest);
            let gone = |server: &&Rc<_>| !members.iter().any(|stays| Rc::ptr_eq(server, stays));
            before.members.iter().filter(gone).for_each(|server| server.retire());
            *self.servers.borrow_mut() = Rc::new(Servers { members, addresses });
        }
        Rc::clone(&self.servers.borrow())
    }

    /// What a request is hashed by, where servers are chosen by that.
    pub(super) fn key<B>(&self, request: &Request<B>, client: IpAddr) -> u64 {
        match &self.fleet.config.balance {
            Balance::Hash(of) => hash::key(of, request.headers(), client),
            Balance::LeastRequests | Balance::RoundRobin => 0,
        }
    }

    /// The server for a request; not one that it was `tried` at, if there is another.
    pub(super) fn pick(&self, key: u64, tried: &[Rc<ServerPool>]) -> Option<Rc<ServerPool>> {
        let servers = self.servers();
        let share = |server: &Rc<ServerPool>| server.endpoint.share();
        let untried = |server: &Rc<ServerPool>| {
            if tried.iter().any(|one| Rc::ptr_eq(one, server)) { 0 } else { share(server) }
        };
        // One that rests is better than none; one whose checks fail is not.
        let last_resort = |server: &Rc<ServerPool>| server.endpoint.last_resort();
        self.choose(&servers, key, untried)
            .or_else(|| self.choose(&servers, key, share))
            .or_else(|| self.choose(&servers, key, last_resort))
    }

    fn choose(
        &self,
        servers: &Servers,
        key: u64,
        share: impl Fn(&Rc<ServerPool>) -> u32,
    ) -> Option<Rc<ServerPool>> {
        let Servers { members, addresses } = servers;
        let chosen = match (&self.fleet.config.balance, &addresses.table) {
            (Balance::RoundRobin, _) => members.in_turn(share),
            (Balance::Hash(_), Some(table)) => {
                let eligible = |at| members.at(at).is_some_and(|server| share(server) > 0);
                table.find(key, eligible).and_then(|at| members.at(at))
            }
            (Balance::LeastRequests | Balance::Hash(_), _) => {
                members.least_loaded(share, |server| server.in_flight(), &self.chance)
            }
        };
        chosen.map(Rc::clone)
    }

    /// Whether requests have to say [`super::OnBehalfOf`] whom they are.
    pub(crate) fn wants_to_know_whom(&self) -> bool {
        self.fleet.config.proxy_protocol.is_some()
    }

    /// Whether there is a second server to try.
    pub(super) fn has_others(&self) -> bool {
        let servers = self.servers();
        let up = servers.members.iter().filter(|server| server.endpoint.share() > 0);
        up.take(2).count() > 1
    }

    /// Keeps no connections any more; requests under way end as they began.
    pub(crate) fn retire(&self) {
        self.servers().members.iter().for_each(|server| server.retire());
    }

    /// Drops kept connections that have ended or are too old.
    pub(crate) fn sweep(&self) {
        let now = self.timers.now();
        self.servers().members.iter().for_each(|server| server.sweep(now));
    }
}
