//! Who asks, as upstreams are told: one's own address, a trusted proxy's chain, in either form.

use std::net::SocketAddr;

use hyper::Request;
use tlsfloor::{
    config::{Config, ForwardedStyle, PlainAction},
    network::Network,
};

use crate::support::{
    client::{self, TlsClient, empty},
    proxy::Proxy,
    upstream::{Seen, Upstream, answers_bytes},
};

fn trust(config: &mut Config) {
    config.listen.trusted_proxies = vec![Network::parse("127.0.0.0/8").unwrap()];
}

/// What `upstream` gets of a request with these fields.
async fn passed(upstream: &Upstream, proxy: &Proxy, fields: &[(&str, &str)]) -> Seen {
    for client in [TlsClient::http2(), TlsClient::http1()] {
        let mut request = Request::get("/");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let answer = client.send(proxy.https, request.body(empty()).unwrap()).await;
        assert_eq!(answer.status, 200);
    }
    let mut seen = upstream.seen();
    let (http1, http2) = (seen.pop().unwrap(), seen.pop().unwrap());
    for name in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded"] {
        assert_eq!(http1.all(name), http2.all(name), "the same over both");
    }
    http1
}

fn style(address: SocketAddr, style: ForwardedStyle, trusted: bool) -> Proxy {
    Proxy::with(address, |config| {
        config.forwarding.style = style;
        config.plain_http.action = PlainAction::Forward;
        if trusted {
            trust(config);
        }
    })
}

#[tokio::test]
async fn a_trusted_proxys_chain_is_kept_and_appended_to() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::with(upstream.address, trust);
    let told = [
        ("x-forwarded-for", "198.51.100.1"),
        ("x-forwarded-for", "203.0.113.7, 127.0.0.9"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "shop.example"),
        ("x-request-id", "7f3a-1"),
    ];
    let seen = passed(&upstream, &proxy, &told).await;
    assert_eq!(seen.all("x-forwarded-for"), ["198.51.100.1, 203.0.113.7, 127.0.0.9, 127.0.0.1"]);
    assert_eq!(seen.all("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.all("x-forwarded-host"), ["shop.example"]);
    assert_eq!(seen.all("x-request-id"), ["7f3a-1"]);
    assert_eq!(seen.all("forwarded"), [""; 0]);

    let told = [("forwarded", "for=203.0.113.7;proto=http"), ("x-request-id", "two words")];
    let seen = passed(&upstream, &proxy, &told).await;
    assert_eq!(
        seen.all("forwarded"),
        ["for=203.0.113.7;proto=http, for=127.0.0.1;proto=https;host=localhost"]
    );
    assert_eq!(seen.all("x-forwarded-for"), ["203.0.113.7, 127.0.0.1"]);
    assert_eq!(seen.all("x-forwarded-proto"), ["https"]);
    assert_eq!(seen.all("x-request-id")[0].len(), 32, "a name that is none is replaced");
}

#[tokio::test]
async fn a_trusted_proxy_that_says_nothing_is_the_client() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::with(upstream.address, trust);
    for told in [&[][..], &[("x-forwarded-for", "")], &[("connection", "x-forwarded-for")]] {
        let seen = passed_over_http1(&upstream, &proxy, told).await;
        assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(seen.all("x-forwarded-proto"), ["https"]);
        assert_eq!(seen.all("x-forwarded-host"), ["localhost"]);
    }
}

async fn passed_over_http1(upstream: &Upstream, proxy: &Proxy, told: &[(&str, &str)]) -> Seen {
    let mut request = Request::get("/");
    for (name, value) in told {
        request = request.header(*name, *value);
    }
    TlsClient::http1().send(proxy.https, request.body(empty()).unwrap()).await;
    upstream.last()
}

#[tokio::test]
async fn what_a_trusted_proxy_may_not_say_goes_all_the_same() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::with(upstream.address, trust);
    let forged =
        ["x_forwarded_for", "x-forwarded_for", "x-real-ip", "x-tls-version", "x_request_id"];
    let told = forged.map(|name| (name, "forged"));
    let seen = passed(&upstream, &proxy, &told).await;
    let left: Vec<_> = seen.headers.iter().filter(|(_, value)| *value == "forged").collect();
    assert!(left.is_empty(), "{left:?}");
    // Nor does a proxy's connection take away what it set.
    let told = [("connection", "x-forwarded-for"), ("x-forwarded-for", "203.0.113.7")];
    let seen = passed_over_http1(&upstream, &proxy, &told).await;
    assert_eq!(seen.all("x-forwarded-for"), ["203.0.113.7, 127.0.0.1"]);
}

#[tokio::test]
async fn from_anybody_else_nothing_is_kept() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::with(upstream.address, |config| {
        config.listen.trusted_proxies = vec![Network::parse("192.0.2.0/24").unwrap()];
    });
    let told = [
        ("x-forwarded-for", "203.0.113.7"),
        ("forwarded", "for=203.0.113.7"),
        ("x-request-id", "forged"),
    ];
    let seen = passed(&upstream, &proxy, &told).await;
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.all("forwarded"), [""; 0]);
    assert_ne!(seen.all("x-request-id"), ["forged"]);
}

