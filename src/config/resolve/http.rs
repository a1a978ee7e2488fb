//! `[plain_http]`, `[hsts]`, `[[upstreams]]` and `[[routes]]`

use std::{sync::Arc, time::Duration};

use toml::Spanned;

use super::{
    bounds,
    value::{self, wrong},
};
use crate::{
    config::{
        Hsts, PlainAction, PlainHttp, Route, RouteBounds, Server, Upstream,
        document::{Document, nearest},
        raw,
        raw::Text,
    },
    host::{Host, HostPattern},
};

const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn plain_http(
    raw: Option<Spanned<raw::PlainHttp>>,
    document: &mut Document<'_>,
) -> PlainHttp {
    let (raw, _) = value::section(raw);
    let actions = [
        ("redirect", PlainAction::Redirect),
        ("refuse", PlainAction::Refuse),
        ("forward", PlainAction::Forward),
    ];
    let key = "plain_http.action";
    let action = value::word(document, raw.action.as_ref(), key, PlainAction::Redirect, &actions);
    let status = raw.status.as_ref().map_or(301, |status| {
        let found = *status.get_ref();
        if !matches!(found, 301 | 302 | 307 | 308) {
            let text = format!("found {found}, expected 301, 302, 307 or 308");
            document.report(status.span(), "plain_http.status", text);
        }
        u16::try_from(found).unwrap_or(301)
    });
    let key = "plain_http.https_port";
    let https_port = value::number(document, raw.https_port.as_ref(), key, 443, 1..=65_535);
    let mut exempt_paths = Vec::new();
    for (index, text) in raw.exempt_paths.unwrap_or_default().iter().enumerate() {
        exempt_paths.push(path(text, &format!("plain_http.exempt_paths[{index}]"), document));
    }
    PlainHttp { action, status, https_port, exempt_paths }
}

pub(super) fn hsts(raw: Option<Spanned<raw::Hsts>>, document: &mut Document<'_>) -> Hsts {
    let (raw, _) = value::section(raw);
    let (age, most) = (raw.max_age.as_ref(), 3650 * DAY);
    Hsts {
        max_age: value::duration(document, age, "hsts.max_age", 365 * DAY, Duration::ZERO..=most),
        include_subdomains: value::switch(raw.include_subdomains.as_ref(), false),
        preload: value::switch(raw.preload.as_ref(), false),
    }
}

pub(super) fn upstreams(
    raw: Vec<Spanned<raw::Upstream>>,
    document: &mut Document<'_>,
) -> Vec<Upstream> {
    if raw.is_empty() {
        let what = "at least one [[upstreams]] with name and servers";
        value::missing(document, 0..0, "upstreams", what);
    }
    let mut upstreams: Vec<Upstream> = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let key = format!("upstreams[{index}]");
        let span = raw.span();
        let raw = raw.into_inner();
        let servers = servers(raw.servers, span.clone(), &format!("{key}.servers"), document);
        let name_key = format!("{key}.name");
        let Some(name) = raw.name else {
            value::missing(document, span, &name_key, "the name that routes use");
            continue;
        };
        if name.get_ref().is_empty() {
            wrong(document, &name, &name_key, "the name that routes use");
        } else if upstreams.iter().any(|upstream| *upstream.name == **name.get_ref()) {
            wrong(document, &name, &name_key, "a name that no upstream above has");
        }
        upstreams.push(Upstream { name: Arc::from(name.into_inner()), servers });
    }
    upstreams
}

fn servers(
    list: Option<Vec<Text>>,
    span: std::ops::Range<usize>,
    key: &str,
    document: &mut Document<'_>,
) -> Vec<Server> {
    let list = list.unwrap_or_default();
    if list.is_empty() {
        value::missing(document, span, key, "at least one \"http://HOST:PORT\"");
    }
    let mut servers = Vec::new();
    for (index, text) in list.iter().enumerate() {
        match server(text.get_ref()) {
            Ok(server) => servers.push(server),
            Err(expected) => wrong(document, text, &format!("{key}[{index}]"), expected),
        }
    }
    servers
}

