//! Which route a request takes: by host, path and conditions.
//!
//! Built once a snapshot from `[[routes]]`, asked once a request by `http`. Of the routes that
//! match a request the first in this order takes it: the most exact host; the exact path, then the
//! longest prefix; more conditions; the order of the file. It must not allocate in `find`.

use std::{cmp::Reverse, collections::HashMap};

use hyper::{HeaderMap, Method, Request};

use crate::{
    config::{Conditions, FieldIs, Route, RoutePath},
    host::{Host, HostPattern},
};

/// The route table.
#[derive(Debug, Default)]
pub struct Router {
    exact: HashMap<Box<str>, Vec<Entry>>,
    wildcard: HashMap<Box<str>, Vec<Entry>>,
    any: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    path: RoutePath,
    /// None where there are none, which is what most routes ask.
    conditions: Option<Box<Conditions>>,
    route: usize,
}

/// Longer names are none (RFC 1035 2.3.4).
const LONGEST_NAME: usize = 253;

impl Router {
    /// The table of `routes`; what `find` gives are indexes into it.
    #[must_use]
    pub fn new(routes: &[Route]) -> Self {
        let mut router = Self::default();
        for (index, route) in routes.iter().enumerate() {
            let conditions = Some(&route.conditions).filter(|conditions| conditions.count() > 0);
            let entry = Entry {
                path: route.path.clone(),
                conditions: conditions.cloned().map(Box::new),
                route: index,
            };
            router.entries(&route.host).push(entry);
        }
        let tables = router.exact.values_mut().chain(router.wildcard.values_mut());
        for entries in tables.chain([&mut router.any]) {
            // Stable, so that the file's order decides among equals.
            entries.sort_by_key(Entry::order);
        }
        router
    }

    fn entries(&mut self, host: &HostPattern) -> &mut Vec<Entry> {
        let key = |host: &Host| Box::from(host.as_str());
        match host {
            HostPattern::Exact(host) => self.exact.entry(key(host)).or_default(),
            HostPattern::Wildcard(suffix) => self.wildcard.entry(key(suffix)).or_default(),
            HostPattern::Any => &mut self.any,
        }
    }

    /// The route for a host (without port, in any case) and a request.
    #[must_use]
    pub fn find<B>(&self, host: &str, request: &Request<B>) -> Option<usize> {
        if self.exact.is_empty() && self.wildcard.is_empty() {
            return first(&self.any, request);
        }
        let mut buffer = [0; LONGEST_NAME];
        let host = lower(host, &mut buffer)?;
        let exact = self.exact.get(host).and_then(|entries| first(entries, request));
        exact.or_else(|| first(self.wildcard(host)?, request)).or_else(|| first(&self.any, request))
    }

    /// Whether any route is for `host`, whatever else it asks.
    #[must_use]
    pub fn knows(&self, host: &str) -> bool {
        let mut buffer = [0; LONGEST_NAME];
        let named = |host: &str| self.exact.contains_key(host) || self.wildcard(host).is_some();
        !self.any.is_empty() || lower(host, &mut buffer).is_some_and(named)
    }

    fn wildcard(&self, host: &str) -> Option<&Vec<Entry>> {
        let (_label, suffix) = host.split_once('.')?;
        self.wildcard.get(suffix)
    }
}

impl Entry {
    fn order(&self) -> (bool, Reverse<usize>, Reverse<usize>) {
        let prefix = matches!(self.path, RoutePath::Prefix(_));
        let conditions = self.conditions.as_ref().map_or(0, |conditions| conditions.count());
        (prefix, Reverse(self.path.as_str().len()), Reverse(conditions))
    }

    fn takes<B>(&self, request: &Request<B>) -> bool {
        let path = request.uri().path();
        let matches = match &self.path {
            RoutePath::Prefix(prefix) => path.starts_with(prefix.as_str()),
            RoutePath::Exact(exact) => path == exact,
        };
        let hold = |conditions: &Conditions| hold(conditions, request.method(), request.headers());
        matches && self.conditions.as_deref().is_none_or(hold)
    }
}

/// The first in a sorted list.
fn first<B>(entries: &[Entry], request: &Request<B>) -> Option<usize> {
    entries.iter().find(|entry| entry.takes(request)).map(|entry| entry.route)
}

fn hold(conditions: &Conditions, method: &Method, headers: &HeaderMap) -> bool {
    let methods = &conditions.methods;
    let field = |field: &crate::config::FieldMatch| match &field.is {
        FieldIs::Value(value) => headers.get_all(&field.name).iter().any(|line| line == value),
        FieldIs::Present => headers.contains_key(&field.name),
        FieldIs::Absent => !headers.contains_key(&field.name),
    };
    (methods.is_empty() || methods.contains(method)) && conditions.fields.iter().all(field)
}

