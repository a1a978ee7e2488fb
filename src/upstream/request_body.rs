//! A client's request body on its way to an upstream.
//!
//! Frames pass as they come, one at a time, when the upstream's connection asks. It notes how
//! much has passed, so that a slow but moving upload is never taken for a hung upstream; a
//! client that stops sending is ended here. Trailers pass (RFC 9110 6.5).

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::{
    Request, StatusCode,
    body::{Body, Frame, Incoming, SizeHint},
};

use super::expect::Gate;
use crate::timer::{Ticks, Timer};

/// The body of a forwarded request: nothing, or what a client sends.
#[derive(Debug, Default)]
pub(crate) struct RequestBody(Option<Box<Stream>>);

#[derive(Debug)]
struct Stream {
    inner: Incoming,
    upload: Rc<Upload>,
    timer: Timer,
    limit: Ticks,
    waiting: bool,
    gate: Option<Gate>,
}

/// How far an upload is; shared with whoever waits for the response.
#[derive(Debug, Default)]
pub(super) struct Upload {
    bytes: Cell<u64>,
    failure: Cell<Option<UploadFailure>>,
}

impl Upload {
    /// Bytes that have passed.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// Why it ended, if it did so early.
    pub(super) fn failure(&self) -> Option<UploadFailure> {
        self.failure.get()
    }
}

/// Why a request body ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UploadFailure {
    /// No byte of it in time.
    #[error("no byte of the request body in time")]
    Stalled,
    /// The client broke off, or sent what is no body.
    #[error("the request body broke off")]
    BrokenOff,
}

impl UploadFailure {
    /// What the client is told, if it still listens.
    #[must_use]
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Stalled => StatusCode::REQUEST_TIMEOUT,
            Self::BrokenOff => StatusCode::BAD_REQUEST,
        }
    }
}

impl RequestBody {
    /// A request without a body.
    #[must_use]
    pub(crate) fn empty() -> Self {
        Self::default()
    }

    /// What a client sends; `limit` is the longest wait for its next piece, measured by `timer`.
    #[must_use]
    pub(crate) fn stream(inner: Incoming, timer: Timer, limit: Ticks) -> Self {
        let upload = Rc::default();
        let stream = Stream { inner, upload, timer, limit, waiting: false, gate: None };
        // Boxed: a request is moved often, and most have no body.
        Self(Some(Box::new(stream)))
    }

    /// Holds the body back until the server wants it: its request says `Expect: 100-continue`.
    #[must_use]
    pub(crate) fn expected(mut request: Request<Self>) -> Request<Self> {
        let gate = Gate::before(&mut request);
        if let Some(stream) = &mut request.body_mut().0 {
            stream.gate = Some(gate);
        }
        request
    }

    /// Lets the body go, where nobody will say that it may.
    pub(super) fn release(&mut self) {
        if let Some(stream) = &mut self.0 {
            stream.gate = None;
        }
    }

    pub(super) fn upload(&self) -> Option<Rc<Upload>> {
        self.0.as_ref().map(|stream| Rc::clone(&stream.upload))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = UploadFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadFailure>>> {
        match &mut self.0 {
            None => Poll::Ready(None),
            Some(stream) => stream.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|stream| stream.inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |stream| stream.inner.size_hint())
    }
}

impl Stream {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadFailure>>> {
        if let Some(gate) = &mut self.gate {
            ready!(gate.poll(&self.timer, cx));
            self.gate = None;
        }
        let Poll::Ready(next) = Pin::new(&mut self.inner).poll_frame(cx) else {
            if !std::mem::replace(&mut self.waiting, true) {
                self.timer.set(self.limit);
            }
            ready!(self.timer.poll(cx));
            return Poll::Ready(Some(Err(self.fail(UploadFailure::Stalled))));
        };
        self.waiting = false;
        Poll::Ready(match next {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
                self.upload.bytes.set(self.upload.bytes.get().wrapping_add(bytes));
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "request body broke off");
                Some(Err(self.fail(UploadFailure::BrokenOff)))
            }
            None => None,
        })
    }

    fn fail(&self, failure: UploadFailure) -> UploadFailure {
        self.upload.failure.set(Some(failure));
        failure
    }
}
