//! A request to an upstream, tried until it has a response or may not be tried again.
//!
//! Called by `http` through [`Pool::send`]. What was never sent may always be sent again; what
//! was sent only if it is idempotent and has no body (RFC 9110 9.2.2), and never once a byte of a
//! response has gone out. Retries have a budget.

use std::{net::IpAddr, rc::Rc};

use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body as _, Incoming},
    header::{HeaderValue, TRANSFER_ENCODING},
};

use super::{
    Body, OnBehalfOf, Pool, RequestBody, UpstreamError,
    attempt::Attempt,
    exchange::{Failed, Wait, over_http1, over_http2},
    link::Link,
    request_body::Watched,
    server::{ServerPool, Taken},
};
use crate::{
    config::Route,
    metrics::{RetryReason, UpstreamOutcome},
    timer::{Ticks, Timer},
    tls::Offer,
};

/// A response's head, and what is needed to read on.
pub(super) struct Answered {
    pub response: Response<Incoming>,
    pub link: Link,
    pub attempt: Attempt,
    pub timer: Timer,
    /// The request's body, which may still be coming.
    pub upload: Watched,
}

impl Answered {
    /// The response, with a body that reads on.
    ///
    /// # Errors
    /// Where it is none that a client may get.
    pub(super) fn pass(mut self) -> Result<Response<Body>, UpstreamError> {
        if let Some(error) = broken_rule(&self.response) {
            self.attempt.came_out(error.outcome());
            return Err(error);
        }
        let Self { response, link, attempt, timer, upload } = self;
        Ok(response.map(|body| Body::new(body, link, attempt, timer, upload)))
    }
}

/// What a request brings along beside itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Who asks; a consistent hash may be taken of it.
    pub client: IpAddr,
    /// How long its route waits.
    pub waits: Waits,
}

/// What a route says of timeouts; none: as the limits say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Waits {
    /// To the response's head, while nothing moves.
    pub response: Option<Ticks>,
    /// Between two pieces of its body.
    pub response_body: Option<Ticks>,
}

impl Waits {
    /// As `route` says.
    #[must_use]
    pub(crate) fn of(route: &Route) -> Self {
        Self {
            response: route.response_timeout.map(Ticks::from),
            response_body: route.response_body_timeout.map(Ticks::from),
        }
    }
}

/// How a request has fared so far.
struct Course {
    /// Tries that are left.
    tries: u32,
    /// Where it has failed.
    tried: Option<Rc<ServerPool>>,
    /// Whose kept connection had ended; a fresh one is opened there.
    stale: Option<Rc<ServerPool>>,
    is_fresh: bool,
}

impl Course {
    fn new(tries: u32) -> Self {
        Self { tries, tried: None, stale: None, is_fresh: false }
    }

    fn server(&mut self, pool: &Pool, key: u64) -> Option<Rc<ServerPool>> {
        let stale = self.stale.take();
        self.is_fresh = stale.is_some();
        stale.or_else(|| pool.pick(key, self.tried.as_slice()))
    }

    fn may_use_kept(&self) -> bool {
        !self.is_fresh
    }
}

impl Pool {
    /// Sends `client`'s request and waits for the response's head; the body streams from then on.
    ///
    /// # Errors
    /// Whatever kept a response from coming; the request may have reached the upstream then.
    pub(crate) async fn send(
        self: &Rc<Self>,
        request: Request<RequestBody>,
        terms: Terms,
    ) -> Result<Response<Body>, UpstreamError> {
        self.ask(request, Offer::Any, terms).await?.pass()
    }

    /// The same, to whoever takes a response's parts.
    ///
    /// One future for all of it, and what is rare is boxed: each layer of futures is moved whole.
    pub(super) async fn ask(
        self: &Rc<Self>,
        mut request: Request<RequestBody>,
        offer: Offer,
        terms: Terms,
    ) -> Result<Answered, UpstreamError> {
        let key = self.key(&request, terms.client);
        let timer = self.timers.timer();
        let unsent = |error| self.unsent(error);
        let place = match &self.admission {
            Some(admission) => Some(Box::pin(admission.enter(&timer)).await.map_err(unsent)?),
            None => None,
        };
        self.budget.earn();
        let mut course = Course::new(self.fleet.config.retry.tries);
        loop {
            let server = course.server(self, key).ok_or_else(|| unsent(UpstreamError::NoServer))?;
            let mut attempt = Attempt::begin(self, &server, terms.waits);
            let kept = course.may_use_kept().then(|| server.kept(offer, self.timers.now()));
            let (mut link, may_be_stale) = match kept.flatten() {
                Some(Taken { link, may_be_stale }) => (link, Some(may_be_stale)),
                None => match server.fresh(offer, &request, &timer, self.timeouts.connect).await {
                    Ok(link) => (link, None),
                    Err(error) => {
                        let failed = Failed { error, again: Some(Box::new(request)) };
                        request = self.after(failed, false, server, &mut attempt, &mut course)?;
                        continue;
                    }
                },
            };
            let copy = self.copy(&request, may_be_stale, &course);
            let limit = terms.waits.response.unwrap_or(self.timeouts.response);
            let upload = request.body().watched();
            let wait = Wait::new(&timer, limit, upload.clone());
            let result = match &mut link {
                Link::Http1(link) => over_http1(link, request, wait).await,
                Link::Http2(link) => Box::pin(over_http2(link, request, wait)).await,
            };
            match result {
                Ok(response) => match self.code(&response, copy, &mut attempt, &mut course) {
                    Some(again) => request = again,
                    None => {
                        attempt.hold(place);
                        return Ok(Answered { response, link, attempt, timer, upload });
                    }
                },
                Err(Failed { error, again }) => {
                    let failed = Failed { error, again: again.or(copy) };
                    let kept = may_be_stale.is_some();
                    request = self.after(failed, kept, server, &mut attempt, &mut course)?;
                }
            }
        }
    }

