//! Servers with a name: what it stands for changes, and the proxy follows without a restart.

use std::{net::SocketAddr, process::Command, sync::Arc};

use hyper::{Request, Response};
use tokio::{io::AsyncWriteExt, net::TcpListener, sync::Notify};

use crate::support::{
    client::{TlsClient, empty, whole},
    dns::{NXDOMAIN, Names, SERVFAIL, Zone},
    eventually,
    proxy::Proxy,
    soon,
    upstream::{Upstream, full, read_head},
};

/// Servers on one port of several loopback addresses.
async fn servers<const N: usize>(ips: [[u8; 4]; N]) -> (u16, [Upstream; N]) {
    loop {
        let port = free_port().await;
        let mut servers = Vec::new();
        for ip in ips {
            let name = ip[3].to_string();
            let answer = move |_: &_| Response::new(full(name.clone()));
            servers.extend(Upstream::at(SocketAddr::from((ip, port)), answer).await);
        }
        if let Ok(servers) = servers.try_into() {
            return (port, servers);
        }
    }
}

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

/// In front of `orders.test`, which `names` knows.
fn proxy(names: &Names, port: u16, keys: &str) -> Proxy {
    let dns = format!(
        "{keys}\n[dns]\nservers = [\"{}\"]\nmin_ttl = \"100ms\"\nmax_ttl = \"200ms\"",
        names.address
    );
    Proxy::group(&[format!("http://orders.test:{port}")], &dns)
}

async fn addresses(proxy: &Proxy) -> Vec<String> {
    let servers = proxy.servers().await;
    servers.iter().map(|server| server["address"].as_str().unwrap().to_owned()).collect()
}

async fn becomes(proxy: &Proxy, expected: &[String]) {
    eventually(|| async { (addresses(proxy).await == expected).then_some(()) }).await;
}

async fn gets(proxy: &Proxy, count: usize) -> Vec<String> {
    let mut sender = TlsClient::http2().open(proxy.https).await;
    let mut said = Vec::new();
    for _ in 0..count {
        let answer = sender.get("/").await;
        assert_eq!(answer.status, 200);
        said.push(answer.text());
    }
    said.sort();
    said
}

#[tokio::test]
async fn a_name_that_grows_and_shrinks_is_followed() {
    let (port, [one, two]) = servers([[127, 0, 0, 2], [127, 0, 0, 3]]).await;
    // Answers are asked for again long before they end by themselves.
    let names = Names::start(Zone::Addresses(&["127.0.0.2"], 3600));
    let proxy = proxy(&names, port, "");
    assert_eq!(gets(&proxy, 4).await, ["2"; 4]);
    names.set(Zone::Addresses(&["127.0.0.3", "127.0.0.2"], 3600));
    let both = [format!("127.0.0.2:{port}"), format!("127.0.0.3:{port}")];
    becomes(&proxy, &both).await;
    assert_eq!(gets(&proxy, 4).await, ["2", "2", "3", "3"]);
    let series = format!("server=\"http://orders.test:{port} 127.0.0.2\"");
    assert!(proxy.metrics().await.contains(&series), "{}", proxy.metrics().await);
    names.set(Zone::Addresses(&["127.0.0.3"], 3600));
    becomes(&proxy, &both[1..]).await;
    assert_eq!(gets(&proxy, 4).await, ["3"; 4]);
    assert!(!proxy.metrics().await.contains(&series));
    // What stayed was never connected to again.
    assert_eq!((one.connections(), two.connections()), (1, 1));
}

#[tokio::test]
async fn a_server_that_goes_ends_what_it_has() {
    let (asked, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, wait) = (Arc::clone(&asked), Arc::clone(&go));
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await;
        tell.notify_one();
        wait.notified().await;
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate";
        stream.write_all(answer).await.unwrap();
    });
    let names = Names::start(Zone::Addresses(&["127.0.0.2"], 1));
    let proxy = proxy(&names, port, "");
    let mut sender = TlsClient::http1().open(proxy.https).await;
    let request = tokio::spawn(async move {
        let response = sender.begin(Request::get("/").body(empty()).unwrap()).await.unwrap();
        whole(response).await.unwrap().text()
    });
    soon(asked.notified()).await;
    assert_eq!(proxy.servers().await[0]["in_flight"], 1);
    names.set(Zone::Addresses(&["127.0.0.3"], 1));
    becomes(&proxy, &[format!("127.0.0.3:{port}")]).await;
    go.notify_one();
    assert_eq!(soon(request).await.unwrap(), "late");
}

