//! A bare connection to one of an upstream's servers, for whoever speaks over it himself.
//!
//! Called by `legacy`. The server counts as busy until what is given here is dropped. Nothing is
//! sent: what comes first is the caller's.

use std::{fmt, io, rc::Rc};

use tokio::{net::TcpStream, time::Instant};

use super::{Pool, UpstreamError, connect, server::ServerPool};
use crate::{metrics::UpstreamOutcome, wire::Wire};

/// Servers that are tried for one client: with more of them down, checks will have seen it.
const TRIES: usize = 3;

/// A connection.
#[derive(Debug)]
pub(crate) struct Dialed {
    /// To the server.
    pub wire: Wire,
    /// What makes it busy.
    pub held: Held,
}

/// A server that is busy until this is dropped.
#[derive(Debug)]
pub(crate) struct Held(Rc<ServerPool>);

impl Held {
    fn new(server: &Rc<ServerPool>) -> Self {
        server.begin();
        Self(Rc::clone(server))
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.endpoint.metrics.label)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Pool {
    /// A connection that `fits`; a server that cannot be reached is left for another.
    ///
    /// # Errors
    /// What kept the last server that was tried from being reached.
    pub(crate) async fn dial(
        &self,
        fits: impl Fn(&TcpStream) -> io::Result<()>,
    ) -> Result<Dialed, UpstreamError> {
        let (mut tried, mut failed) = (Vec::new(), UpstreamError::NoServer);
        while tried.len() < TRIES
            && let Some(server) = self.pick(0, &tried)
            && !tried.iter().any(|one| Rc::ptr_eq(one, &server))
        {
            let held = Held::new(&server);
            match self.try_dial(&server, &fits).await {
                Ok(wire) => return Ok(Dialed { wire, held }),
                Err(error) => failed = error,
            }
            tracing::debug!(server = %held, error = %failed, "a server does not answer");
            tried.push(server);
        }
        Err(failed)
    }

    /// Once at one server, which is counted and counts for or against it.
    async fn try_dial(
        &self,
        server: &ServerPool,
        fits: &impl Fn(&TcpStream) -> io::Result<()>,
    ) -> Result<Wire, UpstreamError> {
        let started = Instant::now();
        let (timer, limit) = (self.timers.timer(), self.timeouts.connect);
        let dialed = match timer.limit(limit, connect::dial(server.endpoint.address)).await {
            Ok(Ok(wire)) => fits(&wire.0).map(|()| wire).map_err(UpstreamError::Connect),
            Ok(Err(error)) => Err(UpstreamError::Connect(error)),
            Err(_elapsed) => Err(UpstreamError::ConnectTimeout),
        };
        let outcome = match &dialed {
            Ok(_) => UpstreamOutcome::Success,
            Err(error) => error.outcome(),
        };
        match outcome {
            UpstreamOutcome::Success => server.endpoint.worked(),
            // It is we who have no descriptor left.
            UpstreamOutcome::NoSocket => {}
            _ if server.endpoint.failed(self.fleet.config.ejection.failures) => self.fleet.call(),
            _ => {}
        }
        if let Some(shard) = self.fleet.metrics.shard(self.worker) {
            shard.observe(outcome, started.elapsed());
        }
        dialed
    }
}
