//! `[[routes]]`

use std::{ops::Range, time::Duration};

use hyper::{Method, header::HeaderName, header::HeaderValue};
use toml::Spanned;

use super::{
    bounds,
    header_rules::header_rules,
    route_target::{self, Upstreams},
    value::{self, wrong},
};
use crate::{
    config::{
        Conditions, FieldIs, FieldMatch, HeaderRules, Route, RouteBounds, RoutePath, RouteTarget,
        Upstream, document::Document, raw::Text, raw_routes,
    },
    fields::Side,
    host::HostPattern,
};

pub(super) fn routes(
    raw: Vec<Spanned<raw_routes::Route>>,
    upstreams: &[Upstream],
    document: &mut Document<'_>,
) -> Vec<Route> {
    if raw.is_empty() {
        return everything(upstreams, document);
    }
    let mut routes: Vec<Route> = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let key = format!("routes[{index}]");
        routes.extend(route(raw, &key, upstreams, document));
    }
    unreachable(&routes, document);
    routes
}

/// Without routes there is no doubt where requests go, if there is one upstream.
fn everything(upstreams: &[Upstream], document: &mut Document<'_>) -> Vec<Route> {
    match upstreams {
        [] => {}
        [_] => {
            return vec![Route {
                name: None,
                host: HostPattern::Any,
                path: RoutePath::Prefix("/".to_owned()),
                conditions: Conditions::default(),
                rewrite_prefix: None,
                target: RouteTarget::Upstream(0),
                bounds: RouteBounds::default(),
                response_timeout: None,
                response_body_timeout: None,
                request_headers: HeaderRules::default(),
                response_headers: HeaderRules::default(),
                place: document.place(0..0, "routes"),
            }];
        }
        [..] => {
            let what = "[[routes]], because there is more than one upstream";
            value::missing(document, 0..0, "routes", what);
        }
    }
    Vec::new()
}

/// Reports routes that another one always takes the requests of, and names given twice.
fn unreachable(routes: &[Route], document: &mut Document<'_>) {
    for (index, route) in routes.iter().enumerate() {
        let tried_first = |(other, one): (usize, &Route)| {
            let (count, own) = (one.conditions.count(), route.conditions.count());
            other != index && (count > own || (count == own && other < index))
        };
        let takes_all = |one: &Route| {
            one.host == route.host
                && one.path == route.path
                && one.conditions.cover(&route.conditions)
        };
        let all = routes.iter().enumerate();
        if all.into_iter().any(|(other, one)| tried_first((other, one)) && takes_all(one)) {
            let (host, path) = (&route.host, route.path.as_str());
            let text = match route.conditions.count() {
                0 => format!("found host {host} and path {path} again, expected each pair once"),
                _ => format!(
                    "found host {host} and path {path} again with conditions that a route tried \
                     before this one covers, expected a route that can be reached"
                ),
            };
            document.problem(route.place.clone(), text);
        }
        let above = routes.iter().take(index);
        if route.name.is_some() && above.into_iter().any(|one| one.name == route.name) {
            let text = "found a name again, expected a name that no route above has";
            document.problem(route.place.clone(), text.to_owned());
        }
    }
}

fn route(
    raw: Spanned<raw_routes::Route>,
    key: &str,
    upstreams: &[Upstream],
    document: &mut Document<'_>,
) -> Option<Route> {
    let span = raw.span();
    let raw = raw.into_inner();
    let bounds = bounds::route(&raw, key, document);
    let at = |name: &str| format!("{key}.{name}");
    let name = raw.name.as_ref().map(|text| name(text, &at("name"), document));
    let host = raw.host.as_ref().map_or(Some(HostPattern::Any), |text| host(text, key, document));
    let path = route_path(raw.path.as_ref(), raw.path_exact.as_ref(), key, document);
    let rewrite = raw.rewrite_prefix.as_ref();
    let rewrite_prefix = rewrite.map(|text| rewritten(text, &path, key, document));
    let conditions = Conditions {
        methods: methods(raw.methods.as_deref().unwrap_or_default(), key, document),
        fields: fields(raw.headers, key, document),
    };
    let written = route_target::Written {
        upstream: raw.upstream,
        split: raw.split,
        redirect: raw.redirect,
        respond: raw.respond,
    };
    let target = written.resolve(&span, key, &Upstreams(upstreams), document);
    if let (Some(text), Some(RouteTarget::Redirect(_) | RouteTarget::Respond(_))) =
        (rewrite, &target)
    {
        let expected = "no rewrite_prefix on a route without an upstream";
        wrong(document, text, &format!("{key}.rewrite_prefix"), expected);
    }
    let response_timeout =
        timeout(raw.response_timeout.as_ref(), &at("response_timeout"), document);
    let body = raw.response_body_timeout.as_ref();
    let response_body_timeout = timeout(body, &at("response_body_timeout"), document);
    let mut rules = |raw, side, name| header_rules(raw, side, &format!("{key}.{name}"), document);
    let request_headers = rules(raw.request_headers, Side::Request, "request_headers");
    let response_headers = rules(raw.response_headers, Side::Response, "response_headers");
    Some(Route {
        name,
        host: host?,
        path,
        conditions,
        rewrite_prefix,
        target: target?,
        bounds,
        response_timeout,
        response_body_timeout,
        request_headers,
        response_headers,
        place: document.place(span, key),
    })
}

