//! Servers that go down and come back: by what requests meet, and by active checks.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::{
    HeaderMap, Request, Response,
    body::{Frame, Incoming},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpListener, time::Instant};

use crate::support::{
    client::TlsClient,
    eventually,
    pki::Pki,
    proxy::Proxy,
    upstream::{Upstream, full},
};

/// An upstream that answers requests, and checks at `/healthz`, with a code that can be changed.
async fn switched(code: u16) -> (Upstream, Arc<AtomicU16>) {
    let switch = Arc::new(AtomicU16::new(code));
    let code = Arc::clone(&switch);
    let upstream = Upstream::answer(move |_| {
        Response::builder().status(code.load(Ordering::SeqCst)).body(full("x")).unwrap()
    })
    .await;
    (upstream, switch)
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

fn requests(upstream: &Upstream) -> usize {
    upstream.seen().iter().filter(|seen| seen.target == "/").count()
}

async fn statuses(proxy: &Proxy, count: usize) -> Vec<u16> {
    let mut sender = TlsClient::http2().open(proxy.https).await;
    let mut statuses = Vec::new();
    for _ in 0..count {
        statuses.push(sender.get("/").await.status);
    }
    statuses
}

const EJECTIONS: &str = "tlsfloor_upstream_ejections_total{upstream=\"api\"}";

fn healthy(server: &str) -> String {
    format!("tlsfloor_upstream_healthy{{upstream=\"api\",server=\"{server}\"}}")
}

#[tokio::test]
async fn a_server_that_keeps_failing_rests_and_comes_back() {
    let ((bad, switch), good) = (switched(500).await, Upstream::text("ok").await);
    let (first, second) = (url(bad.address), url(good.address));
    let keys = "ejection = { failures = 3, time = \"3s\" }";
    let proxy = Proxy::group(&[first.clone(), second.clone()], keys);
    assert_eq!(proxy.metric(&healthy(&first)).await, 1.0);
    assert_eq!(statuses(&proxy, 6).await.iter().filter(|status| **status == 500).count(), 3);
    proxy.stand(&["ejected", "up"]).await;
    assert_eq!(proxy.metric(&healthy(&first)).await, 0.0);
    assert_eq!(proxy.metric(&healthy(&second)).await, 1.0);
    assert_eq!(proxy.metric(EJECTIONS).await, 1.0);
    switch.store(200, Ordering::SeqCst);
    proxy.stand(&["up", "up"]).await;
    let before = requests(&bad);
    assert_eq!(statuses(&proxy, 10).await, [200; 10]);
    assert_eq!(requests(&bad), before + 5);
    assert_eq!(proxy.metric(EJECTIONS).await, 1.0);
}

#[tokio::test]
async fn a_server_that_rests_gets_no_request() {
    let ((bad, _), good) = (switched(503).await, Upstream::text("ok").await);
    let keys = "ejection = { failures = 2, time = \"60s\" }";
    let proxy = Proxy::group(&[url(bad.address), url(good.address)], keys);
    statuses(&proxy, 4).await;
    proxy.stand(&["ejected", "up"]).await;
    let before = requests(&bad);
    assert_eq!(statuses(&proxy, 20).await, [200; 20]);
    assert_eq!(requests(&bad), before);
}

#[tokio::test]
async fn connections_that_cannot_be_made_and_slow_answers_count_as_failures() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let hangs = crate::support::upstream::scripted(|stream, _| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    for bad in [closed, hangs] {
        let good = Upstream::text("ok").await;
        let keys = "ejection = { failures = 2, time = \"60s\" }\n[limits]\n\
            response_timeout = \"100ms\"";
        let proxy = Proxy::group(&[url(bad), url(good.address)], keys);
        statuses(&proxy, 4).await;
        proxy.stand(&["ejected", "up"]).await;
    }
}

#[tokio::test]
async fn never_more_than_half_of_the_servers_rest() {
    let mut servers = Vec::new();
    for _ in 0..4 {
        servers.push(switched(500).await.0);
    }
    let urls: Vec<_> = servers.iter().map(|server| url(server.address)).collect();
    let keys = "balance = \"round_robin\"\nejection = { failures = 2, time = \"60s\" }";
    let proxy = Proxy::group(&urls, keys);
    let count = || async { (proxy.metric(EJECTIONS).await >= 2.0).then_some(()) };
    statuses(&proxy, 30).await;
    eventually(count).await;
    // The others go on, and say themselves how they are.
    assert_eq!(statuses(&proxy, 30).await, [500; 30]);
    assert_eq!(proxy.metric(EJECTIONS).await, 2.0);
    let states = proxy.servers().await;
    assert_eq!(states.iter().filter(|one| one["state"] == "ejected").count(), 2, "{states:?}");
}

#[tokio::test]
async fn a_single_server_never_rests_and_a_4xx_is_no_failure() {
    let (only, switch) = switched(404).await;
    let other = switched(404).await.0;
    let keys = "ejection = { failures = 1, time = \"60s\" }";
    let proxy = Proxy::group(&[url(only.address), url(other.address)], keys);
    assert_eq!(statuses(&proxy, 20).await, [404; 20]);
    assert_eq!(proxy.metric(EJECTIONS).await, 0.0);
    switch.store(500, Ordering::SeqCst);
    let proxy = Proxy::group(&[url(only.address)], keys);
    assert_eq!(statuses(&proxy, 20).await, [500; 20]);
    assert_eq!(proxy.metric(EJECTIONS).await, 0.0);
}

const CHECKS: &str = "[upstreams.health]\npath = \"/healthz\"\ninterval = \"100ms\"\n\
    timeout = \"500ms\"\nhealthy = 2\nunhealthy = 2\n";

#[tokio::test]
async fn checks_take_a_server_out_and_bring_it_back() {
    let ((one, switch), other) = (switched(200).await, switched(204).await.0);
    let proxy = Proxy::group(&[url(one.address), url(other.address)], CHECKS);
    let checked = |outcome: &str| {
        format!("tlsfloor_upstream_health_checks_total{{upstream=\"api\",outcome=\"{outcome}\"}}")
    };
    eventually(|| async { (proxy.metric(&checked("success")).await >= 2.0).then_some(()) }).await;
    let check = one.seen().into_iter().find(|seen| seen.target == "/healthz").unwrap();
    assert_eq!(check.all("host"), [one.address.to_string()]);
    assert!(check.all("user-agent")[0].starts_with("tlsfloor/"));
    switch.store(500, Ordering::SeqCst);
    proxy.stand(&["down", "up"]).await;
    assert_eq!(proxy.servers().await[0]["check"], "bad_status");
    assert!(proxy.metric(&checked("bad_status")).await >= 2.0);
    assert_eq!(proxy.metric(&healthy(&url(one.address))).await, 0.0);
    assert_eq!(statuses(&proxy, 10).await, [204; 10]);
    assert_eq!(requests(&one), 0);
    switch.store(200, Ordering::SeqCst);
    proxy.stand(&["up", "up"]).await;
    statuses(&proxy, 10).await;
    assert_eq!(requests(&one), 5);
}

#[tokio::test]
async fn with_every_server_down_the_answer_is_a_503_at_once() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (other, switch) = switched(500).await;
    let proxy = Proxy::group(&[url(closed), url(other.address)], CHECKS);
    proxy.stand(&["down", "down"]).await;
    let before = requests(&other);
    for client in [TlsClient::http1(), TlsClient::http2()] {
        let answer = client.get(proxy.https, "/").await;
        assert_eq!(answer.status, 503);
        assert_eq!(answer.field("proxy-status"), "tlsfloor; error=destination_unavailable");
        assert_eq!(answer.field("retry-after"), "1");
    }
    assert_eq!(requests(&other), before);
    let unsent = "tlsfloor_upstream_requests_total{upstream=\"api\",outcome=\"no_server\"}";
    assert_eq!(proxy.metric(unsent).await, 2.0);
    switch.store(200, Ordering::SeqCst);
    proxy.stand(&["down", "up"]).await;
    assert_eq!(statuses(&proxy, 2).await, [200; 2]);
}

