//! The host where customers test their clients: what they offered, what came of it, what to do.
//!
//! Called by `service` before a route is looked for, and by `plain` to know its names. Nothing is
//! ever forwarded from there and nothing is told of another connection than the asking one, so it
//! can serve no production. Answers are never stored and are counted by client.

mod facts;
mod form;
mod wish;

use bytes::Bytes;
use hyper::{
    Method, Request, Response, StatusCode,
    header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, VARY},
};

use super::{Asker, Client, RequestError, access::Exchange, authority::Authority, body::Content};
use crate::{hello::Hello, host::Host, self_test::SelfTest, shard::View};

use facts::Facts;
use wish::Form;

/// Whether a request is for a host that only tests.
pub(super) fn is_one(view: &View, authority: &Authority) -> bool {
    let written = &view.snapshot.config.self_test;
    written.as_ref().is_some_and(|written| written.has(authority.host()))
}

/// Whether the answer comes from here: also where the connection was opened for such a host and
/// the request is for another.
pub(super) fn answers(client: &Client, view: &View, authority: Option<&Authority>) -> bool {
    view.snapshot.self_test.is_some()
        && (tested(client).is_some() || authority.is_some_and(|authority| is_one(view, authority)))
}

/// The answer.
///
/// # Errors
/// 421 over a connection that was opened for another host, 429, 404 and 405.
pub(super) fn answer<B>(
    client: &Client,
    view: &View,
    authority: Option<&Authority>,
    request: &Request<B>,
    asker: &Asker,
) -> Result<Response<Content>, RequestError> {
    let (test, hello) = direction(client, view, authority).ok_or(RequestError::Misdirected)?;
    if !test.admits(asker.address.ip) {
        return Err(RequestError::SelfTestRate);
    }
    if request.uri().path() != "/" {
        return Err(RequestError::NoRoute);
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(RequestError::SelfTestMethod);
    }
    let tls = client.tls.as_ref().ok_or(RequestError::Misdirected)?;
    let accept = request.headers().get_all(ACCEPT).iter();
    let form = Form::best(accept.filter_map(|field| field.to_str().ok()));
    let facts = Facts::new(tls, hello, test, asker.address.ip);
    let mut response = Response::new(Content::Own(Bytes::from(form.write(&facts))));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
    headers.insert(VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// What every answer of such a host has, errors included; a 405 also what is served (RFC 9110
/// 15.5.6).
pub(super) fn finish(exchange: &Exchange, response: &mut Response<Content>) {
    if !exchange.is_test() {
        return;
    }
    let refused = response.status() == StatusCode::METHOD_NOT_ALLOWED;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if refused {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
}

/// The hello of a connection that was opened for such a host.
fn tested(client: &Client) -> Option<&Hello> {
    client.tls.as_ref().and_then(|tls| tls.tested.as_deref())
}

/// The hello is the asker's own only over a connection that was opened for the very host.
fn direction<'a>(
    client: &'a Client,
    view: &'a View,
    authority: Option<&Authority>,
) -> Option<(&'a SelfTest, &'a Hello)> {
    let (test, hello) = (view.snapshot.self_test.as_ref()?, tested(client)?);
    let is_same = |authority: &Authority| Host::parse(authority.host()).ok() == hello.sni;
    authority.is_none_or(is_same).then_some((test, hello))
}
