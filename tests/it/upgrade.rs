//! WebSocket and other protocols behind an upgrade, over both versions of HTTP; server-sent events.

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{Request, ext::Protocol};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{
    client::{TlsClient, empty, raw_tls},
    eventually,
    proxy::Proxy,
    soon,
    upstream::{read_head, scripted},
};

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Agrees to what is asked and then sends back what it gets, in capitals.
async fn switches(mut stream: TcpStream) -> String {
    let head = read_head(&mut stream).await;
    let key = field(&head, "sec-websocket-key").unwrap_or_default();
    let said = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let accept = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, said.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: {}\r\n\
         sec-websocket-accept: {}\r\nsec-websocket-protocol: chat\r\n\r\nhello ",
        field(&head, "upgrade").unwrap_or_default(),
        BASE64_STANDARD.encode(accept)
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    let mut buffer = [0; 1000];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        stream.write_all(&buffer[..read].to_ascii_uppercase()).await.unwrap();
    }
    stream.write_all(b" bye").await.unwrap();
    head
}

async fn upstream() -> std::net::SocketAddr {
    scripted(|stream, _| async move { drop(switches(stream).await) }).await
}

const ASK: &str = "GET /chat?room=1 HTTP/1.1\r\nhost: localhost\r\nconnection: keep-alive, Upgrade\r\n\
    upgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    sec-websocket-version: 13\r\n\r\n";

