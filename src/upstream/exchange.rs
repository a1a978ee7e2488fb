//! One request over one connection, to the head of its response.
//!
//! Called by `send`. An HTTP/1.1 connection is driven by the request's own task, right here;
//! dropping the future, or the body that follows, drops it: that is how a client's cancellation
//! reaches the server. Over HTTP/2 it resets the stream.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use hyper::{
    Request, Response, Uri, Version,
    body::Incoming,
    client::conn::TrySendError,
    header::{CONNECTION, HOST},
    http::uri::Scheme,
};

use super::{
    RequestBody, UpstreamError,
    link::{Http1, Http2},
    request_body::Watched,
};
use crate::timer::{Ticks, Timer};

/// An exchange that failed, and the request where it may be sent again.
pub(super) struct Failed {
    pub error: UpstreamError,
    pub again: Option<Box<Request<RequestBody>>>,
}

/// Hands `request` to the connection at once; the future drives both to the response's head.
pub(super) fn over_http1<'a>(
    link: &'a mut Http1,
    request: Request<RequestBody>,
    mut wait: Wait<'a>,
) -> impl Future<Output = Result<Response<Incoming>, Failed>> + use<'a> {
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

/// The same over a shared connection, which drives itself.
pub(super) async fn over_http2(
    link: &mut Http2,
    mut request: Request<RequestBody>,
    mut wait: Wait<'_>,
) -> Result<Response<Incoming>, Failed> {
    to_http2(&mut request, link.scheme());
    // hyper passes no 1xx of HTTP/2 on.
    request.body_mut().release();
    let mut response = pin!(link.sender.try_send_request(request));
    std::future::poll_fn(|cx| match response.as_mut().poll(cx) {
        Poll::Ready(Ok(response)) => Poll::Ready(Ok(response)),
        Poll::Ready(Err(error)) => Poll::Ready(Err(wait.failed(error))),
        Poll::Pending => wait.poll(cx).map(Err),
    })
    .await
}

/// `:authority` instead of Host, and no field of a connection (RFC 9113 8.2.2, 8.3.1).
fn to_http2(request: &mut Request<RequestBody>, scheme: Scheme) {
    request.headers_mut().remove(CONNECTION);
    let host = request.headers_mut().remove(HOST);
    let authority = host.and_then(|host| host.as_bytes().try_into().ok());
    if let Some(authority) = authority {
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme = Some(scheme);
        parts.authority = Some(authority);
        // Scheme, authority and path are all there, which is all that can be missing.
        *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    }
    *request.version_mut() = Version::HTTP_2;
}

/// The wait for a response head.
pub(super) struct Wait<'a> {
    upload: Watched,
    timer: &'a Timer,
    limit: Ticks,
}

impl<'a> Wait<'a> {
    /// For at most `limit` while nothing moves.
    pub(super) fn new(timer: &'a Timer, limit: Ticks, upload: Watched) -> Self {
        timer.set(limit);
        Self { upload, timer, limit }
    }

    /// Ready when the server has been given too long.
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Failed> {
        let over = self.upload.poll_limit(self.timer, self.limit, cx);
        over.map(|()| Failed { error: UpstreamError::ResponseTimeout, again: None })
    }

    fn failed(&self, mut error: TrySendError<Request<RequestBody>>) -> Failed {
        let again = error.take_message().map(Box::new);
        let error = match self.upload.failure() {
            Some(failure) => UpstreamError::Upload(failure),
            None => UpstreamError::before_response(error.into_error()),
        };
        Failed { error, again }
    }
}
