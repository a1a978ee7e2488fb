//! The end: not ready first, what is under way is answered, what hangs is cut.

use std::{sync::Arc, time::Duration};

use hyper::Request;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
};

use crate::support::{
    client::{TlsClient, empty, http1, plain_get, whole},
    eventually,
    proxy::Proxy,
    soon,
    upstream::{Upstream, read_head, scripted},
};

/// An upstream that answers when it is told to.
async fn held() -> (std::net::SocketAddr, Arc<Notify>, Arc<Notify>) {
    let (asked, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (Arc::clone(&asked), Arc::clone(&go));
    let address = scripted(move |mut stream, _| {
        let (tell, wait) = (Arc::clone(&tell), Arc::clone(&wait));
        async move {
            read_head(&mut stream).await;
            tell.notify_one();
            wait.notified().await;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate";
            stream.write_all(answer).await.unwrap();
        }
    })
    .await;
    (address, asked, go)
}

#[tokio::test]
async fn a_request_under_way_is_answered_and_the_connection_then_ends() {
    for client in [TlsClient::http1(), TlsClient::http2()] {
        let (address, asked, go) = held().await;
        let proxy = Proxy::start(address);
        let (https, admin) = (proxy.https, proxy.admin);
        let mut sender = client.open(https).await;
        let request = tokio::spawn(async move {
            let response = sender.begin(Request::get("/").body(empty()).unwrap()).await.unwrap();
            whole(response).await.unwrap()
        });
        soon(asked.notified()).await;
        let draining = tokio::spawn(proxy.drain());
        eventually(|| async { (plain_get(admin, "/readyz").await.status == 503).then_some(()) })
            .await;
        eventually(|| async { TcpStream::connect(https).await.err().map(|_| ()) }).await;
        go.notify_one();
        let answer = soon(request).await.unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "late"));
        let drained = soon(draining).await.unwrap();
        // The look for the end of listening may have been counted with it.
        assert!(drained.ended >= 1 && drained.cut == 0, "{drained:?}");
    }
}

#[tokio::test]
async fn nothing_is_reloaded_once_nobody_accepts() {
    let (address, asked, go) = held().await;
    let proxy = Proxy::start(address);
    let (https, admin) = (proxy.https, proxy.admin);
    let mut sender = TlsClient::http1().open(https).await;
    let request = tokio::spawn(async move { sender.get("/").await });
    soon(asked.notified()).await;
    let draining = tokio::spawn(proxy.drain());
    let refused = eventually(|| async {
        let stream = TcpStream::connect(admin).await.unwrap();
        let request = Request::post("/reload").header("host", admin.to_string());
        let answer = http1(stream).await.send(request.body(empty()).unwrap()).await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    assert_eq!(refused.json()["problems"][0], "the process is ending");
    // The admin port still answers.
    assert_eq!(plain_get(admin, "/readyz").await.status, 503);
    go.notify_one();
    assert_eq!(soon(request).await.unwrap().text(), "late");
    assert_eq!(soon(draining).await.unwrap().cut, 0);
}

#[tokio::test]
async fn idle_and_parked_connections_are_closed_politely() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::start(upstream.address);
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = TlsClient::http1().connect(proxy.https).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut first = [0; 12];
        soon(stream.read_exact(&mut first)).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        streams.push(stream);
    }
    let drained = soon(proxy.drain()).await;
    assert_eq!((drained.ended, drained.cut), (3, 0));
    for mut stream in streams {
        // An end without close_notify would be an error.
        soon(stream.read_to_end(&mut Vec::new())).await.unwrap();
    }
}

#[tokio::test]
async fn what_hangs_is_cut_after_the_grace() {
    let (address, asked, _go) = held().await;
    let proxy = Proxy::with(address, |config| {
        config.drain.grace = Duration::from_millis(200);
    });
    let mut sender = TlsClient::http1().open(proxy.https).await;
    let request =
        tokio::spawn(async move { sender.begin(Request::get("/").body(empty()).unwrap()).await });
    soon(asked.notified()).await;
    let drained = soon(proxy.drain()).await;
    assert_eq!((drained.ended, drained.cut), (0, 1));
    soon(request).await.unwrap().unwrap_err();
}

#[tokio::test]
async fn new_connections_are_served_while_it_is_not_ready() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::with(upstream.address, |config| {
        config.drain.delay = Duration::from_secs(2);
    });
    let (https, admin) = (proxy.https, proxy.admin);
    let draining = tokio::spawn(proxy.drain());
    eventually(|| async { (plain_get(admin, "/readyz").await.status == 503).then_some(()) }).await;
    assert_eq!(plain_get(admin, "/readyz").await.text().trim(), "draining");
    assert_eq!(TlsClient::http1().get(https, "/").await.status, 200);
    assert_eq!(plain_get(admin, "/livez").await.status, 200);
    let drained = soon(draining).await.unwrap();
    assert_eq!(drained.cut, 0);
    assert!(TlsClient::http1().connect(https).await.is_err(), "still accepting");
}