fn server(url: &str) -> Result<Server, &'static str> {
    const EXPECTED: &str = "a URL such as \"http://10.0.0.11:8080\" or \"http://orders:8080\"";
    const HTTP_ONLY: &str = "\"http://HOST:PORT\"; other protocols to upstreams are not served by \
        this version";
    let Some(rest) = url.strip_prefix("http://") else {
        let other = ["https://", "h2c://"].iter().any(|scheme| url.starts_with(scheme));
        return Err(if other { HTTP_ONLY } else { EXPECTED });
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.rsplit_once(':') {
        // A colon inside brackets belongs to an IPv6 address.
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (rest, "80"),
    };
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let bare_ipv6 = host.contains(':') && !host.starts_with('[');
    match (Host::parse(host), port.parse()) {
        (Ok(host), Ok(port)) if digits && port != 0 && !bare_ipv6 => Ok(Server { host, port }),
        _ => Err(EXPECTED),
    }
}

pub(super) fn routes(
    raw: Vec<Spanned<raw::Route>>,
    upstreams: &[Upstream],
    document: &mut Document<'_>,
) -> Vec<Route> {
    if raw.is_empty() {
        return everything(upstreams, document);
    }
    let mut routes: Vec<Route> = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let key = format!("routes[{index}]");
        let Some(route) = route(raw, &key, upstreams, document) else {
            continue;
        };
        let same = |other: &Route| other.host == route.host && other.path == route.path;
        if routes.iter().any(same) {
            let text = format!(
                "found host {} and path {} again, expected each pair once",
                route.host, route.path
            );
            document.problem(route.place.clone(), text);
        }
        routes.push(route);
    }
    routes
}

/// Without routes there is no doubt where requests go, if there is one upstream.
fn everything(upstreams: &[Upstream], document: &mut Document<'_>) -> Vec<Route> {
    match upstreams {
        [] => {}
        [_] => {
            let place = document.place(0..0, "routes");
            let path = "/".to_owned();
            let bounds = RouteBounds::default();
            return vec![Route { host: HostPattern::Any, path, upstream: 0, bounds, place }];
        }
        [..] => {
            let what = "[[routes]], because there is more than one upstream";
            value::missing(document, 0..0, "routes", what);
        }
    }
    Vec::new()
}

fn route(
    raw: Spanned<raw::Route>,
    key: &str,
    upstreams: &[Upstream],
    document: &mut Document<'_>,
) -> Option<Route> {
    let span = raw.span();
    let raw = raw.into_inner();
    let bounds = bounds::route(&raw, key, document);
    let host = raw.host.map_or(Some(HostPattern::Any), |text| {
        let host = HostPattern::parse(text.get_ref());
        if host.is_err() {
            let expected = "a host name, \"*.example.com\" or \"*\"";
            wrong(document, &text, &format!("{key}.host"), expected);
        }
        host.ok()
    });
    let path = raw.path.map(|text| path(&text, &format!("{key}.path"), document));
    let upstream = upstream(raw.upstream, span.clone(), key, upstreams, document);
    let place = document.place(span, key);
    Some(Route {
        host: host?,
        path: path.unwrap_or_else(|| "/".into()),
        upstream: upstream?,
        bounds,
        place,
    })
}

fn upstream(
    text: Option<Text>,
    span: std::ops::Range<usize>,
    key: &str,
    upstreams: &[Upstream],
    document: &mut Document<'_>,
) -> Option<usize> {
    let key = format!("{key}.upstream");
    let Some(text) = text else {
        value::missing(document, span, &key, "the name of an upstream");
        return None;
    };
    let named = upstreams.iter().position(|upstream| *upstream.name == **text.get_ref());
    if named.is_none() && !document.has_reported("upstreams") {
        let names: Vec<&str> = upstreams.iter().map(|upstream| &*upstream.name).collect();
        let expected = match nearest(text.get_ref(), &names) {
            Some(near) => format!("the name of an upstream, did you mean \"{near}\"?"),
            None => format!("the name of an upstream: {}", names.join(", ")),
        };
        wrong(document, &text, &key, &expected);
    }
    named
}

fn path(text: &Text, key: &str, document: &mut Document<'_>) -> String {
    let path = text.get_ref();
    if !path.starts_with('/') || path.contains(['?', '#']) {
        wrong(document, text, key, "a path that begins with /");
    }
    path.clone()
}
