//! From one configuration to the next while everything serves on.

use std::net::SocketAddr;

use hyper::Request;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{mpsc, watch},
};

use crate::support::{
    client::{TlsClient, empty, plain_get, whole},
    eventually,
    pki::{Issued, Pki},
    proxy::{Proxy, base, base_with},
    soon,
    upstream::{Upstream, held_back, read_head, scripted},
};

/// The certificate that a new connection gets.
pub(crate) async fn served(https: SocketAddr) -> CertificateDer<'static> {
    let stream = TlsClient::http1().connect(https).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

/// The leaf of what was issued.
pub(crate) fn leaf(issued: &Issued) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(issued.chain_pem().as_bytes()).unwrap()
}

#[tokio::test]
async fn a_long_connection_follows_new_routes_and_new_limits() {
    let (old, new) = (Upstream::text("old").await, Upstream::text("new").await);
    let proxy = Proxy::start(old.address);
    let mut clients =
        [TlsClient::http2().open(proxy.https).await, TlsClient::http1().open(proxy.https).await];
    for client in &mut clients {
        assert_eq!(client.get("/").await.text(), "old");
    }
    let text = format!("{}[limits]\nuri_length = \"256B\"\n", base(new.address));
    assert_eq!(proxy.reload_as(&text).await.unwrap().generation, 2);
    for client in &mut clients {
        assert_eq!(client.get("/").await.text(), "new");
        assert_eq!(client.get(&format!("/{}", "x".repeat(256))).await.status, 414);
    }
    assert_eq!(proxy.metric("tlsfloor_config_generation").await, 2.0);
    assert_eq!(proxy.metric("tlsfloor_config_loads_total{result=\"success\"}").await, 2.0);
}

#[tokio::test]
async fn a_new_certificate_and_floor_are_for_new_connections() {
    let upstream = Upstream::text("hello").await;
    let proxy = Proxy::start(upstream.address);
    let tls12 = TlsClient::http1().only(&rustls::version::TLS12);
    let mut open = tls12.open(proxy.https).await;
    assert_eq!(open.get("/").await.status, 200);
    let issued = Pki::shared().issue(&["localhost"]);
    proxy.write("chain.pem", issued.chain_pem());
    proxy.write("key.pem", issued.key_pem());
    let text = base(upstream.address).replace("[tls]", "[tls]\nminimum = \"1.3\"");
    proxy.reload_as(&text).await.unwrap();
    assert_eq!(served(proxy.https).await, leaf(&issued));
    assert!(tls12.connect(proxy.https).await.is_err(), "below the new floor");
    assert_eq!(open.get("/").await.status, 200, "what is open stays so");
}

#[tokio::test]
async fn upstream_connections_that_did_not_change_are_kept() {
    let (kept, gone) = (Upstream::text("kept").await, Upstream::text("gone").await);
    let text = |balance: &str| {
        let mut text = base(kept.address).replace("workers = 2", "workers = 1");
        text.push_str(&format!(
            "[[upstreams]]\nname = \"b\"\nservers = [\"http://{}\"]\nbalance = \"{balance}\"\n\
             [[routes]]\nupstream = \"api\"\n[[routes]]\npath = \"/b\"\nupstream = \"b\"\n",
            gone.address
        ));
        text
    };
    let proxy = Proxy::from_text(&text("round_robin"), |_| {});
    let mut client = TlsClient::http1().open(proxy.https).await;
    for reload in 0..3 {
        for path in ["/", "/b"] {
            assert_eq!(client.get(path).await.status, 200);
        }
        // A line more above it is no change of an upstream.
        let other = if reload == 0 { "round_robin" } else { "least_requests" };
        proxy.reload_as(&format!("# {reload}\n{}", text(other))).await.unwrap();
    }
    assert_eq!(kept.connections(), 1);
    assert_eq!(gone.connections(), 2, "one before the change and one after");
}

