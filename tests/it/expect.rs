//! `Expect: 100-continue`: a body is asked for when the server wants it, and not before.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    client::TlsClient,
    proxy::Proxy,
    soon,
    upstream::{read_head, scripted},
};

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\n\
    expect: 100-continue\r\nconnection: close\r\n\r\n";

async fn read_until(stream: &mut (impl AsyncReadExt + Unpin), end: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        read.push(soon(stream.read_u8()).await.unwrap());
    }
    String::from_utf8(read).unwrap()
}

#[tokio::test]
async fn the_body_is_asked_for_when_the_server_wants_it() {
    let wanted = Arc::new(AtomicBool::new(false));
    let wants = Arc::clone(&wanted);
    let upstream = scripted(move |mut stream, _| {
        let wants = Arc::clone(&wants);
        async move {
            let head = read_head(&mut stream).await;
            assert!(head.contains("expect: 100-continue\r\n"), "{head}");
            wants.store(true, Ordering::SeqCst);
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
            let mut body = [0; 4];
            stream.read_exact(&mut body).await.unwrap();
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n";
            stream.write_all(&[answer.as_slice(), &body].concat()).await.unwrap();
        }
    })
    .await;
    let proxy = Proxy::start(upstream);
    let mut stream = TlsClient::http1().connect(proxy.https).await.unwrap();
    stream.write_all(HEAD).await.unwrap();
    assert_eq!(read_until(&mut stream, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    assert!(wanted.load(Ordering::SeqCst), "asked before the server wanted it");
    stream.write_all(b"body").await.unwrap();
    assert!(read_until(&mut stream, "body").await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn a_server_that_refuses_spares_the_client_its_body() {
    let upstream = scripted(|mut stream, _| async move {
        read_head(&mut stream).await;
        let answer = b"HTTP/1.1 417 Expectation Failed\r\ncontent-length: 2\r\n\r\nno";
        stream.write_all(answer).await.unwrap();
        // Nothing may come behind the head.
        let mut rest = Vec::new();
        drop(stream.read_to_end(&mut rest).await);
        assert!(rest.is_empty(), "{rest:?}");
    })
    .await;
    let proxy = Proxy::start(upstream);
    let mut stream = TlsClient::http1().connect(proxy.https).await.unwrap();
    stream.write_all(HEAD).await.unwrap();
    let mut answer = Vec::new();
    soon(stream.read_to_end(&mut answer)).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 417 ") && answer.ends_with("no"), "{answer}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for_for_ever() {
    let upstream = scripted(|mut stream, _| async move {
        read_head(&mut stream).await;
        let mut body = [0; 4];
        stream.read_exact(&mut body).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    })
    .await;
    let proxy = Proxy::start(upstream);
    let mut stream = TlsClient::http1().connect(proxy.https).await.unwrap();
    stream.write_all(HEAD).await.unwrap();
    assert_eq!(read_until(&mut stream, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"body").await.unwrap();
    assert!(read_until(&mut stream, "ok").await.starts_with("HTTP/1.1 200 OK\r\n"));
}
