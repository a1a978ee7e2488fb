//! Requests that are sent once more, those that are not, and those that wait for a place.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hyper::{Request, Response, StatusCode};
use tokio::{io::AsyncWriteExt, sync::Semaphore};

use crate::support::{
    client::{TlsClient, bytes, empty},
    eventually,
    proxy::{Proxy, base_with},
    upstream::{Upstream, full, read_head, scripted},
};

fn one_worker(upstream: &str) -> Proxy {
    Proxy::from_text(&base_with(upstream), |config| config.listen.workers = 1)
}

fn nobody() -> std::net::SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn retries(reason: &str) -> String {
    format!("tlsfloor_upstream_retries_total{{upstream=\"api\",reason=\"{reason}\"}}")
}

#[tokio::test]
async fn a_server_that_is_down_costs_no_request_while_another_is_up() {
    let upstream = Upstream::text("here").await;
    let proxy = one_worker(&format!(
        "balance = \"round_robin\"\nservers = [\"http://{}\", \"http://{}\"]",
        nobody(),
        upstream.address
    ));
    for number in 0..6 {
        let request = Request::post("/").body(bytes(format!("body {number}"))).unwrap();
        let answer = TlsClient::http1().send(proxy.https, request).await;
        assert_eq!(answer.status, 200);
        assert_eq!(upstream.last().body, format!("body {number}"));
    }
    assert!(proxy.metric(&retries("connect")).await >= 1.0);
}

#[tokio::test]
async fn a_code_is_tried_elsewhere_only_for_what_may_be_sent_twice() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let upstream = Upstream::answer(move |_| {
        let first = count.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        let status = if first { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        Response::builder().status(status).body(full("x")).unwrap()
    })
    .await;
    let servers = format!("servers = [\"http://{}\"]", upstream.address);
    let proxy = one_worker(&format!("{servers}\nretry = {{ on = [\"503\"] }}"));
    let client = TlsClient::http1();
    assert_eq!(client.get(proxy.https, "/").await.status, 200);
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    let post = Request::post("/").body(empty()).unwrap();
    assert_eq!(client.send(proxy.https, post).await.status, 503, "POST may not be sent twice");
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    calls.store(0, Ordering::SeqCst);
    let put = Request::put("/").body(bytes("x")).unwrap();
    assert_eq!(client.send(proxy.https, put).await.status, 503, "its body is gone");
    assert_eq!(proxy.metric(&retries("code")).await, 1.0);
}

#[tokio::test]
async fn retries_end_with_their_budget_and_the_last_answer_is_passed_on() {
    let upstream = Upstream::answer(|_| {
        let response = Response::builder().status(500).header("x-from", "upstream");
        response.body(full("broken")).unwrap()
    })
    .await;
    let servers = format!("servers = [\"http://{}\"]", upstream.address);
    let retry = "retry = { tries = 3, on = [\"500\"], budget = 50, floor = 0 }";
    let proxy = one_worker(&format!("{servers}\n{retry}"));
    let mut client = TlsClient::http1().open(proxy.https).await;
    for _ in 0..10 {
        let answer = client.get("/").await;
        assert_eq!((answer.status, answer.field("x-from")), (500, "upstream"));
    }
    assert_eq!(upstream.seen().len(), 15, "ten requests and half as many retries");
    assert_eq!(proxy.metric(&retries("code")).await, 5.0);
    assert!(proxy.metric(&retries("over_budget")).await >= 5.0);
}

#[tokio::test]
async fn a_kept_connection_that_ends_as_it_is_used_costs_no_get() {
    // Answers one request, and closes without a word when the second has arrived.
    let upstream = scripted(|mut stream, number| async move {
        read_head(&mut stream).await;
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}");
        stream.write_all(answer.as_bytes()).await.unwrap();
        read_head(&mut stream).await;
    })
    .await;
    let proxy = one_worker(&format!("servers = [\"http://{upstream}\"]"));
    let mut client = TlsClient::http1().open(proxy.https).await;
    assert_eq!(client.get("/").await.text(), "0");
    // Long enough for the connection to count as one that may have ended.
    let began = tokio::time::Instant::now();
    eventually(|| async { (began.elapsed() > Duration::from_millis(800)).then_some(()) }).await;
    assert_eq!(client.get("/").await.text(), "1");
    assert_eq!(proxy.metric(&retries("stale")).await, 1.0);
}

#[tokio::test]
async fn requests_beyond_the_most_wait_and_beyond_the_queue_are_told_to_come_back() {
    let gate = Arc::new(Semaphore::new(0));
    let (open, arrived) = (Arc::clone(&gate), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&arrived);
    let upstream = scripted(move |mut stream, _| {
        let (open, count) = (Arc::clone(&open), Arc::clone(&count));
        async move {
            loop {
                if read_head(&mut stream).await.is_empty() {
                    return;
                }
                count.fetch_add(1, Ordering::SeqCst);
                open.acquire().await.unwrap().forget();
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                stream.write_all(answer).await.unwrap();
            }
        }
    })
    .await;
    let limits = "max_requests = 1\nqueue = 1\nqueue_timeout = \"30s\"";
    let proxy = one_worker(&format!("servers = [\"http://{upstream}\"]\n{limits}"));
    let https = proxy.https;
    let get = move || tokio::spawn(async move { TlsClient::http1().get(https, "/").await });
    let first = get();
    eventually(|| async { (arrived.load(Ordering::SeqCst) == 1).then_some(()) }).await;
    // Of two more, one finds the queue's place and the other is turned away.
    let (mut second, mut third) = (get(), get());
    let (turned, waiting) = tokio::select! {
        turned = &mut second => (turned.unwrap(), third),
        turned = &mut third => (turned.unwrap(), second),
    };
    assert_eq!(turned.status, 503);
    assert_eq!(turned.field("retry-after"), "1");
    assert_eq!(turned.field("proxy-status"), "tlsfloor; error=connection_limit_reached");
    assert_eq!(arrived.load(Ordering::SeqCst), 1, "one at a time");
    let unsent = "tlsfloor_upstream_requests_total{upstream=\"api\",outcome=\"overloaded\"}";
    assert_eq!(proxy.metric(unsent).await, 1.0);
    gate.add_permits(2);
    assert_eq!(first.await.unwrap().status, 200);
    assert_eq!(waiting.await.unwrap().status, 200);
}
