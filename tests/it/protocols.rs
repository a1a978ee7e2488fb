//! What an API server may speak: HTTP/2 in clear, TLS with either protocol, gRPC over them.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    HeaderMap, Request, Response, Version, body::Frame, server::conn::http2, service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tlsfloor::network::Network;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::Notify,
};
use tokio_rustls::TlsAcceptor;

use crate::support::{
    client::{self, TlsClient, bytes},
    eventually,
    pki::Pki,
    proxy::{Proxy, base_with},
    upstream::{Body, Speaks, Upstream, full, scripted},
};

fn one_worker(upstream: &str) -> Proxy {
    Proxy::from_text(&base_with(upstream), |config| config.listen.workers = 1)
}

fn tls(names: &[&str], alpn: &[&str], mutual: bool) -> Speaks {
    Speaks::Tls(Pki::shared().server_config(names, alpn, mutual))
}

#[tokio::test]
async fn requests_share_one_http2_connection() {
    let upstream =
        Upstream::speaking(Speaks::H2c, |seen| Response::new(full(seen.body.clone()))).await;
    let proxy = one_worker(&format!("servers = [\"h2c://{}\"]", upstream.address));
    let one = |number: usize| {
        let (https, client) = (proxy.https, [TlsClient::http1(), TlsClient::http2()]);
        async move {
            let request = Request::post("/echo?x=y").body(bytes(number.to_string())).unwrap();
            client[number % 2].send(https, request).await
        }
    };
    let answers = futures_like_join((0..20).map(one)).await;
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!((answer.status, answer.text()), (200, number.to_string()));
    }
    assert_eq!(upstream.connections(), 1);
    let seen = upstream.last();
    assert_eq!(
        (seen.version, seen.target.as_str()),
        (Version::HTTP_2, "http://localhost/echo?x=y")
    );
    assert!(seen.all("host").is_empty());
}

