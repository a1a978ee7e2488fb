//! Which route a request takes: by host, then by the longest path prefix.
//!
//! Built once a snapshot from `[[routes]]`, asked once a request by `http`. Among the routes that
//! match both, the most exact host wins, then the longest path. It must not allocate in `find`.

use std::collections::HashMap;

use crate::{
    config::Route,
    host::{Host, HostPattern},
};

/// The route table.
#[derive(Debug, Default)]
pub struct Router {
    exact: HashMap<Box<str>, Vec<Prefix>>,
    wildcard: HashMap<Box<str>, Vec<Prefix>>,
    any: Vec<Prefix>,
}

#[derive(Debug)]
struct Prefix {
    path: Box<str>,
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
            let prefix = Prefix { path: route.path.as_str().into(), route: index };
            router.paths(&route.host).push(prefix);
        }
        let tables = router.exact.values_mut().chain(router.wildcard.values_mut());
        for paths in tables.chain([&mut router.any]) {
            paths.sort_by_key(|prefix| std::cmp::Reverse(prefix.path.len()));
        }
        router
    }

    fn paths(&mut self, host: &HostPattern) -> &mut Vec<Prefix> {
        let key = |host: &Host| Box::from(host.as_str());
        match host {
            HostPattern::Exact(host) => self.exact.entry(key(host)).or_default(),
            HostPattern::Wildcard(suffix) => self.wildcard.entry(key(suffix)).or_default(),
            HostPattern::Any => &mut self.any,
        }
    }

    /// The route for a host (without port, in any case) and a path.
    #[must_use]
    pub fn find(&self, host: &str, path: &str) -> Option<usize> {
        if self.exact.is_empty() && self.wildcard.is_empty() {
            return longest(&self.any, path);
        }
        let mut buffer = [0; LONGEST_NAME];
        let host = lower(host, &mut buffer)?;
        let exact = self.exact.get(host).and_then(|paths| longest(paths, path));
        exact.or_else(|| self.wildcard(host, path)).or_else(|| longest(&self.any, path))
    }

    fn wildcard(&self, host: &str, path: &str) -> Option<usize> {
        let (_label, suffix) = host.split_once('.')?;
        longest(self.wildcard.get(suffix)?, path)
    }
}

/// The first in a list sorted by falling length.
fn longest(paths: &[Prefix], path: &str) -> Option<usize> {
    paths.iter().find(|prefix| path.starts_with(&*prefix.path)).map(|prefix| prefix.route)
}

fn lower<'a>(host: &str, buffer: &'a mut [u8; LONGEST_NAME]) -> Option<&'a str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let lower = buffer.get_mut(..host.len())?;
    lower.copy_from_slice(host.as_bytes());
    lower.make_ascii_lowercase();
    std::str::from_utf8(lower).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Router;
    use crate::{
        config::{Place, Route, RouteBounds},
        host::HostPattern,
    };

    fn router(routes: &[(&str, &str)]) -> Router {
        let place = Place { file: Arc::default(), line: 1, column: 1, key: String::new() };
        let route = |(index, (host, path)): (usize, &(&str, &str))| Route {
            host: HostPattern::parse(host).unwrap(),
            path: (*path).into(),
            upstream: index,
            bounds: RouteBounds::default(),
            place: place.clone(),
        };
        Router::new(&routes.iter().enumerate().map(route).collect::<Vec<_>>())
    }

    #[test]
    fn the_most_exact_host_then_the_longest_path_of_those_that_match_both() {
        let router = router(&[
            ("*", "/"),
            ("*.example.com", "/"),
            ("api.example.com", "/v1/"),
            ("api.example.com", "/v1/orders/"),
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
            assert_eq!(router.find(host, path), route, "{host}{path}");
        }
    }

    #[test]
    fn no_route() {
        let router = router(&[("api.example.com", "/v1/")]);
        assert_eq!(router.find("api.example.com", "/v2/"), None);
        assert_eq!(router.find("other.example.com", "/v1/"), None);
        assert_eq!(router.find(&"a".repeat(300), "/v1/"), None);
    }
}
