//! An upstream's response body, compressed as it comes.
//!
//! Polled by the response's [`super::super::Body`]. Whatever the upstream has at hand goes in; as
//! soon as it has no more, all of it is flushed out, so that no byte waits for a later one. What
//! is held is the encoder and at most a few pieces. A body that breaks off gets no proper end.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame};

use super::encoder::Encoder;
use crate::{http::body::BodyError, upstream};

/// As much is given out at once, and as much is taken in without giving out.
const PIECE: usize = 16 * 1024;
const AT_ONCE: usize = 64 * 1024;

/// The body.
#[derive(Debug)]
pub(crate) struct Compressed {
    inner: upstream::Body,
    /// None once all has been given out.
    encoder: Option<Encoder>,
    /// Whether something may be kept back in the encoder.
    unflushed: bool,
    trailers: Option<Frame<Bytes>>,
}

impl Compressed {
    pub(super) fn new(inner: upstream::Body, encoder: Encoder) -> Self {
        Self { inner, encoder: Some(encoder), unflushed: false, trailers: None }
    }

    /// Whether there is nothing more.
    pub(crate) fn is_over(&self) -> bool {
        self.encoder.is_none() && self.trailers.is_none()
    }

    /// The next piece.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(encoder) = &mut self.encoder else {
            return Poll::Ready(self.trailers.take().map(Ok));
        };
        let mut taken = 0;
        while taken < AT_ONCE && encoder.ready() < PIECE {
            match Pin::new(&mut self.inner).poll_frame(cx) {
                Poll::Pending if self.unflushed => break,
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(self.finish()),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
                Poll::Ready(Some(Ok(frame))) => match frame.data_ref() {
                    Some(data) => {
                        taken = taken.saturating_add(data.len());
                        self.unflushed |= !data.is_empty();
                        encoder.write(data).map_err(BodyError::Compression)?;
                    }
                    None => {
                        self.trailers = Some(frame);
                        return Poll::Ready(self.finish());
                    }
                },
            }
        }
        encoder.flush().map_err(BodyError::Compression)?;
        self.unflushed = false;
        Poll::Ready(Some(Ok(Frame::data(encoder.take()))))
    }

    fn finish(&mut self) -> Option<Result<Frame<Bytes>, BodyError>> {
        let last = self.encoder.take()?.finish();
        Some(last.map(Frame::data).map_err(BodyError::Compression))
    }
}
