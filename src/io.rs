//! A client's byte stream as the rest sees it: metered, and able to take back bytes.
//!
//! `http` runs its protocols over a [`Metered`] stream; what the stream does (bytes moved, a
//! write that waits) is noted in an [`Activity`] that timeouts are judged by. Nothing here knows
//! TLS or HTTP, and nothing here may buffer more than the bytes it was given back.

use std::{
    cell::Cell,
    io::{self, IoSlice},
    net::IpAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::{
    timer::{Ticks, Timer},
    wire::Wire,
};

/// A stream that stands on a TCP socket.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + 'static {
    /// The socket below, for readiness and options.
    fn tcp(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Socket for Wire {
    fn tcp(&self) -> &TcpStream {
        &self.0
    }
}

/// The address at the other end of the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PeerAddr {
    /// IPv4 addresses never come in their IPv6-mapped form.
    pub ip: IpAddr,
    /// The port.
    pub port: u16,
}

impl From<std::net::SocketAddr> for PeerAddr {
    fn from(address: std::net::SocketAddr) -> Self {
        Self { ip: address.ip().to_canonical(), port: address.port() }
    }
}

/// The address of the client itself: what forwarding headers, logs and limits speak of. It is the
/// peer's, unless something in between that is trusted said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientAddr {
    /// IPv4 addresses never come in their IPv6-mapped form.
    pub ip: IpAddr,
    /// The port; what stands in between does not always say it.
    pub port: Option<u16>,
}

impl From<PeerAddr> for ClientAddr {
    fn from(peer: PeerAddr) -> Self {
        Self { ip: peer.ip, port: Some(peer.port) }
    }
}

/// What a client's connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its next request.
    Idle,
    /// The rest of a request's head.
    Head,
    /// A request is being answered.
    Busy,
}

/// Whose turn it is in a response, as its body knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The body was not asked.
    Unknown,
    /// Ours, or the upstream's: the client would take more.
    Proxy,
    /// The client's: it has to take what was given.
    Client,
}

/// What a connection does, noted without reading a clock: whoever needs a time arms the timer
/// and looks at the counts when it fires.
#[derive(Debug)]
pub(crate) struct Activity {
    /// The connection's one timer.
    pub timer: Timer,
    header_timeout: Option<Ticks>,
    phase: Cell<Phase>,
    read: Cell<u64>,
    written: Cell<u64>,
    write_waits: Cell<bool>,
    in_flight: Cell<u32>,
    requests: Cell<u32>,
    /// Whose turn it is in the stream that is being polled (HTTP/2).
    pub turn: Cell<Turn>,
    aborted: Cell<bool>,
    flushed: Cell<bool>,
    held_back: Cell<Option<u16>>,
}

impl Activity {
    /// A fresh connection: idle, nothing moved. `header_timeout` is for a protocol in which the
    /// first byte after a rest begins a request (HTTP/1.1); over HTTP/2 it may be anything.
    #[must_use]
    pub(crate) fn new(timer: Timer, header_timeout: Option<Ticks>) -> Self {
        Self {
            timer,
            header_timeout,
            phase: Cell::new(Phase::Idle),
            read: Cell::new(0),
            written: Cell::new(0),
            write_waits: Cell::new(false),
            in_flight: Cell::new(0),
            requests: Cell::new(0),
            turn: Cell::new(Turn::Unknown),
            aborted: Cell::new(false),
            flushed: Cell::new(true),
            held_back: Cell::new(None),
        }
    }

    /// The status of an answer that hyper made by itself and that was not sent.
    #[must_use]
    pub(crate) fn held_back(&self) -> Option<u16> {
        self.held_back.get()
    }

    /// What it waits for.
    #[must_use]
    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Bytes that moved in either direction so far.
    #[must_use]
    pub(crate) fn moved(&self) -> u64 {
        self.read.get().wrapping_add(self.written.get())
    }

    /// Whether bytes wait for the client to take them.
    #[must_use]
    pub(crate) fn write_waits(&self) -> bool {
        self.write_waits.get()
    }

