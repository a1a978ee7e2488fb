//! One request to an upstream and the head of its response, driven by the request's own task.
//!
//! Called by `http` through [`Pool::send`]. Dropping the future, or the body that it gives, drops
//! the connection: that is how a client's cancellation reaches the upstream. A request is sent a
//! second time only where hyper gives it back unsent.

use std::{
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, Waker},
};

use hyper::{Request, Response, StatusCode, body::Incoming, client::conn::TrySendError};
use tokio::time::Instant;

use super::{
    Body, Pool, RequestBody, UpstreamError,
    pool::{Link, ServerPool},
    request_body::Upload,
};
use crate::{
    metrics::UpstreamOutcome,
    timer::{Ticks, Timer},
};

/// A request under way at a server: counted once, with how it came out, when it is dropped.
#[derive(Debug)]
pub(super) struct Attempt {
    pool: Rc<Pool>,
    server: Rc<ServerPool>,
    started: Instant,
    outcome: UpstreamOutcome,
}

impl Attempt {
    fn begin(pool: &Rc<Pool>, server: Rc<ServerPool>) -> Self {
        server.begin();
        let outcome = UpstreamOutcome::Canceled;
        Self { pool: Rc::clone(pool), server, started: Instant::now(), outcome }
    }

    /// How it came out; until this is said, it was canceled.
    pub(super) fn came_out(&mut self, outcome: UpstreamOutcome) {
        self.outcome = outcome;
    }

    /// Gives the connection back after a whole response.
    pub(super) fn keep(mut self, link: Box<Link>) {
        self.came_out(UpstreamOutcome::Success);
        self.server.keep(link, self.pool.timers.now());
    }

    pub(super) fn response_body_limit(&self) -> Ticks {
        self.pool.timeouts.response_body
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.server.end();
        if let Some(shard) = self.pool.metrics.shard(self.pool.worker) {
            shard.observe(self.outcome, self.started.elapsed());
        }
    }
}

impl Pool {
    /// Sends `request` and waits for the response's head; the body streams from then on.
    ///
    /// # Errors
    /// Whatever kept a response from coming; the request may have reached the upstream then.
    pub(crate) async fn send(
        self: &Rc<Self>,
        request: Request<RequestBody>,
    ) -> Result<Response<Body>, UpstreamError> {
        let Some(server) = self.pick() else {
            return Err(UpstreamError::Resolve(std::io::ErrorKind::NotFound.into()));
        };
        let mut attempt = Attempt::begin(self, server);
        let timer = self.timers.timer();
        let (link, response) = match self.through(&attempt.server, request, &timer).await {
            Ok(sent) => sent,
            Err(error) => {
                attempt.came_out(error.outcome());
                return Err(error);
            }
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            attempt.came_out(UpstreamOutcome::ResponseMalformed);
            return Err(UpstreamError::UnaskedUpgrade);
        }
        Ok(response.map(|body| Body::new(body, link, attempt, timer)))
    }

    /// Over a kept connection if there is one, else, or if that one had ended, over a fresh one.
    async fn through(
        &self,
        server: &ServerPool,
        mut request: Request<RequestBody>,
        timer: &Timer,
    ) -> Result<(Box<Link>, Response<Incoming>), UpstreamError> {
        loop {
            let kept = server.kept();
            let was_kept = kept.is_some();
            let mut link = match kept {
                Some(link) => link,
                None => server.fresh(timer, self.timeouts.connect).await?,
            };
            let wait = Wait::new(timer, self.timeouts.response);
            match exchange(&mut link, request, wait).await {
                Ok(response) => return Ok((link, response)),
                Err(Failed { unsent: Some(again), .. }) if was_kept => request = *again,
                Err(failed) => return Err(failed.error),
            }
        }
    }
}

/// An exchange that failed, and the request where no byte of it was written.
struct Failed {
    error: UpstreamError,
    unsent: Option<Box<Request<RequestBody>>>,
}

/// Hands `request` to the connection at once; the future drives both to the response's head.
fn exchange<'a>(
    link: &'a mut Link,
    request: Request<RequestBody>,
    mut wait: Wait<'a>,
) -> impl Future<Output = Result<Response<Incoming>, Failed>> + use<'a> {
    wait.upload = request.body().upload();
    let (sender, connection) = link.split();
    let sent = sender.try_send_request(request);
    async move {
        let mut response = pin!(sent);
        let mut noop = Context::from_waker(Waker::noop());
        let mut step = |cx: &mut Context<'_>| {
            // The connection's own end shows in the response future, which it resolves.
            let _ended = Pin::new(&mut *connection).poll(cx);
            response.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        };
        let mut expected = false;
        std::future::poll_fn(|cx| {
            // Woken, most often by the response: looked at without a waker first, or its body
            // would keep ours and wake this task once more as soon as it is read.
            let mut result = if expected { step(&mut noop) } else { Poll::Pending };
            expected = wait.upload.is_none();
            if result.is_pending() {
                result = step(cx);
            }
            match result {
                Poll::Ready(Ok(response)) => Poll::Ready(Ok(response)),
                Poll::Ready(Err(error)) => Poll::Ready(Err(wait.failed(error))),
                Poll::Pending => wait.poll(cx).map(Err),
            }
        })
        .await
    }
}

/// The wait for a response head.
struct Wait<'a> {
    upload: Option<Rc<Upload>>,
    seen: u64,
    timer: &'a Timer,
    limit: Ticks,
}

impl<'a> Wait<'a> {
    fn new(timer: &'a Timer, limit: Ticks) -> Self {
        timer.set(limit);
        Self { upload: None, seen: 0, timer, limit }
    }

    /// Ready when it has been too long since anything moved.
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Failed> {
        std::task::ready!(self.timer.poll(cx));
        let bytes = self.upload.as_ref().map_or(0, |upload| upload.bytes());
        if bytes > self.seen {
            self.seen = bytes;
            self.timer.set(self.limit);
            return self.timer.poll(cx).map(|()| Self::timeout());
        }
        Poll::Ready(Self::timeout())
    }

    fn timeout() -> Failed {
        Failed { error: UpstreamError::ResponseTimeout, unsent: None }
    }

    fn failed(&self, mut error: TrySendError<Request<RequestBody>>) -> Failed {
        let unsent = error.take_message().map(Box::new);
        let failure = self.upload.as_ref().and_then(|upload| upload.failure());
        let error = match failure {
            Some(failure) => UpstreamError::Upload(failure),
            None => UpstreamError::before_response(error.into_error()),
        };
        Failed { error, unsent }
    }
}