#[tokio::test]
async fn a_websocket_over_http1_carries_bytes_both_ways_and_each_end_by_itself() {
    let proxy = Proxy::start(upstream().await);
    let mut stream = TlsClient::http1().connect(proxy.https).await.unwrap();
    // Sent along with the request: it must wait for the 101 and must not get lost.
    stream.write_all(format!("{ASK}early ").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"EARLY ") {
        answer.push(soon(stream.read_u8()).await.unwrap());
    }
    stream.write_all(b"late").await.unwrap();
    stream.shutdown().await.unwrap();
    soon(stream.read_to_end(&mut answer)).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, rest) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(field(head, "upgrade"), Some("websocket"));
    assert_eq!(field(head, "connection"), Some("upgrade"));
    assert_eq!(field(head, "sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(field(head, "sec-websocket-protocol"), Some("chat"));
    assert_eq!(rest, "hello EARLY LATE bye");
    let series = "tlsfloor_requests_total{route=\"*/\",protocol=\"http/1.1\",tls_version=\"1.3\",\
        code=\"101\"}";
    eventually(|| async { (proxy.metric(series).await == 1.0).then_some(()) }).await;
    let series = "tlsfloor_upstream_requests_total{upstream=\"api\",outcome=\"success\"}";
    assert_eq!(proxy.metric(series).await, 1.0);
}

#[tokio::test]
async fn a_websocket_over_http2_becomes_one_over_http1() {
    // Shorter than the silence below, which is nobody's stall.
    let proxy = Proxy::with(upstream().await, |config| {
        config.limits.write_timeout = std::time::Duration::from_millis(200);
    });
    let stream = TlsClient::http2().connect(proxy.https).await.unwrap();
    let handshake =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    // The server has to say that it takes extended CONNECT before one may be sent.
    let first = Request::get("https://localhost/").body(empty()).unwrap();
    drop(soon(sender.send_request(first)).await.unwrap());
    let mut request = Request::connect("https://localhost/chat").body(empty()).unwrap();
    request.extensions_mut().insert(Protocol::from_static("websocket"));
    let mut response = soon(sender.send_request(request)).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
    for gone in ["sec-websocket-accept", "upgrade", "connection"] {
        assert!(!response.headers().contains_key(gone), "{gone}");
    }
    let mut stream = TokioIo::new(hyper::upgrade::on(&mut response).await.unwrap());
    let began = tokio::time::Instant::now();
    eventually(|| async { (began.elapsed().as_millis() > 900).then_some(()) }).await;
    stream.write_all(b"over http2").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    soon(stream.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(String::from_utf8(answer).unwrap(), "hello OVER HTTP2 bye");
}

#[tokio::test]
async fn a_connect_for_anything_else_is_refused() {
    let proxy = Proxy::start(upstream().await);
    let answer = raw_tls(
        proxy.https,
        b"CONNECT other:443 HTTP/1.1\r\nhost: other:443\r\nconnection: close\r\n\r\n",
    );
    assert!(answer.await.unwrap().starts_with("HTTP/1.1 405 "));
}

#[tokio::test]
async fn an_upgrade_that_the_server_declines_is_an_ordinary_answer() {
    let upstream = scripted(|mut stream, _| async move {
        while !read_head(&mut stream).await.is_empty() {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno").await.unwrap();
        }
    })
    .await;
    let proxy = Proxy::start(upstream);
    let get = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let answer = raw_tls(proxy.https, format!("{ASK}{get}").as_bytes()).await.unwrap();
    let answers: Vec<_> = answer.match_indices("HTTP/1.1 200 OK").collect();
    assert_eq!(answers.len(), 2, "the connection goes on: {answer}");
}

#[tokio::test]
async fn an_upgrade_to_another_http_or_tls_is_not_passed_on() {
    let upstream = scripted(|mut stream, _| async move {
        let head = read_head(&mut stream).await;
        let length = head.len();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{head}");
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let proxy = Proxy::start(upstream);
    let ask = ASK.replace("websocket\r\n", "h2c\r\n").replace("keep-alive, U", "close, U");
    let answer = raw_tls(proxy.https, ask.as_bytes()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(!answer.contains("upgrade"), "{answer}");
}

#[tokio::test]
async fn a_tunnel_in_which_nothing_moves_ends() {
    let proxy = Proxy::with(upstream().await, |config| {
        config.limits.tunnel_timeout = std::time::Duration::from_millis(300);
    });
    let mut stream = TlsClient::http1().connect(proxy.https).await.unwrap();
    stream.write_all(ASK.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let end = soon(stream.read_to_end(&mut answer)).await;
    assert!(end.is_err(), "cut, not ended");
    assert_eq!(proxy.metric("tlsfloor_limits_total{limit=\"tunnel_timeout\"}").await, 1.0);
    let open = "tlsfloor_connections_open{listener=\"https\"}";
    eventually(|| async { (proxy.metric(open).await == 0.0).then_some(()) }).await;
}

#[tokio::test]
async fn each_event_passes_at_once() {
    let (told, next) = tokio::sync::mpsc::unbounded_channel::<()>();
    let next = std::sync::Arc::new(tokio::sync::Mutex::new(next));
    let upstream = scripted(move |mut stream, _| {
        let next = std::sync::Arc::clone(&next);
        async move {
            read_head(&mut stream).await;
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                transfer-encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            for number in 0..3 {
                let event = format!("9\r\ndata: {number}\n\n\r\n");
                stream.write_all(event.as_bytes()).await.unwrap();
                // The next one only once the client has this one.
                next.lock().await.recv().await;
            }
            stream.write_all(b"0\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let proxy = Proxy::start(upstream);
    for client in [TlsClient::http1(), TlsClient::http2()] {
        let mut sender = client.open(proxy.https).await;
        let mut response =
            sender.begin(Request::get("/events").body(empty()).unwrap()).await.unwrap();
        for number in 0..3 {
            let frame = soon(response.body_mut().frame()).await.unwrap().unwrap();
            let event = frame.into_data().unwrap();
            assert_eq!(event, Bytes::from(format!("data: {number}\n\n")));
            told.send(()).unwrap();
        }
        // Over HTTP/2 the end may be a frame of its own.
        let rest = soon(response.collect()).await.unwrap().to_bytes();
        assert!(rest.is_empty(), "{rest:?}");
    }
}
