//! Where a redirect goes: a URL with places for parts of the request's own.
//!
//! Parsed by `resolve/routes`, filled by `http` for each redirected request. Scheme and authority
//! are always the configuration's or the request's checked own, never made of a path: no path, not
//! `//evil.example` either, can send a client elsewhere.

use serde::{Serialize, Serializer};

use crate::host::Host;

/// A URL with `{path}`, `{rest}` and `{query}` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectTarget {
    written: String,
    /// `https://host`; none: the request's own.
    origin: Option<String>,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// The whole path as sent.
    Path,
    /// The path behind what the route matched.
    Rest,
    /// The query with its question mark, or nothing.
    Query,
}

/// What a request gives to its redirect.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// `https://api.example.com`
    pub origin: &'a str,
    /// The path as sent.
    pub path: &'a str,
    /// The path behind what the route matched.
    pub rest: &'a str,
    /// The query without its question mark.
    pub query: Option<&'a str>,
}

impl RedirectTarget {
    /// Parses `https://host/..`, `http://host/..` or `/..`, with the places in the path.
    ///
    /// # Errors
    /// What is expected instead.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const URL: &str = "a URL such as \"https://new.example.com{path}{query}\", or a path";
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains('#') {
            return Err(URL);
        }
        let (origin, rest) = match text.split_once("://") {
            Some(("https" | "http", behind)) => {
                let end = behind.find(['/', '?', '{']).unwrap_or(behind.len());
                let (authority, rest) = behind.split_at_checked(end).ok_or(URL)?;
                if !is_authority(authority) {
                    return Err(URL);
                }
                let scheme = text.strip_suffix(behind).unwrap_or_default();
                (Some(format!("{scheme}{authority}")), rest)
            }
            _ => (None, text),
        };
        let begins = rest.starts_with('/') || rest.starts_with("{path}");
        if origin.is_none() && (!begins || rest.starts_with("//")) {
            return Err(URL);
        }
        // What stands right behind the authority must end it.
        if !(rest.is_empty() || begins) {
            return Err("a \"/\" or {path} behind the host");
        }
        let pieces = pieces(rest)?;
        Ok(Self { written: text.to_owned(), origin, pieces })
    }

    /// The URL for one request.
    #[must_use]
    pub fn fill(&self, given: Given<'_>) -> String {
        let mut url = self.origin.as_deref().unwrap_or(given.origin).to_owned();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => url.push_str(text),
                Piece::Path => url.push_str(given.path),
                Piece::Rest => url.push_str(given.rest),
                Piece::Query => {
                    if let Some(query) = given.query {
                        url.push('?');
                        url.push_str(query);
                    }
                }
            }
        }
        url
    }
}

/// `host` or `host:port`; an IPv6 address in brackets.
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (text, "443"),
    };
    let bare_ipv6 = host.contains(':') && !host.starts_with('[');
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    Host::parse(host).is_ok() && !bare_ipv6 && digits && port.parse::<u16>().is_ok()
}

fn pieces(mut rest: &str) -> Result<Vec<Piece>, &'static str> {
    const NAMES: &str = "{path}, {rest} or {query} between braces";
    let mut pieces = Vec::new();
    let mut question = false;
    while !rest.is_empty() {
        if question && rest.contains("{query}") {
            return Err("either a query of its own or {query} at the end");
        }
        if let Some(inside) = rest.strip_prefix('{') {
            let (name, behind) = inside.split_once('}').ok_or(NAMES)?;
            pieces.push(match name {
                "path" => Piece::Path,
                "rest" => Piece::Rest,
                "query" if behind.is_empty() => Piece::Query,
                "query" => return Err("{query} at the end"),
                _ => return Err(NAMES),
            });
            rest = behind;
        } else {
            let end = rest.find('{').unwrap_or(rest.len());
            let (text, behind) = rest.split_at_checked(end).ok_or(NAMES)?;
            question |= text.contains('?');
            pieces.push(Piece::Text(text.to_owned()));
            rest = behind;
        }
    }
    Ok(pieces)
}

impl Serialize for RedirectTarget {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::{Given, RedirectTarget};

    fn fill(target: &str, path: &str, rest: &str, query: Option<&str>) -> String {
        let given = Given { origin: "https://own:8443", path, rest, query };
        RedirectTarget::parse(target).unwrap().fill(given)
    }

    #[test]
    fn places_are_filled_with_the_requests_own() {
        let cases = [
            ("https://b.example", "https://b.example"),
            ("https://b.example:8443/x?y=z", "https://b.example:8443/x?y=z"),
            ("https://b.example{path}{query}", "https://b.example/old/a?q=1"),
            ("http://[::1]:80/new/{rest}{query}", "http://[::1]:80/new/a?q=1"),
            ("/new/{rest}", "https://own:8443/new/a"),
            ("{path}", "https://own:8443/old/a"),
        ];
        for (target, url) in cases {
            assert_eq!(fill(target, "/old/a", "a", Some("q=1")), url, "{target}");
        }
        assert_eq!(fill("https://b{path}{query}", "/", "", None), "https://b/");
        assert_eq!(fill("https://b/{query}", "/", "", Some("")), "https://b/?");
    }

    #[test]
    fn no_path_moves_the_authority() {
        assert_eq!(fill("{path}", "//evil.example", "", None), "https://own:8443//evil.example");
        assert_eq!(fill("/{rest}", "/old//evil", "/evil", None), "https://own:8443//evil");
        let bad = [
            "",
            "b.example",
            "//b.example/",
            "ftp://b/",
            "https://",
            "https:///x",
            "https://u@b/",
            "https://b{rest}",
            "https://b{query}",
            "https://b?x",
            "https://{path}/",
            "{rest}",
            "{query}",
            "/{host}",
            "/{path",
            "/a b",
            "/a\r\nb",
            "/\u{fc}",
            "/?a=b{query}",
            "/{query}/x",
            "/#x",
            "https://b c/",
            "https://a:b:c/",
        ];
        for bad in bad {
            assert!(RedirectTarget::parse(bad).is_err(), "{bad}");
        }
    }
}
