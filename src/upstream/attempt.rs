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
        if blames_server(outcome) {
            self.failed();
        }
    }

    /// The head of a response has come.
    pub(super) fn responded(&mut self, code: u16) {
        self.code = Some(code);
        if is_failure(code) {
            self.failed();
        }
    }

    /// Whether the server did its part: all of a response, or as much as was wanted of it.
    fn worked(&self) -> bool {
        self.code.is_some_and(|code| !is_failure(code)) && !blames_server(self.outcome)
    }

    /// Counts against the server; enough of it in a row, and the server rests.
    fn failed(&self) {
        let fleet = &self.pool.fleet;
        if self.server.endpoint.failed(fleet.config.ejection.failures) {
            fleet.call();
        }
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

/// Whether a status code says that the server is not well. 501 and 505 are about the request.
fn is_failure(code: u16) -> bool {
    code >= 500 && !matches!(code, 501 | 505)
}

/// Whether the server, or the way to it, is at fault. A response that is a failure by its code is
/// counted when its head comes.
fn blames_server(outcome: UpstreamOutcome) -> bool {
    match outcome {
        UpstreamOutcome::TlsFailed
        | UpstreamOutcome::ConnectRefused
        | UpstreamOutcome::ConnectFailed
        | UpstreamOutcome::ConnectTimeout
        | UpstreamOutcome::ResponseTimeout
        | UpstreamOutcome::ResponseMalformed
        | UpstreamOutcome::ClosedEarly
        | UpstreamOutcome::BodyTimeout
        | UpstreamOutcome::BodyTruncated => true,
        UpstreamOutcome::Success
        | UpstreamOutcome::Canceled
        | UpstreamOutcome::NoServer
        | UpstreamOutcome::Overloaded
        | UpstreamOutcome::Refused
        | UpstreamOutcome::Stale
        | UpstreamOutcome::Retried
        | UpstreamOutcome::NoUpgrade
        | UpstreamOutcome::NoSocket => false,
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.server.end();
        if self.worked() {
            self.server.endpoint.worked();
        }
        if let Some(shard) = self.pool.fleet.metrics.shard(self.pool.worker) {
            shard.observe(self.outcome, self.started.elapsed());
        }
    }
}
