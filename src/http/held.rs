//! What a request is held to: its head before anything is done, its time while all is done.
//!
//! Called by `service`; the numbers are `[limits]` and what the route overrides. Without a limit a
//! request pays a comparison.

use hyper::{
    Request, Response, Version,
    body::{Body as HttpBody, Incoming},
    header::{CONNECTION, HeaderValue},
    http::uri::PathAndQuery,
};

use super::{Client, RequestError};
use crate::{
    bounds::Bounds,
    config::ClientBounds,
    metrics::Limit,
    shard::View,
    timer::{Elapsed, Ticks, Timer},
    upstream::{BodyTerms, RequestBody},
};

/// Whether the head is of a size that is served.
///
/// # Errors
/// What it has too much of.
pub(super) fn head<B>(limits: &ClientBounds, request: &Request<B>) -> Result<(), RequestError> {
    let target = request.uri().path_and_query().map_or("", PathAndQuery::as_str);
    if target.len() > limits.uri_length {
        return Err(RequestError::UriTooLong);
    }
    if request.headers().len() > limits.header_count {
        return Err(RequestError::TooManyFields);
    }
    Ok(())
}

/// A client's body on its way to an upstream.
///
/// # Errors
/// It says itself that it is too large: nothing has been asked of an upstream then.
pub(super) fn body(
    client: &Client,
    view: &View,
    bounds: &Bounds,
    body: Incoming,
    streams: bool,
) -> Result<RequestBody, RequestError> {
    if body.is_end_stream() {
        return Ok(RequestBody::empty());
    }
    if body.size_hint().lower() > bounds.body_size {
        return Err(RequestError::BodyTooLarge);
    }
    let shard = &client.shard;
    let terms = BodyTerms {
        timer: shard.timers.timer(),
        stall: if streams { view.timeouts.tunnel } else { view.timeouts.body },
        most: bounds.body_size,
        rate: if streams { None } else { bounds.body_rate },
        counters: std::sync::Arc::clone(&shard.counters),
    };
    Ok(RequestBody::stream(body, terms))
}

/// The time by which a response has to have ended, if any.
#[derive(Debug, Default)]
pub(super) struct Deadline(Option<Timer>);

impl Deadline {
    /// `limit` from now.
    pub(super) fn after(client: &Client, limit: Option<Ticks>) -> Self {
        Self(limit.map(|limit| {
            let timer = client.shard.timers.timer();
            timer.set(limit);
            timer
        }))
    }

    /// Whether there is one.
    pub(super) fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// Runs `future` until then.
    pub(super) async fn bound<T, E>(
        &self,
        future: impl Future<Output = Result<T, E>>,
    ) -> Result<T, RequestError>
    where
        RequestError: From<E>,
    {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|cx| {
            if let std::task::Poll::Ready(result) = future.as_mut().poll(cx) {
                return std::task::Poll::Ready(result.map_err(RequestError::from));
            }
            self.poll(cx).map(|Elapsed| Err(RequestError::Overdue))
        })
        .await
    }

    /// Ready once it has come.
    pub(super) fn poll(&self, cx: &std::task::Context<'_>) -> std::task::Poll<Elapsed> {
        match &self.0 {
            None => std::task::Poll::Pending,
            Some(timer) => timer.poll(cx).map(|()| Elapsed),
        }
    }
}

/// Says on the last response of an HTTP/1.1 connection that it is the last: it has served its share,
/// or the process is about to end. Over HTTP/2 a GOAWAY says so in its own time and loses nothing; a
/// client of HTTP/1.0 that asked to be kept would be told both, so it hears nothing of the end.
pub(super) fn last<B>(client: &Client, view: &View, version: Version, response: &mut Response<B>) {
    if version == Version::HTTP_2 {
        return;
    }
    let most = view.snapshot.config.limits.client.requests_per_connection;
    if most > 0 && client.activity.requests() >= most {
        client.shard.counters.limit(Limit::RequestsPerConnection);
    } else if version == Version::HTTP_10 || !client.shard.is_leaving() {
        return;
    }
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
}
