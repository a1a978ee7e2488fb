//! Header fields and request lines on their way through, and what is refused at the door.

use hyper::Request;

use crate::support::{
    client::{self, TlsClient, empty},
    proxy::Proxy,
    upstream::{Upstream, answers_bytes},
};

#[tokio::test]
async fn an_upstream_is_told_who_asks_and_over_what() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::start(upstream.address);
    TlsClient::http1().only(&rustls::version::TLS12).get(proxy.https, "/").await;
    let seen = upstream.last();
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.all("x-forwarded-proto"), ["https"]);
    assert_eq!(seen.all("x-forwarded-host"), ["localhost"]);
    assert_eq!(seen.all("x-tls-version"), ["1.2"]);
    assert!(seen.all("x-tls-cipher")[0].starts_with("TLS_ECDHE_ECDSA_WITH_"), "{seen:?}");
    assert_eq!(seen.all("x-tls-sni"), ["localhost"]);
    assert!(seen.all("x-tls-ja4")[0].starts_with("t12d"), "{seen:?}");
    assert_eq!(seen.all("x-request-id")[0].len(), 32);
    TlsClient::http2().get(proxy.https, "/").await;
    let seen = upstream.last();
    assert_eq!(seen.all("x-tls-version"), ["1.3"]);
    assert!(seen.all("x-tls-ja4")[0].starts_with("t13d"), "{seen:?}");
}

#[tokio::test]
async fn a_clients_own_copies_never_pass_in_any_spelling() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::start(upstream.address);
    for client in [TlsClient::http1(), TlsClient::http2()] {
        let forged = [
            "x-forwarded-for",
            "x_forwarded_for",
            "x-forwarded-proto",
            "x-forwarded-host",
            "x-request-id",
            "x-tls-version",
            "x_tls_version",
            "x-tls-ja4",
            "x-tls-sni",
            "forwarded",
            "x-real-ip",
            "client-cert",
        ];
        let mut request = Request::get("/");
        for name in forged {
            request = request.header(name, "forged");
        }
        client.send(proxy.https, request.body(empty()).unwrap()).await;
        let seen = upstream.last();
        let passed: Vec<_> = seen.headers.iter().filter(|(_, value)| *value == "forged").collect();
        assert!(passed.is_empty(), "{passed:?}");
        assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
    }
}

#[tokio::test]
async fn fields_of_one_connection_end_here_both_ways() {
    let address = answers_bytes(
        b"HTTP/1.1 200 OK\r\nconnection: close, x-hop\r\nx-hop: 1\r\nkeep-alive: 5\r\nproxy-authenticate: x\r\nx-end: 2\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    let proxy = Proxy::start(address);
    let answer = TlsClient::http1().get(proxy.https, "/").await;
    for name in ["x-hop", "keep-alive", "proxy-authenticate", "connection"] {
        assert!(!answer.headers.contains_key(name), "{name}: {:?}", answer.headers);
    }
    assert_eq!(answer.field("x-end"), "2");

    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::start(upstream.address);
    let request = Request::get("/")
        .header("connection", "x-secret, keep-alive")
        .header("x-secret", "1")
        .header("proxy-authorization", "basic x")
        .header("upgrade", "h2c")
        .header("http2-settings", "AAMAAABkAAQAAP__")
        .header("te", "gzip");
    TlsClient::http1().send(proxy.https, request.body(empty()).unwrap()).await;
    let seen = upstream.last();
    for name in ["x-secret", "connection", "proxy-authorization", "upgrade", "http2-settings", "te"]
    {
        assert!(!seen.headers.contains_key(name), "{name}: {:?}", seen.headers);
    }
}

#[tokio::test]
async fn a_cookie_split_over_http2_fields_is_joined() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::start(upstream.address);
    let request = Request::get("/").header("cookie", "a=1").header("cookie", "b=2");
    TlsClient::http2().send(proxy.https, request.body(empty()).unwrap()).await;
    assert_eq!(upstream.last().all("cookie"), ["a=1; b=2"]);
}

#[tokio::test]
async fn hsts_is_sent_over_tls_only_and_an_upstreams_own_stands() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::with(upstream.address, |config| {
        config.plain_http.action = tlsfloor::config::PlainAction::Forward;
    });
    let answer = TlsClient::http2().get(proxy.https, "/").await;
    assert_eq!(answer.field("strict-transport-security"), "max-age=31536000");
    let plain = client::plain_get(proxy.http, "/").await;
    assert_eq!(plain.text(), "ok");
    assert!(!plain.headers.contains_key("strict-transport-security"));

    let own =
        b"HTTP/1.1 200 OK\r\nstrict-transport-security: max-age=1\r\ncontent-length: 0\r\n\r\n";
    let proxy = Proxy::start(answers_bytes(own).await);
    let answer = TlsClient::http1().get(proxy.https, "/").await;
    assert_eq!(answer.field("strict-transport-security"), "max-age=1");
}

#[tokio::test]
async fn requests_that_could_be_read_two_ways_are_refused() {
    let upstream = Upstream::text("reached").await;
    let proxy = Proxy::start(upstream.address);
    let cases = [
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", "400"),
        ("GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "405"),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nx: 1\r\n 2\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "400"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na", "400"),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501"),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "400"),
        ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", "400"),
    ];
    for (request, status) in cases {
        let request = request.replacen("\r\n", "\r\nConnection: close\r\n", 1);
        let answer = client::raw_tls(proxy.https, request.as_bytes()).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?} got {answer:?}");
    }
    assert!(upstream.seen().is_empty(), "{:?}", upstream.seen());
}

#[tokio::test]
async fn the_target_wins_over_host_and_reaches_the_upstream_as_a_path() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::start(upstream.address);
    let request = "GET http://other.example/x?y HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = client::raw_tls(proxy.https, request.as_bytes()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let seen = upstream.last();
    assert_eq!(seen.target, "/x?y");
    assert_eq!(seen.all("host"), ["other.example"]);
    assert_eq!(seen.all("x-forwarded-host"), ["other.example"]);
}

#[tokio::test]
async fn over_http2_host_must_be_the_authority() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::start(upstream.address);
    let with_host = |host| Request::get("https://localhost/").header("host", host);
    let send = async |host| {
        let request = with_host(host).body(empty()).unwrap();
        TlsClient::http2().send(proxy.https, request).await
    };
    assert_eq!(send("evil.example").await.status, 400);
    assert!(upstream.seen().is_empty());
    assert_eq!(send("localhost").await.status, 200);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_a_431() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::with(upstream.address, |config| config.limits.header_size = 8192);
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\nx: {}\r\n\r\n", "y".repeat(9000));
    let answer = client::raw_tls(proxy.https, request.as_bytes()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn nothing_is_served_at_an_unknown_host_or_path() {
    let upstream = Upstream::text("ok").await;
    let text = crate::support::proxy::base(upstream.address)
        + "[[routes]]\nhost = \"localhost\"\npath = \"/v1/\"\nupstream = \"api\"\n";
    let proxy = Proxy::from_text(&text, |_| {});
    assert_eq!(TlsClient::http1().get(proxy.https, "/v1/x").await.status, 200);
    let answer = TlsClient::http1().get(proxy.https, "/v2/").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.field("proxy-status"), "tlsfloor; error=destination_not_found");
    let other = Request::get("/v1/x").header("host", "other.example").body(empty()).unwrap();
    assert_eq!(TlsClient::http1().send(proxy.https, other).await.status, 404);
}
