//! HTTP/1.1 shapes that two readers could read differently: none puts a second request upstream.
//!
//! Behind each stands a request for `/behind`; a reader that is fooled would forward it.

use crate::support::{
    client,
    proxy::Proxy,
    soon,
    upstream::{Seen, Upstream},
};
use hyper::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const BEHIND: &str = "GET /behind HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// What the client gets for `shape` with a request behind it, and what the upstream saw.
async fn send(proxy: &Proxy, upstream: &Upstream, shape: &str) -> (String, Vec<Seen>) {
    let before = upstream.seen().len();
    let mut stream = client::TlsClient::http1().connect(proxy.https).await.unwrap();
    stream.write_all(format!("{shape}{BEHIND}").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A connection that is cut in a body ends without a word.
    drop(soon(stream.read_to_end(&mut answer)).await);
    (String::from_utf8_lossy(&answer).into_owned(), upstream.seen().split_off(before))
}

#[tokio::test]
async fn what_is_refused_takes_what_is_behind_it_along() {
    let upstream = Upstream::text("reached").await;
    let proxy = Proxy::start(upstream.address);
    let post =
        |fields: &str, body: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{body}");
    let cases = [
        ("two lengths", post("Content-Length: 3\r\nContent-Length: 4", "abcd"), "400"),
        ("a list of lengths", post("Content-Length: 3, 3", "abc"), "400"),
        ("+3", post("Content-Length: +3", "abc"), "400"),
        ("a negative length", post("Content-Length: -3", "abc"), "400"),
        ("a hexadecimal length", post("Content-Length: 0x3", "abc"), "400"),
        ("a length beyond 64 bits", post("Content-Length: 18446744073709551616", "abc"), "400"),
        ("an empty length", post("Content-Length:", "abc"), "400"),
        ("a coding twice", post("Transfer-Encoding: chunked, identity", "0\r\n\r\n"), "400"),
        ("an unknown coding", post("Transfer-Encoding: xchunked", "0\r\n\r\n"), "400"),
        ("a folded coding", post("Transfer-Encoding:\r\n chunked", "0\r\n\r\n"), "400"),
        ("space before the colon", post("Content-Length : 3", "abc"), "400"),
        ("a folded field", post("X: a\r\n b\r\nContent-Length: 3", "abc"), "400"),
        ("a bare CR in a value", post("X: a\rb\r\nContent-Length: 3", "abc"), "400"),
        ("NUL in a value", post("X: a\0b\r\nContent-Length: 3", "abc"), "400"),
        ("NUL in a name", post("X\0: a\r\nContent-Length: 3", "abc"), "400"),
        ("a line without a colon", post("nonsense\r\nContent-Length: 3", "abc"), "400"),
        (
            "chunked over HTTP/1.0",
            "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(),
            "400",
        ),
        ("a version of its own", "GET / HTTP/1.2\r\nHost: a\r\n\r\n".into(), "400"),
        ("HTTP/2 here", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), ""),
        ("two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n".into(), "400"),
        ("a space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n".into(), "400"),
    ];
    let mut malformed = 0.0;
    for (name, shape, status) in cases {
        let (answer, seen) = send(&proxy, &upstream, &shape).await;
        let expected =
            if status.is_empty() { String::new() } else { format!("HTTP/1.1 {status} ") };
        assert!(answer.starts_with(&expected), "{name}: {answer:?}");
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            usize::from(!status.is_empty()),
            "{name}: {answer:?}"
        );
        assert!(seen.is_empty(), "{name} reached the upstream: {seen:?}");
        malformed += 1.0;
    }
    assert_eq!(proxy.metric("tlsfloor_requests_malformed_total").await, malformed);
}

