//! What one client may take: heads, bodies, time, connections; each limit answers and is counted.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::{Request, body::Frame};
use tlsfloor::config::AtCapacity;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{
    client::{self, Answer, Body, TlsClient, empty},
    eventually,
    proxy::Proxy,
    soon,
    upstream::{Upstream, answers_bytes, read_head, scripted},
};

const SHORT: Duration = Duration::from_millis(300);

async fn fired(proxy: &Proxy, limit: &str) -> f64 {
    proxy.metric(&format!("tlsfloor_limits_total{{limit=\"{limit}\"}}")).await
}

/// A problem of ours with this status.
fn assert_problem(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.field("content-type"), "application/problem+json");
    assert_eq!(answer.json()["status"], status);
    assert!(!answer.field("proxy-status").is_empty(), "{answer:?}");
}

/// A body of which no length is known.
fn unknown_length(pieces: Vec<Bytes>) -> Body {
    let frames = pieces.into_iter().map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
    BodyExt::boxed(StreamBody::new(tokio_stream::iter(frames)).map_err(|never| match never {}))
}

#[tokio::test]
async fn too_many_fields_are_a_431() {
    let upstream = Upstream::text("never").await;
    let proxy = Proxy::with(upstream.address, |config| {
        config.limits.client.header_count = 20;
    });
    for client in [TlsClient::http1(), TlsClient::http2()] {
        let mut request = Request::get("/");
        for number in 0..21 {
            request = request.header(format!("x-{number}"), "1");
        }
        let answer = client.send(proxy.https, request.body(empty()).unwrap()).await;
        assert_problem(&answer, 431);
    }
    assert_eq!(fired(&proxy, "header_count").await, 2.0);
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn what_is_beyond_the_parser_is_counted_too() {
    // The fixture's parser takes no more than 100 fields.
    let upstream = answers_bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let proxy = Proxy::with(upstream, |config| {
        config.limits.client.header_count = 150;
    });
    let fields = |count| (0..count).map(|n| format!("x-{n}: 1\r\n")).collect::<String>();
    let head = |fields: &str| {
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n")
    };
    let send = async |fields: String| {
        client::raw_tls(proxy.https, head(&fields).as_bytes()).await.unwrap()
    };
    assert!(send(fields(120)).await.starts_with("HTTP/1.1 200 "));
    assert!(send(fields(170)).await.starts_with("HTTP/1.1 431 "));
    assert_eq!(fired(&proxy, "header_count").await, 1.0);
    assert!(send(format!("x: {}\r\n", "y".repeat(40_000))).await.starts_with("HTTP/1.1 431 "));
    assert_eq!(fired(&proxy, "header_size").await, 1.0);
}

#[tokio::test]
async fn a_path_that_is_too_long_is_a_414() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::with(upstream.address, |config| config.limits.client.uri_length = 256);
    for client in [TlsClient::http1(), TlsClient::http2()] {
        let path = format!("/?{}", "x".repeat(254));
        assert_eq!(client.get(proxy.https, &path).await.status, 200);
        assert_problem(&client.get(proxy.https, &format!("{path}x")).await, 414);
    }
    assert_eq!(fired(&proxy, "uri_length").await, 2.0);
    assert_eq!(upstream.seen().len(), 2);
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_a_413_and_asks_nothing_of_an_upstream() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::with(upstream.address, |config| config.limits.client.body_size = 1000);
    for client in [TlsClient::http1(), TlsClient::http2()] {
        let post = |size| Request::post("/").body(client::bytes(vec![b'x'; size])).unwrap();
        assert_problem(&client.send(proxy.https, post(1001)).await, 413);
        assert_eq!(upstream.connections(), 0, "nothing was to be asked");
    }
    let post = Request::post("/").body(client::bytes(vec![b'x'; 1000])).unwrap();
    assert_eq!(TlsClient::http2().send(proxy.https, post).await.status, 200);
    assert_eq!(fired(&proxy, "body_size").await, 2.0);
}

#[tokio::test]
async fn a_body_of_unknown_length_is_cut_where_it_passes_the_limit() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::with(upstream.address, |config| config.limits.client.body_size = 1000);
    for client in [TlsClient::http1(), TlsClient::http2()] {
        let pieces = vec![Bytes::from(vec![b'x'; 600]); 2];
        let post = Request::post("/").body(unknown_length(pieces)).unwrap();
        assert_problem(&client.send(proxy.https, post).await, 413);
    }
    assert_eq!(fired(&proxy, "body_size").await, 2.0);
    assert!(upstream.seen().is_empty(), "a body that was cut must never look whole");
}

#[tokio::test]
async fn a_route_has_limits_of_its_own() {
    let upstream = Upstream::text("ok").await;
    let routes = r#"
        [[routes]]
        upstream = "api"
        [[routes]]
        path = "/upload/"
        upstream = "api"
        body_size = "0B"
        [[routes]]
        path = "/slow/"
        upstream = "api"
        body_size = "2KiB"
        request_timeout = "5m"
        [limits]
        body_size = "1KiB"
        request_timeout = "1m"
    "#;
    let text = crate::support::proxy::base(upstream.address) + routes;
    let proxy = Proxy::from_text(&text, |_| {});
    let status = async |path: &str, size| {
        let post = Request::post(path).body(client::bytes(vec![b'x'; size])).unwrap();
        TlsClient::http1().send(proxy.https, post).await.status
    };
    assert_eq!(status("/", 1025).await, 413);
    assert_eq!(status("/upload/", 100_000).await, 200);
    assert_eq!(status("/slow/", 2048).await, 200);
    assert_eq!(status("/slow/", 2049).await, 413);
}

