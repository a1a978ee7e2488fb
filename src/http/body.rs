//! The body of every response to a client, and the end of the request's life.
//!
//! Whatever the body is, it carries the [`Exchange`]: dropped with it, the request is counted and
//! logged with what really went out. An upstream's body that breaks off aborts the connection.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::access::Exchange;
use crate::upstream::{self, UpstreamError};

/// A response body.
#[derive(Debug)]
pub(crate) struct Body {
    content: Content,
    /// None where a tunnel has taken it over.
    exchange: Option<Exchange>,
}

/// Where the bytes come from.
#[derive(Debug)]
pub(super) enum Content {
    /// Ours: all there is.
    Own(Bytes),
    /// An upstream's.
    Upstream(upstream::Body),
}

impl Content {
    /// No bytes at all.
    pub(super) const fn none() -> Self {
        Self::Own(Bytes::new())
    }
}

impl Body {
    pub(super) fn new(content: Content, exchange: Exchange) -> Self {
        Self { content, exchange: Some(exchange) }
    }

    /// Nothing: what follows the head is no body.
    pub(super) fn none() -> Self {
        Self { content: Content::Own(Bytes::new()), exchange: None }
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
        let frame = match &mut this.content {
            Content::Own(bytes) if bytes.is_empty() => None,
            Content::Own(bytes) => Some(Ok(Frame::data(std::mem::take(bytes)))),
            Content::Upstream(body) => std::task::ready!(Pin::new(body).poll_frame(cx)),
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
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Own(bytes) => {
                SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
            }
            Content::Upstream(body) => body.size_hint(),
        }
    }
}
