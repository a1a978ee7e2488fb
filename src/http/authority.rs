//! Whom a request is for: the one authority, taken from the target or from Host, and checked.
//!
//! Called by `service` before anything else is looked at. hyper lets requests through without a
//! Host, with two, or with one that differs from the target (RFC 9112 3.2, RFC 9113 8.3.1 forbid
//! all of that); here they end. What it gives may be echoed into a header or a URL.

use hyper::{
    HeaderMap, Method, Request, Version,
    header::{HOST, HeaderValue},
    http::uri::{Authority as UriAuthority, PathAndQuery},
};

use super::{RequestError, upgrade};
use crate::host;

/// A checked authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authority {
    /// As the client wrote it: `host` or `host:port`, safe to echo.
    pub value: HeaderValue,
    /// Bytes of `value` before the port.
    host: usize,
}

impl Authority {
    /// Whom `request` is for; none only for HTTP/1.0, which knows no Host.
    ///
    /// # Errors
    /// What is wrong with the target or with Host.
    pub(super) fn of<B>(request: &Request<B>) -> Result<Option<Self>, RequestError> {
        check_target(request)?;
        let host = the_one_host(request.headers())?;
        match (request.uri().authority(), host) {
            (Some(target), host) => from_target(target, host, request.version()).map(Some),
            (None, Some(host)) => Self::parse(host).map(Some),
            (None, None) if request.version() == Version::HTTP_10 => Ok(None),
            (None, None) => Err(RequestError::HostMissing),
        }
    }

    /// The host as written, an IPv6 address with its brackets.
    #[must_use]
    pub(super) fn host(&self) -> &str {
        let value = self.value.to_str().unwrap_or_default();
        value.get(..self.host).unwrap_or_default()
    }

    fn parse(value: &HeaderValue) -> Result<Self, RequestError> {
        let text = value.to_str().map_err(|_not_ascii| RequestError::HostInvalid)?;
        let host = host_length(text).ok_or(RequestError::HostInvalid)?;
        Ok(Self { value: value.clone(), host })
    }
}

/// Only origin-form and absolute-form reach an upstream; `*` only with OPTIONS (RFC 9112 3.2.4).
fn check_target<B>(request: &Request<B>) -> Result<(), RequestError> {
    let path = request.uri().path_and_query().map_or("", PathAndQuery::as_str);
    match *request.method() {
        Method::CONNECT if !upgrade::is_extended_connect(request) => Err(RequestError::Connect),
        Method::OPTIONS if path == "*" => Ok(()),
        _ if path.starts_with('/') => Ok(()),
        _ => Err(RequestError::TargetInvalid),
    }
}

fn the_one_host(headers: &HeaderMap) -> Result<Option<&HeaderValue>, RequestError> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() { Err(RequestError::HostTwice) } else { Ok(host) }
}

/// The target's authority wins over Host (RFC 9112 3.2.2); over HTTP/2 they must be the same.
fn from_target(
    target: &UriAuthority,
    host: Option<&HeaderValue>,
    version: Version,
) -> Result<Authority, RequestError> {
    let same =
        host.is_none_or(|host| host.as_bytes().eq_ignore_ascii_case(target.as_str().as_bytes()));
    if version == Version::HTTP_2 && !same {
        return Err(RequestError::HostDiffers);
    }
    match host {
        Some(host) if same => Authority::parse(host),
        _ => {
            let value = HeaderValue::from_str(target.as_str())
                .map_err(|_invalid| RequestError::HostInvalid)?;
            Authority::parse(&value)
        }
    }
}

/// How many bytes of `host[:port]` are the host; none where it is not that.
fn host_length(text: &str) -> Option<usize> {
    let length = match text.strip_prefix('[') {
        Some(rest) => rest.find(']')?.checked_add(2)?,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (host, port) = text.split_at_checked(length)?;
    let port_is_right = match port.strip_prefix(':') {
        None => port.is_empty(),
        Some(digits) => digits.is_empty() || digits.parse::<u16>().is_ok_and(|_| is_digits(digits)),
    };
    (port_is_right && is_host(host)).then_some(length)
}

/// `u16` also parses `+80`.
fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_host(text: &str) -> bool {
    match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host::is_name(text.strip_suffix('.').unwrap_or(text)),
    }
}

#[cfg(test)]
mod tests {
    use hyper::{Method, Request, Version};

    use super::{Authority, host_length};
    use crate::http::RequestError;

    #[test]
    fn hosts_and_ports() {
        for good in ["a", "a.b:80", "a.b.", "a_b", "10.0.0.1:1", "[::1]", "[::1]:443", "a:"] {
            assert!(host_length(good).is_some(), "{good}");
        }
        let bad = [
            "", ":80", "a:x", "a:+1", "a:65536", "u@a", "a/b", "a b", "[::1", "[::1]x", "[a]",
            "::1", "a:1:2", "a\\b", "a\"b", "a,b", "<a>",
        ];
        for bad in bad {
            assert!(host_length(bad).is_none(), "{bad}");
        }
    }

    fn of(request: hyper::http::request::Builder) -> Result<String, RequestError> {
        let authority = Authority::of(&request.body(()).unwrap())?;
        Ok(authority.map_or_else(String::new, |a| a.host().to_owned()))
    }

    #[test]
    fn host_field_rules_of_http1() {
        let get = || Request::get("/x");
        assert_eq!(of(get().header("host", "A.b:81")).unwrap(), "A.b");
        assert!(matches!(of(get()), Err(RequestError::HostMissing)));
        assert_eq!(of(get().version(Version::HTTP_10)).unwrap(), "");
        let two = get().header("host", "a").header("host", "a");
        assert!(matches!(of(two), Err(RequestError::HostTwice)));
        assert!(matches!(of(get().header("host", "")), Err(RequestError::HostInvalid)));
        assert!(matches!(of(get().header("host", "a@b")), Err(RequestError::HostInvalid)));
    }

    #[test]
    fn the_target_wins_over_host_and_must_match_it_over_http2() {
        let absolute = || Request::get("http://evil.example/x").header("host", "good.example");
        assert_eq!(of(absolute()).unwrap(), "evil.example");
        let h2 = absolute().version(Version::HTTP_2);
        assert!(matches!(of(h2), Err(RequestError::HostDiffers)));
        let user = Request::get("http://u:p@a/x");
        assert!(matches!(of(user), Err(RequestError::HostInvalid)));
    }

    #[test]
    fn odd_targets() {
        let connect = Request::builder().method(Method::CONNECT).uri("a:443");
        assert!(matches!(of(connect), Err(RequestError::Connect)));
        let star = |method| Request::builder().method(method).uri("*").header("host", "a");
        assert!(of(star(Method::OPTIONS)).is_ok());
        assert!(matches!(of(star(Method::GET)), Err(RequestError::TargetInvalid)));
    }
}
