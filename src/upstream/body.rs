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

use super::{UpstreamError, attempt::Attempt, link::Link};
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
}

impl Body {
    pub(super) fn new(inner: Incoming, link: Link, attempt: Attempt, timer: Timer) -> Self {
        let under_way = Some(UnderWay { link, attempt, timer, waiting: false });
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

    fn fail(&mut self, error: UpstreamError) -> UpstreamError {
        if let Some(mut under_way) = self.under_way.take() {
            under_way.attempt.came_out(error.outcome());
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
    /// Ready when the next piece has been too long in coming.
    fn poll_wait(&mut self, cx: &Context<'_>) -> Poll<()> {
        if !std::mem::replace(&mut self.waiting, true) {
            self.timer.set(self.attempt.response_body_limit());
        }
        self.timer.poll(cx)
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
