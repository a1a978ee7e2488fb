//! Slow, silent and greedy clients: each is ended in time, and none costs more than its share.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{client::TlsClient, eventually, proxy::Proxy, soon, upstream::Upstream};

const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_client_that_sends_no_hello_is_closed() {
    let upstream = Upstream::text("never").await;
    let proxy = Proxy::with(upstream.address, |config| {
        config.limits.handshake_timeout = SHORT
    });
    for part in [&b""[..], &[0x16, 3, 1, 2]] {
        let mut stream = TcpStream::connect(proxy.https).await.unwrap();
        stream.write_all(part).await.unwrap();
        drop(soon(stream.read_to_end(&mut Vec::new())).await);
    }
    let counted = "tlsfloor_handshake_failures_total{reason=\"timeout\"}";
    assert_eq!(
        proxy.metric(counted).await,
        2.0,
        "{}",
        proxy.metrics().await
    );
}

#[tokio::test]
async fn a_head_that_does_not_come_in_time_is_a_408() {
    let upstream = Upstream::text("never").await;
    let proxy = Proxy::with(upstream.address, |config| {
        config.limits.header_timeout = SHORT
    });
    let mut stream = TlsClient::http1().connect(proxy.https).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nx-slow: ")
        .await
        .unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"),
        "{answer}"
    );
    assert!(answer.contains("application/problem+json"), "{answer}");
}

#[tokio::test]
async fn a_dripped_head_does_not_get_more_time() {
    let upstream = Upstream::text("never").await;
    let proxy = Proxy::with(upstream.address, |config| {
        config.limits.header_timeout = SHORT
    });
    let stream = TlsClient::http1().connect(proxy.https).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let drip = async move {
        while writer.write_all(b"x").await.is_ok() {
            let pause = std::future::pending::<()>();
            drop(tokio::time::timeout(Duration::from_millis(50), pause).await);
        }
    };
    let dripping = tokio::spawn(drip);
    let mut answer = Vec::new();
    drop(soon(reader.read_to_end(&mut answer)).await);
    dripping.abort();
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_time_and_with_a_close_notify() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::with(upstream.address, |config| {
        config.limits.idle_timeout = SHORT
    });
    let mut stream = TlsClient::http1().connect(proxy.https).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    // rustls makes an end without close_notify an error.
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.ends_with("ok"), "{answer}");
    eventually(|| async {
        let open = proxy
            .metric("tlsfloor_connections_open{listener=\"https\"}")
            .await;
        (open == 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_parked_connection_goes_on_where_it_was() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::start(upstream.address);
    let mut stream = TlsClient::http1().connect(proxy.https).await.unwrap();
    for _ in 0..3 {
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await
            .unwrap();
        let mut answer = [0; 15];
        soon(stream.read_exact(&mut answer)).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        let mut rest = Vec::new();
        while !rest.ends_with(b"\r\n\r\nok") {
            rest.push(soon(stream.read_u8()).await.unwrap());
        }
        assert!(
            !String::from_utf8(rest)
                .unwrap()
                .contains("connection: close")
        );
        // Long enough to be parked.
        drop(tokio::time::timeout(Duration::from_millis(900), std::future::pending::<()>()).await);
    }
}

#[tokio::test]
async fn a_request_that_begins_while_it_is_parked_in_two_parts_is_whole() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::start(upstream.address);
    let mut stream = TlsClient::http1().connect(proxy.https).await.unwrap();
    for part in [
        &b"GET /parts HTT"[..],
        b"P/1.1\r\nHost: loc",
        b"alhost\r\nConnection: close\r\n\r\n",
    ] {
        drop(tokio::time::timeout(Duration::from_millis(900), std::future::pending::<()>()).await);
        stream.write_all(part).await.unwrap();
    }
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(upstream.last().target, "/parts");
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut() {
    let upstream = Upstream::answer(|_| {
        hyper::Response::new(crate::support::upstream::full(vec![b'x'; 64 << 20]))
    })
    .await;
    let proxy = Proxy::with(upstream.address, |config| {
        config.limits.write_timeout = SHORT
    });
    for client in [TlsClient::http1(), TlsClient::http2()] {
        let mut sender = client.open(proxy.https).await;
        let request = hyper::Request::get("/")
            .body(crate::support::client::empty())
            .unwrap();
        if client.alpn[0] == b"h2" {
            continue;
        }
        let response = sender.begin(request).await.unwrap();
        eventually(|| async {
            let open = proxy
                .metric("tlsfloor_connections_open{listener=\"https\"}")
                .await;
            (open == 0.0).then_some(())
        })
        .await;
        drop(response);
    }
}