/// A duration in place of one that `[limits]` has; none where the route has none.
fn timeout(value: Option<&Text>, key: &str, document: &mut Document<'_>) -> Option<Duration> {
    let (least, most) = (Duration::from_millis(100), Duration::from_secs(86_400));
    value.map(|_| value::duration(document, value, key, most, least..=most))
}

fn name(text: &Text, key: &str, document: &mut Document<'_>) -> std::sync::Arc<str> {
    let name = text.get_ref();
    // "none" is what requests without a route are counted under.
    if name.is_empty() || name == "none" || name.len() > 100 || name.contains(char::is_control) {
        wrong(document, text, key, "a name of up to 100 characters other than \"none\"");
    }
    name.as_str().into()
}

fn host(text: &Text, key: &str, document: &mut Document<'_>) -> Option<HostPattern> {
    let host = HostPattern::parse(text.get_ref());
    if host.is_err() {
        let expected = "a host name, \"*.example.com\" or \"*\"";
        wrong(document, text, &format!("{key}.host"), expected);
    }
    host.ok()
}

fn route_path(
    prefix: Option<&Text>,
    exact: Option<&Text>,
    key: &str,
    document: &mut Document<'_>,
) -> RoutePath {
    let exact_key = format!("{key}.path_exact");
    match (prefix, exact) {
        (None, None) => RoutePath::Prefix("/".to_owned()),
        (Some(prefix), None) => RoutePath::Prefix(path(prefix, &format!("{key}.path"), document)),
        (None, Some(exact)) => RoutePath::Exact(path(exact, &exact_key, document)),
        (Some(_), Some(exact)) => {
            wrong(document, exact, &exact_key, "either path or path_exact");
            RoutePath::Exact(exact.get_ref().clone())
        }
    }
}

/// `/v1/` can only become something that ends with a slash: `/new` would make `/v1/x` `/newx`.
fn rewritten(text: &Text, of: &RoutePath, key: &str, document: &mut Document<'_>) -> String {
    let key = format!("{key}.rewrite_prefix");
    let new = path(text, &key, document);
    let prefix = matches!(of, RoutePath::Prefix(prefix) if prefix.ends_with('/'));
    if prefix && new.starts_with('/') && !new.ends_with('/') {
        wrong(document, text, &key, "a prefix that ends with / as the path does");
    }
    new
}

fn methods(list: &[Text], key: &str, document: &mut Document<'_>) -> Vec<Method> {
    let mut methods = Vec::new();
    for (index, text) in list.iter().enumerate() {
        let word = text.get_ref();
        let upper = !word.bytes().any(|byte| byte.is_ascii_lowercase());
        match Method::from_bytes(word.as_bytes()) {
            Ok(method) if upper => methods.push(method),
            _ => {
                let expected = "a method in capitals such as \"GET\"";
                wrong(document, text, &format!("{key}.methods[{index}]"), expected);
            }
        }
    }
    methods
}

fn fields(
    list: Vec<Spanned<raw_routes::FieldMatch>>,
    key: &str,
    document: &mut Document<'_>,
) -> Vec<FieldMatch> {
    let mut fields = Vec::new();
    for (index, raw) in list.into_iter().enumerate() {
        let span = raw.span();
        let key = format!("{key}.headers[{index}]");
        fields.extend(field(&raw.into_inner(), span, &key, document));
    }
    fields
}

fn field(
    raw: &raw_routes::FieldMatch,
    span: Range<usize>,
    key: &str,
    document: &mut Document<'_>,
) -> Option<FieldMatch> {
    let is = match (&raw.value, &raw.present) {
        (Some(text), None) => {
            let value = HeaderValue::from_str(text.get_ref());
            if value.is_err() {
                let key = format!("{key}.value");
                document.report(text.span(), &key, "expected a field's value".to_owned());
            }
            value.ok().map(FieldIs::Value)
        }
        (None, Some(present)) if *present.get_ref() => Some(FieldIs::Present),
        (None, Some(_)) => Some(FieldIs::Absent),
        (_, both) => {
            let found = if both.is_some() { "both" } else { "neither" };
            let text = format!("found {found}, expected either value or present");
            if !document.has_reported(key) {
                document.report(span.clone(), key, text);
            }
            None
        }
    };
    let name_key = format!("{key}.name");
    let Some(text) = &raw.name else {
        value::missing(document, span, &name_key, "a field's name");
        return None;
    };
    let name = HeaderName::from_bytes(text.get_ref().as_bytes());
    if name.is_err() {
        wrong(document, text, &name_key, "a field's name such as \"x-version\"");
    }
    Some(FieldMatch { name: name.ok()?, is: is? })
}

pub(super) fn path(text: &Text, key: &str, document: &mut Document<'_>) -> String {
    let path = text.get_ref();
    if !path.starts_with('/') || path.contains(['?', '#']) {
        wrong(document, text, key, "a path that begins with /");
    }
    path.clone()
}
