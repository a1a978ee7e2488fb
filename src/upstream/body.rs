//! A response body on its way from an upstream, and the connection that it comes over.
//!
//! Polling it drives the connection, so bytes are read only as fast as the client takes them. At
//! its end the connection goes back to its pool; dropped earlier, it is closed. A body that
//! breaks off is an error, never an end.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

use super::{UpstreamError, attempt::Attempt, link::Link, request_body::Watched};
use crate::timer::Timer;

/// The body of an upstream's response.
#[derive(Debug)]
pub(crate) struct Body {
    inner: Incoming,
    under_way: Option<UnderWay>,
}

/// What is let go at the end.
#[derive(Debug)]
struct UnderWay {
    link: Link,
    attempt: Attempt,
    timer: Timer,
    waiting: bool,
    /// The request's body, which may still be coming.
    upload: Watched,
}

impl Body {
    pub(super) fn new(
        inner: Incoming,
        link: Link,
        attempt: Attempt,
        timer: Timer,
        upload: Watched,
    ) -> Self {
        let under_way = Some(UnderWay { link, attempt, timer, waiting: false, upload });
        let mut body = Self { inner, under_way };
        if body.inner.is_end_stream() {
            body.complete();
        }
        body
    }

    fn complete(&mut self) {
        if let Some(UnderWay { link, attempt, .. }) = self.under_way.take() {
            attempt.keep(link);
        }
    }

    /// An upload that ended early ends the response with it, which is not the server's fault.
    fn fail(&mut self, mut error: UpstreamError) -> UpstreamError {
        if let Some(UnderWay { mut attempt, upload, .. }) = self.under_way.take() {
            if let Some(failure) = upload.failure() {
                error = UpstreamError::Upload(failure);
            }
            attempt.came_out(error.outcome());
        }
        error
    }

    fn poll_inner(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let link = self.under_way.as_mut().map(|under_way| &mut under_way.link);
        if let Some(Link::Http2(_)) = link {
            return Pin::new(&mut self.inner).poll_frame(cx);
        }
        // The body itself wakes nobody: what feeds it is the connection, driven right here.
        let mut noop = Context::from_waker(Waker::noop());
        let frame = Pin::new(&mut self.inner).poll_frame(&mut noop);
        match link {
            Some(Link::Http1(link)) if frame.is_pending() => {
                link.drive(cx);
                Pin::new(&mut self.inner).poll_frame(&mut noop)
            }
            _ => frame,
        }
    }
}

impl UnderWay {
    /// Ready when the next piece has been too long in coming, and not for want of the client's.
    fn poll_wait(&mut self, cx: &Context<'_>) -> Poll<()> {
        let limit = self.attempt.response_body_limit();
        if !std::mem::replace(&mut self.waiting, true) {
            self.timer.set(limit);
        }
        self.upload.poll_limit(&self.timer, limit, cx)
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = UpstreamError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        let this = &mut *self;
        match this.poll_inner(cx) {
            Poll::Pending => match &mut this.under_way {
                Some(under_way) => under_way
                    .poll_wait(cx)
                    .map(|()| Some(Err(this.fail(UpstreamError::BodyTimeout)))),
                None => Poll::Pending,
            },
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(under_way) = &mut this.under_way {
                    under_way.waiting = false;
                }
                if this.inner.is_end_stream() {
                    this.complete();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                Poll::Ready(Some(Err(this.fail(UpstreamError::Truncated(error)))))
            }
            Poll::Ready(None) => {
                this.complete();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
