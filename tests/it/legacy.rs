//! The legacy lane from outside: what today's terminator gets, which of several, and what ends it.

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;
use tlsfloor::config::Config;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    cli::{Folder, Running},
    support::{
        client::{plain_get, raw},
        dns::{Names, Zone},
        eventually,
        hellos::Hello,
        legacy::{GREETING, Legacy},
        proxy::{self, Proxy},
        soon,
    },
};

const UNREACHED: [u8; 7] = [0x15, 3, 1, 0, 2, 2, 80];

fn old() -> Vec<u8> {
    Hello::new(0x0301, 0x0301, "002f 0035 000a").extensions("sni 0023").bytes()
}

fn text(legacy: &[SocketAddr], keys: &str) -> String {
    let legacy: Vec<_> = legacy.iter().map(ToString::to_string).collect();
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
    let base = proxy::base(nowhere).replace("workers = 2", "workers = 1");
    base + &format!("[rollout]\nlegacy = {legacy:?}\n{keys}\n")
}

fn start(legacy: &[SocketAddr], keys: &str, change: impl FnOnce(&mut Config)) -> Proxy {
    Proxy::from_text(&text(legacy, keys), change)
}

/// A client in the lane that has its first answer.
async fn enter(https: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(https).await.unwrap();
    stream.write_all(&old()).await.unwrap();
    let mut greeting = vec![0; GREETING.len()];
    soon(stream.read_exact(&mut greeting)).await.unwrap();
    assert_eq!(greeting, GREETING);
    stream
}

/// Ends a client's side and reads what is left.
async fn leave(mut stream: TcpStream) -> Vec<u8> {
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    soon(stream.read_to_end(&mut rest)).await.unwrap();
    rest
}

async fn outcome(proxy: &Proxy, outcome: &str, count: f64) {
    let series = format!("tlsfloor_legacy_connections_total{{outcome=\"{outcome}\"}}");
    eventually(|| async { (proxy.metric(&series).await == count).then_some(()) }).await;
}

/// The lane's servers as `/upstreams` shows them.
async fn servers(proxy: &Proxy) -> Vec<Value> {
    let lane = plain_get(proxy.admin, "/upstreams").await.json()["upstreams"][1].clone();
    assert_eq!(lane["name"], "(legacy)");
    lane["servers"].as_array().unwrap().clone()
}

async fn stand(proxy: &Proxy, states: &[&str]) {
    let stand = || async {
        let servers = servers(proxy).await;
        let now: Vec<_> = servers.iter().map(|one| one["state"].as_str().unwrap()).collect();
        (now == states).then_some(())
    };
    eventually(stand).await;
}

/// An address at which nobody listens.
fn nobody() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_terminator_is_told_what_our_log_says() {
    let mut legacy = Legacy::start().await;
    let folder = Folder::new(&text(&[legacy.address], ""));
    let mut running = Running::start(&folder);
    let stream = enter(running.https).await;
    let from = stream.local_addr().unwrap();
    leave(stream).await;
    let line = running.event("legacy");
    let brought = legacy.brought().await;
    assert_eq!((brought.client, &brought.bytes), (Some(from), &old()));
    let values = brought.values();
    for (kind, key) in [(0x05, "connection"), (0x02, "sni"), (0xe0, "reason"), (0xe1, "ja4")] {
        assert_eq!(values[&kind], line[key].as_str().unwrap(), "{key} in {line}");
    }
    assert_eq!(values.keys().copied().collect::<Vec<_>>(), [0x02, 0x03, 0x05, 0xe0, 0xe1]);
    assert_eq!(values[&0x05].len(), 32);
    for (key, value) in [
        ("client", "127.0.0.1"),
        ("offered", "1.0"),
        ("reason", "version"),
        ("lane", "legacy"),
        ("why", "observe"),
        ("server", &format!("tcp://{}", legacy.address)),
    ] {
        assert_eq!(line[key], value, "{line}");
    }
    assert_eq!(line["port"], from.port());
}

#[tokio::test]
async fn what_a_client_offers_by_alpn_is_told() {
    let mut legacy = Legacy::start().await;
    let proxy = start(&[legacy.address], "", |_| {});
    let hello = Hello::new(0x0301, 0x0301, "002f").extensions("sni alpn=h2,http/1.1").bytes();
    let mut stream = TcpStream::connect(proxy.https).await.unwrap();
    stream.write_all(&hello).await.unwrap();
    leave(stream).await;
    let brought = legacy.brought().await;
    assert_eq!(brought.bytes, hello);
    assert_eq!(brought.values()[&0x01], "\u{2}h2\u{8}http/1.1");
}

