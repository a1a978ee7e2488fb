//! A request made ready for its upstream: rewritten, told who asks, changed by its route's rules,
//! its body held to the limits.
//!
//! Made by `service` once the way is known. What is not configured costs a branch here.

use std::rc::Rc;

use hyper::{
    HeaderMap, Request,
    body::{Body, Incoming},
    header::{EXPECT, HeaderValue},
};

use super::{
    RequestError,
    coding::Wish,
    forwarding::Hop,
    headers, held, path,
    rules::{self, Change},
    upgrade::Asked,
};
use crate::{
    config::Route,
    shard::View,
    timer::Ticks,
    upstream::{Pool, RequestBody, Terms},
};

/// A request on its way to an upstream.
pub(super) struct Errand {
    pub pool: Rc<Pool>,
    pub request: Request<RequestBody>,
    pub terms: Terms,
    /// By when the response has to have ended.
    pub limit: Option<Ticks>,
    /// What the response will be changed by.
    pub rules: Vec<Change>,
    /// How it may be compressed.
    pub wish: Wish,
}

impl Errand {
    /// Of a request that takes the route with this number to `pool`.
    ///
    /// # Errors
    /// What of the request cannot be passed on.
    pub(super) fn make(
        view: &View,
        hop: &Hop<'_>,
        (index, route): (usize, &Route),
        pool: &Rc<Pool>,
        request: Request<Incoming>,
        asked: Option<&Asked>,
    ) -> Result<Self, RequestError> {
        let bounds = view.bounds.get(index).ok_or(RequestError::NoRoute)?;
        let wish = if bounds.compress {
            Wish::of(&view.snapshot.config.compression, &request)
        } else {
            Wish::Untouched
        };
        let expects = headers::expects_continue(&request);
        let (mut parts, body) = request.into_parts();
        let mut asked_for = None;
        if let Some(prefix) = &route.rewrite_prefix {
            let rewritten = path::rewrite(&parts.uri, route.path.as_str().len(), prefix);
            let rewritten = rewritten.ok_or(RequestError::PathClimbs)?;
            asked_for = Some(std::mem::replace(&mut parts.uri, rewritten));
        }
        headers::to_upstream(&mut parts, hop)?;
        let path = asked_for.as_ref().unwrap_or(&parts.uri).path();
        let rules = rule(route, hop, path, &mut parts.headers);
        if pool.wants_to_know_whom() {
            parts.extensions.insert(hop.on_behalf_of());
        }
        // A call of gRPC always has a body.
        let is_grpc = !body.is_end_stream() && headers::is_grpc(&parts.headers);
        let body = match asked {
            Some(asked) => {
                asked.put(&mut parts);
                RequestBody::empty()
            }
            None => held::body(hop.client, view, bounds, body, is_grpc)?,
        };
        let mut request = Request::from_parts(parts, body);
        if expects {
            request.headers_mut().insert(EXPECT, HeaderValue::from_static("100-continue"));
            request = RequestBody::expected(request);
        }
        let mut waits = view.waits.get(index).copied().unwrap_or_default();
        if is_grpc {
            // A stream in which nobody has anything to say is a tunnel.
            waits.response_body = waits.response_body.or(Some(view.timeouts.tunnel));
        }
        let terms = Terms { client: hop.asker.address.ip, waits };
        let (pool, limit) = (Rc::clone(pool), bounds.request);
        Ok(Self { pool, request, terms, limit, rules, wish })
    }
}

/// Carries out the route's rules for the request that came for `path`, and gives those for its
/// response.
fn rule(route: &Route, hop: &Hop<'_>, path: &str, headers: &mut HeaderMap) -> Vec<Change> {
    let for_response = if route.response_headers.is_empty() {
        Vec::new()
    } else {
        rules::changes(&route.response_headers, hop, path).collect()
    };
    if !route.request_headers.is_empty() {
        for change in rules::changes(&route.request_headers, hop, path) {
            change.apply(headers);
        }
    }
    for_response
}
