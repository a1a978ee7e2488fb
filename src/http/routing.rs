//! Which way a request takes: its route, and of a split the upstream whose turn it is.
//!
//! Called by `service` once a request. It must not allocate for a request that is routed.

use std::rc::Rc;

use hyper::Request;

use super::{Client, RequestError, authority::Authority};
use crate::{
    config::{Redirect, Respond, Route, RouteTarget, UnknownHost},
    shard::View,
    snapshot::Snapshot,
    upstream::Pool,
};

/// A route that was found.
#[derive(Debug)]
pub(super) struct Taken<'a> {
    /// Its number.
    pub index: usize,
    /// It.
    pub route: &'a Route,
    /// Where it leads.
    pub way: Way<'a>,
}

/// Where a route leads this request.
#[derive(Debug)]
pub(super) enum Way<'a> {
    /// To the upstream of this number.
    Upstream(usize, &'a Rc<Pool>),
    /// To another URL.
    Redirect(&'a Redirect),
    /// To an answer that is written down.
    Respond(&'a Respond),
}

/// The way of `request`.
///
/// # Errors
/// Where it came over another host's connection, or no route takes it.
pub(super) fn take<'a, B>(
    client: &Client,
    view: &'a View,
    authority: Option<&Authority>,
    request: &Request<B>,
) -> Result<Taken<'a>, RequestError> {
    check_direction(client, view, authority)?;
    let sni = client.tls.as_ref().and_then(|tls| tls.sni.as_ref());
    let host = authority.map_or_else(|| sni.map_or("", |sni| sni.as_str()), Authority::host);
    let snapshot = &view.snapshot;
    let index = snapshot.router.find(host, request);
    let index = index.ok_or_else(|| no_route(view, host))?;
    let route = snapshot.config.routes.get(index).ok_or(RequestError::NoRoute)?;
    let way = match &route.target {
        RouteTarget::Upstream(upstream) => to(view, Some(*upstream))?,
        RouteTarget::Split(split) => to(view, split.at(client.shard.chance.below(split.total)))?,
        RouteTarget::Redirect(redirect) => Way::Redirect(redirect),
        RouteTarget::Respond(respond) => Way::Respond(respond),
    };
    Ok(Taken { index, route, way })
}

/// A browser sends requests for other hosts over an HTTP/2 connection whose certificate names
/// them too (RFC 9113 9.1.1); where those have another floor it must come back over its own. Only
/// a host that differs from the SNI costs a look.
fn check_direction(
    client: &Client,
    view: &View,
    authority: Option<&Authority>,
) -> Result<(), RequestError> {
    let (Some(tls), Some(authority)) = (&client.tls, authority) else { return Ok(()) };
    let (sni, host) = (tls.sni.as_ref(), authority.host());
    if sni.is_some_and(|sni| sni.as_str().eq_ignore_ascii_case(host))
        || view.snapshot.sites.serve_alike(sni, host, &tls.terms)
    {
        Ok(())
    } else {
        Err(RequestError::Misdirected)
    }
}

fn no_route(view: &View, host: &str) -> RequestError {
    let Snapshot { config, router, .. } = &*view.snapshot;
    match config.errors.unknown_host {
        _ if router.knows(host) => RequestError::NoRoute,
        UnknownHost::NotFound => RequestError::UnknownHost,
        UnknownHost::Misdirected => RequestError::Misdirected,
    }
}

/// The configuration names no upstream that has no pool.
fn to(view: &View, upstream: Option<usize>) -> Result<Way<'_>, RequestError> {
    let upstream = upstream.ok_or(RequestError::NoRoute)?;
    let pool = view.pools.get(upstream).ok_or(RequestError::NoRoute)?;
    Ok(Way::Upstream(upstream, pool))
}