#[tokio::test]
async fn a_check_that_hangs_delays_no_client() {
    let address = crate::support::upstream::scripted(|mut stream, _| async move {
        let head = crate::support::upstream::read_head(&mut stream).await;
        if head.starts_with("GET /healthz ") {
            std::future::pending::<()>().await;
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        drop(tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await);
    })
    .await;
    let proxy = Proxy::group(&[url(address)], &CHECKS.replace("500ms", "3s"));
    let started = Instant::now();
    assert_eq!(statuses(&proxy, 20).await, [200; 20]);
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    proxy.stand(&["down"]).await;
    assert_eq!(proxy.servers().await[0]["check"], "timeout");
}

#[tokio::test]
async fn a_server_that_comes_back_starts_slowly() {
    let ((one, switch), other) = (switched(500).await, switched(200).await.0);
    let keys = format!("slow_start = \"60s\"\n{CHECKS}");
    let proxy = Proxy::group(&[url(one.address), url(other.address)], &keys);
    proxy.stand(&["down", "up"]).await;
    switch.store(200, Ordering::SeqCst);
    proxy.stand(&["slow_start", "up"]).await;
    assert_eq!(proxy.metric(&healthy(&url(one.address))).await, 1.0);
    let before = requests(&one);
    statuses(&proxy, 100).await;
    let share = proxy.servers().await[0]["share"].as_u64().unwrap();
    let got = requests(&one) - before;
    assert!(share < 50 && got < 34, "{got} of 100 requests with a share of {share} %");
    eventually(|| async {
        (proxy.servers().await[0]["share"].as_u64().unwrap() > share).then_some(())
    })
    .await;
}

/// A server of `grpc.health.v1` over HTTP/2 that says this status; 0 for a service it does not
/// know.
async fn grpc(tls: bool) -> (SocketAddr, Arc<AtomicU16>) {
    let switch = Arc::new(AtomicU16::new(1));
    let status = Arc::clone(&switch);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = tls.then(acceptor);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, status) = (acceptor.clone(), Arc::clone(&status));
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(request, Arc::clone(&status)));
                let server = http2::Builder::new(TokioExecutor::new());
                match acceptor {
                    None => drop(server.serve_connection(TokioIo::new(stream), service).await),
                    Some(acceptor) => {
                        let Ok(stream) = acceptor.accept(stream).await else { return };
                        drop(server.serve_connection(TokioIo::new(stream), service).await);
                    }
                }
            });
        }
    });
    (address, switch)
}