#[tokio::test]
async fn what_is_known_of_servers_is_kept_with_them() {
    let upstream = Upstream::text("hello").await;
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = closed.local_addr().unwrap();
    drop(closed);
    let servers = format!(
        "servers = [\"http://{}\", \"http://{dead}\"]\nejection = {{ failures = 1, time = \"1h\" }}",
        upstream.address
    );
    let text = base_with(&servers);
    let proxy = Proxy::from_text(&text, |config| config.listen.workers = 1);
    let mut client = TlsClient::http1().open(proxy.https).await;
    soon(async {
        while proxy.servers().await[1]["state"] != "ejected" {
            client.get("/").await;
        }
    })
    .await;
    proxy.reload_as(&format!("{text}[hsts]\nmax_age = \"1d\"\n")).await.unwrap();
    proxy.stand(&["up", "ejected"]).await;
    // Nor does a change of the upstream itself, if its servers are judged as before.
    let text = text.replace("[[upstreams]]", "[[upstreams]]\nbalance = \"round_robin\"");
    proxy.reload_as(&text).await.unwrap();
    proxy.stand(&["up", "ejected"]).await;
    let health = "[[upstreams]]\nhealth = { path = \"/\", interval = \"1h\" }";
    proxy.reload_as(&text.replace("[[upstreams]]", health)).await.unwrap();
    assert_ne!(proxy.servers().await[1]["state"], "ejected", "judged by checks from now on");
}

#[tokio::test]
async fn a_request_under_way_ends_as_it_began() {
    let (slow, go) = held_back("slow").await;
    let quick = Upstream::text("quick").await;
    let proxy = Proxy::start(slow);
    let mut client = TlsClient::http2().open(proxy.https).await;
    let mut second = TlsClient::http2().open(proxy.https).await;
    let request = tokio::spawn(async move {
        let request = Request::get("/").body(empty()).unwrap();
        whole(client.begin(request).await.unwrap()).await.unwrap()
    });
    eventually(async || (proxy.servers().await[0]["in_flight"].as_u64() == Some(1)).then_some(()))
        .await;
    proxy.reload_as(&base(quick.address)).await.unwrap();
    assert_eq!(second.get("/").await.text(), "quick");
    go.send_replace(true);
    assert_eq!(soon(request).await.unwrap().text(), "slow");
}

