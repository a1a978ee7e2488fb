//! Header fields on their way through: what goes, what is set, what is joined.
//!
//! Called by `service` once each way. Fields that speak of one connection end here (RFC 9110
//! 7.6.1); fields by which an upstream trusts us are never taken from a client, in no spelling.
//! One pass finds what has to go, so that a plain request costs no look-ups.

use hyper::{
    HeaderMap, Request, Response, Uri, Version,
    body::Body,
    header::{
        CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, HOST, HeaderName, HeaderValue,
        SERVER, STRICT_TRANSPORT_SECURITY, TE, TRANSFER_ENCODING, VIA,
    },
    http::request,
};

use super::{
    Client, RequestError,
    asker::X_REQUEST_ID,
    forwarding::{Hop, via},
    rules::Change,
    trace::{self, TRACEPARENT},
};
use crate::{
    fields::{is_hop_by_hop, is_kept_from_trusted, is_ours},
    snapshot::Snapshot,
};

/// Makes a client's request one that may go to an upstream.
///
/// # Errors
/// For a transfer coding that we could only mislabel.
pub(super) fn to_upstream(parts: &mut request::Parts, hop: &Hop<'_>) -> Result<(), RequestError> {
    let headers = &mut parts.headers;
    if headers.len() != headers.keys_len() {
        join_lengths(headers);
    }
    let found = Found::in_request(headers, hop.client.is_trusted);
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
    set_ours(headers, hop, parts.version, found.traceparent);
    if parts.uri.authority().is_some() {
        if let Some(authority) = hop.authority {
            headers.insert(HOST, authority.value.clone());
        }
        let path = parts.uri.path_and_query().cloned();
        parts.uri = path.map_or_else(Uri::default, Uri::from);
    }
    parts.version = Version::HTTP_11;
    Ok(())
}

/// One length where the same was said several times (RFC 9110 8.6). Lengths that differ were
/// refused when the head was read, over HTTP/1.1 and HTTP/2 alike.
fn join_lengths(headers: &mut HeaderMap) {
    if let Some(length) = headers.get(CONTENT_LENGTH).cloned() {
        headers.insert(CONTENT_LENGTH, length);
    }
}

/// Whether the client waits to be asked for its body (RFC 9110 10.1.1).
pub(super) fn expects_continue<B: Body>(request: &Request<B>) -> bool {
    let expected = || request.headers().get(EXPECT);
    !request.body().is_end_stream()
        && request.version() >= Version::HTTP_11
        && expected().is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Who asks, over what, in which trace.
fn set_ours(headers: &mut HeaderMap, hop: &Hop<'_>, version: Version, has_trace: bool) {
    hop.tell(headers);
    for (name, value) in hop.client.tls.iter().flat_map(|tls| &tls.fields) {
        headers.insert(name.clone(), value.clone());
    }
    headers.insert(X_REQUEST_ID, hop.asker.id.clone());
    if let Some(span) = &hop.span {
        trace::pass_on(headers, span);
    } else if has_trace {
        trace::check(headers);
    } else if hop.forwarding.traceparent {
        trace::begin(headers, &hop.client.shard.request_ids);
    }
    if hop.forwarding.via {
        headers.append(VIA, via(version));
    }
}

/// As many fields as `to_upstream` sets at the most, unless it is asked for more.
const SET: usize = 13;

/// What one look at the names of a message's fields tells.
#[derive(Default)]
struct Found {
    goes: Vec<HeaderName>,
    cookie: bool,
    te: bool,
    traceparent: bool,
    transfer_encoding: bool,
}

impl Found {
    /// What a trusted proxy may set stays where one did.
    fn in_request(headers: &HeaderMap, trusted: bool) -> Self {
        let mut found = Self::default();
        for name in headers.keys() {
            if is_hop_by_hop(name.as_str()) {
                found.te |= *name == TE;
                found.transfer_encoding |= *name == TRANSFER_ENCODING;
                found.goes.push(name.clone());
            } else if is_ours(name.as_str()) {
                if !(trusted && is_kept_from_trusted(name.as_str())) {
                    found.goes.push(name.clone());
                }
            } else {
                found.cookie |= *name == COOKIE;
                found.traceparent |= *name == TRACEPARENT;
            }
        }
        found
    }

    fn in_response(headers: &HeaderMap, hide_server: bool) -> Self {
        let goes = |name: &HeaderName| {
            is_hop_by_hop(name.as_str()) || (hide_server && tells_the_server(name))
        };
        let goes: Vec<_> = headers.keys().filter(|name| goes(name)).cloned().collect();
        let transfer_encoding = goes.contains(&TRANSFER_ENCODING);
        Self { goes, transfer_encoding, ..Self::default() }
    }
}

/// Makes an upstream's response one that may go to a client.
pub(super) fn to_client<B>(
    response: &mut Response<B>,
    client: &Client,
    snapshot: &Snapshot,
    rules: Vec<Change>,
) {
    let forwarding = &snapshot.config.forwarding;
    let version = response.version();
    let headers = response.headers_mut();
    let found = Found::in_response(headers, forwarding.hide_server);
    if found.transfer_encoding {
        // The body was decoded by its chunks; a length beside them is a lie (RFC 9112 6.3).
        headers.remove(CONTENT_LENGTH);
    }
    remove(headers, found.goes);
    for change in rules {
        change.apply(headers);
    }
    set_hsts(headers, client, snapshot);
    if forwarding.via {
        headers.append(VIA, via(version));
    }
    *response.version_mut() = Version::HTTP_11;
}

/// Removes what a server said of its own connection.
pub(super) fn end_of_connection(headers: &mut HeaderMap) {
    let found = Found::in_response(headers, false);
    remove(headers, found.goes);
}

/// Whether a message's content is gRPC: its streams may be silent for as long as they like.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    kind.get(..16).is_some_and(|start| start.eq_ignore_ascii_case(b"application/grpc"))
}

/// Fields that say which software made a response.
fn tells_the_server(name: &HeaderName) -> bool {
    *name == SERVER || name.as_str() == "x-powered-by"
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

/// What a message needs to stay itself is never a connection's own business, whatever it says,
/// nor is what a trusted proxy set for us.
fn may_be_nominated(name: &HeaderName) -> bool {
    !is_ours(name.as_str())
        && !matches!(
            name.as_str(),
            "host" | "content-length" | "content-type" | "authorization" | "cookie"
        )
}

pub(super) fn tokens<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
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

    use super::{Found, check_transfer_coding, join_cookies, remove};

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
        let found = Found::in_request(&headers, false);
        remove(&mut headers, found.goes);
        assert_eq!(names(&headers), ["accept", "cookie", "host"]);
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