fn acceptor() -> tokio_rustls::TlsAcceptor {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let issued = Pki::shared().issue(&["127.0.0.1"]);
    let chain = CertificateDer::pem_slice_iter(issued.chain_pem().as_bytes());
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(issued.key_pem().as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    tokio_rustls::TlsAcceptor::from(Arc::new(config))
}

async fn answer(
    request: Request<Incoming>,
    status: Arc<AtomicU16>,
) -> Result<Response<crate::support::upstream::Body>, Infallible> {
    let (head, body) = request.into_parts();
    if head.uri.path() != "/grpc.health.v1.Health/Check" {
        return Ok(Response::new(full("a request")));
    }
    let asked = body.collect().await.unwrap().to_bytes();
    assert_eq!(head.headers["content-type"], "application/grpc");
    assert_eq!(&asked[..], b"\0\0\0\0\x08\x0a\x06orders");
    let response = Response::builder().header("content-type", "application/grpc");
    let status = u8::try_from(status.load(Ordering::SeqCst)).unwrap();
    if status == 0 {
        let response = response.header("grpc-status", "5");
        return Ok(response.body(Full::new(Bytes::new()).boxed()).unwrap());
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    let message = Bytes::copy_from_slice(&[0, 0, 0, 0, 2, 8, status]);
    let frames = [Ok(Frame::data(message)), Ok(Frame::trailers(trailers))];
    Ok(response.body(StreamBody::new(tokio_stream::iter(frames)).boxed()).unwrap())
}

#[tokio::test]
async fn grpc_health_is_asked_over_http2_with_and_without_tls() {
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), Pki::shared().authority_pem()).unwrap();
    for (scheme, tls) in [("h2c", false), ("https", true)] {
        let (address, switch) = grpc(tls).await;
        let keys = format!(
            "tls = {{ ca = {:?} }}\n{CHECKS}grpc = \"orders\"\n",
            ca.path().display().to_string()
        );
        let proxy = Proxy::group(&[format!("{scheme}://{address}")], &keys);
        let success = "tlsfloor_upstream_health_checks_total{upstream=\"api\",outcome=\"success\"}";
        eventually(|| async { (proxy.metric(success).await >= 1.0).then_some(()) }).await;
        assert_eq!(TlsClient::http2().get(proxy.https, "/").await.text(), "a request");
        for status in [2, 0] {
            switch.store(status, Ordering::SeqCst);
            proxy.stand(&["down"]).await;
            assert_eq!(proxy.servers().await[0]["check"], "not_serving");
            assert_eq!(TlsClient::http2().get(proxy.https, "/").await.status, 503);
            switch.store(1, Ordering::SeqCst);
            proxy.stand(&["up"]).await;
        }
    }
}

/// The check trusts nobody whom requests do not trust.
#[tokio::test]
async fn a_check_over_tls_verifies_the_server() {
    let (address, _) = grpc(true).await;
    let ca = tempfile::NamedTempFile::new().unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["other".into()]).unwrap();
    std::fs::write(ca.path(), other.cert.pem()).unwrap();
    let keys = format!("tls = {{ ca = {:?} }}\n{CHECKS}", ca.path().display().to_string());
    let proxy = Proxy::group(&[format!("https://{address}")], &keys);
    proxy.stand(&["down"]).await;
    assert_eq!(proxy.servers().await[0]["check"], "tls_failed");
}

#[tokio::test]
async fn the_upstreams_page_says_what_there_is() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::group(&[url(upstream.address)], "weights = [7]");
    let index = crate::support::client::plain_get(proxy.admin, "/").await.text();
    assert!(index.contains("/upstreams"), "{index}");
    let server = proxy.servers().await.remove(0);
    assert_eq!(server["server"], url(upstream.address));
    assert_eq!(server["address"], upstream.address.to_string());
    assert_eq!((server["weight"].as_u64(), server["share"].as_u64()), (Some(7), Some(100)));
    assert_eq!(server["in_flight"], 0);
    assert!(server["check"].is_null() && server["since"].as_u64().unwrap() > 1_700_000_000);
}
