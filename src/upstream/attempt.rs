//! A request under way at one server: counted once, with how it came out, when it is dropped.
//!
//! Begun by `send` for each try, carried by the response's body, so that it lasts as long as the
//! server is busy with it.

use std::rc::Rc;

use tokio::time::Instant;

use super::{Pool, Waits, admission::Place, link::Link, server::ServerPool};
use crate::{metrics::UpstreamOutcome, timer::Ticks};

/// One try.
#[derive(Debug)]
pub(super) struct Attempt {
    pool: Rc<Pool>,
    server: Rc<ServerPool>,
    started: Instant,
    outcome: UpstreamOutcome,
    code: Option<u16>,
    place: Option<Place>,
    waits: Waits,
}

impl Attempt {
    pub(super) fn begin(pool: &Rc<Pool>, server: &Rc<ServerPool>, waits: Waits) -> Self {
        server.begin();
        Self {
            pool: Rc::clone(pool),
            server: Rc::clone(server),
            started: Instant::now(),
            outcome: UpstreamOutcome::Canceled,
            code: None,
            place: None,
            waits,
        }
    }

    /// How it came out; until this is said, it was canceled.
    pub(super) fn came_out(&mut self, outcome: UpstreamOutcome) {
        self.outcome = outcome;
    }

    /// The head of a response has come.
    pub(super) fn responded(&mut self, code: u16) {
        self.code = Some(code);
    }

    /// Keeps the request's place among those under way until this is over.
    pub(super) fn hold(&mut self, place: Option<Place>) {
        self.place = place;
    }

    /// Gives the connection back after a whole response.
    pub(super) fn keep(mut self, link: Link) {
        self.came_out(UpstreamOutcome::Success);
        self.server.keep(link, self.pool.timers.now());
    }

    pub(super) fn response_body_limit(&self) -> Ticks {
        self.waits.response_body.unwrap_or(self.pool.timeouts.response_body)
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.server.end();
        if let Some(shard) = self.pool.fleet.metrics.shard(self.pool.worker) {
            shard.observe(self.outcome, self.started.elapsed());
        }
    }
}
