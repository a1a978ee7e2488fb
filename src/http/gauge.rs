//! A client's HTTP/2 stream of bytes with a [`Meter`] beside it.
//!
//! Used by `http2` between hyper and the connection. Bytes pass unchanged; over budget, reading
//! fails, which ends hyper's part, and `http2` says the last word.

use std::{
    cell::RefCell,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Client, abuse::Meter};
use crate::io::{Activity, Metered};

/// The stream.
#[derive(Debug)]
pub(super) struct Gauged<S> {
    inner: Metered<S>,
    activity: Rc<Activity>,
    meter: Rc<RefCell<Meter>>,
}

impl<S> Gauged<S> {
    /// And its meter.
    pub(super) fn new(stream: S, client: &Client) -> (Self, Rc<RefCell<Meter>>) {
        let activity = Rc::clone(&client.activity);
        let meter = Rc::new(RefCell::new(Meter::new(activity.timer.now())));
        let inner = Metered::new(stream, bytes::Bytes::new(), Rc::clone(&activity));
        (Self { inner, activity, meter: Rc::clone(&meter) }, meter)
    }

    fn note(&self, result: Poll<io::Result<usize>>, last: &[u8]) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = result {
            self.meter.borrow_mut().wrote(bytes, last);
        }
        result
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gauged<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        let fresh = buffer.filled().get(before..).unwrap_or_default();
        let judged = self.meter.borrow_mut().read(fresh, self.activity.timer.now());
        Poll::Ready(judged.map_err(|abuse| io::Error::other(abuse.as_str())))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gauged<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.note(result, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.note(result, slices.last().map_or(&[], |slice| slice))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
