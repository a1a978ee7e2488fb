//! A request that asks a server to switch protocols, and the bare stream once it has.
//!
//! Called by `http` for WebSocket and other HTTP/1.1 upgrades (RFC 9110 7.8). The server may
//! decline with any response. Nothing that the client sends behind its request may reach the
//! server before the 101 has come.

use std::rc::Rc;

use bytes::Bytes;
use hyper::{Request, Response, StatusCode};

use super::{
    Body, Pool, RequestBody, UpstreamError,
    attempt::Attempt,
    link::Link,
    link::Stream,
    send::{Answered, Terms},
};
use crate::{metrics::UpstreamOutcome, tls::Offer};

/// What a server made of it.
#[derive(Debug)]
pub(crate) enum Switched {
    /// It goes on in the other protocol.
    Agreed(Response<()>, Tunnel),
    /// It did not; this is its answer.
    Declined(Response<Body>),
}

/// A connection to a server that has left HTTP.
#[derive(Debug)]
pub(crate) struct Tunnel {
    /// The bare stream.
    pub stream: Stream,
    /// What the server sent right behind its 101.
    pub ahead: Bytes,
    attempt: Attempt,
}

impl Tunnel {
    /// It came to its end.
    pub(crate) fn ended(mut self) {
        self.attempt.came_out(UpstreamOutcome::Success);
    }

    /// The server agreed to something else than was asked.
    pub(crate) fn mistaken(mut self) -> UpstreamError {
        let error = UpstreamError::UnaskedUpgrade;
        self.attempt.came_out(error.outcome());
        error
    }
}

impl Pool {
    /// Sends `request`, which asks for another protocol.
    ///
    /// # Errors
    /// As [`Pool::send`].
    pub(crate) async fn upgrade(
        self: &Rc<Self>,
        request: Request<RequestBody>,
        terms: Terms,
    ) -> Result<Switched, UpstreamError> {
        let answered = self.ask(request, Offer::Http1, terms).await?;
        match answered {
            Answered { response, link: Link::Http1(link), attempt, .. }
                if response.status() == StatusCode::SWITCHING_PROTOCOLS =>
            {
                let mut connection = link.into_connection();
                let done = std::future::poll_fn(|cx| connection.poll_without_shutdown(cx));
                done.await.map_err(UpstreamError::Closed)?;
                let parts = connection.into_parts();
                let (stream, ahead) = (parts.io.into_inner(), parts.read_buf);
                Ok(Switched::Agreed(response.map(drop), Tunnel { stream, ahead, attempt }))
            }
            declined => declined.pass().map(Switched::Declined),
        }
    }
}
