//! `[plain_http]`, `[hsts]` and `[[routes]]`

use std::time::Duration;

use toml::Spanned;

use super::{
    header_rules::header_rules,
    value::{self, wrong},
};
use crate::{
    config::{
        HeaderRules, Hsts, PlainAction, PlainHttp, Route, Upstream,
        document::{Document, nearest},
        raw,
        raw::Text,
    },
    fields::Side,
    host::HostPattern,
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
            return vec![Route {
                host: HostPattern::Any,
                path,
                upstream: 0,
                request_headers: HeaderRules::default(),
                response_headers: HeaderRules::default(),
                place,
            }];
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
    let mut rules = |raw, side, name| header_rules(raw, side, &format!("{key}.{name}"), document);
    let request_headers = rules(raw.request_headers, Side::Request, "request_headers");
    let response_headers = rules(raw.response_headers, Side::Response, "response_headers");
    let place = document.place(span, key);
    Some(Route {
        host: host?,
        path: path.unwrap_or_else(|| "/".into()),
        upstream: upstream?,
        request_headers,
        response_headers,
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
