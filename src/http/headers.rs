//! Header fields on their way through: what goes, what is set, what is joined.
//!
//! Called by `service` once each way. Fields that speak of one connection end here (RFC 9110
//! 7.6.1); fields by which an upstream trusts us are never taken from a client, in no spelling.
//! One pass finds what has to go, so that a plain request costs no look-ups.

use hyper::{
    HeaderMap, Response, Uri, Version,
    header::{
        CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderName, HeaderValue,
        STRICT_TRANSPORT_SECURITY, TE, TRANSFER_ENCODING,
    },
    http::request,
};

use super::{Client, RequestError, authority::Authority};
use crate::snapshot::Snapshot;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// The name of a request, on both sides.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Makes a client's request one that may go to an upstream.
///
/// # Errors
/// For a transfer coding that we could only mislabel.
pub(super) fn to_upstream(
    parts: &mut request::Parts,
    client: &Client,
    authority: Option<&Authority>,
    id: HeaderValue,
) -> Result<(), RequestError> {
    let headers = &mut parts.headers;
    let found = Found::in_request(headers);
    if found.transfer_encoding {
        check_transfer_coding(headers)?;
    }
    let trailers = found.te && wants_trailers(headers);
    if found.cookie {
        join_cookies(headers);
    }
    remove(headers, found.goes);
    // Once for all that is set here, instead of growing step by step.
    headers.reserve(SET);
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    if let Some(authority) = authority {
        headers.insert(X_FORWARDED_HOST, authority.value.clone());
        if parts.uri.authority().is_some() {
            headers.insert(HOST, authority.value.clone());
        }
    }
    set_client(headers, client);
    headers.insert(X_REQUEST_ID, id);
    if parts.uri.authority().is_some() {
        let path = parts.uri.path_and_query().cloned();
        parts.uri = path.map_or_else(Uri::default, Uri::from);
    }
    parts.version = Version::HTTP_11;
    Ok(())
}

/// As many fields as `to_upstream` sets at the most.
const SET: usize = 11;

/// What one look at the names of a message's fields tells.
#[derive(Default)]
struct Found {
    goes: Vec<HeaderName>,
    cookie: bool,
    te: bool,
    transfer_encoding: bool,
}

impl Found {
    fn in_request(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        for name in headers.keys() {
            if is_hop_by_hop(name) {
                found.te |= *name == TE;
                found.transfer_encoding |= *name == TRANSFER_ENCODING;
                found.goes.push(name.clone());
            } else if is_ours(name) {
                found.goes.push(name.clone());
            } else {
                found.cookie |= *name == COOKIE;
            }
        }
        found
    }

    fn in_response(headers: &HeaderMap) -> Self {
        let goes: Vec<_> = headers.keys().filter(|name| is_hop_by_hop(name)).cloned().collect();
        let transfer_encoding = goes.contains(&TRANSFER_ENCODING);
        Self { goes, transfer_encoding, ..Self::default() }
    }
}

fn set_client(headers: &mut HeaderMap, client: &Client) {
    headers.insert(X_FORWARDED_FOR, client.forwarded_for.clone());
    let Some(tls) = &client.tls else {
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
        return;
    };
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("https"));
    for (name, value) in &tls.fields {
        headers.insert(name.clone(), value.clone());
    }
}

/// Makes an upstream's response one that may go to a client.
pub(super) fn to_client<B>(response: &mut Response<B>, client: &Client, snapshot: &Snapshot) {
    let headers = response.headers_mut();
    let found = Found::in_response(headers);
    if found.transfer_encoding {
        // The body was decoded by its chunks; a length beside them is a lie (RFC 9112 6.3).
        headers.remove(CONTENT_LENGTH);
    }
    remove(headers, found.goes);
    set_hsts(headers, client, snapshot);
    *response.version_mut() = Version::HTTP_11;
}

/// Whether a message's content is gRPC: its streams may be silent for as long as they like.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    kind.get(..16).is_some_and(|start| start.eq_ignore_ascii_case(b"application/grpc"))
}

/// HSTS goes out over TLS only (RFC 6797 7.2); an upstream's own policy stands.
pub(super) fn set_hsts(headers: &mut HeaderMap, client: &Client, snapshot: &Snapshot) {
    if client.tls.is_none() {
        headers.remove(STRICT_TRANSPORT_SECURITY);
    } else if let Some(hsts) = &snapshot.hsts {
        headers.entry(STRICT_TRANSPORT_SECURITY).or_insert_with(|| hsts.clone());
    }
}

/// We decode `chunked` and nothing else; taking the field away from another coding would pass its
/// bytes off as the content (RFC 9112 6.1).
fn check_transfer_coding(headers: &HeaderMap) -> Result<(), RequestError> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    if codings.all(chunked) { Ok(()) } else { Err(RequestError::TransferCoding) }
}

