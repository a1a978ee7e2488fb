//! A client's request body on its way to an upstream.
//!
//! Frames pass as they come, one at a time, when the upstream's connection asks. It notes how
//! much has passed, so that a slow but moving upload is never taken for a hung upstream; a client
//! that stops, drips or sends too much is ended and counted here. Trailers pass (RFC 9110 6.5),
//! but none under a name by which an upstream trusts us.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::{
    HeaderMap, Request, StatusCode,
    body::{Body, Frame, Incoming, SizeHint},
    header::HeaderName,
};

use super::expect::Gate;
use crate::{
    fields::is_ours,
    metrics::{Counters, Limit},
    pace::{Pace, Rate},
    timer::{Ticks, Timer},
};

/// The body of a forwarded request: nothing, or what a client sends.
#[derive(Debug, Default)]
pub(crate) struct RequestBody(Option<Box<Stream>>);

#[derive(Debug)]
struct Stream {
    inner: Incoming,
    upload: Rc<Upload>,
    terms: Terms,
    pace: Option<Pace>,
    gate: Option<Gate>,
}

/// What a client's body is held to.
#[derive(Debug)]
pub(crate) struct Terms {
    /// Measures the waits.
    pub timer: Timer,
    /// The longest wait for the next piece.
    pub stall: Ticks,
    /// Bytes in all.
    pub most: u64,
    /// How fast it has to come; none: as it likes.
    pub rate: Option<Rate>,
    /// Where it is counted when it is not held.
    pub counters: Arc<Counters>,
}

/// How far an upload is; shared with whoever waits for the response.
#[derive(Debug, Default)]
struct Upload {
    bytes: Cell<u64>,
    awaited: Cell<bool>,
    failure: Cell<Option<UploadFailure>>,
}

impl Upload {
    /// Bytes that have passed, and whether the next piece has been asked for and has not come.
    fn state(&self) -> (u64, bool) {
        (self.bytes.get(), self.awaited.get())
    }
}

/// An upload as whoever waits for the server sees it; of most requests there is none.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    upload: Option<Rc<Upload>>,
    seen: (u64, bool),
}

impl Watched {
    /// Whether there is nothing to watch.
    pub(super) fn is_none(&self) -> bool {
        self.upload.is_none()
    }

    /// Ready when the server has had all of `limit` to itself, as `timer`, set before, measures it.
    pub(super) fn poll_limit(&mut self, timer: &Timer, limit: Ticks, cx: &Context<'_>) -> Poll<()> {
        ready!(timer.poll(cx));
        if self.excuses_server() {
            timer.set(limit);
            return timer.poll(cx);
        }
        Poll::Ready(())
    }

    /// Whether the server had no time of its own since this was last asked: the upload moved, or
    /// it is the client that is waited for, which has a limit of its own.
    fn excuses_server(&mut self) -> bool {
        let state = self.upload.as_ref().map_or((0, false), |upload| upload.state());
        let moved = std::mem::replace(&mut self.seen, state) != state;
        moved || state.1
    }

    /// Why it ended, if it did so early.
    pub(super) fn failure(&self) -> Option<UploadFailure> {
        self.upload.as_ref().and_then(|upload| upload.failure.get())
    }
}

/// Why a request body ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UploadFailure {
    /// No byte of it in time.
    #[error("no byte of the request body in time")]
    Stalled,
    /// Bytes of it, but too few for too long.
    #[error("the request body came too slowly")]
    TooSlow,
    /// More bytes than are taken here.
    #[error("the request body is larger than this server takes")]
    TooLarge,
    /// The client broke off, or sent what is no body.
    #[error("the request body broke off")]
    BrokenOff,
}

impl UploadFailure {
    /// What the client is told, if it still listens.
    #[must_use]
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Stalled | Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BrokenOff => StatusCode::BAD_REQUEST,
        }
    }

    /// The limit that it ran into.
    fn limit(self) -> Option<Limit> {
        match self {
            Self::Stalled => Some(Limit::BodyTimeout),
            Self::TooSlow => Some(Limit::BodyRate),
            Self::TooLarge => Some(Limit::BodySize),
            Self::BrokenOff => None,
        }
    }
}

impl RequestBody {
    /// A request without a body.
    #[must_use]
    pub(crate) fn empty() -> Self {
        Self::default()
    }

    /// What a client sends, held to `terms`.
    #[must_use]
    pub(crate) fn stream(inner: Incoming, terms: Terms) -> Self {
        let pace = terms.rate.map(Pace::new);
        let upload = Rc::default();
        let stream = Stream { inner, upload, terms, pace, gate: None };
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

    pub(super) fn watched(&self) -> Watched {
        let upload = self.0.as_ref().map(|stream| Rc::clone(&stream.upload));
        Watched { upload, seen: (0, false) }
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

/// An upstream may merge trailers into a request's head.
fn without_ours(trailers: &mut HeaderMap) {
    let ours = trailers.keys().filter(|name| is_ours(name.as_str()));
    for name in ours.cloned().collect::<Vec<HeaderName>>() {
        trailers.remove(name);
    }
}

impl Stream {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadFailure>>> {
        if let Some(gate) = &mut self.gate {
            ready!(gate.poll(&self.terms.timer, cx));
            self.gate = None;
        }
        let Poll::Ready(next) = Pin::new(&mut self.inner).poll_frame(cx) else {
            if !self.upload.awaited.replace(true) {
                self.terms.timer.set(self.terms.stall);
                if let Some(pace) = &mut self.pace {
                    pace.waits(self.terms.timer.now());
                }
            }
            ready!(self.terms.timer.poll(cx));
            return Poll::Ready(Some(Err(self.fail(UploadFailure::Stalled))));
        };
        self.upload.awaited.set(false);
        Poll::Ready(match next {
            Some(Ok(frame)) => Some(self.pass(frame)),
            Some(Err(error)) => {
                tracing::debug!(%error, "request body broke off");
                if is_malformed(&error) {
                    self.terms.counters.malformed();
                }
                Some(Err(self.fail(UploadFailure::BrokenOff)))
            }
            None => None,
        })
    }

    /// Counts a piece; one too many or one too late does not pass.
    fn pass(&mut self, mut frame: Frame<Bytes>) -> Result<Frame<Bytes>, UploadFailure> {
        if let Some(trailers) = frame.trailers_mut() {
            without_ours(trailers);
        }
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let passed = self.upload.bytes.get().saturating_add(bytes);
        self.upload.bytes.set(passed);
        if passed > self.terms.most {
            return Err(self.fail(UploadFailure::TooLarge));
        }
        let now = self.terms.timer.now();
        let slow = self.pace.as_mut().is_some_and(|pace| !pace.came(now, bytes));
        if slow { Err(self.fail(UploadFailure::TooSlow)) } else { Ok(frame) }
    }

    fn fail(&self, failure: UploadFailure) -> UploadFailure {
        if let Some(limit) = failure.limit() {
            self.terms.counters.limit(limit);
        }
        self.upload.failure.set(Some(failure));
        failure
    }
}

/// Whether what came was no body, as against a client that went away.
fn is_malformed(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref());
    cause.is_some_and(|cause: &io::Error| {
        matches!(cause.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)
    })
}