fn lower<'a>(host: &str, buffer: &'a mut [u8; LONGEST_NAME]) -> Option<&'a str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    // An IPv6 address is asked for in brackets and configured without or with them.
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = bare.unwrap_or(host);
    let lower = buffer.get_mut(..host.len())?;
    lower.copy_from_slice(host.as_bytes());
    lower.make_ascii_lowercase();
    std::str::from_utf8(lower).ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use hyper::Request;

    use super::Router;
    use crate::config;

    /// Routes as tables of TOML, in order; each answers by itself.
    fn router(routes: &[&str]) -> Router {
        let mut text = r#"
            [tls]
            certificates = [{ chain = "c", key = "k" }]
            [[upstreams]]
            name = "a"
            servers = ["http://127.0.0.1:1"]
        "#
        .to_owned();
        for route in routes {
            text.push_str(&format!("\n[[routes]]\nupstream = \"a\"\n{route}\n"));
        }
        let config = config::parse(&text, Path::new("t")).unwrap_or_else(|error| panic!("{error}"));
        Router::new(&config.routes)
    }

    fn get(path: &str) -> Request<()> {
        Request::get(path).body(()).unwrap()
    }

    #[test]
    fn the_most_exact_host_then_the_longest_path_of_those_that_match_both() {
        let router = router(&[
            "host = \"*\"",
            "host = \"*.example.com\"",
            "host = \"api.example.com\"\npath = \"/v1/\"",
            "host = \"api.example.com\"\npath = \"/v1/orders/\"",
        ]);
        let cases = [
            ("api.example.com", "/v1/orders/7", Some(3)),
            ("API.Example.COM.", "/v1/x", Some(2)),
            ("api.example.com", "/v2", Some(1)),
            ("a.b.example.com", "/", Some(0)),
            ("example.com", "/", Some(0)),
            ("other", "/v1/", Some(0)),
        ];
        for (host, path, route) in cases {
            assert_eq!(router.find(host, &get(path)), route, "{host}{path}");
        }
    }

    #[test]
    fn the_exact_path_then_more_conditions_then_the_order_of_the_file() {
        let router = router(&[
            "path = \"/v1/\"",
            "path_exact = \"/v1/status\"",
            "path = \"/v1/\"\nmethods = [\"GET\", \"PUT\"]",
            "path = \"/v1/\"\nmethods = [\"PUT\", \"POST\"]",
            "path = \"/v1/\"\nmethods = [\"GET\"]\nheaders = [{ name = \"x-v\", value = \"2\" }]",
            "path = \"/v1/status/\"",
        ]);
        let request = |method: &str, path: &str, version: &[&str]| {
            let mut request = Request::builder().method(method).uri(path);
            for version in version {
                request = request.header("x-v", *version);
            }
            request.body(()).unwrap()
        };
        let cases = [
            ("DELETE", "/v1/x", &[][..], Some(0)),
            ("GET", "/v1/status", &["2"], Some(1)),
            ("GET", "/v1/status?a", &[], Some(1)),
            ("GET", "/v1/status/x", &[], Some(5)),
            ("GET", "/v1/x", &[], Some(2)),
            ("PUT", "/v1/x", &[], Some(2)),
            ("POST", "/v1/x", &[], Some(3)),
            ("HEAD", "/v1/x", &[], Some(0)),
            ("GET", "/v1/x", &["2"], Some(4)),
            ("GET", "/v1/x", &["1", "2"], Some(4)),
            ("GET", "/v1/x", &["22"], Some(2)),
            ("GET", "/v2", &["2"], None),
        ];
        for (method, path, version, route) in cases {
            let request = request(method, path, version);
            assert_eq!(router.find("a", &request), route, "{method} {path} {version:?}");
        }
    }

    #[test]
    fn a_field_may_have_to_be_there_or_not() {
        let router = router(&[
            "headers = [{ name = \"X-Debug\", present = true }]",
            "headers = [{ name = \"x-debug\", present = false }, { name = \"x-y\", present = true }]",
        ]);
        let with = |name: &str| Request::get("/").header(name, "").body(()).unwrap();
        assert_eq!(router.find("a", &with("x-debug")), Some(0));
        assert_eq!(router.find("a", &with("x-y")), Some(1));
        assert_eq!(router.find("a", &get("/")), None);
    }

    #[test]
    fn a_host_whose_own_routes_do_not_match_falls_to_the_less_exact_one() {
        let router = router(&[
            "host = \"a.example.com\"\nmethods = [\"POST\"]",
            "host = \"*.example.com\"\npath = \"/v1/\"",
        ]);
        assert_eq!(router.find("a.example.com", &get("/v1/")), Some(1));
        assert_eq!(router.find("a.example.com", &get("/")), None);
    }

    #[test]
    fn an_ipv6_address_matches_with_its_brackets() {
        let router = router(&["host = \"[::1]\""]);
        assert_eq!(router.find("[::1]", &get("/")), Some(0));
        assert!(router.knows("[::1]") && !router.knows("[::2]"));
    }

    #[test]
    fn a_known_host_is_one_that_some_route_is_for() {
        let some = router(&["host = \"a.com\"\npath = \"/x\"", "host = \"*.a.com\""]);
        let known = ["a.com", "A.com.", "b.A.com"].map(|host| some.knows(host));
        assert_eq!(known, [true; 3]);
        let unknown = ["b.com", "c.b.a.com", "", &"a".repeat(300)].map(|host| some.knows(host));
        assert_eq!(unknown, [false; 4]);
        assert!(router(&["path = \"/x\""]).knows("any"));
    }

    #[test]
    fn no_route() {
        let router = router(&["host = \"api.example.com\"\npath = \"/v1/\""]);
        assert_eq!(router.find("api.example.com", &get("/v2/")), None);
        assert_eq!(router.find("other.example.com", &get("/v1/")), None);
        assert_eq!(router.find(&"a".repeat(300), &get("/v1/")), None);
    }
}