    /// Counts a request that no server gets: there is no attempt that would.
    fn unsent(&self, error: UpstreamError) -> UpstreamError {
        if let Some(shard) = self.fleet.metrics.shard(self.worker) {
            shard.unsent(error.outcome());
        }
        error
    }

    /// The request to send again after a failure.
    ///
    /// # Errors
    /// The failure itself, where it is the last word.
    fn after(
        &self,
        Failed { error, again }: Failed,
        was_kept: bool,
        server: Rc<ServerPool>,
        attempt: &mut Attempt,
        course: &mut Course,
    ) -> Result<Request<RequestBody>, UpstreamError> {
        match again {
            // The server had ended the connection: no fault, and no retry that counts.
            Some(again) if was_kept && matches!(error, UpstreamError::Closed(_)) => {
                attempt.came_out(UpstreamOutcome::Stale);
                self.count(RetryReason::Stale);
                course.stale = Some(server);
                Ok(*again)
            }
            again => {
                attempt.came_out(error.outcome());
                course.tried = Some(server);
                self.again(self.reason(&error), again, course).ok_or(error)
            }
        }
    }

    /// The request to send again instead of passing a response on.
    fn code(
        &self,
        response: &Response<Incoming>,
        copy: Option<Box<Request<RequestBody>>>,
        attempt: &mut Attempt,
        course: &mut Course,
    ) -> Option<Request<RequestBody>> {
        let code = response.status().as_u16();
        attempt.responded(code);
        let is_retried = self.fleet.config.retry.codes.contains(&code);
        let again = self.again(is_retried.then_some(RetryReason::Code), copy, course)?;
        attempt.came_out(UpstreamOutcome::Retried);
        Some(again)
    }

    /// A copy of what may be sent twice, where that may be wanted: requests may have to be tried
    /// again, or the kept connection may just be ending.
    fn copy(
        &self,
        request: &Request<RequestBody>,
        may_be_stale: Option<bool>,
        course: &Course,
    ) -> Option<Box<Request<RequestBody>>> {
        let wanted = may_be_stale == Some(true) || (course.tries > 0 && self.replays());
        if wanted { copy(request) } else { None }
    }

    /// The request to send once more, where there is a reason and all agree.
    fn again(
        &self,
        reason: Option<RetryReason>,
        request: Option<Box<Request<RequestBody>>>,
        course: &mut Course,
    ) -> Option<Request<RequestBody>> {
        let (reason, request) = (reason?, request?);
        course.tries = course.tries.checked_sub(1)?;
        let allowed = self.budget.spend(self.timers.now());
        self.count(if allowed { reason } else { RetryReason::OverBudget });
        allowed.then_some(*request)
    }

    /// Why the configuration wants another try after this.
    fn reason(&self, error: &UpstreamError) -> Option<RetryReason> {
        let retry = &self.fleet.config.retry;
        match error {
            UpstreamError::Connect(_) | UpstreamError::ConnectTimeout | UpstreamError::Tls(_) => {
                (retry.connect && self.has_others()).then_some(RetryReason::Connect)
            }
            UpstreamError::Refused(_) | UpstreamError::Closed(_) => {
                retry.refused.then_some(RetryReason::Refused)
            }
            UpstreamError::ResponseTimeout => retry.timeout.then_some(RetryReason::Timeout),
            _ => None,
        }
    }

    /// Whether requests may be wanted again after they were sent. Only then are they copied.
    fn replays(&self) -> bool {
        let retry = &self.fleet.config.retry;
        retry.timeout || !retry.codes.is_empty()
    }

    fn count(&self, reason: RetryReason) {
        if let Some(shard) = self.fleet.metrics.shard(self.worker) {
            shard.retry(reason);
        }
    }
}

/// What hyper lets through and no client may get: another protocol that nobody asked for, or a
/// body in a coding that is not undone and whose label ends here (RFC 9112 6.1).
fn broken_rule(response: &Response<Incoming>) -> Option<UpstreamError> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Some(UpstreamError::UnaskedUpgrade);
    }
    let mut codings = response.headers().get_all(TRANSFER_ENCODING).iter();
    let chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    (!codings.all(chunked)).then_some(UpstreamError::TransferCoding)
}

/// A copy of a request that may be sent twice: one without a body, whose method says that twice
/// is the same as once (RFC 9110 9.2.2).
fn copy(request: &Request<RequestBody>) -> Option<Box<Request<RequestBody>>> {
    let idempotent = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    );
    if !idempotent || !request.body().is_end_stream() {
        return None;
    }
    let mut copy = Box::new(Request::new(RequestBody::empty()));
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    *copy.version_mut() = request.version();
    if let Some(whom) = request.extensions().get::<OnBehalfOf>() {
        copy.extensions_mut().insert(*whom);
    }
    Some(copy)
}
