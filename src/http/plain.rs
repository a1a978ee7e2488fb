//! A request on a plain port: counted with what it leaked, then sent to HTTPS, refused, or let
//! through.
//!
//! Called by `service` before a route is looked for. What is let through is told on its response
//! that plain HTTP ends, where that is configured.

use hyper::{Request, Response, StatusCode, header::HeaderValue};

use super::{
    Client, RequestError, authority::Authority, body::Content, credentials, own, redirect,
};
use crate::{
    config::PlainAction,
    metrics::{Credentials, Plain},
    shard::View,
};

/// What a plain port answers by itself; none where the request is forwarded.
pub(super) fn answer<B>(
    client: &Client,
    view: &View,
    authority: Option<&Authority>,
    request: &Request<B>,
    id: &HeaderValue,
) -> Result<Option<Response<Content>>, RequestError> {
    let config = &view.snapshot.config.plain_http;
    let kind = credentials::seen(config, request).next().map(|(kind, _)| kind);
    let action = redirect::action(config, request.method(), request.uri().path(), kind.is_some());
    client.shard.counters.plain_http(action, kind.unwrap_or(Credentials::None));
    if kind.is_some() {
        credentials::record(client, view, request, authority, id, Plain::from(action));
    }
    match action {
        PlainAction::Forward => Ok(None),
        PlainAction::Refuse => Err(RequestError::PlainHttp),
        PlainAction::Redirect => {
            let authority = authority.ok_or(RequestError::HostMissing)?;
            let path = request.uri().path_and_query();
            let target = redirect::target(config, authority.host(), path);
            let status =
                StatusCode::from_u16(config.status).unwrap_or(StatusCode::MOVED_PERMANENTLY);
            own::moved(status, &target, "This API is served over HTTPS only").map(Some)
        }
    }
}

/// Whether the response has to tell that plain HTTP ends: not on paths that stay in clear.
pub(super) fn has_notice<B>(client: &Client, view: &View, request: &Request<B>) -> bool {
    let snapshot = &view.snapshot;
    client.tls.is_none()
        && snapshot.notice.is_some()
        && !redirect::is_exempt(&snapshot.config.plain_http, request.uri().path())
}