#[tokio::test]
async fn the_header_is_the_one_that_is_configured() {
    let mut legacy = Legacy::start().await;
    for (version, begins) in
        [("v2", "\r\n\r\n\0\r\nQUIT\n\x21\x11"), ("v1", "PROXY TCP4 "), ("none", "")]
    {
        let proxy = start(&[legacy.address], &format!("proxy_protocol = \"{version}\""), |_| {});
        let stream = enter(proxy.https).await;
        let from = stream.local_addr().unwrap();
        assert_eq!(leave(stream).await, b"bye");
        let brought = legacy.brought().await;
        assert!(brought.header.starts_with(begins.as_bytes()), "{version}: {brought:?}");
        assert_eq!(brought.header.is_empty(), version == "none");
        assert_eq!(brought.client, (version != "none").then_some(from));
        assert_eq!(brought.bytes, old(), "{version}");
    }
}

#[tokio::test]
async fn the_least_busy_server_gets_a_client() {
    let (one, two) = (Legacy::start().await, Legacy::start().await);
    let proxy = start(&[one.address, two.address], "legacy_check = \"0s\"", |_| {});
    let mut clients = Vec::new();
    for _ in 0..6 {
        clients.push(enter(proxy.https).await);
    }
    let busy =
        servers(&proxy).await.iter().map(|one| one["in_flight"].as_u64()).collect::<Vec<_>>();
    assert_eq!(busy, [Some(3), Some(3)]);
    for client in clients {
        leave(client).await;
    }
    outcome(&proxy, "done", 6.0).await;
    assert_eq!((one.waiting(), two.waiting()), (3, 3));
    let after =
        servers(&proxy).await.iter().map(|one| one["in_flight"].as_u64()).sum::<Option<u64>>();
    assert_eq!(after, Some(0));
}

#[tokio::test]
async fn a_server_that_is_down_costs_no_client_and_is_found_again() {
    // An address of its own, so that its port is still free when it comes back.
    let listener = std::net::TcpListener::bind("127.0.0.77:0").unwrap();
    let (one, down) = (Legacy::start().await, listener.local_addr().unwrap());
    drop(listener);
    let proxy = start(&[down, one.address], "legacy_check = \"100ms\"", |_| {});
    for _ in 0..4 {
        leave(enter(proxy.https).await).await;
    }
    stand(&proxy, &["down", "up"]).await;
    let healthy =
        format!("tlsfloor_upstream_healthy{{upstream=\"(legacy)\",server=\"tcp://{down}\"}}");
    assert_eq!(proxy.metric(&healthy).await, 0.0);
    leave(enter(proxy.https).await).await;
    let _back = Legacy::at(down).await.unwrap();
    stand(&proxy, &["up", "up"]).await;
    assert_eq!(proxy.metric(&healthy).await, 1.0);
}

#[tokio::test]
async fn with_all_down_a_client_gets_an_alert_at_once() {
    let proxy = start(&[nobody(), nobody()], "legacy_check = \"100ms\"", |_| {});
    assert_eq!(raw(proxy.https, &old()).await.unwrap(), UNREACHED);
    outcome(&proxy, "connect_failed", 1.0).await;
    stand(&proxy, &["down", "down"]).await;
    assert_eq!(raw(proxy.https, &old()).await.unwrap(), UNREACHED);
    outcome(&proxy, "connect_failed", 2.0).await;
}

#[tokio::test]
async fn a_name_is_followed() {
    let (mut one, mut two) = loop {
        let port = nobody().port();
        let at = |last| Legacy::at(SocketAddr::from(([127, 0, 0, last], port)));
        if let (Some(one), Some(two)) = (at(2).await, at(3).await) {
            break (one, two);
        }
    };
    let names = Names::start(Zone::Addresses(&["127.0.0.2"], 3600));
    let port = one.address.port();
    let text = text(&[one.address], "")
        .replace(&format!("127.0.0.2:{port}"), &format!("old.test:{port}"))
        + &format!(
            "[dns]\nservers = [\"{}\"]\nmin_ttl = \"100ms\"\nmax_ttl = \"200ms\"",
            names.address
        );
    let proxy = Proxy::from_text(&text, |_| {});
    leave(enter(proxy.https).await).await;
    assert_eq!(one.took().await, old());
    names.set(Zone::Addresses(&["127.0.0.3"], 3600));
    let moved = format!("127.0.0.3:{port}");
    let now = || async { (servers(&proxy).await[0]["address"] == *moved).then_some(()) };
    eventually(now).await;
    leave(enter(proxy.https).await).await;
    assert_eq!(two.took().await, old());
    assert_eq!(one.waiting(), 0);
}

