//! What the log says of requests and of load balancers.

use std::io::Read;

use hyper::{Request, Response};

use crate::{
    cli::{Folder, Running},
    support::{
        client::{TlsClient, empty, plain_get, raw, raw_tls},
        proxy,
        upstream::{Upstream, answers_bytes, full},
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn the_access_log_says_who_asked_what_over_which_tls() {
    let upstream = Upstream::text("hello").await;
    let folder = Folder::new(&(proxy::base(upstream.address) + "[log]\naccess = true\n"));
    let mut running = Running::start(&folder);
    TlsClient::http2().get(running.https, "/a?secret=1").await;
    let line = running.event("access");
    for (key, value) in [
        ("client", "127.0.0.1"),
        ("method", "GET"),
        ("host", "localhost"),
        ("path", "/a"),
        ("protocol", "h2"),
        ("tls_version", "1.3"),
        ("sni", "localhost"),
        ("route", "*/"),
        ("upstream", "api"),
    ] {
        assert_eq!(line[key], value, "{key} in {line}");
    }
    assert_eq!((line["status"].as_u64(), line["bytes"].as_u64()), (Some(200), Some(5)));
    assert!(!line.to_string().contains("secret"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_access_log_speaks_of_the_client_behind_a_trusted_proxy() {
    let upstream = Upstream::text("hello").await;
    let trusting = "workers = 2\ntrusted_proxies = [\"127.0.0.1\"]";
    let config = proxy::base(upstream.address).replace("workers = 2", trusting);
    let folder = Folder::new(&(config + "[log]\naccess = true\n"));
    let mut running = Running::start(&folder);
    let told = Request::get("/")
        .header("x-forwarded-for", "1.1.1.1, 203.0.113.7:4711, 127.0.0.1")
        .header("x-request-id", "7f3a-1")
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    TlsClient::http1().send(running.https, told.body(empty()).unwrap()).await;
    let line = running.event("access");
    assert_eq!((&line["client"], &line["port"]), (&"203.0.113.7".into(), &4711.into()), "{line}");
    assert_eq!(line["request_id"], "7f3a-1");
    assert_eq!(line["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_balancer_that_sends_no_proxy_header_is_named() {
    let upstream = Upstream::text("never").await;
    let expecting = "workers = 2\nproxy_protocol_from = [\"127.0.0.1\"]";
    let config = proxy::base(upstream.address).replace("workers = 2", expecting);
    let folder = Folder::new(&(config + "[log]\nrefused_per_minute = 1\n"));
    let mut running = Running::start(&folder);
    for _ in 0..3 {
        assert_eq!(raw(running.https, b"GET / HTTP/1.1\r\n\r\n").await.unwrap(), b"");
    }
    let line = running.event("proxy_header");
    for (key, value) in [("peer", "127.0.0.1"), ("listener", "https"), ("result", "missing")] {
        assert_eq!(line[key], value, "{key} in {line}");
    }
    running.signal("TERM");
    let mut rest = String::new();
    running.lines.read_to_string(&mut rest).unwrap();
    assert_eq!(rest.matches("proxy_header").count(), 0, "one client fills no log: {rest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_percent_of_the_good_requests_the_bad_ones_are_logged_still() {
    let upstream = Upstream::answer(|seen| {
        let status = if seen.target == "/bad" { 503 } else { 404 };
        Response::builder().status(status).body(full("so")).unwrap()
    });
    let log = "[log]\naccess = true\naccess_percent = 0\n";
    let folder = Folder::new(&(proxy::base(upstream.await.address) + log));
    let mut running = Running::start(&folder);
    for path in ["/", "/missing", "/bad"] {
        TlsClient::http1().get(running.https, path).await;
    }
    let line = running.event("access");
    assert_eq!((&line["path"], &line["status"]), (&"/bad".into(), &503.into()), "{line}");
    assert!(line["sampled"].is_null(), "it speaks for itself alone: {line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_broke_off_is_logged_always() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
    let log = "[log]\naccess = true\naccess_percent = 0\n";
    let folder = Folder::new(&(proxy::base(answers_bytes(answer).await) + log));
    let mut running = Running::start(&folder);
    // How much of it the client gets is up to the network.
    drop(raw_tls(running.https, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await);
    let line = running.event("access");
    assert_eq!(line["status"], 200);
    assert!(line["broke_off"].is_string(), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_speaks_for_others_says_for_how_many() {
    let upstream = Upstream::text("hello").await;
    let log = "[log]\naccess = true\naccess_percent = 99\n";
    let folder = Folder::new(&(proxy::base(upstream.address) + log));
    let mut running = Running::start(&folder);
    let mut client = TlsClient::http1().open(running.https).await;
    // That none of them is chosen has a chance of 1 in 10^40.
    for _ in 0..20 {
        client.get("/").await;
    }
    assert_eq!(running.event("access")["sampled"], 99);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_nobody_reads_are_lost_and_counted_and_hold_nobody_up() {
    let upstream = Upstream::text("hello").await;
    let folder = Folder::new(&(proxy::base(upstream.address) + "[log]\nlevel = \"trace\"\n"));
    // From here on standard output is not read: a pipe takes 64 KiB, the queue 16 Ki lines.
    let running = Running::start(&folder);
    let lost = async || {
        let text = plain_get(running.admin, "/metrics").await.text();
        let line = text.lines().find(|line| line.starts_with("tlsfloor_log_lines_dropped_total "));
        line.unwrap().rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(lost().await, 0);
    let mut client = TlsClient::http2().open(running.https).await;
    while lost().await == 0 {
        for _ in 0..50 {
            assert_eq!(client.get("/").await.status, 200);
        }
    }
    assert_eq!(client.get("/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_access_log_names_the_upstream_that_was_chosen() {
    let upstream = Upstream::text("hello").await;
    let routes = r#"
        [log]
        access = true
        [[upstreams]]
        name = "idle"
        servers = ["http://127.0.0.1:1"]
        [[routes]]
        name = "shared out"
        split = [{ upstream = "idle", weight = 0 }, { upstream = "api", weight = 5 }]
        [[routes]]
        path_exact = "/moved"
        redirect = { to = "/" }
    "#;
    let folder = Folder::new(&(proxy::base(upstream.address) + routes));
    let mut running = Running::start(&folder);
    TlsClient::http1().get(running.https, "/").await;
    let line = running.event("access");
    assert_eq!(
        (line["route"].as_str(), line["upstream"].as_str()),
        (Some("shared out"), Some("api"))
    );
    TlsClient::http1().get(running.https, "/moved").await;
    let line = running.event("access");
    assert_eq!(
        (line["route"].as_str(), line["status"].as_u64()),
        (Some("*/moved exact"), Some(308))
    );
    assert!(line["upstream"].is_null(), "{line}");
}