#[tokio::test]
async fn what_was_kept_for_an_upstream_that_changed_is_closed_at_once() {
    let (go, held) = watch::channel(false);
    let (gone, mut was_closed) = mpsc::channel(1);
    let answers = scripted(move |mut stream, _| {
        let (mut held, gone) = (held.clone(), gone.clone());
        async move {
            if read_head(&mut stream).await.starts_with("GET /held") {
                drop(held.wait_for(|go| *go).await);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            assert_eq!(read_head(&mut stream).await, "");
            assert_ne!(gone.send(()).await, Err(mpsc::error::SendError(())));
        }
    })
    .await;
    let text = base(answers).replace("workers = 2", "workers = 1");
    let proxy = Proxy::from_text(&text, |_| {});
    let mut client = TlsClient::http1().open(proxy.https).await;
    let mut second = TlsClient::http1().open(proxy.https).await;
    let request = tokio::spawn(async move { client.get("/held").await.status });
    eventually(async || (proxy.servers().await[0]["in_flight"].as_u64() == Some(1)).then_some(()))
        .await;
    assert_eq!(second.get("/").await.status, 200);
    proxy.reload_as(&format!("{text}balance = \"round_robin\"\n")).await.unwrap();
    // Long before it is too old, and while the other request still has the upstream.
    soon(was_closed.recv()).await.unwrap();
    go.send_replace(true);
    assert_eq!(soon(request).await.unwrap(), 200);
}

#[tokio::test]
async fn a_port_that_is_ours_already_is_said_to_be() {
    let upstream = Upstream::text("hello").await;
    let proxy = Proxy::start(upstream.address);
    let (http, own) = ("http = [\"127.0.0.1:0\"]", proxy.http);
    // The same port, and another kind of it.
    let text = base(upstream.address)
        .replace(http, "http = []")
        .replace("https = [\"127.0.0.1:0\"]", &format!("https = [\"{own}\"]"));
    let problems = proxy.reload_as(&text).await.unwrap_err().problems();
    assert!(problems[0].contains("this process has that port"), "{problems:?}");
    let foreign = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let text = text.replace(&own.to_string(), &foreign.local_addr().unwrap().to_string());
    let problems = proxy.reload_as(&text).await.unwrap_err().problems();
    assert!(problems[0].contains("stop what listens there"), "{problems:?}");
    assert_eq!(TlsClient::http1().get(proxy.https, "/").await.status, 200);
}

#[tokio::test]
async fn ports_open_and_close() {
    let upstream = Upstream::text("hello").await;
    let proxy = Proxy::start(upstream.address);
    let (https, http) = (proxy.https, proxy.http);
    let mut stays = TlsClient::http1().open(https).await;
    assert_eq!(stays.get("/").await.status, 200);
    // One that rests at the port that goes.
    let mut rests = TcpStream::connect(http).await.unwrap();
    rests.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    assert!(read_head(&mut rests).await.starts_with("HTTP/1.1 301"));
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let new = port.local_addr().unwrap();
    drop(port);
    let text = base(upstream.address);
    let moved = text.replace("http = [\"127.0.0.1:0\"]", &format!("http = [\"{new}\"]"));
    assert_ne!(moved, text);
    proxy.reload_as(&moved).await.unwrap();
    assert_eq!(plain_get(new, "/").await.status, 301);
    eventually(async || TcpStream::connect(http).await.err().map(drop)).await;
    let mut left = Vec::new();
    soon(rests.read_to_end(&mut left)).await.expect("closed politely");
    assert_eq!(stays.get("/").await.status, 200, "the other port never moved");
    assert_eq!(TlsClient::http1().get(https, "/").await.status, 200);
    eventually(async || {
        (proxy.metric("tlsfloor_connections_open{listener=\"http\"}").await == 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_address_that_cannot_be_had_changes_nothing() {
    let upstream = Upstream::text("hello").await;
    let proxy = Proxy::start(upstream.address);
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let text = base(upstream.address)
        .replace("https = [\"127.0.0.1:0\"]", &format!("https = [\"{address}\"]"));
    let error = proxy.reload_as(&text).await.unwrap_err();
    let said = error.problems().join("\n");
    assert!(said.contains(&format!("cannot listen on {address} (listen.https)")), "{said}");
    assert!(said.contains("stop what listens there"), "{said}");
    assert_eq!(TlsClient::http1().get(proxy.https, "/").await.status, 200);
    assert_eq!(proxy.metric("tlsfloor_config_generation").await, 1.0);
    assert_eq!(proxy.metric("tlsfloor_config_last_reload_success").await, 0.0);
}

#[tokio::test]
async fn the_admin_port_moves() {
    let upstream = Upstream::text("hello").await;
    let proxy = Proxy::start(upstream.address);
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let new = port.local_addr().unwrap();
    drop(port);
    let text = base(upstream.address);
    let moved = text.replace("admin = \"127.0.0.1:0\"", &format!("admin = \"{new}\""));
    proxy.reload_as(&moved).await.unwrap();
    assert_eq!(plain_get(new, "/readyz").await.text(), "ready\n");
    eventually(async || TcpStream::connect(proxy.admin).await.err().map(drop)).await;
}

#[tokio::test]
async fn what_needs_a_restart_says_so() {
    let upstream = Upstream::text("hello").await;
    let proxy = Proxy::start(upstream.address);
    let text = base(upstream.address).replace("workers = 2", "workers = 3");
    let reloaded = proxy.reload_as(&format!("{text}[log]\nformat = \"text\"\n")).await.unwrap();
    let said: Vec<_> = reloaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("listen.workers") && said[0].contains("restart"), "{said:?}");
    assert!(said[1].contains("log.format"), "{said:?}");
}

#[tokio::test]
async fn series_go_with_what_they_are_about() {
    let upstream = Upstream::text("hello").await;
    let routes = |path: &str| {
        let upstream = base(upstream.address);
        format!("{upstream}[[routes]]\npath = \"{path}\"\nupstream = \"api\"\n")
    };
    let proxy = Proxy::from_text(&routes("/old/"), |_| {});
    assert_eq!(TlsClient::http1().get(proxy.https, "/old/").await.status, 200);
    let old = "route=\"*/old/\"";
    assert!(proxy.metrics().await.contains(old));
    // Workers let go of the old one within a second, and the next reload clears away.
    proxy.reload_as(&routes("/new/")).await.unwrap();
    eventually(async || {
        proxy.reload().await.unwrap();
        (!proxy.metrics().await.contains(old)).then_some(())
    })
    .await;
    assert_eq!(TlsClient::http1().get(proxy.https, "/new/").await.status, 200);
}