#[tokio::test]
async fn a_body_that_drips_is_a_408() {
    let upstream = Upstream::text("never").await;
    let proxy = Proxy::with(upstream.address, |config| {
        config.limits.client.body_rate = 1000;
        config.limits.client.body_rate_window = SHORT;
    });
    let mut stream = TlsClient::http1().connect(proxy.https).await.unwrap();
    let head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let dripping = tokio::spawn(async move {
        let mut drip = tokio::time::interval(Duration::from_millis(50));
        while writer.write_all(b"x").await.is_ok() {
            drip.tick().await;
        }
    });
    let mut answer = Vec::new();
    // Its end may be a reset, because it never stops sending.
    drop(soon(reader.read_to_end(&mut answer)).await);
    dripping.abort();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert_eq!(fired(&proxy, "body_rate").await, 1.0);
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn a_body_that_stands_still_is_a_408() {
    let upstream = Upstream::text("never").await;
    let proxy = Proxy::with(upstream.address, |config| config.limits.body_timeout = SHORT);
    let request = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc";
    let answer = client::raw_tls(proxy.https, request).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert_eq!(fired(&proxy, "body_timeout").await, 1.0);
}

/// Answers a head and one piece of a body that never ends.
async fn never_ends() -> std::net::SocketAddr {
    scripted(|mut stream, _| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").await.unwrap();
        drop(stream.read_u8().await);
    })
    .await
}

#[tokio::test]
async fn a_request_has_a_time_in_which_its_response_begins_and_ends() {
    let silent = scripted(|mut stream, _| async move {
        read_head(&mut stream).await;
        drop(stream.read_u8().await);
    });
    for client in [TlsClient::http1(), TlsClient::http2()] {
        let short = |config: &mut tlsfloor::config::Config| {
            config.limits.client.request_timeout = SHORT;
        };
        let proxy = Proxy::with(never_ends().await, short);
        let mut sender = client.open(proxy.https).await;
        let request = Request::get("/").body(empty()).unwrap();
        let response = sender.begin(request).await.unwrap();
        assert_eq!(response.status(), 200);
        client::whole(response).await.expect_err("it must not look whole");
        assert_eq!(fired(&proxy, "request_timeout").await, 1.0);
    }
    let proxy = Proxy::with(silent.await, |config| {
        config.routes[0].bounds.request_timeout = Some(SHORT);
    });
    let answer = TlsClient::http2().get(proxy.https, "/").await;
    assert_problem(&answer, 504);
    assert_eq!(answer.field("proxy-status"), "tlsfloor; error=http_response_timeout");
    assert_eq!(fired(&proxy, "request_timeout").await, 1.0);
}

/// Whether the proxy closes a connection at once and without a word.
async fn is_closed(address: std::net::SocketAddr) -> bool {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut said = Vec::new();
    let end = soon(stream.read_to_end(&mut said)).await;
    (end.is_ok() || said.is_empty()) && said.is_empty()
}

#[tokio::test]
async fn connections_beyond_the_cap_are_closed_and_places_come_back() {
    let upstream = Upstream::text("ok").await;
    type Set = fn(&mut tlsfloor::config::Config);
    let limits: [(&str, Set); 3] = [
        ("connections", |config| config.limits.client.connections = 2),
        ("connections_per_client", |config| config.limits.client.connections_per_client = 2),
        // The fleet's five are two for each of three replicas.
        ("connections_per_client", |config| {
            config.limits.client.connections_per_client = 5;
            config.fleet.replicas = 3;
        }),
    ];
    for (limit, set) in limits {
        let proxy = Proxy::with(upstream.address, |config| {
            config.limits.at_capacity = AtCapacity::Close;
            set(config);
        });
        let mut first = TlsClient::http1().open(proxy.https).await;
        let mut second = TlsClient::http2().open(proxy.https).await;
        assert_eq!(first.get("/").await.status, 200);
        assert!(is_closed(proxy.https).await, "{limit}");
        assert!(is_closed(proxy.http).await, "{limit}: all ports count together");
        assert_eq!(fired(&proxy, limit).await, 2.0);
        assert_eq!(second.get("/").await.status, 200);
        drop(first);
        eventually(|| async {
            let stream = TlsClient::http1().connect(proxy.https).await;
            stream.ok().map(drop)
        })
        .await;
    }
}

#[tokio::test]
async fn a_connection_ends_after_its_share_of_requests() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::with(upstream.address, |config| {
        config.limits.client.requests_per_connection = 2;
    });
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(3);
    let answer = client::raw_tls(proxy.https, request.as_bytes()).await.unwrap();
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 2, "{answer}");
    assert_eq!(answer.matches("connection: close").count(), 1, "{answer}");
    assert_eq!(fired(&proxy, "requests_per_connection").await, 1.0);

    let mut sender = TlsClient::http2().open(proxy.https).await;
    for _ in 0..2 {
        assert_eq!(sender.get("/").await.status, 200);
    }
    let open = "tlsfloor_connections_open{listener=\"https\"}";
    eventually(|| async { (proxy.metric(open).await == 0.0).then_some(()) }).await;
    assert_eq!(fired(&proxy, "requests_per_connection").await, 2.0);
}
