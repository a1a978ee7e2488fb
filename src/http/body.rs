//! The body of every response to a client, and the end of the request's life.
//!
//! Whatever the body is, it carries the [`Exchange`]: dropped with it, the request is counted and
//! logged with what really went out. A body that breaks off or is overdue aborts the connection.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::{access::Exchange, coding::Compressed, held::Deadline};
use crate::upstream::{self, UpstreamError};

/// A response body.
#[derive(Debug)]
pub(crate) struct Body {
    content: Content,
    /// None where a tunnel has taken it over.
    exchange: Option<Exchange>,
    deadline: Deadline,
}

/// Why a response's body cannot be completed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The upstream's broke off.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// An encoder failed; none of ours does for what it is given.
    #[error("the response could not be compressed")]
    Compression(#[source] std::io::Error),
    /// `limits.request_timeout`
    #[error("the response had not ended in the time that it is given here")]
    Overdue,
}

/// Where the bytes come from.
#[derive(Debug)]
pub(super) enum Content {
    /// Ours: all there is.
    Own(Bytes),
    /// An upstream's.
    Upstream(upstream::Body),
    /// An upstream's, compressed; boxed, because few are.
    Compressed(Box<Compressed>),
}

impl Content {
    /// No bytes at all.
    pub(super) const fn none() -> Self {
        Self::Own(Bytes::new())
    }
}

impl Body {
    pub(super) fn new(content: Content, exchange: Exchange, deadline: Deadline) -> Self {
        Self { content, exchange: Some(exchange), deadline }
    }

    /// Nothing: what follows the head is no body.
    pub(super) fn none() -> Self {
        let content = Content::Own(Bytes::new());
        Self { content, exchange: None, deadline: Deadline::default() }
    }
}

impl Content {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Own(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Own(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Upstream(body) => {
                Pin::new(body).poll_frame(cx).map(|frame| frame.map(|frame| Ok(frame?)))
            }
            Self::Compressed(body) => body.poll_frame(cx),
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let frame = match this.deadline.poll(cx) {
            Poll::Ready(_elapsed) => Some(Err(BodyError::Overdue)),
            Poll::Pending => {
                let polled = this.content.poll_frame(cx);
                if let Some(exchange) = &this.exchange {
                    exchange.turn(polled.is_ready());
                }
                std::task::ready!(polled)
            }
        };
        match (&frame, &mut this.exchange) {
            (Some(Ok(frame)), Some(exchange)) => {
                exchange.sent(frame.data_ref().map_or(0, Bytes::len));
            }
            (Some(Err(error)), Some(exchange)) => exchange.broke_off(error),
            (None, _) | (_, None) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Own(bytes) => bytes.is_empty(),
            Content::Upstream(body) => body.is_end_stream(),
            Content::Compressed(body) => body.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Own(bytes) => {
                SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
            }
            Content::Upstream(body) => body.size_hint(),
            Content::Compressed(_) => SizeHint::default(),
        }
    }
}