/// All at once, on this task's runtime.
async fn futures_like_join<F>(all: impl Iterator<Item = F>) -> Vec<client::Answer>
where
    F: Future<Output = client::Answer> + Send + 'static,
{
    let tasks: Vec<_> = all.map(tokio::spawn).collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn alpn_chooses_between_http2_and_http1_over_tls() {
    for (alpn, version) in [
        (["h2", "http/1.1"].as_slice(), Version::HTTP_2),
        (["http/1.1"].as_slice(), Version::HTTP_11),
        (&[], Version::HTTP_11),
    ] {
        let upstream =
            Upstream::speaking(tls(&["127.0.0.1"], alpn, false), |_| Response::new(full("secret")))
                .await;
        let servers = format!("servers = [\"https://{}\"]", upstream.address);
        let proxy = one_worker(&format!("{servers}\ntls = {{ ca = \"ca.pem\" }}"));
        for _ in 0..3 {
            let answer = TlsClient::http1().get(proxy.https, "/x").await;
            assert_eq!((answer.status, answer.text().as_str()), (200, "secret"));
        }
        assert_eq!(upstream.last().version, version);
        assert_eq!(upstream.connections(), 1, "kept, whichever protocol");
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_verified_gets_no_request() {
    let upstream =
        Upstream::speaking(tls(&["other.example"], &[], false), |_| Response::new(full("x"))).await;
    let servers = format!("servers = [\"https://{}\"]", upstream.address);
    let cases = [
        // Signed by nobody the system trusts.
        ("", 502),
        // Trusted, but for another name than the address.
        ("tls = { ca = \"ca.pem\" }", 502),
        ("tls = { ca = \"ca.pem\", server_name = \"other.example\" }", 200),
    ];
    for (tls, status) in cases {
        let proxy = one_worker(&format!("{servers}\n{tls}"));
        let answer = TlsClient::http1().get(proxy.https, "/").await;
        assert_eq!(answer.status, status, "{tls}");
        if status == 502 {
            assert_eq!(answer.field("proxy-status"), "tlsfloor; error=tls_certificate_error");
            let series =
                "tlsfloor_upstream_requests_total{upstream=\"api\",outcome=\"tls_failed\"}";
            assert_eq!(proxy.metric(series).await, 1.0);
        }
    }
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_gets_ours() {
    let upstream =
        Upstream::speaking(tls(&["127.0.0.1"], &["h2"], true), |_| Response::new(full("x"))).await;
    let servers = format!("servers = [\"https://{}\"]", upstream.address);
    let with =
        "tls = { ca = \"ca.pem\", certificate = { chain = \"chain.pem\", key = \"key.pem\" } }";
    let proxy = one_worker(&format!("{servers}\n{with}"));
    assert_eq!(TlsClient::http1().get(proxy.https, "/").await.status, 200);
    let proxy = one_worker(&format!("{servers}\ntls = {{ ca = \"ca.pem\" }}"));
    assert_eq!(TlsClient::http1().get(proxy.https, "/").await.status, 502);
}

fn grpc(_seen: &crate::support::upstream::Seen) -> Response<Body> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    let frames =
        [Ok(Frame::data(Bytes::from_static(b"\0\0\0\0\x01x"))), Ok(Frame::trailers(trailers))];
    let body = BodyExt::boxed(StreamBody::new(tokio_stream::iter(frames)));
    Response::builder().header("content-type", "application/grpc").body(body).unwrap()
}

#[tokio::test]
async fn a_grpc_call_keeps_its_fields_and_trailers() {
    let upstream = Upstream::speaking(Speaks::H2c, grpc).await;
    let proxy = one_worker(&format!("servers = [\"h2c://{}\"]", upstream.address));
    let request = Request::post("/pkg.Service/Call")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", "5S")
        .body(bytes(&b"\0\0\0\0\x01y"[..]))
        .unwrap();
    let answer = TlsClient::http2().send(proxy.https, request).await;
    assert_eq!(answer.body, &b"\0\0\0\0\x01x"[..]);
    assert_eq!(answer.trailers.expect("no trailers")["grpc-status"], "0");
    let seen = upstream.last();
    assert_eq!(seen.all("te"), ["trailers"]);
    assert_eq!(seen.all("grpc-timeout"), ["5S"]);
    assert!(seen.all("connection").is_empty());
}

#[tokio::test]
async fn a_grpc_client_is_told_in_its_own_words() {
    let upstream = Upstream::speaking(Speaks::H2c, grpc).await;
    drop(upstream);
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = one_worker(&format!("servers = [\"h2c://{gone}\"]"));
    let request = Request::post("/pkg.Service/Call")
        .header("content-type", "application/grpc+proto")
        .body(bytes(""))
        .unwrap();
    let answer = TlsClient::http2().send(proxy.https, request).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("grpc-status"), "14");
    assert_eq!(answer.field("content-type"), "application/grpc+proto");
    assert_eq!(answer.field("grpc-message"), "could not connect to the upstream");
    assert!(answer.body.is_empty());
}

/// HTTP/2 in clear; says GOAWAY to each connection after its fifth request.
async fn says_goaway() -> (std::net::SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, connections) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let (requests, enough) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
                let is_enough = Arc::clone(&enough);
                let service = service_fn(move |_| {
                    if requests.fetch_add(1, Ordering::SeqCst) == 4 {
                        is_enough.notify_one();
                    }
                    async { Ok::<_, std::convert::Infallible>(Response::new(full("ok"))) }
                });
                let builder = http2::Builder::new(TokioExecutor::new());
                let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
                tokio::select! {
                    _ended = &mut connection => return,
                    () = enough.notified() => {}
                }
                connection.as_mut().graceful_shutdown();
                drop(connection.await);
            });
        }
    });
    (address, connections)
}

#[tokio::test]
async fn a_goaway_costs_no_request() {
    let (upstream, connections) = says_goaway().await;
    let proxy = one_worker(&format!("servers = [\"h2c://{upstream}\"]"));
    for _ in 0..10 {
        let https = proxy.https;
        let one = |_| async move { TlsClient::http2().get(https, "/").await };
        let answers = futures_like_join((0..8).map(one)).await;
        let codes: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(codes, [200; 8]);
    }
    assert!(connections.load(Ordering::SeqCst) > 1, "each connection said goodbye");
}