#[tokio::test]
async fn a_body_that_is_none_ends_the_connection() {
    let upstream = Upstream::text("reached").await;
    let proxy = Proxy::start(upstream.address);
    let chunked = |body: &str| {
        format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
    };
    let cases = [
        ("a size beyond 64 bits", chunked("fffffffffffffffff\r\nabc\r\n0\r\n\r\n")),
        ("a size that is none", chunked("xyz\r\nabc\r\n0\r\n\r\n")),
        ("a negative size", chunked("-3\r\nabc\r\n0\r\n\r\n")),
        ("a prefixed size", chunked("0x3\r\nabc\r\n0\r\n\r\n")),
        ("LF only", chunked("3\nabc\n0\n\n")),
        ("LF in an extension", chunked("3;x\nabc\r\n0\r\n\r\n")),
        ("more than its size", chunked("3\r\nabcd\r\n0\r\n\r\n")),
        ("an endless extension", chunked(&format!("3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(70_000)))),
    ];
    for (name, shape) in cases {
        let (answer, seen) = send(&proxy, &upstream, &shape).await;
        assert!(!answer.contains("200 OK"), "{name}: {answer:?}");
        assert!(seen.is_empty(), "{name} reached the upstream: {seen:?}");
    }
    assert_eq!(proxy.metric("tlsfloor_requests_malformed_total").await, 8.0);
}

#[tokio::test]
async fn a_refusal_of_ours_does_not_leave_its_body_to_be_read_as_a_request() {
    let upstream = Upstream::text("reached").await;
    let proxy = Proxy::with(upstream.address, |config| {
        config.limits.client.body_size = 100_000;
        config.limits.client.uri_length = 256;
    });
    let length = BEHIND.len();
    let cases = [
        // The body is a request: it must go with the request that it belongs to.
        (
            format!("POST / HTTP/1.1\r\nHost: a b\r\nContent-Length: {length}\r\n\r\n{BEHIND}"),
            "400",
        ),
        (
            format!(
                "POST /{} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{BEHIND}",
                "x".repeat(300)
            ),
            "414",
        ),
        (format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n{BEHIND}"), "413"),
        (
            format!(
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n{BEHIND}"
            ),
            "501",
        ),
        (format!("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n{BEHIND}"), "405"),
    ];
    for (shape, status) in cases {
        let (answer, seen) = send(&proxy, &upstream, &shape).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer:?}");
        // At most the one request that really stands behind it.
        let answered = answer.matches("HTTP/1.1 200 ").count();
        assert!(seen.len() <= 1 && seen.len() == answered, "{shape:.60?}: {seen:?} {answer:?}");
    }
}

#[tokio::test]
async fn what_may_be_read_is_read_one_way_and_passed_on_cleanly() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::start(upstream.address);
    let both = "POST /both HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    for (shape, body) in [
        // RFC 9112 6.3: the coding wins, and the connection ends with it.
        (both, "abc"),
        ("\r\nPOST /both HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", "abc"),
        (
            "POST /both HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
            "abc",
        ),
        (
            "POST /both HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;name=value\r\nabc\r\n0\r\n\r\n",
            "abc",
        ),
        (
            "GET /both HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
            "",
        ),
    ] {
        let (answer, seen) = send(&proxy, &upstream, shape).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{shape:?}: {answer:?}");
        assert_eq!((&*seen[0].target, &seen[0].body[..]), ("/both", body.as_bytes()), "{shape:?}");
        let framing = seen[0].all("content-length").len() + seen[0].all("transfer-encoding").len();
        assert_eq!(framing, usize::from(!body.is_empty()), "{shape:?}: {seen:?}");
        assert!(!seen[0].headers.contains_key("upgrade"), "{seen:?}");
        if shape == both {
            assert_eq!(seen.len(), 1, "nothing may be read behind both: {seen:?}");
        } else {
            assert_eq!(seen[1].target, "/behind", "{shape:?}");
        }
    }
}

#[tokio::test]
async fn two_lengths_over_http2_are_one_or_refused() {
    let upstream = Upstream::text("reached").await;
    let proxy = Proxy::start(upstream.address);
    let http2 = client::TlsClient::http2();
    let post = |second| {
        let post = Request::post("/").header("content-length", "3");
        post.header("content-length", second).body(client::bytes("abc")).unwrap()
    };
    assert_eq!(http2.send(proxy.https, post("3")).await.status, 200);
    let mut connection = http2.open(proxy.https).await;
    assert!(connection.begin(post("4")).await.is_err(), "the stream is reset");
    let seen = upstream.seen();
    assert_eq!((seen.len(), seen[0].all("content-length")), (1, vec!["3"]));
}