fn wants_trailers(headers: &HeaderMap) -> bool {
    tokens(headers, &TE).any(|token| token.eq_ignore_ascii_case("trailers"))
}

/// Removes fields, and if `Connection` is among them what it nominates.
fn remove(headers: &mut HeaderMap, mut goes: Vec<HeaderName>) {
    if goes.contains(&CONNECTION) {
        // What most peers say there names no field, or one that goes anyway.
        let said = tokens(headers, &CONNECTION)
            .filter(|token| !matches!(*token, "keep-alive" | "Keep-Alive" | "close"));
        let nominated = said.filter_map(|token| token.parse().ok());
        goes.extend(nominated.filter(may_be_nominated).collect::<Vec<_>>());
    }
    for name in goes {
        headers.remove(name);
    }
}

/// What a message needs to stay itself is never a connection's own business, whatever it says.
fn may_be_nominated(name: &HeaderName) -> bool {
    !matches!(
        name.as_str(),
        "host" | "content-length" | "content-type" | "authorization" | "cookie"
    )
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// Fields of one connection (RFC 9110 7.6.1), and `Expect`, which is answered here.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "expect"
            | "http2-settings"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Fields that only we may set. Servers that turn `-` into `_` (CGI, WSGI) cannot tell
/// `X_Forwarded_For` from `X-Forwarded-For`, so both spellings are ours.
fn is_ours(name: &HeaderName) -> bool {
    let name = name.as_str();
    let Some(first @ (b'x' | b'f' | b'c')) = name.as_bytes().first() else {
        return false;
    };
    let same = |ours: &str| spelled_alike(name, ours);
    let starts =
        |ours: &str| name.get(..ours.len()).is_some_and(|start| spelled_alike(start, ours));
    match first {
        b'x' => {
            starts("x-forwarded-") || starts("x-tls-") || same("x-request-id") || same("x-real-ip")
        }
        b'f' => same("forwarded"),
        _ => same("client-cert") || same("client-cert-chain"),
    }
}

fn spelled_alike(name: &str, ours: &str) -> bool {
    let dashed = name.bytes().map(|byte| if byte == b'_' { b'-' } else { byte });
    name.len() == ours.len() && dashed.eq(ours.bytes())
}

/// HTTP/2 may split a cookie over fields; HTTP/1.1 may not (RFC 9113 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut cookies = headers.get_all(COOKIE).iter();
    let (Some(_), Some(_)) = (cookies.next(), cookies.next()) else {
        return;
    };
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(mut joined) = HeaderValue::from_bytes(&crumbs.join(b"; ".as_slice())) {
        joined.set_sensitive(true);
        headers.insert(COOKIE, joined);
    }
}

#[cfg(test)]
mod tests {
    use hyper::{
        HeaderMap,
        header::{HeaderName, HeaderValue},
    };

    use super::{Found, check_transfer_coding, is_ours, join_cookies, remove};

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        fields.iter().map(field).collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn fields_of_the_connection_and_those_it_nominates_go() {
        let mut headers = map(&[
            ("connection", "close, X-Secret, host, cookie"),
            ("x-secret", "1"),
            ("host", "a"),
            ("cookie", "c"),
            ("upgrade", "h2c"),
            ("http2-settings", "AA"),
            ("accept", "*/*"),
        ]);
        let found = Found::in_request(&headers);
        remove(&mut headers, found.goes);
        assert_eq!(names(&headers), ["accept", "cookie", "host"]);
    }

    #[test]
    fn what_only_we_may_set_goes_in_every_spelling() {
        let ours = [
            "x-forwarded-for",
            "x_forwarded_for",
            "x-forwarded_proto",
            "x-forwarded-anything",
            "x-tls-version",
            "x_tls_ja4",
            "x-request-id",
            "x_request_id",
            "x-real-ip",
            "forwarded",
            "client-cert",
            "client_cert_chain",
        ];
        for name in ours {
            assert!(is_ours(&HeaderName::from_static(name)), "{name}");
        }
        for name in ["x-forward", "x-api-key", "from", "content-type", "x-tl", "forwarded-for"] {
            assert!(!is_ours(&HeaderName::from_static(name)), "{name}");
        }
    }

    #[test]
    fn crumbs_become_one_cookie() {
        let mut headers = map(&[("cookie", "a=1"), ("cookie", "b=2")]);
        join_cookies(&mut headers);
        assert_eq!(headers.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=2"]);
    }

    #[test]
    fn only_chunked_is_a_transfer_coding() {
        assert!(check_transfer_coding(&map(&[])).is_ok());
        assert!(check_transfer_coding(&map(&[("transfer-encoding", "Chunked")])).is_ok());
        assert!(check_transfer_coding(&map(&[("transfer-encoding", "gzip, chunked")])).is_err());
    }
}
