//! Who asks, as upstreams are told: one's own address, a trusted proxy's chain, in either form.

use std::net::SocketAddr;

use hyper::Request;
use tlsfloor::{
    config::{Config, ForwardedStyle, PlainAction},
    network::Network,
};

use crate::support::{
    client::{self, TlsClient, empty},
    proxy::{Proxy, base},
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

#[tokio::test]
async fn forwarded_quotes_an_ipv6_address() {
    use tokio::io::AsyncWriteExt;
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::with(upstream.address, |config| {
        config.listen.proxy_protocol_from = vec![Network::parse("127.0.0.1").unwrap()];
        config.forwarding.style = ForwardedStyle::Both;
        config.plain_http.action = PlainAction::Forward;
    });
    let mut stream = tokio::net::TcpStream::connect(proxy.http).await.unwrap();
    stream.write_all(b"PROXY TCP6 2001:db8::7 ::1 1 2\r\n").await.unwrap();
    client::http1(stream).await.get("/").await;
    let seen = upstream.last();
    assert_eq!(seen.all("forwarded"), ["for=\"[2001:db8::7]\";proto=http;host=localhost"]);
    assert_eq!(seen.all("x-forwarded-for"), ["2001:db8::7"]);
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

/// One route with these rules.
fn ruled(address: SocketAddr, rules: &str, change: impl FnOnce(&mut Config)) -> Proxy {
    let route = format!("[[routes]]\nupstream = \"api\"\n{rules}\n");
    Proxy::from_text(&(base(address) + &route), |config| {
        config.plain_http.action = PlainAction::Forward;
        change(config);
    })
}

#[tokio::test]
async fn rules_change_a_request_in_their_order() {
    let upstream = Upstream::text("ok").await;
    let rules = r#"
        request_headers.remove = ["X-Gone", "User-Agent", "x-both"]
        request_headers.set = { X-Set = "new", Host = "orders.internal:8080", X-Both = "set" }
        request_headers.append = { X-More = "2", X-Both = "appended" }
    "#;
    let proxy = ruled(upstream.address, rules, |_| {});
    let told = [
        ("x-gone", "1"),
        ("x-set", "old"),
        ("x-set", "older"),
        ("x-more", "1"),
        ("x-both", "0"),
        ("x-left", "1"),
    ];
    let seen = passed(&upstream, &proxy, &told).await;
    for name in ["x-gone", "user-agent"] {
        assert_eq!(seen.all(name), [""; 0], "{name}");
    }
    assert_eq!(seen.all("x-set"), ["new"]);
    assert_eq!(seen.all("x-more"), ["1", "2"]);
    assert_eq!(seen.all("x-both"), ["set", "appended"]);
    assert_eq!(seen.all("x-left"), ["1"]);
    assert_eq!(seen.all("host"), ["orders.internal:8080"]);
    assert_eq!(seen.all("x-forwarded-host"), ["localhost"], "what the client asked for");
}

const EVERY: &str = r#"
    [routes.request_headers.set]
    X-Real-IP = "{client_address}"
    X-Who = "{client_address}:{client_port}"
    X-What = "{tls_version} {tls_cipher} {ja4}"
    X-Name = "{sni}"
    X-Where = "{{{host}}}{path}"
    X-Named = "id={request_id}"
"#;

#[tokio::test]
async fn variables_say_what_is_known_of_a_request() {
    let upstream = Upstream::text("ok").await;
    let proxy = ruled(upstream.address, EVERY, trust);
    let told = [("x-forwarded-for", "203.0.113.7:4711"), ("x-request-id", "7f3a-1")];
    let seen = passed(&upstream, &proxy, &told).await;
    assert_eq!(seen.all("x-real-ip"), ["203.0.113.7"]);
    assert_eq!(seen.all("x-who"), ["203.0.113.7:4711"]);
    let (version, cipher, ja4) = ("x-tls-version", "x-tls-cipher", "x-tls-ja4");
    let what = [version, cipher, ja4].map(|name| seen.all(name)[0]).join(" ");
    assert_eq!(seen.all("x-what"), [what]);
    assert_eq!(seen.all("x-name"), ["localhost"]);
    assert_eq!(seen.all("x-where"), ["{localhost}/"]);
    assert_eq!(seen.all("x-named"), ["id=7f3a-1"]);
}

/// An upstream that trusts such a field must not get a client's own where there is nothing to say.
#[tokio::test]
async fn an_empty_variable_sets_nothing_and_lets_nothing_pass() {
    let upstream = Upstream::text("ok").await;
    let proxy = ruled(upstream.address, EVERY, trust);
    let stream = tokio::net::TcpStream::connect(proxy.http).await.unwrap();
    let mut request = Request::get("/a?secret=1");
    for name in ["x-name", "x-what", "x-who", "x-forwarded-for"] {
        request = request.header(name, "203.0.113.7");
    }
    client::http1(stream).await.send(request.body(empty()).unwrap()).await;
    let seen = upstream.last();
    for name in ["x-name", "x-what", "x-who"] {
        assert_eq!(seen.all(name), [""; 0], "{name}");
    }
    assert_eq!(seen.all("x-real-ip"), ["203.0.113.7"]);
    assert_eq!(seen.all("x-where"), ["{localhost}/a"], "the query may hold secrets");
}

#[tokio::test]
async fn rules_change_a_response() {
    let answer = b"HTTP/1.1 200 OK\r\nserver: nginx\r\nx-in: 1\r\nvary: a\r\nx-request-id: own\r\ncontent-length: 2\r\n\r\nok";
    let rules = r#"
        [routes.response_headers]
        remove = ["X-In"]
        set = { X-Request-Id = "{request_id}", Server = "api", X-For = "{host}{path}" }
        append = { Vary = "Origin", X-Sni = "{sni}" }
    "#;
    let proxy = ruled(answers_bytes(answer).await, rules, trust);
    for client in [TlsClient::http1(), TlsClient::http2()] {
        let request = Request::get("/a?b").header("x-request-id", "7f3a-1").body(empty()).unwrap();
        let answer = client.send(proxy.https, request).await;
        assert_eq!(answer.text(), "ok");
        assert_eq!((answer.field("x-in"), answer.field("server")), ("", "api"));
        assert_eq!(answer.field("x-request-id"), "7f3a-1");
        assert_eq!(answer.field("x-for"), "localhost/a");
        let vary = answer.headers.get_all("vary").iter().map(|value| value.to_str().unwrap());
        let vary: Vec<_> = vary.collect();
        assert_eq!((vary, answer.field("x-sni")), (vec!["a", "Origin"], "localhost"));
    }
    assert_eq!(client::plain_get(proxy.http, "/").await.field("x-sni"), "");
}

#[tokio::test]
async fn rules_are_the_routes_own() {
    let upstream = Upstream::text("ok").await;
    let other = r#"
        request_headers.set.X-Route = "all"
        [[routes]]
        path = "/v2/"
        upstream = "api"
        response_headers.set.X-Route = "v2"
    "#;
    let proxy = ruled(upstream.address, other, |_| {});
    let answer = TlsClient::http1().get(proxy.https, "/v1/").await;
    assert_eq!((upstream.last().all("x-route"), answer.field("x-route")), (vec!["all"], ""));
    let answer = TlsClient::http1().get(proxy.https, "/v2/").await;
    assert_eq!((upstream.last().all("x-route"), answer.field("x-route")), (vec![], "v2"));
}
