//! What is held against a server, and what is not: the client's doing and ours never are.

use std::time::Duration;

use hyper::{Method, Request};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{
    client::{TlsClient, empty, raw_tls},
    eventually,
    proxy::{Proxy, base_with},
    soon,
    upstream::{Upstream, read_head, scripted},
};

const SHORT: Duration = Duration::from_millis(300);

const ASK: &str = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close, upgrade\r\n\
    upgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    sec-websocket-version: 13\r\n\r\n";

const POST: &str = "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
    transfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n";

async fn came_out(proxy: &Proxy, outcome: &str) -> f64 {
    let series =
        format!("tlsfloor_upstream_requests_total{{upstream=\"api\",outcome=\"{outcome}\"}}");
    proxy.metric(&series).await
}

#[tokio::test]
async fn a_websocket_is_no_failure_of_a_server_that_speaks_http2_only() {
    let proxy = Proxy::from_text(&base_with("servers = [\"h2c://127.0.0.1:9\"]"), |_| ());
    let answer = raw_tls(proxy.https, ASK.as_bytes()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert_eq!(came_out(&proxy, "no_upgrade").await, 1.0);
}

#[tokio::test]
async fn a_server_that_agrees_to_something_else_is_counted() {
    let upstream = scripted(|mut stream, _| async move {
        read_head(&mut stream).await;
        let answer = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\r\n";
        stream.write_all(answer).await.unwrap();
    })
    .await;
    let proxy = Proxy::start(upstream);
    let answer = raw_tls(proxy.https, ASK.as_bytes()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert_eq!(came_out(&proxy, "response_malformed").await, 1.0);
}

#[tokio::test]
async fn a_request_to_upgrade_has_to_be_answered_in_time_too() {
    let upstream = scripted(|mut stream, _| async move {
        read_head(&mut stream).await;
        drop(stream.read(&mut [0]).await);
    })
    .await;
    let proxy = Proxy::with(upstream, |config| config.limits.client.request_timeout = SHORT);
    let answer = raw_tls(proxy.https, ASK.as_bytes()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
}

/// Answers at once, with a body that it ends when the request's has ended.
async fn echoes(mut stream: TcpStream) {
    read_head(&mut stream).await;
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n";
    stream.write_all(head).await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"0\r\n\r\n") {
        match stream.read_buf(&mut seen).await {
            Ok(1..) => {}
            _ => return,
        }
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
}

#[tokio::test]
async fn an_upload_that_breaks_off_behind_the_response_head_is_the_clients_doing() {
    let proxy = Proxy::start(scripted(|stream, _| echoes(stream)).await);
    let mut stream = TlsClient::http1().connect(proxy.https).await.unwrap();
    stream.write_all(POST.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains("hi") {
        assert!(soon(stream.read_buf(&mut answer)).await.unwrap() > 0);
    }
    stream.write_all(b"no length\r\n").await.unwrap();
    drop(soon(stream.read_to_end(&mut answer)).await);
    eventually(|| async { (came_out(&proxy, "canceled").await == 1.0).then_some(()) }).await;
    assert_eq!(came_out(&proxy, "body_truncated").await, 0.0);
}

#[tokio::test]
async fn a_server_is_not_hung_while_it_waits_for_the_client() {
    let upstream = scripted(|mut stream, number| async move {
        if number == 0 {
            return echoes(stream).await;
        }
        let mut seen = Vec::new();
        while !seen.ends_with(b"0\r\n\r\n") {
            assert!(stream.read_buf(&mut seen).await.unwrap() > 0);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    })
    .await;
    let proxy = Proxy::with(upstream, |config| {
        config.limits.response_timeout = SHORT;
        config.limits.response_body_timeout = SHORT;
    });
    for _ in ["in its body", "before its head"] {
        let mut stream = TlsClient::http1().connect(proxy.https).await.unwrap();
        stream.write_all(POST.as_bytes()).await.unwrap();
        let began = tokio::time::Instant::now();
        eventually(|| async { (began.elapsed() > SHORT * 4).then_some(()) }).await;
        stream.write_all(b"0\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        let end = soon(stream.read_to_end(&mut answer)).await;
        assert!(end.is_ok(), "{}", proxy.metrics().await);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    assert_eq!(came_out(&proxy, "success").await, 2.0);
}

#[tokio::test]
async fn a_rule_sees_the_path_that_the_client_asked_for() {
    let upstream = Upstream::text("ok").await;
    let routes = "[[routes]]\npath = \"/v1/\"\nrewrite_prefix = \"/\"\nupstream = \"api\"\n\
        request_headers.set.X-Path = \"{path}\"\n";
    let base = base_with(&format!("servers = [\"http://{}\"]", upstream.address));
    let proxy = Proxy::from_text(&format!("{base}{routes}"), |_| ());
    assert_eq!(TlsClient::http2().get(proxy.https, "/v1/a?b").await.status, 200);
    let seen = upstream.last();
    assert_eq!((seen.target.as_str(), seen.all("x-path")), ("/a?b", vec!["/v1/a"]));
}

#[tokio::test]
async fn an_answer_that_cannot_have_a_body_has_no_length() {
    let upstream = Upstream::text("never").await;
    let routes = "[[routes]]\npath = \"/own\"\nrespond = { status = 204 }\n";
    let base = base_with(&format!("servers = [\"http://{}\"]", upstream.address));
    let proxy = Proxy::from_text(&format!("{base}{routes}"), |_| ());
    for client in [TlsClient::http1(), TlsClient::http2()] {
        for method in [Method::HEAD, Method::GET] {
            let request = Request::builder().method(method).uri("/own").body(empty()).unwrap();
            let answer = client.send(proxy.https, request).await;
            assert_eq!(answer.status, 204);
            assert!(!answer.headers.contains_key("content-length"), "{answer:?}");
        }
    }
}
