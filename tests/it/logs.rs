//! What the log says of requests and of load balancers.

use std::io::Read;

use hyper::Request;

use crate::{
    cli::{Folder, Running},
    support::{
        client::{TlsClient, empty, raw},
        proxy,
        upstream::Upstream,
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
