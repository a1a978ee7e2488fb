//! Forwarding: both protocols, bodies both ways, trailers, pooling, and upstreams that fail.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::{HeaderMap, Request, Response, body::Frame};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Notify,
};

use crate::support::{
    client::{self, TlsClient, bytes, empty},
    eventually,
    proxy::Proxy,
    soon,
    upstream::{Upstream, answers_bytes, full, read_head, scripted},
};

#[tokio::test]
async fn both_protocols_reach_the_upstream() {
    let upstream = Upstream::text("hello").await;
    let proxy = Proxy::start(upstream.address);
    for (client, version) in [
        (TlsClient::http1(), hyper::Version::HTTP_11),
        (TlsClient::http2(), hyper::Version::HTTP_2),
    ] {
        let answer = client.get(proxy.https, "/a/b?c=d").await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
        assert_eq!(answer.version, version);
        let seen = upstream.last();
        assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/a/b?c=d"));
        assert_eq!(seen.all("host"), ["localhost"]);
    }
}

#[tokio::test]
async fn bodies_are_the_same_bytes_both_ways() {
    let upstream = Upstream::answer(|seen| Response::new(full(seen.body.clone()))).await;
    let proxy = Proxy::start(upstream.address);
    let body: Bytes =
        (0..3_000_000u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    for client in [TlsClient::http1(), TlsClient::http2()] {
        let request = Request::post("/echo").body(bytes(body.clone())).unwrap();
        let answer = client.send(proxy.https, request).await;
        assert_eq!(answer.status, 200);
        assert!(answer.body == body, "{} of {} bytes", answer.body.len(), body.len());
    }
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let upstream = Upstream::answer(|_| {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        let frames = [Ok(Frame::data(Bytes::from("x"))), Ok(Frame::trailers(trailers))];
        let body = StreamBody::new(futures(frames)).boxed();
        Response::builder().header("trailer", "grpc-status").body(body).unwrap()
    })
    .await;
    let proxy = Proxy::start(upstream.address);
    let mut trailers = HeaderMap::new();
    trailers.insert("checksum", "7".parse().unwrap());
    trailers.insert("client-cert", ":AA==:".parse().unwrap());
    let frames = [Ok(Frame::data(Bytes::from("y"))), Ok(Frame::trailers(trailers))];
    let body = BodyExt::boxed(StreamBody::new(futures(frames)));
    let request = Request::post("/")
        .header("te", "trailers")
        .header("trailer", "checksum, client-cert")
        .body(body)
        .unwrap();
    let answer = TlsClient::http2().send(proxy.https, request).await;
    assert_eq!(answer.trailers.expect("no trailers")["grpc-status"], "0");
    let seen = upstream.last();
    assert_eq!(seen.all("te"), ["trailers"]);
    let trailers = seen.trailers.expect("no trailers");
    assert_eq!(trailers["checksum"], "7");
    assert!(!trailers.contains_key("client-cert"), "{trailers:?}");
}

/// A stream of what is there already.
fn futures<T>(items: impl IntoIterator<Item = T>) -> impl tokio_stream::Stream<Item = T> {
    tokio_stream::iter(items)
}

#[tokio::test]
async fn a_connection_to_the_upstream_is_kept_and_used_again() {
    let upstream = Upstream::text("hello").await;
    let proxy = Proxy::with(upstream.address, |config| config.listen.workers = 1);
    for _ in 0..5 {
        assert_eq!(TlsClient::http1().get(proxy.https, "/").await.status, 200);
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_kept_connection_that_the_upstream_closed_costs_no_request() {
    let address = scripted(|mut stream, _| async move {
        read_head(&mut stream).await;
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        stream.write_all(answer).await.unwrap();
        // Closed without `connection: close`, as a keep-alive timeout does.
    })
    .await;
    let proxy = Proxy::with(address, |config| config.listen.workers = 1);
    for _ in 0..5 {
        let answer = TlsClient::http1().get(proxy.https, "/").await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    }
}

#[tokio::test]
async fn an_upstream_that_is_down_is_a_502_that_says_so() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let proxy = Proxy::start(closed);
    for client in [TlsClient::http1(), TlsClient::http2()] {
        let answer = client.get(proxy.https, "/").await;
        assert_eq!(answer.status, 502);
        assert_eq!(answer.field("content-type"), "application/problem+json");
        assert_eq!(answer.field("proxy-status"), "tlsfloor; error=connection_refused");
        assert_eq!(answer.field("x-request-id").len(), 32);
        assert_eq!(answer.json()["status"], 502);
        assert_eq!(answer.json()["type"], "urn:tlsfloor:problem:connection-refused");
    }
    let outcome = "tlsfloor_upstream_requests_total{upstream=\"api\",outcome=\"connect_refused\"}";
    assert_eq!(proxy.metric(outcome).await, 2.0, "{}", proxy.metrics().await);
}

#[tokio::test]
async fn what_is_no_response_is_a_502() {
    let endless = [b"HTTP/1.1 200 OK\r\nx: ".as_slice(), &[b'a'; 70_000]].concat();
    let cases: [(&[u8], &str); 10] = [
        (b"", "connection_terminated"),
        (b"HTTP/1.1 200 OK\r\ncontent-le", "connection_terminated"),
        (b"garbage\r\n\r\n", "http_protocol_error"),
        (b"HTTP/1.1 200 OK\r\na b: c\r\n\r\n", "http_protocol_error"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
            "http_protocol_error",
        ),
        (b"HTTP/1.1 200 OK\r\nx: a\r\n folded\r\n\r\n", "http_protocol_error"),
        (b"HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n", "http_protocol_error"),
        (endless.leak(), "http_protocol_error"),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
            "http_protocol_error",
        ),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
            "http_protocol_error",
        ),
    ];
    for (answer, kind) in cases {
        let proxy = Proxy::start(answers_bytes(answer).await);
        let got = TlsClient::http1().get(proxy.https, "/").await;
        let said = String::from_utf8_lossy(answer);
        assert_eq!(got.status, 502, "{said}");
        assert_eq!(got.field("proxy-status"), format!("tlsfloor; error={kind}"), "{said}");
    }
}

