//! Answers that the configuration writes down: where a redirect goes, what a route says.
//!
//! Called by `service`. The target of a redirect is built from checked parts only, so a client can
//! neither split the response nor send another client elsewhere.

use bytes::Bytes;
use hyper::{
    Request, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderValue, LOCATION},
};

use super::{Client, RequestError, authority::Authority, body::Content};
use crate::config::{Given, Redirect, Respond};

/// A route's redirect; `matched` bytes of the path are what the route matched.
pub(super) fn redirect<B>(
    redirect: &Redirect,
    client: &Client,
    authority: Option<&Authority>,
    request: &Request<B>,
    matched: usize,
) -> Result<Response<Content>, RequestError> {
    let authority = authority.ok_or(RequestError::HostMissing)?;
    let scheme = if client.tls.is_some() { "https" } else { "http" };
    let origin = format!("{scheme}://{}", authority.value.to_str().unwrap_or_default());
    let path = request.uri().path();
    let target = redirect.to.fill(Given {
        origin: &origin,
        path,
        rest: path.get(matched..).unwrap_or_default(),
        query: request.uri().query(),
    });
    moved(redirect.status, &target, "Moved to")
}

/// A redirect to `target`, with the same in words.
pub(super) fn moved(
    status: StatusCode,
    target: &str,
    words: &str,
) -> Result<Response<Content>, RequestError> {
    let location = HeaderValue::try_from(target);
    let location = location.map_err(|_invalid| RequestError::TargetInvalid)?;
    let text = format!("{words}: {target}\n");
    let mut response = Response::new(Content::Own(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(LOCATION, location);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Ok(response)
}

/// A route's own answer.
pub(super) fn respond(respond: &Respond) -> Response<Content> {
    let mut response = Response::new(Content::Own(respond.body.clone()));
    *response.status_mut() = respond.status;
    if !respond.body.is_empty() {
        response.headers_mut().insert(CONTENT_TYPE, respond.content_type.clone());
    }
    response
}
