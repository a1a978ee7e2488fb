//! Slow, silent and greedy clients: each is ended in time, and none costs more than its share.

use std::{sync::Arc, time::Duration};

use hyper::{Request, Response};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
};

use crate::support::{
    client::{TlsClient, empty},
    eventually,
    proxy::{Proxy, base},
    soon,
    upstream::{Upstream, full, read_head, scripted},
};

const SHORT: Duration = Duration::from_millis(300);

/// Waits until as many connections are parked.
async fn parked(proxy: &Proxy, count: f64) {
    let parked = || async { proxy.metric("tlsfloor_connections_parked").await };
    eventually(|| async { (parked().await == count).then_some(()) }).await;
}

/// How often a limit fired.
async fn fired(proxy: &Proxy, limit: &str) -> f64 {
    proxy.metric(&format!("tlsfloor_limits_total{{limit=\"{limit}\"}}")).await
}

/// Waits until no client is connected.
async fn empty_again(proxy: &Proxy) {
    let open = "tlsfloor_connections_open{listener=\"https\"}";
    eventually(|| async { (proxy.metric(open).await == 0.0).then_some(()) }).await;
}

#[tokio::test]
async fn a_client_that_sends_no_hello_is_closed() {
    let upstream = Upstream::text("never").await;
    let proxy = Proxy::with(upstream.address, |config| {
        config.limits.handshake_timeout = SHORT;
    });
    for part in [&b""[..], &[0x16, 3, 1, 2]] {
        let mut stream = TcpStream::connect(proxy.https).await.unwrap();
        stream.write_all(part).await.unwrap();
        drop(soon(stream.read_to_end(&mut Vec::new())).await);
    }
    let counted = "tlsfloor_handshake_failures_total{reason=\"timeout\"}";
    assert_eq!(proxy.metric(counted).await, 2.0, "{}", proxy.metrics().await);
    assert_eq!(fired(&proxy, "handshake_timeout").await, 2.0);
}

#[tokio::test]
async fn a_head_that_does_not_come_in_time_is_a_408() {
    let upstream = Upstream::text("never").await;
    let proxy = Proxy::with(upstream.address, |config| {
        config.limits.header_timeout = SHORT;
    });
    let mut stream = TlsClient::http1().connect(proxy.https).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nx-slow: ").await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert!(answer.contains("application/problem+json"), "{answer}");
    assert_eq!(fired(&proxy, "header_timeout").await, 1.0);
}

#[tokio::test]
async fn a_dripped_head_does_not_get_more_time() {
    let upstream = Upstream::text("never").await;
    let proxy = Proxy::with(upstream.address, |config| {
        config.limits.header_timeout = SHORT;
    });
    let stream = TlsClient::http1().connect(proxy.https).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let dripping = tokio::spawn(async move {
        let mut drip = tokio::time::interval(Duration::from_millis(50));
        while writer.write_all(b"x").await.is_ok() {
            drip.tick().await;
        }
    });
    // Its end may be a reset, because it never stops sending.
    drop(soon(reader.read_to_end(&mut Vec::new())).await);
    dripping.abort();
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_time_and_with_a_close_notify() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::with(upstream.address, |config| {
        config.limits.idle_timeout = SHORT;
    });
    let mut stream = TlsClient::http1().connect(proxy.https).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    // rustls makes an end without close_notify an error.
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.ends_with("ok"), "{answer}");
    empty_again(&proxy).await;
    assert_eq!(fired(&proxy, "idle_timeout").await, 1.0);
}

#[tokio::test]
async fn an_idle_http2_connection_is_told_to_go() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::with(upstream.address, |config| {
        config.limits.idle_timeout = SHORT;
    });
    let mut sender = TlsClient::http2().open(proxy.https).await;
    assert_eq!(sender.get("/").await.status, 200);
    empty_again(&proxy).await;
    assert_eq!(fired(&proxy, "idle_timeout").await, 1.0);
}

#[tokio::test]
async fn a_parked_connection_goes_on_where_it_was() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::start(upstream.address);
    let mut stream = TlsClient::http1().connect(proxy.https).await.unwrap();
    for _ in 0..3 {
        parked(&proxy, 1.0).await;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\nok") {
            answer.push(soon(stream.read_u8()).await.unwrap());
        }
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(!answer.contains("connection: close"), "{answer}");
    }
}

#[tokio::test]
async fn a_request_that_comes_to_a_parked_connection_in_parts_is_whole() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::start(upstream.address);
    let mut stream = TlsClient::http1().connect(proxy.https).await.unwrap();
    parked(&proxy, 1.0).await;
    for part in
        [&b"GET /parts HTT"[..], b"P/1.1\r\nHost: loc", b"alhost\r\nConnection: close\r\n\r\n"]
    {
        stream.write_all(part).await.unwrap();
        // Only the first byte wakes it; then it waits for the rest as any other.
        parked(&proxy, 0.0).await;
    }
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(upstream.last().target, "/parts");
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut() {
    let upstream = Upstream::answer(|_| Response::new(full(vec![b'x'; 64 << 20]))).await;
    let proxy = Proxy::with(upstream.address, |config| {
        config.limits.write_timeout = SHORT;
    });
    let mut sender = TlsClient::http1().open(proxy.https).await;
    let request = Request::get("/").body(empty()).unwrap();
    let response = sender.begin(request).await.unwrap();
    empty_again(&proxy).await;
    assert_eq!(fired(&proxy, "write_timeout").await, 1.0);
    drop(response);
}

#[tokio::test]
async fn a_route_may_wait_longer_for_its_upstream_than_the_rest() {
    let (arrived, answer) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (says, waits) = (Arc::clone(&arrived), Arc::clone(&answer));
    let upstream = scripted(move |mut stream, _| {
        let (says, waits) = (Arc::clone(&says), Arc::clone(&waits));
        async move {
            if read_head(&mut stream).await.starts_with("GET /slow") {
                says.notify_one();
                waits.notified().await;
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                stream.write_all(answer).await.unwrap();
            }
            std::future::pending::<()>().await;
        }
    })
    .await;
    let routes = "[[routes]]\nupstream = \"api\"\n[[routes]]\npath = \"/slow\"\nupstream = \"api\"\n\
        response_timeout = \"30s\"\n";
    let proxy = Proxy::from_text(&(base(upstream) + routes), |config| {
        config.limits.response_timeout = SHORT;
    });
    let https = proxy.https;
    let slow = tokio::spawn(async move { TlsClient::http1().get(https, "/slow").await });
    soon(arrived.notified()).await;
    // Begun later and already over.
    assert_eq!(TlsClient::http1().get(https, "/other").await.status, 504);
    answer.notify_one();
    assert_eq!(slow.await.unwrap().status, 200);
}
