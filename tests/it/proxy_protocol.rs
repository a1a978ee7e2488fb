//! PROXY protocol in: whom a load balancer speaks for, and who is not believed.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rustls::pki_types::ServerName;
use tlsfloor::{config::PlainAction, network::Network};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::support::{
    client::{self, Answer, TlsClient, http1},
    hellos::{Hello, modern},
    proxy::Proxy,
    soon,
    upstream::Upstream,
};

const LINE: &[u8] = b"PROXY TCP4 203.0.113.7 10.0.0.1 49152 443\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Version 2 for 2001:db8::7, with a value behind the addresses.
fn binary() -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    header.extend([0x21, 0x21, 0, 42]);
    header.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
    header.extend([0; 16]);
    header.extend([0xc0, 0, 1, 0xbb, 0x04, 0, 3, 0, 0, 0]);
    header
}

/// Health checks speak for the load balancer itself.
fn local() -> Vec<u8> {
    [SIGNATURE, &[0x20, 0, 0, 0]].concat()
}

/// In front of `upstream`, with load balancers on `network`.
fn behind(upstream: SocketAddr, network: &str) -> Proxy {
    Proxy::with(upstream, |config| {
        config.listen.proxy_protocol_from = vec![Network::parse(network).unwrap()];
        config.plain_http.action = PlainAction::Forward;
        config.limits.handshake_timeout = Duration::from_millis(500);
        config.limits.header_timeout = Duration::from_millis(500);
    })
}

async fn counted(proxy: &Proxy, result: &str) -> f64 {
    proxy.metric(&format!("tlsfloor_proxy_headers_total{{result=\"{result}\"}}")).await
}

async fn over_tls(proxy: &Proxy, header: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(proxy.https).await.unwrap();
    stream.write_all(header).await.unwrap();
    let connector = TlsConnector::from(Arc::new(TlsClient::http1().config()));
    let name = ServerName::try_from("localhost").unwrap();
    let stream = soon(connector.connect(name, stream)).await.unwrap();
    http1(stream).await.get("/").await
}

#[tokio::test]
async fn the_client_is_whom_a_trusted_peer_names() {
    let upstream = Upstream::text("ok").await;
    let proxy = behind(upstream.address, "127.0.0.0/8");
    let cases = [
        (LINE.to_vec(), "203.0.113.7"),
        (binary(), "2001:db8::7"),
        (local(), "127.0.0.1"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
    ];
    for (header, address) in cases {
        assert_eq!(over_tls(&proxy, &header).await.status, 200);
        assert_eq!(upstream.last().all("x-forwarded-for"), [address]);
        let mut stream = TcpStream::connect(proxy.http).await.unwrap();
        stream.write_all(&header).await.unwrap();
        assert_eq!(http1(stream).await.get("/").await.status, 200);
        assert_eq!(upstream.last().all("x-forwarded-for"), [address]);
    }
    assert_eq!(counted(&proxy, "accepted").await, 4.0);
    assert_eq!(counted(&proxy, "local").await, 4.0);
}

/// Nothing behind a header may get lost, whether it comes in the same segment or byte by byte.
#[tokio::test]
async fn a_header_may_come_with_what_follows_or_in_pieces() {
    let upstream = Upstream::text("ok").await;
    let proxy = behind(upstream.address, "127.0.0.1");
    let request = b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let hello = Hello::new(0x0301, 0x0301, "c013").bytes();
    for header in [LINE.to_vec(), binary()] {
        let answer = client::raw(proxy.http, &[&header, &request[..]].concat()).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{answer:?}");
        let answer = client::raw(proxy.https, &[&header, &hello[..]].concat()).await.unwrap();
        assert_eq!(answer, [0x15, 3, 1, 0, 2, 2, 70], "an alert for the hello behind it");
        for (port, behind) in [(proxy.http, &request[..]), (proxy.https, &hello[..])] {
            let mut stream = TcpStream::connect(port).await.unwrap();
            stream.set_nodelay(true).unwrap();
            for byte in header.iter().chain(behind) {
                stream.write_all(&[*byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
            let mut answer = Vec::new();
            soon(stream.read_to_end(&mut answer)).await.unwrap();
            assert!(answer.starts_with(b"HTTP/1.1 200 ") || answer.starts_with(&[0x15, 3, 1]));
        }
    }
    assert_eq!(upstream.seen().len(), 4);
    assert_eq!(counted(&proxy, "accepted").await, 8.0);
}

#[tokio::test]
async fn a_trusted_peer_that_sends_none_is_closed_without_a_word() {
    let upstream = Upstream::text("never").await;
    let proxy = behind(upstream.address, "127.0.0.0/8");
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    for (port, bytes) in [(proxy.https, modern().bytes()), (proxy.http, request)] {
        assert_eq!(client::raw(port, &bytes).await.unwrap(), b"");
    }
    assert_eq!(counted(&proxy, "missing").await, 2.0);
    let hellos = "tlsfloor_client_hellos_total";
    assert!(!proxy.metrics().await.contains(&format!("{hellos}{{")), "it was not looked at");
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn a_header_from_anybody_else_is_refused() {
    let upstream = Upstream::text("never").await;
    let proxy = behind(upstream.address, "192.0.2.0/24");
    for port in [proxy.https, proxy.http] {
        for header in [LINE.to_vec(), binary()] {
            assert_eq!(client::raw(port, &header).await.unwrap(), b"");
        }
    }
    // A header that is cut is still one.
    for header in [LINE.to_vec(), binary()] {
        let mut stream = TcpStream::connect(proxy.http).await.unwrap();
        stream.set_nodelay(true).unwrap();
        for byte in header {
            drop(stream.write_all(&[byte]).await);
            tokio::task::yield_now().await;
        }
        let mut answer = Vec::new();
        // Its end may be a reset, because it sent more than was read.
        drop(soon(stream.read_to_end(&mut answer)).await);
        assert_eq!(answer, b"");
    }
    assert_eq!(counted(&proxy, "untrusted").await, 6.0);
    assert!(upstream.seen().is_empty());
    // And its ordinary clients are served.
    assert_eq!(client::plain_get(proxy.http, "/").await.text(), "never");
    assert_eq!(TlsClient::http2().get(proxy.https, "/").await.text(), "never");
}

#[tokio::test]
async fn a_header_that_is_none_or_never_ends_is_counted_for_what_it_is() {
    let upstream = Upstream::text("never").await;
    let proxy = behind(upstream.address, "127.0.0.0/8");
    let long = [SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat();
    let sum =
        [SIGNATURE, &[0x21, 0x11, 0, 19, 1, 1, 1, 1, 2, 2, 2, 2, 0, 1, 0, 2, 3, 0, 4, 0, 0, 0, 0]];
    for port in [proxy.https, proxy.http] {
        for header in [&b"PROXY TCP4 203.0.113.7 x 1 2\r\n"[..], &[b'P'; 1], &long, &sum.concat()] {
            let mut stream = TcpStream::connect(port).await.unwrap();
            stream.write_all(header).await.unwrap();
            let mut answer = Vec::new();
            soon(stream.read_to_end(&mut answer)).await.unwrap();
            assert_eq!(answer, b"");
        }
        drop(TcpStream::connect(port).await.unwrap());
        crate::support::eventually(|| async {
            let expected = if port == proxy.https { 1.0 } else { 2.0 };
            (counted(&proxy, "closed").await == expected).then_some(())
        })
        .await;
    }
    assert_eq!(counted(&proxy, "malformed").await, 6.0);
    assert_eq!(counted(&proxy, "timeout").await, 2.0);
    assert!(upstream.seen().is_empty());
}