#[tokio::test]
async fn an_upstream_that_never_answers_is_a_504() {
    let address = scripted(|mut stream, _| async move {
        read_head(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let proxy = Proxy::with(address, |config| {
        config.limits.response_timeout = Duration::from_millis(300);
    });
    let answer = TlsClient::http2().get(proxy.https, "/").await;
    assert_eq!(answer.status, 504);
    assert_eq!(answer.field("proxy-status"), "tlsfloor; error=http_response_timeout");
}

const SHORT_BODIES: [&[u8]; 3] = [
    b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
];

#[tokio::test]
async fn an_upstream_that_dies_inside_a_body_aborts_the_response() {
    for answer in SHORT_BODIES {
        let proxy = Proxy::start(answers_bytes(answer).await);
        for client in [TlsClient::http1(), TlsClient::http2()] {
            let mut sender = client.open(proxy.https).await;
            // Whether the head still gets through is a race; that nothing ends well is not.
            let begun = sender.begin(Request::get("/").body(empty()).unwrap()).await;
            let Ok(response) = begun else { continue };
            assert_eq!(response.status(), 200);
            let said = String::from_utf8_lossy(answer);
            client::whole(response).await.expect_err(&said);
        }
        let outcome =
            "tlsfloor_upstream_requests_total{upstream=\"api\",outcome=\"body_truncated\"}";
        let counted = eventually(|| async { (proxy.metric(outcome).await >= 2.0).then_some(()) });
        counted.await;
    }
}

/// To an HTTP/1.0 client a body ends where the connection does, so only a reset tells a cut-off
/// body from a whole one.
#[tokio::test]
async fn a_body_cut_off_towards_http_1_0_is_not_ended_cleanly() {
    let proxy = Proxy::start(answers_bytes(SHORT_BODIES[1]).await);
    let mut stream = TlsClient::http1().connect(proxy.https).await.unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    soon(stream.read_to_end(&mut answer)).await.expect_err("ended cleanly");
}

#[tokio::test]
async fn a_length_beside_chunks_from_the_upstream_does_not_reach_the_client() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let proxy = Proxy::start(answers_bytes(answer).await);
    let got = TlsClient::http1().get(proxy.https, "/").await;
    assert_eq!((got.status, got.text().as_str()), (200, "ok"));
    assert!(!got.headers.contains_key("content-length"));
}

#[tokio::test]
async fn a_client_that_goes_away_closes_the_connection_to_the_upstream() {
    let (asked, closed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell_asked, tell_closed) = (Arc::clone(&asked), Arc::clone(&closed));
    let address = scripted(move |mut stream, _| {
        let (asked, closed) = (Arc::clone(&tell_asked), Arc::clone(&tell_closed));
        async move {
            read_head(&mut stream).await;
            asked.notify_one();
            assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0);
            closed.notify_one();
        }
    })
    .await;
    let proxy = Proxy::start(address);
    for client in [TlsClient::http1(), TlsClient::http2()] {
        let mut sender = client.open(proxy.https).await;
        tokio::select! {
            answer = sender.begin(Request::get("/").body(empty()).unwrap()) => {
                panic!("an answer without an upstream's: {answer:?}");
            }
            () = soon(asked.notified()) => {}
        }
        drop(sender);
        soon(closed.notified()).await;
    }
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_is_still_sending() {
    let address = scripted(|mut stream, _| async move {
        read_head(&mut stream).await;
        let answer =
            b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbig";
        stream.write_all(answer).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        drop(stream.read_to_end(&mut rest).await);
    })
    .await;
    let proxy = Proxy::start(address);
    let mut stream = TlsClient::http1().connect(proxy.https).await.unwrap();
    let head = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 200000\r\n\r\n";
    stream.write_all(head).await.unwrap();
    stream.write_all(&[b'x'; 50_000]).await.unwrap();
    let mut answer = vec![0; 12];
    soon(stream.read_exact(&mut answer)).await.expect("the answer was lost");
    assert_eq!(answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_stalled_upload_is_ended() {
    let upstream = Upstream::text("never").await;
    let proxy = Proxy::with(upstream.address, |config| {
        config.limits.body_timeout = Duration::from_millis(300);
    });
    let head = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nabc";
    let answer = client::raw_tls(proxy.https, head.as_bytes()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn head_has_a_length_and_no_body() {
    let upstream = Upstream::text("hello").await;
    let proxy = Proxy::start(upstream.address);
    for client in [TlsClient::http1(), TlsClient::http2()] {
        let mut sender = client.open(proxy.https).await;
        let answer = sender.send(Request::head("/").body(empty()).unwrap()).await;
        assert_eq!((answer.status, answer.field("content-length")), (200, "5"));
        assert!(answer.body.is_empty());
        // The connection is in step after it.
        assert_eq!(sender.get("/").await.text(), "hello");
    }
}

#[tokio::test]
async fn a_response_without_length_keeps_its_end() {
    let address =
        answers_bytes(b"HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\nuntil close").await;
    let proxy = Proxy::start(address);
    let answer = TlsClient::http1().get(proxy.https, "/").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "until close"));
    assert_eq!(answer.version, hyper::Version::HTTP_11);
}

/// Once everything in between is full, kernel buffers and ours, the upstream has to wait.
#[tokio::test]
async fn a_download_is_read_only_as_fast_as_the_client_takes_it() {
    const WHOLE: usize = 100_000_000;
    let (waits, tell) = tokio::sync::watch::channel(None);
    let waits = Arc::new(waits);
    let address = scripted(move |mut stream, _| {
        let waits = Arc::clone(&waits);
        async move {
            read_head(&mut stream).await;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {WHOLE}\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            let (chunk, mut sent) = (vec![b'x'; 65_536], 0);
            while sent < WHOLE {
                let write = stream.write(&chunk);
                match tokio::time::timeout(Duration::from_millis(500), write).await {
                    Ok(written) => sent += written.unwrap(),
                    Err(_elapsed) => break,
                }
            }
            waits.send_replace(Some(sent));
            std::future::pending::<()>().await;
        }
    })
    .await;
    let proxy = Proxy::start(address);
    for client in [TlsClient::http1(), TlsClient::http2()] {
        let mut tell = tell.clone();
        tell.mark_unchanged();
        let mut sender = client.open(proxy.https).await;
        let response = sender.begin(Request::get("/").body(empty()).unwrap()).await.unwrap();
        soon(tell.changed()).await.unwrap();
        let sent = tell.borrow().unwrap();
        assert!(sent < WHOLE / 2, "{sent} bytes were taken from the upstream");
        drop(response);
    }
}

#[tokio::test]
async fn a_client_that_closes_its_half_gets_the_answer_where_that_is_wanted() {
    for wanted in [true, false] {
        let (arrived, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (says, waits) = (Arc::clone(&arrived), Arc::clone(&go_on));
        let upstream = scripted(move |mut stream, _| {
            let (says, waits) = (Arc::clone(&says), Arc::clone(&waits));
            async move {
                read_head(&mut stream).await;
                says.notify_one();
                waits.notified().await;
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                drop(stream.write_all(answer).await);
            }
        })
        .await;
        let proxy = Proxy::with(upstream, |config| config.listen.half_close = wanted);
        let mut stream = TlsClient::http1().connect(proxy.https).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        soon(arrived.notified()).await;
        stream.shutdown().await.unwrap();
        if !wanted {
            let canceled =
                "tlsfloor_upstream_requests_total{upstream=\"api\",outcome=\"canceled\"}";
            eventually(|| async { (proxy.metric(canceled).await == 1.0).then_some(()) }).await;
        }
        go_on.notify_one();
        let mut answer = Vec::new();
        drop(soon(stream.read_to_end(&mut answer)).await);
        assert_eq!(answer.ends_with(b"ok"), wanted);
    }
}