const FAILURES: &str = "tlsfloor_upstream_resolve_failures_total{upstream=\"api\"}";

#[tokio::test]
async fn what_was_known_is_kept_while_names_cannot_be_looked_up() {
    let (port, [_one]) = servers([[127, 0, 0, 2]]).await;
    let names = Names::start(Zone::Addresses(&["127.0.0.2"], 1));
    let proxy = proxy(&names, port, "");
    for code in [SERVFAIL, NXDOMAIN] {
        let before = proxy.metric(FAILURES).await;
        names.set(Zone::Code(code));
        let failed = || async { (proxy.metric(FAILURES).await >= before + 2.0).then_some(()) };
        eventually(failed).await;
        assert_eq!(gets(&proxy, 2).await, ["2"; 2]);
        names.set(Zone::Addresses(&["127.0.0.2"], 1));
    }
}

/// A name has addresses of both kinds, and only the question for one of them fails.
#[tokio::test]
async fn half_an_answer_takes_nothing_away() {
    let names = Names::start(Zone::Addresses(&["127.0.0.2", "::1"], 1));
    let proxy = proxy(&names, 81, "");
    let both = ["127.0.0.2:81", "[::1]:81"].map(str::to_owned);
    assert_eq!(addresses(&proxy).await, both);
    names.set(Zone::OnlyA(&["127.0.0.2", "127.0.0.3"], 1));
    becomes(&proxy, &["127.0.0.2:81", "127.0.0.3:81", "[::1]:81"].map(str::to_owned)).await;
    names.set(Zone::Addresses(&["127.0.0.2"], 1));
    becomes(&proxy, &both[..1]).await;
}

#[tokio::test]
async fn a_name_without_an_address_is_no_failure_to_start() {
    let (port, [_one]) = servers([[127, 0, 0, 2]]).await;
    let names = Names::start(Zone::Code(NXDOMAIN));
    let proxy = proxy(&names, port, "");
    let answer = TlsClient::http1().get(proxy.https, "/").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.field("proxy-status"), "tlsfloor; error=destination_unavailable");
    names.set(Zone::Addresses(&["127.0.0.2"], 1));
    becomes(&proxy, &[format!("127.0.0.2:{port}")]).await;
    assert_eq!(gets(&proxy, 1).await, ["2"]);
}

#[tokio::test]
async fn a_server_that_joins_starts_slowly_and_is_checked() {
    let (port, [_one, two]) = servers([[127, 0, 0, 2], [127, 0, 0, 3]]).await;
    let names = Names::start(Zone::Addresses(&["127.0.0.2"], 1));
    let health = "slow_start = \"60s\"\n[upstreams.health]\npath = \"/healthz\"\n\
        interval = \"100ms\"";
    let proxy = proxy(&names, port, health);
    proxy.stand(&["up"]).await;
    names.set(Zone::Addresses(&["127.0.0.2", "127.0.0.3"], 1));
    proxy.stand(&["up", "slow_start"]).await;
    let checked =
        || async { two.seen().iter().any(|seen| seen.target == "/healthz").then_some(()) };
    eventually(checked).await;
}

#[tokio::test]
async fn localhost_is_known_without_a_name_server() {
    let upstream = Upstream::text("hello").await;
    let servers = [format!("http://localhost:{}", upstream.address.port())];
    let nobody = "[dns]\nservers = [\"127.0.0.1:1\"]";
    for keys in ["", nobody] {
        let proxy = Proxy::group(&servers, keys);
        assert_eq!(gets(&proxy, 4).await, ["hello"; 4]);
    }
}

#[tokio::test]
async fn a_check_of_the_configuration_asks_nobody() {
    let names = Names::start(Zone::Code(NXDOMAIN));
    let folder = tempfile::TempDir::new().unwrap();
    let issued = crate::support::pki::Pki::shared().issue(&["localhost"]);
    std::fs::write(folder.path().join("chain.pem"), issued.chain_pem()).unwrap();
    std::fs::write(folder.path().join("key.pem"), issued.key_pem()).unwrap();
    let text = format!(
        "[tls]\ncertificates = [{{ chain = \"chain.pem\", key = \"key.pem\" }}]\n[[upstreams]]\n\
         name = \"api\"\nservers = [\"http://orders.test\"]\n[dns]\nservers = [\"{}\"]\n",
        names.address
    );
    let file = folder.path().join("tlsfloor.toml");
    std::fs::write(&file, text).unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_tlsfloor"));
    let checked = check.arg("check").arg("-c").arg(&file).output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
    assert_eq!(names.asked(), 0);
}