/// Reads a PROXY line before it serves TLS or nothing above TCP, and answers with the line.
async fn wants_a_proxy_line(tls: Option<Arc<rustls::ServerConfig>>) -> std::net::SocketAddr {
    async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, line: String) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else { return };
            head.push(byte);
        }
        let length = line.len();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{line}");
        stream.write_all(answer.as_bytes()).await.unwrap();
        // Kept open: it is the proxy that must not use it again.
        drop(stream.read_u8().await);
    }
    scripted(move |mut stream, _| {
        let tls = tls.clone();
        async move {
            let mut line = String::new();
            while !line.ends_with('\n') {
                let Ok(byte) = stream.read_u8().await else { return };
                line.push(char::from(byte));
            }
            match tls {
                None => answer(stream, line).await,
                Some(tls) => {
                    let stream = TlsAcceptor::from(tls).accept(stream).await.unwrap();
                    answer(stream, line).await;
                }
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_server_is_told_by_a_proxy_header_whom_each_connection_is_for() {
    let tls = Pki::shared().server_config(&["127.0.0.1"], &["http/1.1"], false);
    for (scheme, tls) in [("http", None), ("https", Some(tls))] {
        let upstream = wants_a_proxy_line(tls).await;
        let proxy = Proxy::from_text(
            &base_with(&format!(
                "servers = [\"{scheme}://{upstream}\"]\nproxy_protocol = \"v1\"\n\
                 tls = {{ ca = \"ca.pem\" }}"
            )),
            |config| {
                config.listen.workers = 1;
                config.listen.trusted_proxies = vec![Network::parse("127.0.0.1").unwrap()];
            },
        );
        let mut sender = TlsClient::http1().open(proxy.https).await;
        for client in ["203.0.113.7", "203.0.113.8"] {
            let request = Request::get("/").header("x-forwarded-for", format!("{client}:4711"));
            let answer = sender.send(request.body(client::empty()).unwrap()).await;
            let port = proxy.https.port();
            let expected = format!("PROXY TCP4 {client} 127.0.0.1 4711 {port}\r\n");
            assert_eq!(answer.text(), expected, "{scheme}");
        }
    }
}

#[tokio::test]
async fn health_checks_speak_for_nobody_where_a_proxy_header_is_wanted() {
    let upstream = wants_a_proxy_line(None).await;
    let proxy = one_worker(&format!(
        "servers = [\"http://{upstream}\"]\nproxy_protocol = \"v1\"\n\
         health = {{ interval = \"100ms\", unhealthy = 1 }}"
    ));
    let checks = "tlsfloor_upstream_health_checks_total{upstream=\"api\",outcome=\"success\"}";
    eventually(|| async { (proxy.metric(checks).await >= 2.0).then_some(()) }).await;
    assert_eq!(TlsClient::http1().get(proxy.https, "/").await.status, 200);
}

#[tokio::test]
async fn a_grpc_stream_may_be_silent_both_ways() {
    // Answers at once, and says its last word when the client has.
    let upstream = Upstream::speaking(Speaks::H2c, grpc).await;
    let proxy = Proxy::from_text(
        &base_with(&format!("servers = [\"h2c://{}\"]", upstream.address)),
        |config| {
            config.limits.body_timeout = Duration::from_millis(100);
            config.limits.response_body_timeout = Duration::from_millis(100);
        },
    );
    let (send, frames) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, std::io::Error>>(1);
    let frames = tokio_stream::wrappers::ReceiverStream::new(frames);
    let body = BodyExt::map_err(StreamBody::new(frames), Into::into).boxed();
    let request = Request::post("/pkg.Service/Call").header("content-type", "application/grpc");
    let request = request.body(body).unwrap();
    let https = proxy.https;
    let call = tokio::spawn(async move { TlsClient::http2().send(https, request).await });
    let began = tokio::time::Instant::now();
    eventually(|| async { (began.elapsed().as_millis() > 700).then_some(()) }).await;
    send.send(Ok(Frame::data(Bytes::from_static(b"\0\0\0\0\0")))).await.unwrap();
    drop(send);
    let answer = call.await.unwrap();
    assert_eq!(answer.trailers.expect("no trailers")["grpc-status"], "0");
}