#[tokio::test]
async fn what_does_not_move_or_lasts_too_long_is_broken_off() {
    let legacy = Legacy::start().await;
    let proxy = start(&[legacy.address], "", |config| {
        config.limits.tunnel_timeout = Duration::from_millis(200);
    });
    let mut idle = enter(proxy.https).await;
    assert!(soon(idle.read(&mut [0])).await.is_err(), "what is cut does not look whole");
    outcome(&proxy, "idle", 1.0).await;
    let proxy = start(&[legacy.address], "legacy_timeout = \"300ms\"", |_| {});
    let mut long = enter(proxy.https).await;
    assert!(soon(long.read(&mut [0])).await.is_err());
    outcome(&proxy, "timeout", 1.0).await;
}

#[tokio::test]
async fn a_servers_end_is_passed_on_and_what_a_client_says_after_it() {
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let serve = |mut stream: TcpStream, sender: tokio::sync::mpsc::UnboundedSender<_>| async move {
        let mut bytes = Vec::new();
        stream.read_buf(&mut bytes).await.unwrap();
        stream.write_all(GREETING).await.unwrap();
        stream.shutdown().await.unwrap();
        stream.read_to_end(&mut bytes).await.unwrap();
        sender.send(bytes).unwrap();
    };
    let mut legacy = Legacy::with(anywhere, serve).await.unwrap();
    let proxy = start(&[legacy.address], "legacy_check = \"0s\"", |_| {});
    let mut stream = enter(proxy.https).await;
    assert_eq!(soon(stream.read(&mut [0])).await.unwrap(), 0);
    stream.write_all(b"said after it").await.unwrap();
    leave(stream).await;
    assert_eq!(legacy.took().await, [&old()[..], b"said after it"].concat());
    outcome(&proxy, "done", 1.0).await;
}

/// As a terminator does that was not told of the header.
#[tokio::test]
async fn a_server_that_does_not_know_what_it_gets_is_counted_as_such() {
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let close = |stream: TcpStream, _sender| async move { drop(stream) };
    let shuts = Legacy::with(anywhere, close).await.unwrap();
    let proxy = start(&[shuts.address], "legacy_check = \"0s\"", |_| {});
    assert!(raw(proxy.https, &old()).await.unwrap_or_default().is_empty());
    outcome(&proxy, "unanswered", 1.0).await;
    let answer = |mut stream: TcpStream, _sender| async move {
        stream.read_buf(&mut Vec::with_capacity(4096)).await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    };
    let answers = Legacy::with(anywhere, answer).await.unwrap();
    let proxy = start(&[answers.address], "legacy_check = \"0s\"", |_| {});
    assert!(raw(proxy.https, &old()).await.unwrap().starts_with(b"HTTP/1.1 400"));
    outcome(&proxy, "not_tls", 1.0).await;
}

#[tokio::test]
async fn a_reload_keeps_what_is_known_of_servers_and_who_is_there() {
    let (one, down) = (Legacy::start().await, nobody());
    let keys = "legacy_check = \"100ms\"";
    let proxy = start(&[down, one.address], keys, |_| {});
    stand(&proxy, &["down", "up"]).await;
    let client = enter(proxy.https).await;
    let before = servers(&proxy).await;
    let changed = text(&[down, one.address], keys) + "cut = 2127-03-01T09:00:00Z\n";
    proxy.reload_as(&changed).await.unwrap();
    assert_eq!(servers(&proxy).await, before, "and nobody was asked again");
    assert_eq!(before[1]["in_flight"], 1);
    assert_eq!(leave(client).await, b"bye");
    let other = changed.replace(keys, "legacy_check = \"0s\"");
    proxy.reload_as(&other).await.unwrap();
    assert_eq!(servers(&proxy).await[0]["state"], "up", "another lane knows nothing yet");
    leave(enter(proxy.https).await).await;
}
