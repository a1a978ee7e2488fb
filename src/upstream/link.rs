//! A connection to a server: HTTP/1.1 for one request at a time, or HTTP/2 for many.
//!
//! Made by `connect`, held by an exchange while it lasts. An HTTP/1.1 connection is driven by
//! whoever holds it; an HTTP/2 connection drives itself and is only borrowed.

use std::{
    cell::Cell,
    fmt,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use hyper::{
    client::conn::{http1, http2},
    http::uri::Scheme,
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::RequestBody;

/// What a connection runs over: a socket, or TLS on one.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin + fmt::Debug + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + fmt::Debug + 'static> Duplex for T {}

/// The same, whichever it is.
pub(crate) type Stream = Box<dyn Duplex>;

/// A connection that can take a request.
#[derive(Debug)]
pub(super) enum Link {
    /// Boxed once, because it is moved with each request and response.
    Http1(Box<Http1>),
    Http2(Http2),
}

/// HTTP/1.1: nothing runs it in the background.
#[derive(Debug)]
pub(super) struct Http1 {
    sender: http1::SendRequest<RequestBody>,
    connection: http1::Connection<TokioIo<Stream>, RequestBody>,
}

impl Http1 {
    pub(super) fn new(
        sender: http1::SendRequest<RequestBody>,
        connection: http1::Connection<TokioIo<Stream>, RequestBody>,
    ) -> Self {
        Self { sender, connection }
    }

    /// Moves bytes both ways; false once the connection has ended.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) -> bool {
        Pin::new(&mut self.connection).poll(cx).is_pending()
    }

    /// Both halves apart, so that a response can be awaited while the connection is driven.
    pub(super) fn split(
        &mut self,
    ) -> (&mut http1::SendRequest<RequestBody>, &mut http1::Connection<TokioIo<Stream>, RequestBody>)
    {
        (&mut self.sender, &mut self.connection)
    }

    /// Whether it has come to rest without being looked at.
    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// The connection itself, once its server has switched protocols.
    pub(super) fn into_connection(self) -> http1::Connection<TokioIo<Stream>, RequestBody> {
        self.connection
    }

    /// Whether it can take a request now: looks for an end that came while it was idle.
    pub(super) fn is_usable(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop())) && self.sender.is_ready()
    }
}

/// An HTTP/2 connection of one worker, shared by its requests.
#[derive(Debug)]
pub(super) struct Shared {
    sender: http2::SendRequest<RequestBody>,
    scheme: Scheme,
    streams: Cell<usize>,
    most: Rc<Cell<usize>>,
}

impl Shared {
    /// `most` is kept by whoever drives the connection.
    pub(super) fn new(
        sender: http2::SendRequest<RequestBody>,
        scheme: Scheme,
        most: Rc<Cell<usize>>,
    ) -> Rc<Self> {
        Rc::new(Self { sender, scheme, streams: Cell::new(0), most })
    }

    /// Whether the server has not said goodbye.
    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Whether another request fits; the server says how many (RFC 9113 6.5.2).
    pub(super) fn has_room(&self) -> bool {
        self.streams.get() < self.most.get() && self.sender.is_ready()
    }
}

/// A place on a shared connection, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Http2 {
    pub sender: http2::SendRequest<RequestBody>,
    shared: Rc<Shared>,
}

impl Http2 {
    pub(super) fn on(shared: &Rc<Shared>) -> Self {
        shared.streams.set(shared.streams.get().saturating_add(1));
        Self { sender: shared.sender.clone(), shared: Rc::clone(shared) }
    }

    /// `:scheme`
    pub(super) fn scheme(&self) -> Scheme {
        self.shared.scheme.clone()
    }
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.shared.streams.set(self.shared.streams.get().saturating_sub(1));
    }
}

/// Drives an HTTP/2 connection to its end, and says how many streams the server allows.
pub(super) async fn drive<F>(
    mut connection: F,
    allowed: impl Fn(&F) -> usize,
    most: Rc<Cell<usize>>,
) where
    F: Future<Output = hyper::Result<()>> + Unpin,
{
    let ended = std::future::poll_fn(|cx| {
        let ended = Pin::new(&mut connection).poll(cx);
        if ended.is_pending() {
            most.set(allowed(&connection));
        }
        match ended {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => Poll::Pending,
        }
    });
    if let Err(error) = ended.await {
        tracing::debug!(%error, "HTTP/2 connection to an upstream ended");
    }
}
