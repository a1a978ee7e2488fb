//! The end: not ready first, what is under way is answered, what hangs is cut.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hyper::Request;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Notify, watch},
};

use crate::{
    cli::{Folder, Running},
    support::{
        client::{TlsClient, empty, http1, plain_get, whole},
        eventually,
        proxy::{Proxy, base},
        soon,
        upstream::{Upstream, read_head, scripted},
    },
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
async fn what_was_cut_can_be_scraped_before_the_process_ends() {
    let (address, asked, _go) = held().await;
    let proxy = Proxy::with(address, |config| {
        config.drain.grace = Duration::from_millis(200);
        config.drain.linger = Duration::from_secs(3600);
    });
    let (https, admin) = (proxy.https, proxy.admin);
    let mut sender = TlsClient::http1().open(https).await;
    let request =
        tokio::spawn(async move { sender.begin(Request::get("/").body(empty()).unwrap()).await });
    soon(asked.notified()).await;
    let draining = tokio::spawn(proxy.drain());
    eventually(|| async {
        let metrics = plain_get(admin, "/metrics").await.text();
        metrics.contains("tlsfloor_drain_cut_total 1\n").then_some(())
    })
    .await;
    soon(request).await.unwrap().unwrap_err();
    assert!(!draining.is_finished(), "it is still there to be asked");
    draining.abort();
}

#[tokio::test]
async fn nothing_lingers_after_a_drain_that_cut_nothing() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::with(upstream.address, |config| {
        config.drain.linger = Duration::from_secs(3600);
    });
    assert_eq!(soon(proxy.drain()).await.cut, 0);
}

#[tokio::test]
async fn new_connections_are_served_while_it_is_not_ready() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::with(upstream.address, |config| {
        config.drain.delay = Duration::from_secs(2);
    });
    let (https, admin) = (proxy.https, proxy.admin);
    let (mut kept, mut streams) =
        (TlsClient::http1().open(https).await, TlsClient::http2().open(https).await);
    assert_eq!(kept.get("/").await.field("connection"), "");
    let draining = tokio::spawn(proxy.drain());
    eventually(|| async { (plain_get(admin, "/readyz").await.status == 503).then_some(()) }).await;
    assert_eq!(plain_get(admin, "/readyz").await.text().trim(), "draining");
    // Whoever keeps a connection is told to leave it, so that no request crosses its end.
    for mut client in [kept, TlsClient::http1().open(https).await] {
        let answer = client.get("/").await;
        assert_eq!((answer.status, answer.field("connection")), (200, "close"));
    }
    for _ in 0..2 {
        assert_eq!(streams.get("/").await.status, 200);
    }
    // Not both at once.
    let mut old = TlsClient::http1().connect(https).await.unwrap();
    let ask = b"GET / HTTP/1.0\r\nhost: localhost\r\nconnection: keep-alive\r\n\r\n";
    old.write_all(ask).await.unwrap();
    let head = read_head(&mut old).await;
    assert!(head.contains("connection: keep-alive\r\n") && !head.contains("close"), "{head}");
    drop(old);
    assert_eq!(plain_get(admin, "/livez").await.status, 200);
    let drained = soon(draining).await.unwrap();
    assert_eq!(drained.cut, 0);
    assert!(TlsClient::http1().connect(https).await.is_err(), "still accepting");
}

/// 40 slow requests of both kinds, over new and used connections; all are under way at SIGTERM.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_under_load_loses_none_of_the_slow_requests_in_flight() {
    const CLIENTS: usize = 40;
    let (go, held) = watch::channel(false);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let address = scripted(move |mut stream, _| {
        let (mut held, count) = (held.clone(), Arc::clone(&count));
        async move {
            loop {
                let head = read_head(&mut stream).await;
                if head.starts_with("GET /slow") {
                    count.fetch_add(1, Ordering::SeqCst);
                    drop(held.wait_for(|go| *go).await);
                }
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate";
                if head.is_empty() || stream.write_all(answer).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    let folder = Folder::new(&base(address));
    let mut running = Running::start(&folder);
    let mut requests = tokio::task::JoinSet::new();
    for index in 0..CLIENTS {
        let client = if index % 2 == 0 { TlsClient::http1() } else { TlsClient::http2() };
        let mut sender = client.open(running.https).await;
        if index % 4 < 2 {
            assert_eq!(sender.get("/quick").await.status, 200);
        }
        requests.spawn(async move { sender.get("/slow").await });
    }
    eventually(|| async { (asked.load(Ordering::SeqCst) == CLIENTS).then_some(()) }).await;
    running.signal("TERM");
    let https = running.https;
    eventually(|| async { TcpStream::connect(https).await.err().map(drop) }).await;
    go.send_replace(true);
    let mut answered = 0;
    while let Some(answer) = soon(requests.join_next()).await {
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "late"));
        answered += 1;
    }
    assert_eq!(answered, CLIENTS);
    let last = loop {
        let line = running.event("drain");
        if line["step"] == "done" {
            break line;
        }
    };
    assert_eq!(last["cut"], 0, "{last}");
    assert!(last["ended"].as_u64().unwrap() >= CLIENTS as u64, "{last}");
}

/// The first names no stream, so that none that is on its way is lost; the second the last one.
#[tokio::test]
async fn over_http2_the_end_is_told_twice() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::start(upstream.address);
    let mut stream = TlsClient::http2().connect(proxy.https).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let open = "tlsfloor_connections_open{listener=\"https\"}";
    eventually(|| async { (proxy.metric(open).await == 1.0).then_some(()) }).await;
    let draining = tokio::spawn(proxy.drain());
    let mut last_streams = Vec::new();
    loop {
        let mut head = [0; 9];
        if soon(stream.read_exact(&mut head)).await.is_err() {
            break;
        }
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        soon(stream.read_exact(&mut payload)).await.unwrap();
        match (head[3], head[4]) {
            (7, _) => last_streams.push(u32::from_be_bytes(payload[..4].try_into().unwrap())),
            (6, 0) => {
                let mut pong = vec![0, 0, 8, 6, 1, 0, 0, 0, 0];
                pong.extend(payload);
                stream.write_all(&pong).await.unwrap();
            }
            _ => {}
        }
    }
    assert_eq!(last_streams, [u32::MAX >> 1, 0]);
    assert_eq!(soon(draining).await.unwrap().cut, 0);
}

#[tokio::test]
async fn a_websocket_has_until_the_grace() {
    let address = scripted(|mut stream, _| async move {
        read_head(&mut stream).await;
        let agreed =
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                       sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        stream.write_all(agreed).await.unwrap();
        let mut byte = [0];
        while stream.read_exact(&mut byte).await.is_ok() {
            stream.write_all(&byte).await.unwrap();
        }
    })
    .await;
    let proxy = Proxy::with(address, |config| config.drain.grace = Duration::from_secs(2));
    let mut stream = TlsClient::http1().connect(proxy.https).await.unwrap();
    let asked =
        b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                  sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(asked).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon(stream.read_u8()).await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    let https = proxy.https;
    let draining = tokio::spawn(proxy.drain());
    eventually(|| async { TcpStream::connect(https).await.err().map(drop) }).await;
    stream.write_all(b"x").await.unwrap();
    assert_eq!(soon(stream.read_u8()).await.unwrap(), b'x', "it goes on");
    let drained = soon(draining).await.unwrap();
    // The look for the end of listening may have been counted with it.
    assert_eq!(drained.cut, 1, "{drained:?}");
    assert!(drained.took >= Duration::from_secs(2), "{drained:?}");
    soon(stream.read_u8()).await.unwrap_err();
}
