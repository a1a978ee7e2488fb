//! A request to an upstream, tried until it has a response or may not be tried again.
//!
//! Called by `http` through [`Pool::send`]. What was never sent may always be sent again; what
//! was sent only if it is idempotent and has no body (RFC 9110 9.2.2), and never once a byte of a
//! response has gone out. Retries have a budget.

use std::{net::IpAddr, rc::Rc};

use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body as _, Incoming},
};

use super::{
    Body, Pool, RequestBody, UpstreamError,
    attempt::Attempt,
    exchange::{Failed, exchange},
    link::Link,
    server::{ServerPool, Taken},
};
use crate::{metrics::RetryReason, timer::Timer};

/// A response's head, the connection that it came over, and the request once more.
struct Got {
    response: Response<Incoming>,
    link: Link,
    copy: Option<Request<RequestBody>>,
}

impl Pool {
    /// Sends `client`'s request and waits for the response's head; the body streams from then on.
    ///
    /// # Errors
    /// Whatever kept a response from coming; the request may have reached the upstream then.
    pub(crate) async fn send(
        self: &Rc<Self>,
        mut request: Request<RequestBody>,
        client: IpAddr,
    ) -> Result<Response<Body>, UpstreamError> {
        let key = self.key(&request, client);
        let timer = self.timers.timer();
        let place = match &self.admission {
            Some(admission) => Some(admission.enter(&timer).await?),
            None => None,
        };
        self.budget.earn();
        let mut tries = self.fleet.config.retry.tries;
        let mut tried = None;
        loop {
            let server = self.pick(key, tried.as_ref()).ok_or(UpstreamError::NoServer)?;
            let mut attempt = Attempt::begin(self, &server);
            match self.try_at(&server, request, &timer, tries > 0).await {
                Ok(Got { response, link, copy }) => {
                    let code = response.status().as_u16();
                    attempt.responded(code);
                    let reason =
                        self.fleet.config.retry.codes.contains(&code).then_some(RetryReason::Code);
                    match self.again(reason, copy, &mut tries) {
                        Some(again) => request = again,
                        None => {
                            attempt.hold(place);
                            return Ok(response.map(|body| Body::new(body, link, attempt, timer)));
                        }
                    }
                }
                Err(Failed { error, again }) => {
                    attempt.came_out(error.outcome());
                    match self.again(self.reason(&error), again.map(|again| *again), &mut tries) {
                        Some(again) => request = again,
                        None => return Err(error),
                    }
                }
            }
            tried = Some(server);
        }
    }

    /// Over a kept connection if there is one, else, or if that one had ended, over a fresh one.
    async fn try_at(
        &self,
        server: &ServerPool,
        mut request: Request<RequestBody>,
        timer: &Timer,
        may_be_tried_again: bool,
    ) -> Result<Got, Failed> {
        let wants_copy = may_be_tried_again && self.replays();
        if let Some(Taken { link, may_be_stale }) = server.kept(self.timers.now()) {
            let copy = if wants_copy || may_be_stale { copy(&request) } else { None };
            match self.over(link, request, copy, timer).await {
                Err(Failed { error: UpstreamError::Closed(_), again: Some(again) }) => {
                    self.count(RetryReason::Stale);
                    request = *again;
                }
                result => return result,
            }
        }
        let link = match server.fresh(timer, self.timeouts.connect).await {
            Ok(link) => link,
            Err(error) => return Err(Failed { error, again: Some(Box::new(request)) }),
        };
        let copy = if wants_copy { copy(&request) } else { None };
        self.over(link, request, copy, timer).await
    }

    async fn over(
        &self,
        mut link: Link,
        request: Request<RequestBody>,
        copy: Option<Request<RequestBody>>,
        timer: &Timer,
    ) -> Result<Got, Failed> {
        match exchange(&mut link, request, timer, self.timeouts.response).await {
            Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                Err(Failed { error: UpstreamError::UnaskedUpgrade, again: None })
            }
            Ok(response) => Ok(Got { response, link, copy }),
            Err(failed) => {
                let again = failed.again.or_else(|| copy.map(Box::new));
                Err(Failed { again, ..failed })
            }
        }
    }

    /// The request to send once more, where there is a reason and all agree.
    fn again(
        &self,
        reason: Option<RetryReason>,
        request: Option<Request<RequestBody>>,
        tries: &mut u32,
    ) -> Option<Request<RequestBody>> {
        let (reason, request) = (reason?, request?);
        *tries = tries.checked_sub(1)?;
        let allowed = self.budget.spend(self.timers.now());
        self.count(if allowed { reason } else { RetryReason::OverBudget });
        allowed.then_some(request)
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

/// A copy of a request that may be sent twice: one without a body, whose method says that twice
/// is the same as once (RFC 9110 9.2.2).
fn copy(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    let idempotent = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    );
    if !idempotent || !request.body().is_end_stream() {
        return None;
    }
    let mut copy = Request::new(RequestBody::empty());
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    *copy.version_mut() = request.version();
    Some(copy)
}