    /// A response broke off: the connection must not end as if it had been complete.
    pub(crate) fn abort(&self) {
        self.aborted.set(true);
    }

    /// Whether [`Self::abort`] was called.
    #[must_use]
    pub(crate) fn is_aborted(&self) -> bool {
        self.aborted.get()
    }

    /// A request's head is whole.
    pub(crate) fn request_begins(&self) {
        self.in_flight.set(self.in_flight.get().saturating_add(1));
        self.requests.set(self.requests.get().saturating_add(1));
        self.phase.set(Phase::Busy);
        self.flushed.set(false);
    }

    /// Requests so far, those under way included.
    #[must_use]
    pub(crate) fn requests(&self) -> u32 {
        self.requests.get()
    }

    /// A response has ended; after the last one the connection is idle and `rest` runs.
    pub(crate) fn request_ends(&self, rest: Ticks) {
        self.in_flight.set(self.in_flight.get().saturating_sub(1));
        if self.in_flight.get() == 0 {
            self.phase.set(Phase::Idle);
            self.timer.set(rest);
        }
    }

    fn has_read(&self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        self.read.set(self.read.get().wrapping_add(u64::try_from(bytes).unwrap_or(u64::MAX)));
        if let Some(limit) = self.header_timeout
            && self.phase.get() == Phase::Idle
        {
            self.phase.set(Phase::Head);
            self.timer.set(limit);
        }
    }

    /// Whether `head` is an answer that hyper makes by itself, to a head that it cannot read: over
    /// HTTP/1, with all answers flushed and no request under way, there is nothing else to write.
    /// It is bare, so it is not sent; `http1` says the same in words. A body's bytes are never
    /// taken for it, because the request that they answer is under way until they are flushed.
    fn holds_back(&self, head: &[u8]) -> bool {
        let unasked =
            self.header_timeout.is_some() && self.flushed.get() && self.in_flight.get() == 0;
        let unasked = unasked && head.starts_with(b"HTTP/1.1 4");
        if unasked {
            let status = head.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
            let status = status.and_then(|digits| digits.parse().ok());
            self.held_back.set(status.or(Some(400)));
        }
        unasked
    }

    fn has_flushed(&self, result: &Poll<io::Result<()>>) {
        self.write_waits.set(result.is_pending());
        if matches!(result, Poll::Ready(Ok(()))) && self.in_flight.get() == 0 {
            self.flushed.set(true);
        }
    }

    fn has_written(&self, result: &Poll<io::Result<usize>>) {
        match result {
            Poll::Ready(Ok(bytes)) => {
                let bytes = u64::try_from(*bytes).unwrap_or(u64::MAX);
                self.written.set(self.written.get().wrapping_add(bytes));
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.write_waits.set(true),
        }
    }
}

/// A stream whose traffic is noted in an [`Activity`], and that first gives out the bytes it was
/// handed (those read ahead of it).
#[derive(Debug)]
pub(crate) struct Metered<S> {
    inner: S,
    ahead: Bytes,
    activity: Rc<Activity>,
}

impl<S> Metered<S> {
    /// `ahead` is read before anything from `inner`.
    pub(crate) fn new(inner: S, ahead: Bytes, activity: Rc<Activity>) -> Self {
        Self { inner, ahead, activity }
    }

    /// The stream, and what of `ahead` was not read.
    pub(crate) fn into_parts(self) -> (S, Bytes) {
        (self.inner, self.ahead)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self.ahead.is_empty() {
            std::task::ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        } else {
            let take = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.ahead.split_to(take));
            if self.ahead.is_empty() {
                self.ahead = Bytes::new();
            }
        }
        self.activity.has_read(buffer.filled().len().saturating_sub(before));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.activity.holds_back(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let result = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.activity.has_written(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.activity.holds_back(slices.first().map_or(&[], |slice| slice)) {
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        let result = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.activity.has_written(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.inner).poll_flush(cx);
        self.activity.has_flushed(&result);
        result
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