#[tokio::test]
async fn forwarded_says_the_same_in_the_standards_words() {
    let upstream = Upstream::text("ok").await;
    let proxy = style(upstream.address, ForwardedStyle::Forwarded, false);
    let told = [("x-forwarded-for", "1.1.1.1"), ("forwarded", "for=1.1.1.1")];
    let seen = passed(&upstream, &proxy, &told).await;
    assert_eq!(seen.all("forwarded"), ["for=127.0.0.1;proto=https;host=localhost"]);
    for name in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"] {
        assert_eq!(seen.all(name), [""; 0], "{name}");
    }
    let request = Request::get("/").header("host", "[::1]:8080").body(empty()).unwrap();
    let stream = tokio::net::TcpStream::connect(proxy.http).await.unwrap();
    client::http1(stream).await.send(request).await;
    assert_eq!(upstream.last().all("forwarded"), ["for=127.0.0.1;proto=http;host=\"[::1]:8080\""]);

    let proxy = style(upstream.address, ForwardedStyle::Both, false);
    let seen = passed(&upstream, &proxy, &[]).await;
    assert_eq!(seen.all("forwarded"), ["for=127.0.0.1;proto=https;host=localhost"]);
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
}

#[tokio::test]
async fn a_chain_in_one_form_begins_one_in_the_other() {
    let upstream = Upstream::text("ok").await;
    let proxy = style(upstream.address, ForwardedStyle::Forwarded, true);
    let seen = passed(&upstream, &proxy, &[("x-forwarded-for", "1.1.1.1, 2001:db8::7")]).await;
    assert_eq!(
        seen.all("forwarded"),
        ["for=\"[2001:db8::7]\", for=127.0.0.1;proto=https;host=localhost"]
    );
    assert_eq!(seen.all("x-forwarded-for"), ["1.1.1.1, 2001:db8::7, 127.0.0.1"]);
}

/// The address that a PROXY header names is the one that is trusted or not.
#[tokio::test]
async fn trust_is_about_the_client_behind_a_proxy_header() {
    use tokio::io::AsyncWriteExt;
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::with(upstream.address, |config| {
        config.listen.proxy_protocol_from = vec![Network::parse("127.0.0.1").unwrap()];
        config.listen.trusted_proxies = vec![Network::parse("10.0.0.0/8").unwrap()];
        config.plain_http.action = PlainAction::Forward;
    });
    for (address, chain) in [("10.0.0.5", "1.2.3.4, 10.0.0.5"), ("203.0.113.7", "203.0.113.7")] {
        let mut stream = tokio::net::TcpStream::connect(proxy.http).await.unwrap();
        let header = format!("PROXY TCP4 {address} 10.0.0.1 1 2\r\n");
        stream.write_all(header.as_bytes()).await.unwrap();
        let request = Request::get("/").header("x-forwarded-for", "1.2.3.4");
        client::http1(stream).await.send(request.body(empty()).unwrap()).await;
        assert_eq!(upstream.last().all("x-forwarded-for"), [chain]);
    }
}

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test]
async fn a_trace_passes_if_it_is_one() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::start(upstream.address);
    let seen = passed(&upstream, &proxy, &[("traceparent", TRACE), ("tracestate", "a=1")]).await;
    assert_eq!(seen.all("traceparent"), [TRACE]);
    assert_eq!(seen.all("tracestate"), ["a=1"]);
    for wrong in [&TRACE[1..], &TRACE.to_uppercase(), ""] {
        let told = [("traceparent", wrong), ("tracestate", "a=1")];
        let seen = passed(&upstream, &proxy, &told).await;
        assert_eq!((seen.all("traceparent"), seen.all("tracestate")), (vec![], vec![]), "{wrong}");
    }
    let seen = passed(&upstream, &proxy, &[("tracestate", "a=1")]).await;
    assert_eq!(seen.all("traceparent"), [""; 0], "none is made unless that is asked for");
}

#[tokio::test]
async fn a_trace_begins_where_there_is_none() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::with(upstream.address, |config| config.forwarding.traceparent = true);
    let seen = passed(&upstream, &proxy, &[]).await;
    let parts: Vec<&str> = seen.all("traceparent")[0].split('-').collect();
    assert_eq!((parts[0], parts[1].len(), parts[2].len(), parts[3]), ("00", 32, 16, "00"));
    let seen = passed(&upstream, &proxy, &[("traceparent", TRACE)]).await;
    assert_eq!(seen.all("traceparent"), [TRACE]);
}

#[tokio::test]
async fn via_names_the_version_of_each_side_and_is_off_by_default() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::start(upstream.address);
    let answer = TlsClient::http1().get(proxy.https, "/").await;
    assert_eq!((answer.field("via"), upstream.last().all("via")), ("", vec![]));

    let proxy = Proxy::with(upstream.address, |config| config.forwarding.via = true);
    let request = Request::get("/").header("via", "1.0 fred").body(empty()).unwrap();
    let answer = TlsClient::http2().send(proxy.https, request).await;
    assert_eq!(answer.field("via"), "1.1 tlsfloor");
    assert_eq!(upstream.last().all("via"), ["1.0 fred", "2.0 tlsfloor"]);
    TlsClient::http1().get(proxy.https, "/").await;
    assert_eq!(upstream.last().all("via"), ["1.1 tlsfloor"]);
}

#[tokio::test]
async fn the_server_can_be_hidden() {
    let answer = b"HTTP/1.0 200 OK\r\nserver: nginx\r\nx-powered-by: php\r\nx-own: 1\r\ncontent-length: 0\r\n\r\n";
    for (hide_server, server, by) in [(false, "nginx", "php"), (true, "", "")] {
        let address = answers_bytes(answer).await;
        let proxy = Proxy::with(address, |config| {
            config.forwarding.hide_server = hide_server;
            config.forwarding.via = true;
        });
        let answer = TlsClient::http1().get(proxy.https, "/").await;
        assert_eq!((answer.field("server"), answer.field("x-powered-by")), (server, by));
        assert_eq!((answer.field("x-own"), answer.field("via")), ("1", "1.0 tlsfloor"));
    }
}
